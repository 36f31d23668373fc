"""The Teacher as a model: it writes questions with solutions, and solves those of others."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..config import TeacherConfig
from ..prompts import Prompts
from ..records import Call, Question, short_id
from ..serving.client import Request
from ..tasks.checkers.answers import final_answer
from ..tasks.checkers.simple import last_json
from ..tasks.columns import SeedRow
from ..tasks.kinds import SUITED, kind_of
from ..tasks.labelling import same, with_answer
from .seeds import call_seed
from .teacher import Ask, Assignment, Design

_LONGEST_ATTEMPT = 4_000
"""Characters of an attempt that the Teacher is shown."""


class ModelTeacher:
    """
    Args:
        seed: the run's; every call samples with a seed of its own that comes from it.
    """

    def __init__(self, config: TeacherConfig, seed: int, prompts: Prompts) -> None:
        self.config, self.seed, self.prompts = config, seed, prompts

    async def design(
        self, assignments: Sequence[Assignment], round: int, stage: str, rng: Random, ask: Ask
    ) -> list[Design | None]:
        requests = {
            index: self._request(
                "teacher",
                given.id or short_id("d", round, stage, index),
                round,
                stage,
                question=given.question.text,
                answer=given.question.answer,
                attempt=given.attempt[:_LONGEST_ATTEMPT],
                move="harder" if given.move == "harder" else "neighbour",
                levels=str(given.levels),
            )
            for index, given in enumerate(assignments)
            if given.question is not None
        }
        replies = await ask(list(requests.values()))
        designs: list[Design | None] = []
        for index, given in enumerate(assignments):
            request = requests.get(index)
            call = replies.get(request.subject_id) if request else None
            drafted = _drafted(call.completions[0], given) if call else None
            designs.append(Design(drafted) if drafted else None)
        return designs

    async def solve(
        self, questions: Sequence[Question], times: int, round: int, stage: str, ask: Ask
    ) -> list[list[str]]:
        asked = {
            (question.id, number): self._request(
                "solve", f"{question.id}.{number}", round, stage, question=question.text
            )
            for question in questions
            for number in range(times)
        }
        replies = await ask(list(asked.values()))
        return [
            [_said(replies.get(asked[question.id, number].subject_id)) for number in range(times)]
            for question in questions
        ]

    async def audit(
        self, questions: Sequence[Question], round: int, stage: str, ask: Ask
    ) -> list[bool | None]:
        """A solution by another prompt; its answer is compared as the question's checker does."""
        asked = [self._request("audit", q.id, round, stage, question=q.text) for q in questions]
        replies = await ask(asked)
        said = [final_answer(_said(replies.get(question.id))) for question in questions]
        return [
            same(question, question.answer, answer) if answer else None
            for question, answer in zip(questions, said, strict=True)
        ]

    def _request(self, template: str, subject: str, round: int, stage: str, **values: str) -> Request:
        return Request(
            subject_id=subject,
            role="teacher",
            checkpoint="",
            stage=stage,
            round=round,
            template=self.prompts.versioned(template),
            messages=[{"role": "user", "content": self.prompts.render(template, **values)}],
            n=1,
            temperature=self.config.temperature,
            top_p=1.0,
            max_tokens=self.config.max_tokens,
            seed=call_seed(self.seed, round, stage, subject),
        )


def _said(call: Call | None) -> str:
    return call.completions[0] if call else ""


def _drafted(reply: str, given: Assignment) -> Question | None:
    """What a reply proposes; None where it is no such object, or its answer cannot be checked."""
    said = last_json(reply)
    if given.question is None or not isinstance(said, dict):
        return None
    fields = [said.get(name) for name in ("question", "solution", "answer")]
    if not all(isinstance(field, str | int | float) for field in fields):
        return None
    text, solution, answer = (str(field).strip() for field in fields)
    checker = SUITED[kind_of(SeedRow("", text, answer or None))]
    if not text or checker is None:
        return None
    drafted = Question(
        id=short_id("q", text),
        text=text,
        answer=answer,
        solution=solution,
        skill=given.question.skill,
        level=given.question.level + (given.levels if given.move == "harder" else 0),
        origin="teacher",
        checker=checker,
        label="none",
        confidence=0.0,
    )
    worked = with_answer(drafted, solution)
    # A solution that comes to another answer than it says would be trained on as it is.
    return drafted.model_copy(update={"solution": worked}) if worked is not None else None
