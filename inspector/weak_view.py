"""The weakness profile in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .texts import clean, in_line, shown
from .weaknesses import Exemplar, Passed, Weak

_CELLS, _EXEMPLARS, _OF_EACH = 40, 8, 2
"""Rows of the table; cells whose failures are shown; failures of each: without --all."""
_BARS = "▁▂▃▄▅▆▇█"
_ROUNDS = 16
"""Of the trend: the last ones."""


def draw_weak(console: Console, name: str, found: Sequence[Weak], everything: bool) -> None:
    if not found:
        said = "no round's attempts are summed up yet; look again when round 1 has verified them"
        console.print(f"{clean(name)}: {said}", highlight=False)
        return
    last = max(weak.last_seen for weak in found)
    cells = found if everything else found[:_CELLS]
    title = f"{clean(name)}: weaknesses after the attempts of round {last}, the worst first"
    console.print(_table(title, cells, console.width))
    if len(cells) < len(found):
        console.print(f"{len(found) - len(cells)} more, less weak; see them with --all", highlight=False)
    failing = [weak for weak in found if weak.failures]
    for weak in failing if everything else failing[:_EXEMPLARS]:
        _draw_failures(console, weak, everything)
    left = sum(len(weak.failures) for weak in failing) - (0 if everything else _shown(failing))
    if left:
        console.print(f"{left} more failures are remembered; see them with --all", highlight=False)


def _shown(failing: Sequence[Weak]) -> int:
    return sum(min(_OF_EACH, len(weak.failures)) for weak in failing[:_EXEMPLARS])


def _table(title: str, found: Sequence[Weak], width: int) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("skill", overflow="fold")
    for heading in ("level", "pass rate %", "change", "asked", "last round", "failures"):
        table.add_column(heading, justify="right")
    table.add_column("by round", no_wrap=True)
    for weak in found:
        change = "" if weak.change is None else f"{100 * weak.change:+.0f}"
        table.add_row(
            in_line(weak.skill, 200),
            str(weak.level),
            f"{100 * weak.pass_rate:.0f}",
            change,
            str(weak.attempts),
            str(weak.last_seen),
            str(len(weak.failures)),
            bars(weak.history if width >= 100 else weak.history[-_ROUNDS // 2 :]),
        )
    return table


def bars(history: Sequence[Passed]) -> str:
    """A pass rate by round, from empty to full."""
    return "".join(_BARS[min(7, int(8 * entry.pass_rate))] for entry in history[-_ROUNDS:])


def _draw_failures(console: Console, weak: Weak, everything: bool) -> None:
    rates = ", ".join(
        f"{100 * entry.pass_rate:.0f} % of {entry.questions} in round {entry.round}"
        for entry in weak.history[-4:]
    )
    heading = Text.assemble((f"{in_line(weak.skill, 200)} level {weak.level}", "bold"), f": {rates}")
    console.print()
    console.print(heading)
    for failure in weak.failures if everything else weak.failures[:_OF_EACH]:
        console.print(Padding(_failure(failure), (0, 0, 0, 2), expand=False))


def _failure(failure: Exemplar) -> Table:
    """The question, and below it what was said to it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    text = in_line(failure.text, 600) if failure.text else Text("(its record is gone)", style="dim")
    if failure.answer:
        text = Text.assemble(text, " = ", in_line(failure.answer, 200))
    grid.add_row(in_line(failure.question_id, 60, "cyan"), text)
    said = shown(failure.completion, 600)
    if failure.extracted is not None:
        said = Text.assemble(said, (f"  (read as {in_line(failure.extracted, 100)})", "dim"))
    grid.add_row(Text(f"round {failure.round}", style="red"), said)
    return grid
