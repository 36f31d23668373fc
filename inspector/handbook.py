"""The behaviour handbook in the terminal."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Console
from rich.table import Table

from ..memory.handbook import kept
from ..memory.run import RunFolder
from ..records import Behaviour, Rollout
from .show import clean


def show_handbook(console: Console, folder: RunFolder, most: int) -> None:
    """Behaviours that the handbook holds, what was found most often first; made from the records, so
    that a run which is being played can be looked at."""
    found = [one for number in folder.rounds() for one in folder.read(number, "behaviours", Behaviour)]
    if not found:
        console.print("the handbook is empty; see handbook.per_round", highlight=False)
        return
    shown = Counter(
        name
        for number in folder.rounds()
        for rollout in folder.read(number, "rollouts/attempt", Rollout)
        for name in rollout.behaviours
    )
    table = Table(title=f"{clean(folder.path.name)}: handbook", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("found", "last", "shown"):
        table.add_column(name, justify="right")
    for name in ("behaviour", "instruction"):
        table.add_column(name)
    for entry in kept(found, most):
        one = entry.behaviour
        table.add_row(
            str(entry.count), str(entry.last), str(shown[one.id]), clean(one.name), clean(one.instruction)
        )
    console.print(table)
    refused = Counter(one.reason for one in found if one.reason)
    said = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items())) or "none"
    console.print(f"refused: {said}", markup=False, highlight=False)
