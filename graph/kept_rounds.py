"""Which checkpoints a run kept, from the records of its gates."""

from __future__ import annotations

from ..memory.run import RunFolder
from .canary import BASE


def last_round(folder: RunFolder) -> int | None:
    """The last round that is over; None where the base model has not been measured."""
    over = [number for number in folder.rounds() if folder.read_json(number, "gate") is not None]
    return max(over, default=None)


def promoted(folder: RunFolder, round: int) -> bool:
    """Whether the gate kept a round's own Solver."""
    return bool((folder.read_json(round, "gate") or {}).get("promoted"))


def kept_round(folder: RunFolder, round: int) -> int:
    """The last round, up to this one, whose Solver was kept; 0 for the base model."""
    return next(number for number in range(round, -1, -1) if number == 0 or promoted(folder, number))


def played_by(folder: RunFolder, round: int) -> int:
    """The round whose Solver played this one, which is over."""
    noted = (folder.read_json(round, "gate") or {}).get("against_round")
    return noted if isinstance(noted, int) else kept_round(folder, round - 1)


def solver(kept: int) -> str:
    """Name of the Solver of a round that kept it."""
    return f"solver-{kept:04d}" if kept else BASE


def writer(folder: RunFolder, round: int) -> str:
    """The Generator's last checkpoint up to a round. One that a guard stopped has none."""
    names = (f"generator-{number:04d}" for number in range(round, 0, -1))
    return next((name for name in names if (folder.checkpoint(name) / "result.json").exists()), BASE)


def refused_in_a_row(folder: RunFolder, round: int) -> int:
    """Checkpoints up to a round that were refused one after another; a round that trained none breaks no
    row."""
    count = 0
    for number in range(round, 0, -1):
        if promoted(folder, number):
            break
        count += (folder.checkpoint(solver(number)) / "result.json").exists()
    return count
