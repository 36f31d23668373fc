"""What training came to, and what the gate said of it."""

from __future__ import annotations

from .record import Record


class Training(Record):
    """One training job. The pairs of a round, replayed ones included, are what its Solver's job saw."""

    id: str
    """The checkpoint that it makes."""
    round: int
    role: str
    """solver or generator."""
    start: str
    """Checkpoint that it began from; `base` for the model as it was given."""
    objective: str
    rows: int
    """Examples that it was given."""
    steps: int
    seconds: float
    """Of training alone, without loading."""
    stopped: str
    """Why a guard stopped it; empty where it went through and the checkpoint is there."""
    notes: list[str] = []
    """What befell it: cut short and gone on, out of memory and divided, a tracker that failed."""
    metrics: str
    """JSON: last figures by name; `first/…` are those of its first steps, `guard/…` those of the guards."""


class GateDecision(Record):
    """What became of a round's Solver, by the validation set."""

    round: int
    candidate: str
    """The checkpoint that was judged; the kept one itself where the round trained none."""
    against: str
    """The checkpoint that had been kept."""
    against_round: int
    """Round in which that one was measured."""
    trained: bool
    promoted: bool
    kept: str
    """The checkpoint that goes on."""
    difference: float
    """Validation accuracy, candidate less the other, as a share."""
    low: float
    high: float
    """Its interval, `gate.confidence` wide."""
