"""What the Teacher replies with: JSON by schema, and the questions that are drafted from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..records import Question, short_id
from ..tasks.checkers.answers import LONGEST_ANSWER
from ..tasks.columns import SeedRow
from ..tasks.kinds import SUITED, kind_of
from ..tasks.labelling import with_answer

Line = Annotated[str, BeforeValidator(lambda said: " ".join(said.split()) if isinstance(said, str) else said)]
"""Text of one line, whatever lines it came in: it is shown in lists."""


class Said(BaseModel):
    """Base of replies. What else an object holds is let be: not every endpoint keeps to a schema."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True, str_strip_whitespace=True)


class Work(Said):
    """A question with its worked solution and its answer."""

    question: str = Field(min_length=1, max_length=4_000)
    solution: str = Field(min_length=1, max_length=8_000)
    answer: str = Field(min_length=1, max_length=LONGEST_ANSWER // 4)


class Designed(Said):
    """A new question; `why` comes first, so that it is thought of before the question is written."""

    why: str = Field("", max_length=600)
    question: str = Field(min_length=1, max_length=4_000)
    solution: str = Field(min_length=1, max_length=8_000)
    answer: str = Field(min_length=1, max_length=LONGEST_ANSWER // 4)


class Split(Said):
    """Smaller questions that lead to the answer of one."""

    subproblems: list[Work] = Field(min_length=1, max_length=4)


class Hinted(Said):
    """A hint for a question."""

    hint: str = Field(min_length=1, max_length=1_000)


class Reworked(Said):
    """A solution that was changed as it was asked for."""

    solution: str = Field(min_length=1, max_length=8_000)


Skill = Annotated[Line, Field(min_length=1, max_length=60)]


class Skills(Said):
    """What a question needs, and what an attempt at it lacked."""

    needed: list[Skill] = Field([], max_length=4)
    missing: list[Skill] = Field([], max_length=3)


def drafted(said: Work | Designed, parent: Question, level: int) -> Question | None:
    """The question that a reply proposes; None where its answer cannot be checked, or its solution
    comes to another: that would be trained on as it is."""
    checker = SUITED[kind_of(SeedRow("", said.question, said.answer))]
    if checker is None:
        return None
    question = Question(
        id=short_id("q", said.question),
        text=said.question,
        answer=said.answer,
        solution=said.solution,
        skill=parent.skill,
        level=level,
        origin="teacher",
        checker=checker,
        label="none",
        confidence=0.0,
    )
    worked = with_answer(question, said.solution)
    return question.model_copy(update={"solution": worked}) if worked is not None else None
