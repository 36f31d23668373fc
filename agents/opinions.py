"""What the Verifier's model is asked about, and what is the same for every way of asking it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ..config import VerifierConfig
from ..prompts import Prompts
from ..prompts.fencing import code_of
from ..records import Method, Opinion, Outcome, Question, Rollout
from ..serving.client import Request
from ..tasks.checkers.answers import without_thinking
from ..tasks.checkers.finding import LONGEST, data_of
from ..tasks.checkers.judge.votes import Vote, read_vote
from .asking import ask_for
from .seeds import call_seed
from .teacher import Ask

_NO_VOTE = Vote(None, "no reply that could be read")


@dataclass(frozen=True, slots=True)
class Case:
    """A rollout that the model is asked about."""

    question: Question
    rollout: Rollout
    checked: Outcome
    """What the checker says of it."""

    @property
    def said(self) -> str:
        """The completion without its thinking, which nobody is graded for."""
        return without_thinking(self.rollout.completion).strip()

    @property
    def unfit(self) -> str:
        """Why there is nothing to ask; empty where there is."""
        if not self.said:
            return "empty"
        return f"longer than {LONGEST} characters" if len(self.rollout.completion) > LONGEST else ""

    @property
    def values(self) -> dict[str, str]:
        """What templates are told of it."""
        rubric = data_of(self.question).get("rubric")
        return {
            "question": self.question.text,
            "reference": self.question.answer.strip(),
            "completion": self.said,
            "rubric": rubric.strip() if isinstance(rubric, str) else "",
        }

    def opinion(
        self,
        method: Method,
        outcome: Outcome = "undecided",
        reason: str = "",
        share: float | None = None,
        confidence: float = 0.0,
    ) -> Opinion:
        return Opinion(
            rollout_id=self.rollout.id,
            question_id=self.question.id,
            method=method,
            outcome=outcome,
            share=share,
            confidence=confidence,
            reason=reason,
            checked=self.checked,
        )


class Examiner(Protocol):
    """One way of asking a model whether rollouts are right."""

    method: Method

    async def opinions(self, cases: Sequence[Case], round: int, stage: str, ask: Ask) -> list[Opinion]:
        """An opinion of each, in their order; undecided where the model does not say, or not clearly."""
        ...


class Judgement(BaseModel):
    """A vote: first why, then what; the other way round the reasons are made for the verdict."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=2_000)
    verdict: Literal["right", "wrong"]


@dataclass(frozen=True, slots=True)
class Requests:
    """Writes the requests to the Verifier's model.

    Args:
        seed: the run's.
    """

    config: VerifierConfig
    seed: int
    prompts: Prompts

    def request(
        self, template: str, subject: str, number: int, round: int, stage: str, **values: object
    ) -> Request:
        """One that depends on what it says and on `number` alone, neither on the round nor on what
        else is asked: the same completion is asked about in the same words, with the same seed."""
        sent = {name: sendable(value) if isinstance(value, str) else value for name, value in values.items()}
        text = self.prompts.render(template, **sent, fence=code_of(self.seed, *sent.values()))
        return Request.single(
            "verifier",
            subject,
            round,
            stage,
            self.prompts.versioned(template),
            text,
            self.config.temperature,
            self.config.max_tokens,
            call_seed(self.seed, text, number),
        )


def sendable(text: str) -> str:
    """A text without halves of characters, such as a model may end with: they cannot be sent."""
    return text.encode("utf-8", "replace").decode()


async def votes_of(requests: Sequence[Request], ask: Ask) -> dict[str, Vote]:
    """A vote for each request, by its subject; one that was refused, cut off, or that could not be
    read even when asked again, has no verdict."""
    said = await ask_for(requests, Judgement, ask, _judgement)
    votes = {name: Vote(judged.verdict, judged.reason) for name, judged in said.items()}
    return {request.subject_id: votes.get(request.subject_id, _NO_VOTE) for request in requests}


def _judgement(reply: str) -> Judgement | None:
    """Read as the judge checker does: a reply that is the object and nothing else. One that merely
    holds such an object may quote it from the completion."""
    vote = read_vote(reply)
    return Judgement(reason=sendable(vote.reason), verdict=vote.verdict) if vote and vote.verdict else None


def share_right(votes: Sequence[Vote]) -> float | None:
    """Of the votes that could be read, those for right; None where none could be."""
    readable = [vote.verdict for vote in votes if vote.verdict]
    return readable.count("right") / len(readable) if readable else None
