"""The state of the graph after a round, made of the records: of a run that was forked, or lost its own."""

from __future__ import annotations

from ..memory.run import RunFolder
from .build import beginning
from .canary import BASE
from .ending import ending
from .evaluate import quota
from .room import Room
from .state import LoopState


def last_round(folder: RunFolder) -> int | None:
    """The last round that is over; None where the base model has not been measured."""
    over = [number for number in folder.rounds() if folder.read_json(number, "gate") is not None]
    return max(over, default=None)


def state_after(room: Room, round: int) -> LoopState:
    """The state as the gate of a round left it."""
    kept = kept_round(room.folder, round)
    refused = _refused(room.folder, round)
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


def solver(kept: int) -> str:
    """Name of the Solver that a round's gate kept."""
    return f"solver-{kept:04d}" if kept else BASE


def kept_round(folder: RunFolder, round: int) -> int:
    """The last round, up to this one, whose Solver was kept; 0 for the base model."""
    return next(number for number in range(round, -1, -1) if number == 0 or _promoted(folder, number))


def writer(folder: RunFolder, round: int) -> str:
    """The Generator's last checkpoint up to a round. One that a guard stopped has none."""
    names = (f"generator-{number:04d}" for number in range(round, 0, -1))
    return next((name for name in names if (folder.checkpoint(name) / "result.json").exists()), BASE)


def _promoted(folder: RunFolder, number: int) -> bool:
    return bool((folder.read_json(number, "gate") or {}).get("promoted"))


def _refused(folder: RunFolder, round: int) -> int:
    """Checkpoints in a row that were refused; a round that trained none breaks no row."""
    count = 0
    for number in range(round, 0, -1):
        if _promoted(folder, number):
            break
        count += (folder.checkpoint(solver(number)) / "result.json").exists()
    return count
