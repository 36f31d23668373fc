"""What a chart shows, as data: the page's script draws it, and the same figures stand below it as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one kind of bar; None where nothing was measured."""

    name: str
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    """Ends of an interval about each value."""
    hollow: Sequence[bool] = ()
    """Points that are drawn empty."""
    color: int = 0
    """Of the page's palette."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and what is said of it.

    `line` joins values; `stacked` puts bars on one another; `bar` lays one bar for each label across.
    """

    name: str
    """In the page's address: letters and hyphens."""
    title: str
    kind: Literal["line", "stacked", "bar"]
    labels: Sequence[str]
    """Of the places along the axis."""
    series: Sequence[Series]
    axis: str = "round"
    """What the labels are."""
    unit: str = ""
    largest: float | None = None
    """End of the axis of values, where it is known."""
    said: str = ""
    """A sentence below it."""

    def data(self) -> dict[str, Any]:
        """For the script; `asdict` would copy every value of a long run."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**own, "series": [{f.name: getattr(s, f.name) for f in fields(s)} for s in self.series]}
