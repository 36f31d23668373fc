"""Files of the round being played that can be read no more: set aside, and made again where that is safe.

What may be made again without asking: what follows from records that are there (verdicts of programs, pass
rates, pairs), and what was sampled, as long as nothing was made of it that stays. Where more was made of it
the round begins anew: a new sample under an old verdict would be a false record. Rounds that are over are
left as they are: whatever needs one of their files says which it is, and that it must come back from a copy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import RunError
from ..memory.run import RunFolder, damaged
from ..memory.store import set_aside
from .attempt import STAGE
from .checkpoints import put_aside

Tell = Callable[[str], None]

_FIGURES = ("seconds.json", "swaps.json", "report.json")
"""Nothing is decided by them."""

_FOLLOWS = ("verdicts", "checked", "attempts", "pairs", "worths", "diversity", "trainings", "gates")
"""Kinds of records that follow from others of the run, by rules and named random numbers."""

_OF_ROLLOUTS = ("verdicts", "checked", "opinions")
"""What is made of a stage's rollouts, before anything else is."""


def mend(folder: RunFolder, tell: Tell) -> None:
    """Set aside what is damaged in the round that is not over.

    The graph's checkpoints go first, since stages that were over must be gone through again, and what was
    damaged goes last: a kill in between leaves a fault to be found, and all of this is done once more.

    Args:
        tell: hears of each file.
    Raises:
        RunError: the first round, which holds what the run began with, has lost what cannot be made again.
    """
    number = max(folder.rounds(), default=0)
    gate = folder.round(number) / "gate.json"
    if gate.exists() and _fault(gate) is None:
        return
    for file in sorted(folder.round(number).rglob("*")):
        fault = _fault(file) if file.exists() else None
        if fault is None:
            continue
        what = _made_again(folder, number, file)
        if what is None or file.name not in _FIGURES:
            put_aside(folder)
        if what is None:
            _begin_anew(folder, number, file, fault, tell)
            return
        for one in reversed(what):
            set_aside(one)
        others = f", with {len(what) - 1} files that were made of it" if len(what) > 1 else ""
        tell(f"{file} was damaged ({_short(fault)}); it is set aside as .damaged{others}, and made again")


def _fault(file: Path) -> Exception | None:
    """Why a file cannot be read; None where it can, or is none of ours.

    Raises:
        OSError: the system does not give it, which says nothing of what is in it.
        MemoryError: there is no room to read it.
    """
    try:
        if file.suffix == ".parquet":
            pq.read_table(file)
        elif file.suffix == ".json" and file.exists():
            json.loads(file.read_bytes())
    except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno):
            raise
        return error
    return None


def _made_again(folder: RunFolder, number: int, file: Path) -> list[Path] | None:
    """The files to be set aside with a damaged one, itself first; None where that is not enough."""
    round, kind = folder.round(number), file.parent.name
    series = file.stem.rpartition("-")[0]
    if file.parent == round:
        # Results of the sets and rows of a training are written anew by their stages.
        if file.stem == "sets":
            return None
        begun = any((round / made).exists() for made in ("rollouts", "calls"))
        return None if file.stem in ("selected", "allocated") and begun else [file]
    if kind in _FOLLOWS:
        return [file]
    if kind == "calls" and series.startswith("rollouts-"):
        kind, series = "rollouts", series.removeprefix("rollouts-")
    if kind != "rollouts" or (series == STAGE and folder.has(number, "attempts")):
        return None
    index = file.stem.rpartition("-")[2]
    twins = [round / "rollouts" / f"{series}-{index}", round / "calls" / f"rollouts-{series}-{index}"]
    made = [part for name in _OF_ROLLOUTS for part in _parts(round / name, series)]
    also = [path.with_suffix(".parquet") for path in twins if path.with_suffix(".parquet") != file]
    return [file, *(path for path in (*also, *made) if path.exists())]


def _parts(folder: Path, series: str) -> Iterator[Path]:
    for path in sorted(folder.glob(f"{series}-[0-9]*")):
        if path.suffix in (".parquet", ".empty") and path.stem.removeprefix(f"{series}-").isdecimal():
            yield path


def _begin_anew(folder: RunFolder, number: int, file: Path, fault: Exception, tell: Tell) -> None:
    """Set a whole round aside, with the checkpoints that it trained and the memory of it."""
    if number == 0:
        raise RunError(damaged(file, fault))
    for made in sorted(folder.path.glob("checkpoints/*")):
        if made.name.partition(".")[0].endswith(f"-{number:04d}") and ".damaged" not in made.name:
            set_aside(made)
    if folder.memory.exists():
        set_aside(folder.memory)
    aside = set_aside(folder.round(number))
    tell(
        f"{file} was damaged ({_short(fault)}), and more was made of it than can be made again: round "
        f"{number} is set aside as {aside.name}, and begins anew"
    )


def _short(fault: Exception) -> str:
    return str(fault).splitlines()[0][:120] if str(fault) else type(fault).__name__
