"""Policies' state in the form that JSON takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from .policy import Cell

V = TypeVar("V")


def from_cells(values: Mapping[Cell, V]) -> dict[str, V]:
    """Keys as `skill/level`."""
    return {f"{skill}/{level}": value for (skill, level), value in sorted(values.items())}


def to_cells(values: Mapping[str, V]) -> dict[Cell, V]:
    """The way back; a skill may have slashes in its name."""
    return {(key.rpartition("/")[0], int(key.rpartition("/")[2])): value for key, value in values.items()}
