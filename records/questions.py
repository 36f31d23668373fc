"""Questions, those somebody proposes, how far their answers are trusted, and what is said of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .record import Record

Origin = Literal["seed", "teacher", "generator"]
Author = Literal["teacher", "generator"]
Move = Literal[
    "harder", "neighbour", "uniform", "placed", "design", "refine", "simplify", "diversify", "subproblem"
]
"""How a new question was made, most of them from another; `placed` ones at a skill and level that was asked
for; `design` is the Generator's."""
LabelSource = Literal["seed", "family", "executed", "teacher", "vote", "human", "none"]
"""How a reference answer was made: written beside the seed question; drawn together with the
question by its family; worked out by a program from the text; given by the Teacher, whose other
solutions agree; the majority of several solvers; by the person who reviewed it; not at all yet."""
Decision = Literal["accepted", "edited", "refused"]
Zone = Literal["mastered", "learning", "too_hard"]


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
    nearest_id: str | None = None
    """The question most like it that was there before: in the bank, or earlier among these. None where
    something else had spoken against it, or nothing was there."""
    likeness: float | None = None
    """Cosine similarity of the two; from `curriculum.near_duplicate` on it is refused."""


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


class Worth(Record):
    """What a question of the last round turned out to be worth to the updated Solver."""

    question_id: str
    author: Author
    pass_rate: float
    utility: float
    prompt: str
    text: str


class SkillNote(Record):
    """The skills that a question needs, and those that an answer lacked, as the Teacher names them."""

    question_id: str
    rollout_id: str
    round: int
    needed: list[str]
    missing: list[str]


class Hint(Record):
    """Guidance for a question that was failed: what may be read with it, and does not give its answer."""

    question_id: str
    round: int
    kind: Literal["hint", "subproblems"]
    text: str
