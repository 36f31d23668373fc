"""What the views of a run are made from: rows of its records by SQL, whoever keeps them.

The data functions (`weaknesses`, `calls`, `pairs`, `lineage`, `difference`) take this and nothing else, so
that the terminal, JSON and a page say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Row = dict[str, Any]

BANK = "(SELECT * FROM questions UNION ALL SELECT * FROM labelled)"
"""Every question that may be attempted, for a FROM."""


class Tables(Protocol):
    """The views of `maieutic query`, in DuckDB's SQL."""

    def rows(self, statement: str, given: Sequence[object] = ()) -> list[Row]:
        """
        Raises:
            RunError: the statement fails, or a record is damaged.
        """

    def heldout(self, round: int) -> float | None:
        """Held-out accuracy of the Solver that a round came to; None where it was not measured."""


def first_round(counts: Sequence[Row], most: int | None) -> int:
    """The round to begin at so that the newest records are there, without reading the others.

    Args:
        counts: rows with `recorded_in` and `count`.
        most: how many are wanted; all with None.
    """
    found = 0
    for row in sorted(counts, key=lambda row: -row["recorded_in"]):
        found += row["count"]
        if most is not None and found >= most:
            return int(row["recorded_in"])
    return 0
