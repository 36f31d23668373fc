"""Looking into the memory on behalf of a model that calls the `search` tool.

What each role may find is different, because an answer found is an answer not worked out:

- the Solver finds worked references of questions that it has mastered, and nothing else. Never the
  question that it is asked, nor a near copy of it, nor what is in a fixed set; and nothing at all
  where it is not known what it is asked.
- Teacher and Verifier find questions like the query with their answers, and remembered failures.
  Never a question whose text stands in what they were asked: a judge or a label that could look the
  answer up would say nothing about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..records import Question
from .bank import QuestionBank
from .profile import WeaknessProfile

_LOOKED_AT = 32
"""Nearest entries that are looked at: those that must not be found are among the nearest."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of the memory, as far as the searcher may see it."""

    question: str
    answer: str = ""
    solution: str = ""
    attempt: str = ""
    """A completion that was wrong."""


class MemorySearch:
    """
    Args:
        near: cosine similarity from which a question is a copy of another.
        kept: whether a question is in a fixed set, or a near copy of one there.
        same: whether two questions ask the same in other words, such as other orders of terms.
        count: entries of one search.
    """

    def __init__(
        self,
        bank: QuestionBank,
        profile: WeaknessProfile,
        near: float,
        kept: Callable[[Question], bool],
        same: Callable[[Question, Question], bool],
        count: int = 3,
    ) -> None:
        self._bank, self._profile, self._near = bank, profile, near
        self._kept, self._same, self._count = kept, same, count

    def for_solver(self, query: str, asked: Question | None) -> list[Found]:
        """Worked references of other questions that the Solver has mastered."""
        if asked is None:
            return []
        mastered = self._bank.like(query, _LOOKED_AT, zone="mastered")
        fine = (one for one in mastered if not self._kept(one) and not self._copies(one, asked))
        return self._first(Found(one.text, solution=one.solution) for one in fine if one.solution)

    def for_author(self, query: str, prompt: str) -> list[Found]:
        """Questions with answers, then failures, for the Teacher and the Verifier."""
        shown = _plain(prompt)
        there = [one for one in self._bank.like(query, _LOOKED_AT) if not self._kept(one)]
        known = self._first(
            Found(one.text, one.answer, one.solution) for one in there if _plain(one.text) not in shown
        )
        (failures,) = self._profile.failures_like([query], self._count)
        asked = {one.id: one for one in self._bank.get(self._there([f.question_id for f in failures]))}
        return known + [
            Found(one.question, attempt=one.completion)
            for one in failures
            if one.question_id in asked
            and not self._kept(asked[one.question_id])
            and _plain(one.question) not in shown
        ]

    def _there(self, ids: list[str]) -> list[str]:
        return sorted(self._bank.known_ids(ids))

    def _copies(self, one: Question, asked: Question) -> bool:
        if one.id == asked.id or self._same(one, asked) or _plain(one.text) == _plain(asked.text):
            return True
        vectors = self._bank.embedded([one.text, asked.text])
        return float(vectors[0] @ vectors[1]) >= self._near

    def _first(self, found: Iterable[Found]) -> list[Found]:
        return [one for one, _ in zip(found, range(self._count), strict=False)]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
