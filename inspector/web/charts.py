"""What a chart shows, as data: the page's script draws it, and the same figures stand below it as a table.

And the small curves that stand in a line of a table, which are drawn here.
"""

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


def in_percent(share: float | None) -> float | None:
    """A share as a chart has it."""
    return None if share is None else round(100 * share, 2)


_POINTS = 50
"""Of a small curve: more are not to be told apart."""


def sparkline(
    curve: Sequence[tuple[float, float]],
    low: float = 0.0,
    high: float = 1.0,
    width: int = 100,
    most: int = _POINTS,
) -> str:
    """The points of a small curve in a box 24 high, for a `polyline`; empty of fewer than two.

    Args:
        curve: places along it, which grow, and values.
        low, high: values at the lower and the upper edge.
        most: about so many points are drawn, the first and the last among them.
    """
    if len(curve) < 2:
        return ""
    step = max(1, -(-len(curve) // most))
    kept = [*curve[:-1:step], curve[-1]]
    first, span, height = kept[0][0], (kept[-1][0] - kept[0][0]) or 1, 20 / ((high - low) or 1)
    return " ".join(
        f"{width * (at - first) / span:.1f},{22 - (value - low) * height:.1f}" for at, value in kept
    )
