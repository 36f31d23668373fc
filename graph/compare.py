"""A grid of runs played one after another, on servers that they share; resumed by playing it again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ..config import RunConfig
from ..errors import ConfigError, MaieuticError, RunError, printable
from ..memory.run import RunFolder, write_whole
from ..records import OVER, RunReport
from . import folders, lock, making
from .grid import Cell, Grid
from .kept import FleetOf, Kept
from .local import fleet_of
from .progress import Progress
from .run import play

_FAILED = "failed.json"


class Watch(Protocol):
    """Whoever watches a grid."""

    def begin(self, cell: Cell, place: int, total: int, left: float | None) -> None:
        """
        Args:
            place: from 1.
            left: seconds that the rest of the grid may take; None before there is a pace.
        """

    def progress(self, folder: RunFolder, config: RunConfig) -> AbstractContextManager[Progress]:
        """What is told of a cell's own run."""
        ...

    def ended(self, cell: Cell, seconds: float, reason: str) -> None:
        """
        Args:
            reason: why it failed; empty where it is done.
        """


def check(grid: Grid, base: RunConfig) -> None:
    """Everything that can be found wrong with any cell before a model is loaded.

    Raises:
        ConfigError: a variant's settings are wrong, or name nothing.
    """
    cells, each = grid.cells(), len(grid.variants)
    for first, last in zip(cells[:each], cells[-each:], strict=True):
        try:
            config = grid.config(base, first)
            grid.config(base, last)  # whose seed is the highest
            making.prepare(config)
            if config.review != "none":
                raise ConfigError(f"review: {config.review} would pause every run, and nobody reviews a grid")
        except MaieuticError as error:
            raise type(error)(f"variant {first.variant.name}: {error}") from error


async def play_grid(
    folder: Path,
    grid: Grid,
    base: RunConfig,
    watch: Watch,
    after_round: Callable[[RunFolder, RunReport], None] = lambda run, report: None,
    after_cell: Callable[[], object] = lambda: None,
    fleet_of: FleetOf = fleet_of,
) -> None:
    """Play what of a grid is not done; a run that fails is noted, and the others go on.

    Args:
        after_round: called with a run's folder and report after each of its rounds.
        after_cell: called whenever a run has ended.
        fleet_of: makes the servers of a run.
    Raises:
        RunHeld: another process plays the grid.
    """
    with lock.locked(RunFolder(folder)):
        left = [cell for cell in grid.cells() if not done(folder, cell)]
        async with Kept(RunFolder(folder), fleet_of) as kept:
            for cell in grid.cells():
                if cell not in left:
                    kept.ended(grid.config(base, cell), RunFolder(folder / cell.name))
            if left:
                await kept.warm_up()
            await _play_all(folder, grid, base, left, watch, kept, after_round, after_cell)


async def _play_all(
    folder: Path,
    grid: Grid,
    base: RunConfig,
    left: Sequence[Cell],
    watch: Watch,
    kept: Kept,
    after_round: Callable[[RunFolder, RunReport], None],
    after_cell: Callable[[], object],
) -> None:
    total, began = len(grid.cells()), time.monotonic()
    for place, cell in enumerate(left):
        pace = (time.monotonic() - began) / place if place else None
        _note_failure(folder, cell, "")
        watch.begin(cell, total - len(left) + place + 1, total, pace and pace * (len(left) - place))
        started = time.monotonic()
        reason = await _play(folder, grid, base, cell, watch, kept, after_round)
        _note_failure(folder, cell, reason)
        watch.ended(cell, time.monotonic() - started, reason)
        after_cell()


async def _play(
    folder: Path,
    grid: Grid,
    base: RunConfig,
    cell: Cell,
    watch: Watch,
    kept: Kept,
    after_round: Callable[[RunFolder, RunReport], None],
) -> str:
    """One run from where it stands to its end; gives the reason why it failed, empty where it did not."""
    try:
        if (folder / cell.name / "run.yaml").exists():
            run, config = folders.find(folder, cell.name)
        else:
            config = grid.config(base, cell)
            _clear(folder / cell.name)
            run = making.create(config, folder, cell.name, making.prepare(config))
        with watch.progress(run, config) as progress:
            await play(config, run, progress, lambda report: after_round(run, report), kept=kept)
        kept.ended(config, run)
    except MaieuticError as error:
        return printable(str(error))
    except Exception as error:  # a policy of the user's may raise what it likes: the others go on
        return printable(f"{type(error).__name__}: {error}")
    return ""


def _clear(run: Path) -> None:
    """Take away the folder of a run that was killed while it was made: it has no run.yaml, which comes last,
    and holds what it would be made of again, and nothing else."""
    made = {"rounds", "prompts"}
    there = {entry.name for entry in run.glob("*") if not entry.name.startswith(".run.yaml.")}
    if run.is_dir() and there <= made and not list(run.glob("rounds/000[1-9]")):
        shutil.rmtree(run)


def done(folder: Path, cell: Cell) -> bool:
    """Whether a cell's run has come to an end: of its rounds, its budget or its patience."""
    return status_of(folder, cell) in OVER


def status_of(folder: Path, cell: Cell) -> str:
    """What a cell's own report says of it; empty where there is none."""
    file = folder / cell.name / "report.json"
    try:
        return str(json.loads(file.read_bytes())["status"]) if file.exists() else ""
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file} is damaged ({error}); remove it, and the run is resumed") from error


def failures(folder: Path) -> dict[str, str]:
    """Why cells failed, by their names."""
    file = folder / _FAILED
    try:
        noted = json.loads(file.read_bytes()) if file.exists() else {}
    except ValueError:
        return {}
    return {str(name): str(reason) for name, reason in noted.items()} if isinstance(noted, dict) else {}


def _note_failure(folder: Path, cell: Cell, reason: str) -> None:
    noted = failures(folder) | {cell.name: reason}
    write_whole(folder / _FAILED, json.dumps({name: why for name, why in noted.items() if why}, indent=1))
