"""Preference pairs in the terminal: chosen and rejected beside each other where there is room."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .pairs import Pairs
from .tables import Row
from .texts import clean, in_line, shown

BESIDE = 100
"""Columns of a terminal from which two texts are put side by side."""
_SIGNS = 1200


def draw_pairs(console: Console, name: str, found: Pairs, round: int | None) -> None:
    if not found.total:
        where = "no pairs yet" if round is None else f"round {round} has no pairs"
        console.print(
            f"{clean(name)}: {where}; a round builds them after its attempts",
            highlight=False,
        )
        return
    kinds = ", ".join(f"{count:,} {clean(kind)}" for kind, count in found.kinds.items())
    console.print(
        f"[bold]{clean(name)}[/]: {found.total:,} pairs of {found.questions:,} questions: {kinds}; "
        f"{found.replayed:,} of them replayed",
        highlight=False,
    )
    for row in found.shown:
        console.print()
        console.print(headline(row))
        console.print(Padding(shown(row["prompt"], _SIGNS), (0, 0, 0, 2), expand=False))
        console.print(Padding(sides(row, console.width), (0, 0, 0, 2)))
    if len(found.shown) < found.total:
        left = found.total - len(found.shown)
        console.print(f"\n{left:,} more are not shown; see them with --all", highlight=False)


def headline(row: Row) -> Text:
    """What a pair is, without its texts."""
    cell = f"{row['skill']} level {row['level']}" if row.get("skill") else ""
    parts = [
        f"round {row['recorded_in']}",
        row["kind"],
        row["question_id"],
        cell,
        f"weight {row['weight']:.2f}",
        f"smoothing {row['smoothing']:.2f}" if row["smoothing"] else "",
        f"replayed, made in round {row['round']}" if row["replayed"] else "",
    ]
    told = ", ".join(str(in_line(part, 200)) for part in parts if part)
    return Text.assemble((str(in_line(row["id"], 60)), "bold"), f"  {told}")


def sides(row: Row, width: int) -> RenderableType:
    """Chosen and rejected; of a conversation with tools the last word, as the records say."""
    one, two = (shown(row[side], _SIGNS) for side in ("chosen", "rejected"))
    if width < BESIDE:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text("chosen", style="green"), one)
        grid.add_row(Text("rejected", style="red"), two)
        return grid
    beside = Table.grid(expand=True, padding=(0, 2))
    for _ in range(2):
        beside.add_column(ratio=1, overflow="fold")
    beside.add_row(Text("chosen", style="green"), Text("rejected", style="red"))
    beside.add_row(one, two)
    return beside
