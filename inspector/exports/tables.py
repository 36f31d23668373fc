"""`--to jsonl`, `--to csv`: every table of `maieutic query` as a file."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from ..database import VIEWS
from .source import Source, schema

Row = dict[str, Any]
Write = Callable[[list[Row]], None]
Advance = Callable[[int], None]


def write_jsonl(source: Source, folder: Path, advance: Advance) -> list[str]:
    """One object a line, UTF-8; what is no number is null.

    Returns:
        What was written, for a person.
    """
    return _write(source, folder, ".jsonl", _lines, advance)


def write_csv(source: Source, folder: Path, advance: Advance) -> list[str]:
    """Comma-separated with a head, UTF-8, lists as JSON; see `cell` for what is written otherwise.

    Returns:
        What was written, for a person.
    """
    return _write(source, folder, ".csv", _separated, advance)


def _write(
    source: Source,
    folder: Path,
    suffix: str,
    opened: Callable[[Path, list[str]], AbstractContextManager[Write]],
    advance: Advance,
) -> list[str]:
    told = []
    for table in VIEWS:
        rows = 0
        with opened(folder / f"{table}{suffix}", schema(table).names) as write:
            for batch in source.batches(table):
                write(batch.to_pylist())
                rows += batch.num_rows
                advance(batch.num_rows)
        told.append(f"{table}{suffix}: {rows:,} rows")
    return told


@contextmanager
def _lines(path: Path, names: list[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as file:

        def write(rows: list[Row]) -> None:
            for row in rows:
                file.write(json.dumps(_finite(row), ensure_ascii=False, allow_nan=False) + "\n")

        yield write


@contextmanager
def _separated(path: Path, names: list[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(names)
        yield lambda rows: table.writerows([cell(row[name]) for name in names] for row in rows)


def _finite(value: Any) -> Any:
    """JSON has no word for what is infinite or no number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value


_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:[eE][+-]?\d{1,4})?", re.ASCII)


def cell(value: Any) -> Any:
    """A value as a cell that no spreadsheet takes for a formula.

    Text that begins as one would (`=`, `+`, `-`, `@`, a tab, the end of a line) has a `'` before it, as a
    spreadsheet's own "this is text"; a plain number, such as -5, is left as it is.
    """
    if isinstance(value, list | dict):
        return json.dumps(_finite(value), ensure_ascii=False)
    if isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
