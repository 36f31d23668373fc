"""What the Solver says to a question, what the Verifier says of it, and what is trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .record import Record

Outcome = Literal["right", "wrong", "invalid", "undecided"]
Method = Literal["vote", "judge", "debate"]
"""How a model is asked whether a rollout is right."""
PairKind = Literal[
    "rollouts", "reference", "anchor", "ranked", "confident", "injected", "refined", "step", "shorter"
]
"""What our builders make; one of a user's own may say another word."""


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
    answer_logprobs: list[float] = []
    """Of those that its final answer is written in; empty where they could not be found."""
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


class PreferencePair(Record):
    """A chosen and a rejected completion of one prompt."""

    id: str
    question_id: str
    round: int
    kind: str = Field(pattern=r"^[a-z][a-z_-]{0,39}$")
    """A `PairKind`, or the word of a builder of the user's own."""
    prompt: str
    chosen: str
    rejected: str
    replayed: bool = False
    chosen_messages: str = ""
    """JSON of the whole conversation after the prompt, where tools were called; `chosen` is its end."""
    rejected_messages: str = ""
    weight: float = Field(1.0, ge=0)
    smoothing: float = Field(0.0, ge=0, le=0.5)
    """The chance that the preference is the wrong way round."""
    stage: int = Field(0, ge=0)
    """When it is to be trained on, 0 first."""
    likelihood: float | None = Field(None, ge=0, le=1)
    """Of the chosen side when it was written, a token on (geometric) average; None where nothing was kept."""
