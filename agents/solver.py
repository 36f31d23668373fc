"""The Solver: attempts questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..config import Sampling
from ..prompts import Prompts
from ..records import Behaviour, Question, Rollout
from ..serving.client import Reply, Request
from .answer_tokens import of_answer
from .conversing import Conversation
from .seeds import call_seed

_PLAIN, _TOLD = "solver", "solver_told"
_STATED = ("arithmetic", "math", "numeric", "choice", "exact")
"""Checkers that look for one stated answer; others have formats of their own, which questions say."""


class Solver:
    """Turns questions into requests and replies into rollouts.

    Args:
        instructed: whether its prompt says how to state an answer; the pocket model was made without. A
            user's own `solver` template is taken as it is.
    """

    def __init__(self, sampling: Sampling, seed: int, prompts: Prompts, instructed: bool = False) -> None:
        self.sampling, self.seed, self.prompts = sampling, seed, prompts
        self.instructed = instructed and not prompts.changed(_PLAIN)
        self.greedy = sampling.model_copy(update={"n": 1, "temperature": 0.0, "logprobs": False})

    def prompt(self, question: Question) -> str:
        """The user message for a question; training uses the very same."""
        return self.prompts.render(self._template(question), question=question.text)

    def _template(self, question: Question) -> str:
        return _TOLD if self.instructed and question.checker.partition("?")[0] in _STATED else _PLAIN

    def reminded(self, question: Question, behaviours: Sequence[Behaviour]) -> str:
        """The same with behaviours of the handbook before it; training never sees this one.

        Source: Metacognitive Reuse, arXiv 2509.13237 (behaviour-conditioned inference, BC-SFT).
        Differs: what is learned from are preference pairs of the Solver's own rollouts.
        """
        shown = [{"name": one.name, "instruction": one.instruction} for one in behaviours]
        return self.prompts.render("behaviours", prompt=self.prompt(question), behaviours=shown)

    def request(
        self,
        question: Question,
        round: int,
        stage: str,
        checkpoint: str,
        sampling: Sampling,
        behaviours: Sequence[Behaviour] = (),
    ) -> Request:
        """The call that attempts a question, `sampling.n` times."""
        plain = self.prompts.versioned(self._template(question))
        template = f"{self.prompts.versioned('behaviours')} {plain}" if behaviours else plain
        prompt = self.reminded(question, behaviours) if behaviours else self.prompt(question)
        return Request(
            subject_id=question.id,
            role="solver",
            checkpoint=checkpoint,
            stage=stage,
            round=round,
            template=template,
            messages=[{"role": "user", "content": prompt}],
            n=sampling.n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=call_seed(self.seed, round, stage, question.id),
            logprobs=sampling.logprobs,
        )

    def singles(
        self,
        question: Question,
        round: int,
        stage: str,
        checkpoint: str,
        sampling: Sampling,
        behaviours: Sequence[Behaviour] = (),
    ) -> list[Request]:
        """A request for each attempt at a question: one that calls tools is a conversation of its own."""
        one = sampling.model_copy(update={"n": 1})
        alone = self.request(question, round, stage, checkpoint, one, behaviours)
        return [
            replace(
                alone,
                subject_id=f"{question.id}.{index}",
                seed=call_seed(self.seed, round, stage, question.id, index),
            )
            for index in range(sampling.n)
        ]

    def told(
        self, talk: Conversation, question: Question, behaviours: Sequence[Behaviour] = ()
    ) -> Rollout | None:
        """The rollout that a conversation is; none where the endpoint refused its first request."""
        if not talk.calls:
            return None
        request, index = talk.request, int(talk.request.subject_id.rpartition(".")[2])
        return Rollout(
            id=f"{question.id}.{request.round}.{request.stage}.{index}",
            question_id=question.id,
            round=request.round,
            stage=request.stage,
            checkpoint=request.checkpoint,
            index=index,
            completion=talk.answer,
            tokens=sum(call.completion_tokens for call in talk.calls),
            truncated=not talk.whole,
            call_id=talk.calls[-1].id,
            messages=talk.transcript() if talk.tools_called else "",
            behaviours=[one.id for one in behaviours],
        )

    def rollouts(self, request: Request, reply: Reply, behaviours: Sequence[Behaviour] = ()) -> list[Rollout]:
        """One rollout for each completion; none where the endpoint refused the request."""
        share = reply.call.completion_tokens // max(1, len(reply.completions))
        kept = request.logprobs
        return [
            Rollout(
                id=f"{request.subject_id}.{request.round}.{request.stage}.{index}",
                question_id=request.subject_id,
                round=request.round,
                stage=request.stage,
                checkpoint=request.checkpoint,
                index=index,
                completion=text,
                tokens=share,
                truncated=not finished,
                call_id=reply.call.id,
                logprobs=reply.logprobs[index] if kept else [],
                answer_logprobs=of_answer(text, reply.tokens[index], reply.logprobs[index]) if kept else [],
                behaviours=[one.id for one in behaviours],
            )
            for index, (text, finished) in enumerate(zip(reply.completions, reply.finished, strict=True))
        ]
