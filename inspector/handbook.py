"""The behaviour handbook: what it holds, and how that is shown in the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from ..memory.behaviours import kept
from ..records import Behaviour
from .tables import Tables
from .texts import clean, cut


@dataclass(frozen=True, slots=True)
class Entry:
    """A behaviour of the handbook."""

    id: str
    name: str
    instruction: str
    skill: str
    found: int
    """How often."""
    last: int
    """Round that found it last."""
    shown: int
    """Rollouts whose prompt showed it."""


@dataclass(frozen=True, slots=True)
class HandbookData:
    entries: list[Entry]
    named: int
    """Moves that the Teacher named, refused ones among them."""
    refused: dict[str, int]
    """By reason."""


def handbook(tables: Tables, most: int) -> HandbookData:
    """Behaviours that the handbook holds, what was found most often first; made from the records, so
    that a run which is being played can be looked at."""
    fields = ", ".join(Behaviour.model_fields)
    rows = tables.rows(
        f"SELECT {fields} FROM (SELECT *, row_number() OVER () AS place FROM behaviours) "  # noqa: S608
        "ORDER BY recorded_in, place"
    )
    found = [Behaviour.model_validate(row) for row in rows]
    counts = tables.rows(
        "SELECT name, count(*) AS count FROM ("
        "  SELECT unnest(behaviours) AS name FROM rollouts WHERE stage = 'attempt'"
        ") GROUP BY name"
    )
    shown = {row["name"]: row["count"] for row in counts} if found else {}
    refused: dict[str, int] = {}
    for reason in sorted(one.reason for one in found if one.reason):
        refused[reason] = refused.get(reason, 0) + 1
    entries = [
        Entry(
            id=entry.behaviour.id,
            name=entry.behaviour.name,
            instruction=entry.behaviour.instruction,
            skill=entry.behaviour.skill,
            found=entry.count,
            last=entry.last,
            shown=shown.get(entry.behaviour.id, 0),
        )
        for entry in kept(found, most)
    ]
    return HandbookData(entries, len(found), refused)


def draw_handbook(console: Console, run: str, data: HandbookData) -> None:
    if not data.named:
        console.print("the handbook is empty; see handbook.per_round", highlight=False)
        return
    table = Table(title=f"{clean(run)}: handbook", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("found", "last", "shown"):
        table.add_column(name, justify="right")
    for name in ("behaviour", "instruction"):
        table.add_column(name, overflow="fold")
    for entry in data.entries:
        counts = (str(count) for count in (entry.found, entry.last, entry.shown))
        table.add_row(*counts, clean(cut(entry.name, 200)), clean(cut(entry.instruction)))
    console.print(table)
    said = ", ".join(f"{count} {reason}" for reason, count in sorted(data.refused.items())) or "none"
    console.print(f"refused: {said}", markup=False, highlight=False)
