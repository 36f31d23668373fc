"""Composition: several questions in one, each needing the answer of the one before.

    Work these out in order; each letter stands for its answer.
    A: What is 3 + 4?
    B: What is (A - 2) * 6?
    Give B alone as the final answer.

Source: h1, arXiv 2510.07312 (y1 = f1(x1), x2 = φ(y1), y2 = f2(x2) …; only the last answer is
checked, and the horizon is the level); f∘g, arXiv 2509.25123. Differs: φ is an offset, chosen so
that the number in the later question keeps its value. So every answer stays what it was, and any
question with a number in its text and a number for an answer can be chained, whoever wrote it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import Any

from ...records import Question, short_id
from ..arithmetic import ANSWER_MARK
from ..checkers.answers import plain
from ..checkers.numbers import read_number
from .family import Family, data_of

LONGEST_CHAIN = 20
"""Questions in one: letters name them, and no model here holds more."""

_HEAD = "Work these out in order; each letter stands for its answer."
_NUMBER = re.compile(r"(?<![\w.,/^{}$\\:-])(\d{1,6})(?![\w%^{}\\$]|[.,/:]\d|\)\s|\.\s+[A-Z])")
"""A whole number that stands alone: no part of a decimal, a date, a formula or a list's count."""

_LINK = re.compile(r"\(([A-Z]) ([+-]) ([\d.]+)\)")
_TRIES = 50
_NUMERIC = ("arithmetic", "math", "numeric")

Part = dict[str, Any]


def parts_of(question: Question) -> list[Part]:
    """The questions that a chain is made of; a plain question is none."""
    parts = data_of(question).get("parts", [])
    return parts if isinstance(parts, list) else []


def number_of(question: Question) -> Fraction | None:
    """The answer as a number that can be written out; None where it is none, or has a unit."""
    found = read_number(plain(question.answer))
    if found is None or found.unit or found.percent or _written(found.value) is None:
        return None
    return found.value


def linkable(question: Question) -> bool:
    """Whether it may stand anywhere in a chain: a number in its text, a number for an answer."""
    return not parts_of(question) and bool(_NUMBER.search(question.text)) and number_of(question) is not None


class Chains:
    """A family with chains of its questions above its own levels.

    Args:
        inner: gives the questions, and all that is no chain.
        atoms: what chains are made of; drawn from `inner` where there are none.
        horizon: questions in the longest chain.
    """

    def __init__(self, inner: Family, atoms: Sequence[Question], horizon: int) -> None:
        self.inner, self.horizon = inner, horizon
        self.atoms = [atom for atom in atoms if linkable(atom)]
        self._can_draw = not atoms

    @property
    def top(self) -> int:
        longer = self.horizon - 1 if self._can_draw or len(self.atoms) > 1 else 0
        return self.inner.top + longer

    @property
    def reads(self) -> bool:
        return self.inner.reads

    def read(self, text: str) -> Question:
        return self.inner.read(text)

    def draw(self, rng: Random) -> Question | None:
        return self.drawn(rng.randint(1, self.horizon), rng)

    def drawn(self, horizon: int, rng: Random) -> Question | None:
        """A chain of a given length; with 1, a question of the family."""
        if horizon == 1:
            return self.inner.draw(rng)
        first = self._atom(rng, [])
        return self._longer(first, horizon - 1, rng) if first else None

    def harder(self, question: Question, levels: int, rng: Random) -> Question | None:
        if not parts_of(question) and question.level + levels <= self.inner.top:
            within = self.inner.harder(question, levels, rng)
            if within is not None:
                return within
        return self._longer(question, levels, rng)

    def neighbour(self, question: Question, rng: Random) -> Question | None:
        parts = parts_of(question)
        if not parts:
            return self.inner.neighbour(question, rng)
        for _ in range(_TRIES):
            atom = self._atom(rng, parts[:-1])
            changed = _question([*parts[:-1], _part(atom)], rng) if atom else None
            if changed and changed.text != question.text and changed.level == question.level:
                return changed
        return None

    def audit(self, question: Question) -> bool | None:
        """Every part by itself, and every link: the number it stands for is the one that was there."""
        parts = parts_of(question)
        if not parts:
            return self.inner.audit(question)
        if not _links_hold(parts) or parts[-1]["answer"] != question.answer:
            return False
        found = [self.inner.audit(_alone(part)) for part in parts]
        return False if False in found else None if None in found else True

    def _longer(self, question: Question, more: int, rng: Random) -> Question | None:
        parts = parts_of(question) or ([_part(question)] if number_of(question) is not None else [])
        if not parts or len(parts) + more > self.horizon:
            return None
        for _ in range(more):
            atom = self._atom(rng, parts)
            if atom is None:
                return None
            parts = [*parts, _part(atom)]
        return _question(parts, rng)

    def _atom(self, rng: Random, parts: Sequence[Part]) -> Question | None:
        """A question for the next place, none that is there already, and none of a higher level."""
        top = max((part["level"] for part in parts), default=self.inner.top)
        used = {part["text"] for part in parts}
        for _ in range(_TRIES):
            atom = self.inner.draw(rng) if self._can_draw else rng.choice(self.atoms) if self.atoms else None
            if atom and linkable(atom) and atom.text not in used and atom.level <= top:
                return atom
        return None


def _part(question: Question) -> Part:
    kept = ("text", "answer", "solution", "skill", "level", "checker", "label", "confidence")
    return {name: getattr(question, name) for name in kept}


def _alone(part: Part) -> Question:
    fields = {name: value for name, value in part.items() if name != "asked"}
    return Question(id=short_id("q", part["text"]), origin="seed", **fields)


def _question(parts: list[Part], rng: Random) -> Question | None:
    """The chain of some parts; what was asked before stays as it was."""
    linked: list[Part] = []
    for part in parts:
        if "asked" not in part:
            asked = _linked(part, linked[-1], _letter(len(linked) - 1), rng) if linked else part["text"]
            if asked is None:
                return None
            part = {**part, "asked": asked}
        linked.append(part)
    last = linked[-1]
    lines = [f"{_letter(i)}: {part['asked']}" for i, part in enumerate(linked)]
    text = "\n".join([_HEAD, *lines, f"Give {_letter(len(linked) - 1)} alone as the final answer."])
    weakest = min(linked, key=lambda part: float(part["confidence"]))
    return Question(
        id=short_id("q", text),
        text=text,
        answer=last["answer"],
        solution=_solution(linked),
        skill=linked[0]["skill"],
        level=max(part["level"] for part in linked) + len(linked) - 1,
        origin="seed",
        checker=last["checker"] if last["checker"].partition("?")[0] in _NUMERIC else "math",
        data=json.dumps({"parts": linked}),
        label=weakest["label"],
        confidence=math.prod(float(part["confidence"]) for part in linked),
    )


def _linked(part: Part, before: Part, letter: str, rng: Random) -> str | None:
    """A part's text with one of its numbers written by means of the answer before it."""
    places = list(_NUMBER.finditer(part["text"]))
    value = number_of(_alone(before))
    if not places or value is None:
        return None
    place = rng.choice(places)
    offset = Fraction(place.group(1)) - value
    size = _written(abs(offset))
    if size is None:
        return None
    link = f"({letter} {'-' if offset < 0 else '+'} {size})"
    return f"{part['text'][: place.start()]}{link}{part['text'][place.end() :]}"


def _links_hold(parts: Sequence[Part]) -> bool:
    for index, part in enumerate(parts[1:], 1):
        value = number_of(_alone(parts[index - 1]))
        links = [link for link in _LINK.finditer(part["asked"]) if link.group(1) == _letter(index - 1)]
        if value is None or not links:
            return False
        texts = []
        for link in links:
            number = value + Fraction(f"{link.group(2)}{link.group(3)}")
            texts.append(f"{part['asked'][: link.start()]}{number}{part['asked'][link.end() :]}")
        if part["text"] not in texts:
            return False
    return True


def _solution(parts: Sequence[Part]) -> str:
    lines = []
    for index, part in enumerate(parts):
        work = part["solution"].rpartition(ANSWER_MARK)[0].strip() or part["solution"].strip()
        given = f"with {_letter(index - 1)} = {parts[index - 1]['answer']}: " if index else ""
        lines.append(f"{_letter(index)}: {given}{work + ', ' if work else ''}so {part['answer']}")
    return "\n".join(lines) + f" {ANSWER_MARK} {parts[-1]['answer']}"


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def _written(number: Fraction) -> str | None:
    """A number as plain digits; None where its decimals do not end, or are many."""
    if number.denominator == 1:
        return str(number.numerator) if abs(number.numerator) < 10**12 else None
    scaled = number * 10**6
    if scaled.denominator != 1:
        return None
    return f"{float(number):.6f}".rstrip("0")
