"""Behaviours named by the Teacher: the recurring moves in a right solution.

Source: Metacognitive Reuse, arXiv 2509.13237 (solve, reflect, emit behaviours of a name and an
instruction). Differs: the solutions are the Solver's own, the Verifier has found them right, and
reflecting and naming are one call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from ..config import TeacherConfig
from ..prompts import Prompts
from ..records import Behaviour, Question, Rollout, short_id
from ..serving.client import Request
from ..tasks.checkers.answers import plain
from ..tasks.kinds import canonical
from ..tasks.overlap import normal
from ..tasks.unsafe import unsafe
from .asking import ask_for
from .seeds import call_seed
from .teacher import Ask

LONGEST_NAME, LONGEST_INSTRUCTION, _MOST = 40, 200, 5
_LONGEST_SHOWN = 4_000
"""Characters of a question and of a solution that the Teacher is shown."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:/\d+)?")


class _Named(BaseModel):
    name: str = Field(max_length=LONGEST_NAME)
    instruction: str = Field(max_length=LONGEST_INSTRUCTION)


class _Behaviours(BaseModel):
    behaviours: list[_Named] = Field(max_length=_MOST)


class Reflecting:
    """
    Args:
        seed: the run's.
    """

    def __init__(self, config: TeacherConfig, seed: int, prompts: Prompts) -> None:
        self.config, self.seed, self.prompts = config, seed, prompts

    async def reflect(
        self, solved: Sequence[tuple[Question, Rollout]], round: int, stage: str, ask: Ask
    ) -> list[Behaviour]:
        """What the Teacher names in right solutions, each with the reason against it, if there is one."""
        by_id = {question.id: (question, rollout) for question, rollout in solved}
        requests = [self._request(*each, round, stage) for each in solved]
        said = await ask_for(requests, _Behaviours, ask) if requests else {}
        return _gathered(by_id, said, round)

    def _request(self, question: Question, rollout: Rollout, round: int, stage: str) -> Request:
        text = self.prompts.render(
            "reflect",
            question=question.text[:_LONGEST_SHOWN],
            skill=question.skill,
            solution=rollout.completion[-_LONGEST_SHOWN:],
        )
        return Request.single(
            "teacher",
            question.id,
            round,
            stage,
            self.prompts.versioned("reflect"),
            text,
            self.config.temperature,
            self.config.max_tokens,
            call_seed(self.seed, round, stage, question.id),
        )


def _gathered(
    by_id: Mapping[str, tuple[Question, Rollout]], said: Mapping[str, _Behaviours], round: int
) -> list[Behaviour]:
    found: list[Behaviour] = []
    for key in sorted(said):
        question, rollout = by_id[key]
        for place, named in enumerate(said[key].behaviours):
            name, instruction = named.name.strip(), named.instruction.strip()
            found.append(
                Behaviour(
                    id=short_id("b", round, key, place),
                    round=round,
                    name=name,
                    instruction=instruction,
                    skill=question.skill,
                    question_id=question.id,
                    rollout_id=rollout.id,
                    reason=fault(name, instruction, question),
                )
            )
    return found


def fault(name: str, instruction: str, question: Question) -> str:
    """Why a behaviour is refused; empty where nothing speaks against it."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        return "name"
    if not instruction or len(instruction) > LONGEST_INSTRUCTION or not instruction.isprintable():
        return "instruction"
    said = f"{name.replace('_', ' ')}: {instruction}"
    if unsafe(instruction) or unsafe(said):
        return "unsafe"
    return "leaks" if leaks(said, question) else ""


def leaks(text: str, question: Question) -> bool:
    """Whether a text holds the answer of a question, or one of its longer numbers.

    A behaviour is shown with other questions, and with this one, too: it must help to find an
    answer, not say it. Numbers in words, and answers put in other words, are not seen.
    """
    there = set(map(canonical, _NUMBER.findall(text)))
    answer = plain(question.answer)
    if there & {canonical(number) for number in _NUMBER.findall(answer)}:
        return True
    if there & {canonical(number) for number in _NUMBER.findall(question.text) if len(number) > 1}:
        return True
    inside = normal(answer)
    if len(inside) == 1 and inside.isalpha():  # of a choice; "a" is in every other sentence
        return bool(
            re.search(rf"(?:\b(?:option|choice|answer|answer is)\s+|\(){inside}\b", text, re.IGNORECASE)
        )
    return bool(inside and re.search(rf"(?<!\w){re.escape(inside)}(?!\w)", normal(text)))
