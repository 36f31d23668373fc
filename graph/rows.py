"""What a round's training is given: rows of the kind that the objective takes."""

from __future__ import annotations

from ..curriculum.rows import Row, completion_rows, labelled_rows, pair_rows, prompt_rows
from ..records import Attempt, Hint, PreferencePair
from .cases import cases
from .conversations import tools_of
from .room import Room


def training_rows(room: Room, round: int, kind: str = "pairs") -> list[Row]:
    """The round's rows of a kind, the same each time; docs/pairs.md has an example of each."""
    if kind == "prompts":
        return _prompts(room, round)
    if kind == "pairs":
        return pair_rows(room.folder.read(round, "pairs", PreferencePair), tools_of(room))
    rows_of = {"completions": completion_rows, "labelled": labelled_rows}[kind]
    return rows_of(cases(room, round), room.rng(round, "rows"))


def _prompts(room: Room, round: int) -> list[Row]:
    rates = {a.question_id: a.pass_rate for a in room.folder.read(round, "attempts", Attempt)}
    series = ("hints/subproblems", "hints")  # a hint takes the place of smaller questions
    hints = {h.question_id: h.text for name in series for h in room.folder.read(round, name, Hint)}
    allocated = room.folder.read_json(round, "allocated") or {}
    return prompt_rows(cases(room, round), rates, hints, allocated, room.config.rollouts.n)
