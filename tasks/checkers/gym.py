"""The `gym:FAMILY` checkers: reasoning-gym's own scorers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from ...records import Question
from ..families.family import Unreadable
from ..families.gym import score
from .answers import MARK
from .finding import LONGEST, Finding, stated
from .gym_extras import beside_the_answer

_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Gym:
    """Right is a score of 1, and nothing beside the answer; a part of 1, which some scorers give for the
    form, is wrong."""

    family: str

    needs: ClassVar = ("maieutic.tasks.families.quiet_gym",)

    def quick(self, question: Question, completion: str) -> Finding | None:
        said = _said(question, completion)
        if isinstance(said, Finding):
            return said
        same = bool(question.answer) and said == question.answer.strip()
        return Finding("right", said) if same else None

    def slow(self, question: Question, completion: str) -> Finding:
        said = _said(question, completion)
        if isinstance(said, Finding):
            return said
        try:
            points = score(question, self.family, said)
        except Unreadable as error:
            return Finding("undecided", said, str(error))
        except Exception as error:  # whatever a scorer meets in a text that it did not expect
            return Finding("undecided", said, f"the scorer failed: {type(error).__name__}: {error}"[:200])
        if points != 1:
            return Finding("wrong", said, f"scored {points:g}")
        why = beside_the_answer(question, self.family, said)
        return Finding("invalid", said, why) if why else Finding("right", said)


def _said(question: Question, completion: str) -> str | Finding:
    """The library's own tags first; then all after the mark, for its answers may have many lines."""
    if len(completion) > LONGEST:
        return Finding("invalid", None, f"longer than {LONGEST} characters")
    tagged = _TAGGED.findall(completion)
    marked = completion.rpartition(MARK)
    said = tagged[-1].strip() if tagged else marked[2].strip() if marked[1] else ""
    # Without its reference, which may be longer than what others compare: the scorer has its own.
    return said or stated(question.model_copy(update={"answer": ""}), completion)
