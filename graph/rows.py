"""What a round's training is given: rows of the kind that the objective takes."""

from __future__ import annotations

from typing import Any

from ..curriculum.pairs import trainer_row
from ..records import PreferencePair
from .conversations import tools_of
from .room import Room


def training_rows(room: Room, round: int, kind: str) -> list[dict[str, Any]]:
    """The round's rows of a kind (`trainers/objectives.py`), as the trainer reads them."""
    if kind != "pairs":
        raise ValueError(f"no rows of the kind {kind} yet")
    tools = tools_of(room)
    return [trainer_row(pair, tools) for pair in room.folder.read(round, "pairs", PreferencePair)]
