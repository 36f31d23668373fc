"""The state of the graph after a round, made of the records: of a run that was forked, or lost its own."""

from __future__ import annotations

from .build import beginning
from .ending import ending
from .evaluate import quota
from .kept_rounds import kept_round, refused_in_a_row, solver, writer
from .room import Room
from .state import LoopState


def state_after(room: Room, round: int) -> LoopState:
    """The state as the gate of a round left it."""
    kept = kept_round(room.folder, round)
    refused = refused_in_a_row(room.folder, round)
    return {
        **beginning(room),
        "round": round + 1,
        "solver": solver(kept),
        "candidate": solver(kept),
        "writer": writer(room.folder, round),
        "solver_round": kept,
        "quota": quota(room, round),
        "refused": refused,
        "over": ending(room, round, refused) is not None,
    }
