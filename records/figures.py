"""The parts of a round's report: one record for each thing that is counted or measured."""

from __future__ import annotations

from .record import Record


class Diversity(Record):
    """How different the questions are that a round admitted."""

    distinct: float
    """Different pairs of words, as a share of all."""
    spread: float
    """One less the mean cosine similarity of two questions."""
    skills: int
    questions: int
    """How many were looked at."""


class LabelFigures(Record):
    """How far the labels of a round can be trusted."""

    sources: dict[str, int]
    """Admitted questions by how their answer was made."""
    confidence: float
    """Mean over them."""
    audited: int
    """Checked by another way, which gave an answer."""
    agreed: int
    accuracy: float | None
    """Share of the audited that agreed: an estimate of how many labels are right."""
    ci95: tuple[float, float] | None
    """Wilson interval."""


class Calibration(Record):
    """How far a method of the Verifier's model agrees with the checkers, on rollouts drawn by chance."""

    n: int
    """Rollouts that it was asked about."""
    decided: int
    """Of them, those that it calls right or wrong, surely enough to count."""
    agreed: int
    """Of these, those of which the checker says the same."""
    accuracy: float | None
    """Share of the decided that agreed."""
    ci95: tuple[float, float] | None
    """Wilson interval."""
    brier: float | None
    """Mean squared error of the share of votes for right; 0.25 is what always saying ½ gives."""
    ece: float | None
    """Expected calibration error of that share, in ten bins."""


class VerifierFigures(Record):
    """What the Verifier's model decided in a round, and how far that can be believed."""

    verdicts: dict[str, dict[str, int]]
    """Verdicts on attempts by who decided (or was asked last), and by outcome."""
    calibration: dict[str, Calibration]
    """By method."""


class Evaluation(Record):
    """Greedy accuracy on a fixed set of questions."""

    accuracy: float
    n: int
    ci95: tuple[float, float]
    """Wilson interval."""
    by_skill: dict[str, float]
    by_level: dict[str, float]
    by_cell: dict[str, float]
    """Keys are `skill/level`."""


class QuestionCounts(Record):
    """What became of a round's questions and proposals."""

    attempted: int
    proposed: int
    admitted: int
    refused: dict[str, int]
    """By reason."""


class ZoneCounts(Record):
    """Attempted questions by zone."""

    mastered: int
    learning: int
    too_hard: int


class RolloutCounts(Record):
    """The attempt stage of a round; no fixed set is in it."""

    n: int
    tokens: int
    seconds: float
    tokens_per_second: float


class GateFigures(Record):
    """Candidate against the kept checkpoint on the validation set, as shares."""

    difference: float
    low: float
    high: float


class GeneratorFigures(Record):
    """The Generator in a round, and what its last round's questions turned out to be worth."""

    proposed: int
    admitted: int
    share: float
    """Of this round's admitted questions."""
    utility: float | None
    """Mean over its questions of the last round, as this round's attempts showed it."""
    teacher_utility: float | None
    """The same of the Teacher's."""


class TrainingFigures(Record):
    """The Solver's training in a round; objective `none` where there was none."""

    objective: str
    examples: int = 0
    seconds: float = 0.0
    pairs: dict[str, int] = {}
    """By kind, and `replayed`."""
    metrics: dict[str, float] = {}
    """The trainer's last figures; `first/…` are those of its first steps, `guard/…` those of the guards."""
    stopped: str = ""
    """Why a guard stopped it, and the round went on with the Solver before; empty where none did."""
    notes: list[str] = []
    """What befell it: cut short and gone on, out of memory and divided, a tracker that failed."""
    rollouts: int = 0
    """Completions that the training sampled itself."""
    tokens: int = 0
    """Of these."""


class CallFigures(Record):
    """What was asked of a role's model."""

    asked: int = 0
    failed: dict[str, int] = {}
    """By kind; those that the budget kept from being asked are here only."""
    passed: dict[str, int] = {}
    """Tries that failed and were tried again, by kind."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """Of all calls together, waits for another try included; they run side by side."""
    price: float = 0.0
    """In the endpoint's own currency, where the role has a price."""


class Gain(Record):
    """Held-out points from baseline to final, with a 95 % paired bootstrap interval."""

    points: float
    low: float
    high: float
