"""A comparison in a terminal: how far the grid is, and its table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.table import Table

from ..config import RunConfig
from ..errors import printable
from ..graph.grid import Cell
from ..graph.progress import Progress
from ..memory.run import RunFolder
from ..records import Comparison
from .compared import spread
from .console import PlainProgress, progress_on


class GridWatch:
    """A line when a run begins and one when it ends; bars for the run itself on a terminal, and else its
    own lines in its folder."""

    def __init__(self, console: Console) -> None:
        self.console, self.began = console, time.monotonic()

    def _say(self, text: str) -> None:
        elapsed = time.monotonic() - self.began
        line = f"[{elapsed:8.1f} s] {printable(text)}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def begin(self, cell: Cell, place: int, total: int, left: float | None) -> None:
        pace = f", {duration(left)} left" if left is not None else ""
        self._say(f"run {place} of {total}{pace}: {cell.variant.name}, seed {cell.seed}")

    @contextmanager
    def progress(self, folder: RunFolder, config: RunConfig) -> Iterator[Progress]:
        if self.console.is_terminal:
            with progress_on(self.console, config.rounds) as bars:
                yield bars
            return
        folder.logs.mkdir(parents=True, exist_ok=True)
        with (folder.logs / "progress.log").open("a", encoding="utf-8", errors="replace") as file:
            yield PlainProgress(Console(file=file, width=160), config.rounds)

    def ended(self, cell: Cell, seconds: float, reason: str) -> None:
        if reason:
            self._say(f"{cell.name} failed: {reason}")
        else:
            self._say(f"{cell.name} done in {duration(seconds)}")


def duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def overview(found: Comparison) -> Table:
    """The variants, best on the validation set first."""
    table = Table(title=printable(found.name), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("variant")
    for name in ("seeds", "validation %", "held-out %", "area %", "less control", "rollouts", "seconds"):
        table.add_column(name, justify="right")
    differs = {entry.variant: entry for entry in found.final}
    for entry in found.variants:
        less = differs.get(entry.name)
        table.add_row(
            printable(entry.name).replace("[", "\\["),
            str(len(entry.seeds)),
            f"{100 * entry.validation:.1f}",
            spread(entry.heldout),
            f"{100 * entry.area.mean:.1f}",
            "" if less is None else f"{100 * less.mean:+.1f}{'' if less.outside else ' (tie)'}",
            f"{entry.rollouts:,.0f}",
            f"{entry.seconds:,.0f}",
        )
    return table
