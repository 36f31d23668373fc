"""A row of somebody's file, whatever its format: its place, its limits, its values as text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import SeedError

Row = dict[str, Any]
Placed = tuple[str, Row]
"""Where a row stands, such as `seeds.csv line 3`, and the row."""

LONGEST_ROW = 10_000_000
"""Characters of a row, whatever its format; a longer one is no question."""

MOST_COLUMNS = 10_000

_NAMED = 20
"""Columns that a message names; the rest are counted."""

_LONGEST_NAME = 60


Trouble = Callable[[SeedError], None]
"""Told of a row that cannot be read, which is then passed over; or raises."""


def stop(error: SeedError) -> None:
    """The trouble of those who need every row."""
    raise error


def check_columns(names: Sequence[str], place: str) -> None:
    """Raises SeedError where the columns of a table are too many, or two share a name."""
    if len(names) > MOST_COLUMNS:
        raise SeedError(
            f"{place}: {len(names):,} columns; at most {MOST_COLUMNS:,}: keep those with question and answer"
        )
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise SeedError(f"{place}: two columns are named {shortened(name)!r}; rename one")


def listed(names: Sequence[object]) -> str:
    """Names of columns for a message: the first of them, none longer than a line."""
    more = len(names) - _NAMED
    shown = ", ".join(shortened(str(name)) for name in names[:_NAMED])
    return f"{shown} and {more:,} more" if more > 0 else shown or "none"


def shortened(name: str) -> str:
    """A name that came with a file, on one line and not too long."""
    name = " ".join(name[: 2 * _LONGEST_NAME].split())
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def brief(error: BaseException) -> str:
    """The first line of what a library says, without its end where it is long."""
    said = str(error).strip()
    return said.splitlines()[0][:200] if said else type(error).__name__


def text_of(value: object) -> str:
    """A value as a person would write it: text as it is, lists and objects as JSON.

    What is missing is empty; so is NaN, which pandas writes where a number is missing.

    Raises:
        RecursionError: it is nested deeper than Python goes.
    """
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, bool | int | float | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=_plainly)
    return str(value)  # dates and decimals of Parquet


def _plainly(value: object) -> str:
    return text_of(value)


def weight(value: object, enough: int = LONGEST_ROW) -> int:
    """About how many characters a value has; stops counting where there are enough."""
    total, left = 0, [value]
    while left and total <= enough:
        inner = left.pop()
        if isinstance(inner, str | bytes):
            total += len(inner)
        elif isinstance(inner, dict):
            total += len(inner)
            left.extend(inner.keys())
            left.extend(inner.values())
        elif isinstance(inner, list | tuple):
            total += len(inner)
            left.extend(inner)
        else:
            total += 8
    return total


def value_of(value: object) -> Any:
    """A column of a CSV holds lists and objects as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
