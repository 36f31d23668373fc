"""`maieutic query`: what a statement gives, as a table, JSON lines or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import printable
from ..memory.run import RunFolder, schema_of
from .database import VIEWS, Database

Format = Literal["table", "json", "csv"]


def show_query(console: Console, folder: RunFolder, statement: str, form: Format) -> None:
    """
    Raises:
        RunError: it is no statement that reads, or fails.
    """
    with Database(folder) as database:
        names, rows = database.ask(statement)
    if form == "json":
        for row in rows:
            print(json.dumps(dict(zip(names, row, strict=True)), default=str))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([[_cell(value) for value in row] for row in rows])
    else:
        console.print(_table(names, rows, console.is_terminal))
        console.print(f"{len(rows):,} rows", highlight=False)


def show_views(console: Console) -> None:
    """The tables that there are, with their columns."""
    table = _empty(["table", "what it holds", "columns"])
    for name, view in VIEWS.items():
        table.add_row(
            name, view.meaning, ", ".join([*schema_of(view.record).names, "recorded_in", "recorded_as"])
        )
    console.print(table)


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]], narrow: bool) -> Table:
    """Cells are cut to the terminal's width, and whole where the output goes elsewhere."""
    table = _empty(names, no_wrap=True, overflow="ellipsis" if narrow else "ignore")
    for row in rows:
        table.add_row(*(Text(printable(_cell(value)).replace("\n", " ")) for value in row))
    return table


def _empty(names: Sequence[str], **column: Any) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(Text(printable(name)), **column)
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
