"""What the rounds leave behind: one frozen record for each thing that happened.

Records are written once and never edited. On disk each kind is a folder of
Parquet parts (`memory/run.py`), so a field here is a column there.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Zone = Literal["mastered", "learning", "too_hard"]
Outcome = Literal["right", "wrong", "invalid", "undecided"]
Origin = Literal["seed", "teacher", "generator"]
Author = Literal["teacher", "generator"]
Move = Literal["harder", "neighbour", "uniform", "design", "refine", "simplify", "diversify", "subproblem"]
"""How a new question was made from another; `design` is the Generator's."""
PairKind = Literal["rollouts", "reference", "anchor"]
LabelSource = Literal["seed", "family", "executed", "teacher", "vote", "human", "none"]
"""How a reference answer was made: written beside the seed question; drawn together with the
question by its family; worked out by a program from the text; given by the Teacher, whose other
solutions agree; the majority of several solvers; by the person who reviewed it; not at all yet."""
Decision = Literal["accepted", "edited", "refused"]
Status = Literal["running", "stopped", "waiting for review", "done"]

Method = Literal["vote", "judge", "debate"]
"""How a model is asked whether a rollout is right."""

Failure = Literal[
    "",
    "rate_limited",
    "server_error",
    "timeout",
    "connection",
    "malformed",
    "refused",
    "empty",
    "too_long",
    "schema",
    "budget",
]
"""Why a call failed. `malformed` is no chat completion, `refused` is the endpoint's word against this
request, key or address; `schema` is a completion that is not what was asked for, and is kept; with
`budget` nothing was sent."""


class Record(BaseModel):
    """Base of all records: frozen, and no field that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def short_id(prefix: str, *parts: object) -> str:
    """A stable id from what identifies a thing, the same on every machine and resume."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()
    return f"{prefix}-{digest[:12]}"


class Question(Record):
    """A question with its reference answer and where it comes from."""

    id: str
    text: str
    answer: str
    solution: str
    """Worked reference, ending in the marked answer."""
    skill: str
    level: int
    origin: Origin
    checker: str = "arithmetic"
    """Name of the checker that decides about its answers, such as `numeric?rel=0.01`."""
    data: str = ""
    """JSON that belongs to the question beside its answer: choices, a schema, the parts of a chain."""
    label: LabelSource = "seed"
    confidence: float = Field(1.0, ge=0, le=1)
    """How far the reference answer is trusted: the chance that it is right, as far as is known."""
    parent_id: str | None = None
    round: int = 0
    """Round that admitted it; 0 for a seed question."""


class Rollout(Record):
    """One completion of the Solver for one question."""

    id: str
    question_id: str
    round: int
    stage: str
    checkpoint: str
    index: int
    completion: str
    tokens: int
    """Mean of the completions of its call: an endpoint counts them together."""
    truncated: bool
    call_id: str
    logprobs: list[float] = []
    """Of its tokens, where a strategy needs them."""
    messages: str = ""
    """JSON of the whole conversation after the prompt, where tools were called; else empty."""
    behaviours: list[str] = []
    """Of the handbook, those that its prompt showed; what is trained on leaves them out."""


class Verdict(Record):
    """What the Verifier says of one rollout; only right and wrong ever train."""

    rollout_id: str
    question_id: str
    outcome: Outcome
    extracted: str | None = None
    reason: str = ""
    by: Literal["checker", Method] = "checker"
    """Who decided; of one that nobody could decide, who was asked last."""
    confidence: float = Field(1.0, ge=0, le=1)
    """Share of a model's votes for what it says; 1 of a checker."""


class Opinion(Record):
    """What the Verifier's model says of one rollout by one method."""

    rollout_id: str
    question_id: str
    method: Method
    outcome: Outcome
    """Right, wrong, or undecided."""
    share: float | None = Field(None, ge=0, le=1)
    """Of the votes that could be read, those for right: how likely the model thinks it; None where
    none could be read or compared."""
    confidence: float = Field(0.0, ge=0, le=1)
    """Of the votes that could be read, those for right or for wrong, whichever they came to; too low
    a share leaves the outcome undecided. 0 where they came to nothing."""
    reason: str = ""
    checked: Outcome
    """What the checker says: where that is right or wrong, this opinion decides nothing and is
    compared with it."""


class Attempt(Record):
    """All rollouts of one question in one round, summed up."""

    question_id: str
    skill: str
    level: int
    round: int
    right: int
    decided: int
    """Rollouts with a verdict of right, wrong or invalid."""
    pass_rate: float = Field(ge=0, le=1)
    zone: Zone


class Proposal(Record):
    """A question somebody wants to add, and what vetting said of it."""

    id: str
    round: int
    turn: int
    """0, or 1 and 2 where the Teacher was asked again."""
    author: Author
    move: Move
    parent_id: str | None
    rollout_id: str | None
    """The attempt that the author saw: a failed one, where there was one."""
    text: str
    solution: str = ""
    """Worked reference, when the author gives one."""
    answer: str = ""
    """The author's own answer; empty where the text alone decides."""
    skill: str = ""
    level: int = 0
    checker: str = ""
    data: str = ""
    label: LabelSource = "none"
    confidence: float = Field(0.0, ge=0, le=1)
    prompt: str = ""
    """What the Generator is trained to answer with `text`."""
    why: str = ""
    """What the author says that it is for, such as what the attempt got wrong."""
    admitted: bool | None = None
    reason: str = ""
    question_id: str | None = None


class Review(Record):
    """What a person said of a proposed question."""

    proposal_id: str
    decision: Decision
    before: str
    """The text as it was proposed."""
    text: str
    """The text, the answer and the solution as the person left them."""
    answer: str
    solution: str
    reason: str = ""
    """Why it was refused, where the person said so."""
    by: str = ""
    """The person's name on the machine where the question was shown."""


class PreferencePair(Record):
    """A chosen and a rejected completion of one prompt."""

    id: str
    question_id: str
    round: int
    kind: PairKind
    prompt: str
    chosen: str
    rejected: str
    replayed: bool = False
    chosen_messages: str = ""
    """JSON of the whole conversation after the prompt, where tools were called; `chosen` is its end."""
    rejected_messages: str = ""


class Call(Record):
    """One request to a model endpoint."""

    id: str
    round: int
    stage: str
    role: str
    model: str
    """Name at the endpoint."""
    checkpoint: str
    template: str
    subject_id: str
    """The question or proposal that the call was made for."""
    messages: str
    """JSON, as sent."""
    sampling: str
    """JSON, as sent: n, temperature, top_p, max_tokens, seed."""
    completions: list[str]
    finished: list[bool] = []
    """Of each completion, false where tokens ran out."""
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    error: str = ""
    failure: Failure = ""
    tried: list[str] = []
    """Failures of the tries before the last one, by kind."""
    endpoint: str = ""
    """Address that answered."""
    reasoning: list[str] = []
    """Of each completion, what a thinking model thought before it; no part of the answer."""
    tool_calls: list[str] = []
    """Of each completion, the calls of tools that it asks for: a JSON list, as they came."""


class ToolResult(Record):
    """What a tool gave for one call; written before the model is told, so that a resume tells the same."""

    id: str
    call_id: str
    """Of the reply that asked for it."""
    place: int
    """Among the tools that this reply called."""
    name: str
    arguments: str
    """JSON, as it came; cut where it was too long."""
    result: str
    """As the model is told it."""
    seconds: float


class Hint(Record):
    """Guidance for a question that was failed: what may be read with it, and does not give its answer."""

    question_id: str
    round: int
    kind: Literal["hint", "subproblems"]
    text: str


class SkillNote(Record):
    """The skills that a question needs, and those that an answer lacked, as the Teacher names them."""

    question_id: str
    rollout_id: str
    round: int
    needed: list[str]
    missing: list[str]


class Behaviour(Record):
    """A move that the Teacher found in a right solution, put so that it helps with other questions."""

    id: str
    round: int
    name: str
    instruction: str
    skill: str
    """Of the question that was solved by it."""
    question_id: str
    rollout_id: str
    known_as: str = ""
    """The behaviour of the handbook that it repeats, which is counted once more in its place."""
    reason: str = ""
    """Why it was refused; empty where it was not."""


class Worth(Record):
    """What a question of the last round turned out to be worth to the updated Solver."""

    question_id: str
    author: Author
    pass_rate: float
    utility: float
    prompt: str
    text: str


class LabelCheck(Record):
    """What spoke for the answer of a question that no program worked out."""

    question_id: str
    claimed: str
    """The author's own answer; empty where it gave none."""
    teacher: list[str]
    """Answers of the Teacher's further solutions; empty ones could not be read."""
    solver: list[str]
    answer: str
    source: LabelSource
    confidence: float
    trusted: bool
    """Whether the answer is enough for a label; the question may be refused for something else."""


class Audit(Record):
    """One label of a round checked by another way, whatever came of it."""

    question_id: str
    source: LabelSource
    confidence: float
    agreed: bool | None
    """None where there was no other way, or it gave no answer."""


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
    """The trainer's last figures; `first/…` are those of its first steps."""


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

    @property
    def kept(self) -> str:
        """What the gate did, in a word; a round too small to train on made no candidate."""
        if self.train.objective == "none":
            return "not trained"
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
