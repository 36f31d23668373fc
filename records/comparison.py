"""comparison.json: runs of a grid side by side."""

from __future__ import annotations

from typing import Literal

from .record import Record

CellStatus = Literal["waiting", "stopped", "failed", "done"]


class Point(Record):
    """The Solver that was kept after a round."""

    round: int
    rollouts: int
    """Sampled for training so far."""
    seconds: float
    """Of work so far, without round 0 and without starting servers and giving them weights."""
    heldout: float
    validation: float


class CellFigures(Record):
    """One run of the grid."""

    name: str
    variant: str
    seed: int
    status: CellStatus
    reason: str = ""
    """Why it failed."""
    points: list[Point] = []
    """The base model first."""
    known: int = 0
    """Held-out questions that the base model answered right."""
    forgotten: int = 0
    """Of these, those that the final Solver does not."""
    cells: int = 0
    """Cells of skill and level that the held-out set has."""
    asked: int = 0
    """Of them, those that were attempted in some round."""
    covered: int = 0
    """Of them, those of which the final Solver answers at least half."""


class Spread(Record):
    """A mean over seeds with its 95 % interval, by bootstrap over seeds and questions."""

    mean: float
    low: float
    high: float


class Height(Record):
    """A point of a mean curve."""

    x: float
    mean: float
    low: float
    high: float


class VariantFigures(Record):
    """The finished runs of one variant, over its seeds."""

    name: str
    settings: list[str]
    seeds: list[int]
    """Of those runs that are done."""
    validation: float
    """Of the final Solver; what the order of the page goes by."""
    heldout: Spread
    """Of the final Solver."""
    area: Spread
    """Under held-out accuracy against rollouts, from 0 to the budget, divided by it."""
    reach: float | None
    """Rollouts after which the mean curve is at the level asked about; None where it never is."""
    reached: list[float | None]
    """The same of each seed's own curve."""
    forgotten: float
    """Share of what the base model knew."""
    covered: float
    """Cells, mean over seeds."""
    asked: float
    rollouts: float
    seconds: float
    by_rollouts: list[Height]
    by_seconds: list[Height]


class DifferenceFigures(Record):
    """A variant less the control, in pairs of seed and question."""

    variant: str
    seeds: int
    """That both have."""
    mean: float
    low: float
    high: float
    p: float
    adjusted: float
    """After Holm, over all variants of the table."""
    outside: bool
    """Whether chance would do this in less than one of twenty such tables."""


class Comparison(Record):
    """comparison.json."""

    schema_version: int = 1
    name: str
    command: str
    begun: str
    written: str
    versions: dict[str, str]
    seeds: list[int]
    budget: int
    """Rollouts of each run; 0 for none."""
    end: float
    """Rollouts to which curves are compared."""
    control: str
    level: float | None
    """Held-out accuracy that is to be reached."""
    questions: int
    """Held-out questions."""
    cells: list[CellFigures]
    variants: list[VariantFigures]
    """The best on the validation set first."""
    final: list[DifferenceFigures]
    area: list[DifferenceFigures]
    notes: list[str] = []
