"""report.json: a round, a held-out set, a run."""

from __future__ import annotations

from typing import Literal, get_args

from .figures import (
    CallFigures,
    Diversity,
    Evaluation,
    Gain,
    GateFigures,
    GeneratorFigures,
    LabelFigures,
    QuestionCounts,
    RolloutCounts,
    TrainingFigures,
    VerifierFigures,
    ZoneCounts,
)
from .record import Record

End = Literal["done", "budget", "plateau", "alarm"]
Status = Literal["running", "stopped", "waiting for review", End]
OVER: frozenset[str] = frozenset(get_args(End))
"""Of a run that has come to an end that its settings name; `done` has played all its rounds."""


class Ending(Record):
    """Why a run ended before its last round."""

    status: End
    by: str
    """The setting that ended it."""
    limit: float
    spent: float
    """In the setting's own unit."""
    said: str


class ForkedFrom(Record):
    """Where the first rounds of a run were played."""

    run: str
    round: int
    """The last that was taken over."""
    settings: list[str] = []
    """What was set anew, as `key=value`."""


class Shift(Record):
    """A change, with its interval; in shares, or in units of the reward."""

    change: float
    low: float
    high: float


class Alarm(Record):
    """What the watch over a run noticed."""

    kind: Literal["reward_hacking"] = "reward_hacking"
    seen: Literal["attempts", "training"]
    """What is rewarded: attempts at new questions, or what an objective samples while it trains."""
    against: str
    """`validation`, which may stop the run; or a held-out set, which decides nothing."""
    reward: Shift
    result: Shift
    """Of the fixed set."""
    said: str


class RoundReport(Record):
    """One round in report.json."""

    round: int
    heldout: Evaluation
    """The candidate of this round; reported only."""
    validation: Evaluation
    promoted: bool
    gate: GateFigures
    questions: QuestionCounts
    zones: ZoneCounts
    pass_rates: dict[str, float]
    """Of the attempts; keys are `skill/level`."""
    rollouts: RolloutCounts
    generator: GeneratorFigures
    labels: LabelFigures | None = None
    verifier: VerifierFigures | None = None
    """None where it is no model."""
    diversity: Diversity | None = None
    collapsed: str = ""
    """What of the diversity fell too far since the first round that has any; empty where nothing did."""
    train: TrainingFigures
    swap_seconds: float
    """The longest of the round."""
    seconds: dict[str, float]
    """By stage; `serve` is starting the server and giving it weights."""
    calls: dict[str, CallFigures] = {}
    """By role."""
    policy: dict[str, float] = {}
    """What the curriculum policy says of itself after the round."""
    alarms: list[Alarm] = []
    """None where nothing was noticed."""

    @property
    def kept(self) -> str:
        """What the gate did, in a word; a round too small to train on made no candidate, nor did one whose
        training was stopped."""
        if self.train.objective == "none":
            return "not trained"
        if self.train.stopped:
            return "stopped"
        return "yes" if self.promoted else "no"


class HeldoutSet(Record):
    """A held-out set beside the main one, before and after."""

    name: str
    baseline: Evaluation
    final: Evaluation
    gain: Gain


class RunReport(Record):
    """report.json: what a run did and what it gained."""

    schema_version: int = 1
    name: str
    status: Status
    ended: Ending | None = None
    """None while it may go on, and where all rounds were played."""
    forked: list[ForkedFrom] = []
    """The runs that its first rounds were played in, the oldest first."""
    seed: int
    policy: str
    baseline: Evaluation | None = None
    final: Evaluation | None = None
    gain: Gain | None = None
    seed_labels: LabelFigures | None = None
    """Of the seeds, those that the Teacher labelled among them; not audited."""
    further: list[HeldoutSet] = []
    """Held-out sets beside the main one, each by itself."""
    seconds: float = 0.0
    """Of all stages and rounds, the start included."""
    start_seconds: dict[str, float] = {}
    """Before round 1, by stage: the base model, the server, the baseline."""
    versions: dict[str, str]
    calls: dict[str, CallFigures] = {}
    """By role, of all rounds and what came before them."""
    rounds: list[RoundReport] = []
