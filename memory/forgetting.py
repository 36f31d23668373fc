"""Which exemplar failures the weakness profile keeps: one rule for the memory and for who reads records."""

from __future__ import annotations

from collections.abc import Mapping

from ..records import Zone

KEEP_FAILURES = 12
"""Exemplar failures kept for each skill and level; the newest replace the oldest."""


def forgotten(remembered: Mapping[str, tuple[str, int]], zones: Mapping[str, Zone]) -> list[str]:
    """Questions whose failure is forgotten after a round: those mastered in it, and the oldest of a cell
    that has too many.

    Args:
        remembered: of each question whose failure is held, those of this round among them, its cell and
            the round of the failure.
        zones: of each question that the round attempted.
    """
    by_cell: dict[str, list[tuple[int, str]]] = {}
    for key, (cell, round) in remembered.items():
        by_cell.setdefault(cell, []).append((round, key))
    gone = [key for key in remembered if zones.get(key) == "mastered"]
    gone += [key for kept in by_cell.values() for _, key in sorted(kept)[:-KEEP_FAILURES]]
    return list(dict.fromkeys(gone))
