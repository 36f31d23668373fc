"""Composition: several questions in one, each needing the answer of the one before.

    Work these out in order; Q1 stands for the answer of question 1, and so on.
    Q1: What is 3 + 4?
    Q2: What is (Q1 - 2) * 6?
    Give the answer of Q2 alone.

Source: h1, arXiv 2510.07312 (y1 = f1(x1), x2 = φ(y1), y2 = f2(x2) …; only the last answer is
checked, and the horizon is the level); f∘g, arXiv 2509.25123. Differs: φ is an offset, chosen so
that the number in the later question keeps its value. So every answer stays what it was, and any
question with a number in its text and a number for an answer can be chained, whoever wrote it.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

from ...records import Question, short_id
from ..arithmetic import ANSWER_MARK
from ..checkers.answers import plain
from ..checkers.finding import data_of
from ..checkers.numbers import read_number
from ..overlap import key_of
from .family import Family

_HEAD = "Work these out in order; Q1 stands for the answer of question 1, and so on."
_NUMBER = re.compile(
    r"""(?<![\w.,/^{}$\\:'’–-])(?<!\d\s)
        (?P<number>[1-9][0-9]{0,5}|0)
        (?![\w%^{}\\$–-]|[.,/:'’]\d|\)\s|\s[\d¼-¾⅐-⅞])""",
    re.VERBOSE,
)
"""A whole number that stands alone: no part of a decimal, a date, a formula, a range, `10 000`, `2 1/2`."""

_COUNT = re.compile(r"(?:^|[\n.?!:;])\s*$")
_COUNTED = re.compile(r"\.\s")
"""Before and after the number of a list's item, `1. …`, of which a sentence's last number has but one."""

_COMMAND = re.compile(r"\\[a-zA-Z]+\s+$")
"""Before what LaTeX takes as an argument: `\\sqrt 2`."""

_NAMED = re.compile(r"\bQ[0-9]")
"""What would be taken for a name of ours."""

_LINK = re.compile(r"\(Q([0-9]+) ([+-]) ([0-9]+(?:\.[0-9]+)?)\)")
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
    if parts_of(question) or _NAMED.search(question.text):
        return False
    return bool(_places(question.text)) and number_of(question) is not None


def _places(text: str) -> list[re.Match[str]]:
    """The numbers of a text that an answer may be put in place of."""
    return [match for match in _NUMBER.finditer(text) if _replaceable(match)]


def _replaceable(match: re.Match[str]) -> bool:
    before = match.string[: match.start()]
    item = _COUNTED.match(match.string, match.end()) and _COUNT.search(before[-_LOOKED_BACK:])
    return not item and not _COMMAND.search(before[-_LOOKED_BACK:])


_LOOKED_BACK = 40
"""Characters before a number that say what it is."""


class Chains:
    """A family with chains of its questions above its own levels.

    Args:
        inner: gives the questions, and all that is no chain.
        atoms: what chains are made of; drawn from `inner` where there are none.
        horizon: questions in the longest chain.
    """

    def __init__(self, inner: Family, atoms: Sequence[Question], horizon: int) -> None:
        self.inner, self._draws = inner, not atoms
        self.atoms = sorted((atom for atom in atoms if linkable(atom)), key=lambda atom: atom.level)
        self._levels = [atom.level for atom in self.atoms]
        self.horizon = horizon if self._draws else max(1, min(horizon, len(self.atoms)))

    @property
    def top(self) -> int:
        return self.inner.top + self.horizon - 1

    @property
    def reads(self) -> bool:
        return self.inner.reads

    def read(self, text: str) -> Question:
        return self.inner.read(text)

    @property
    def cells(self) -> Sequence[tuple[str, int]]:
        """Those of the inner family, and above its highest level the chains that begin there."""
        if not self._draws:
            return ()
        highest = [skill for skill, level in self.inner.cells if level == self.inner.top]
        beyond = range(self.inner.top + 1, self.top + 1)
        return [*self.inner.cells, *((skill, level) for skill in highest for level in beyond)]

    def draw(self, rng: Random) -> Question | None:
        return self.drawn(rng.randint(1, self.horizon), rng)

    def draw_at(self, cell: tuple[str, int], rng: Random) -> Question | None:
        skill, level = cell
        if not self._draws or level <= self.inner.top:
            return self.inner.draw_at(cell, rng)
        start = self.inner.draw_at((skill, self.inner.top), rng)
        return self.harder(start, level - self.inner.top, rng) if start else None

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
            atom = self._atom(rng, parts)
            changed = _question([*parts[:-1], _part(atom)], rng) if atom else None
            if changed and changed.level == question.level:
                return changed
        return None

    def audit(self, question: Question) -> bool | None:
        """Every part by itself, and every link: the number it stands for is the one that was there."""
        parts = parts_of(question)
        if not parts:
            return self.inner.audit(question)
        whole = question.text == _text(parts) and question.answer == parts[-1]["answer"]
        if not whole or not _links_hold(parts):
            return False
        found = [self.inner.audit(_alone(part)) for part in parts]
        return False if False in found else None if None in found else True

    def _longer(self, question: Question, more: int, rng: Random) -> Question | None:
        parts = parts_of(question) or ([_part(question)] if number_of(question) is not None else [])
        if not parts or _NAMED.search(parts[0]["text"]) or len(parts) + more > self.horizon:
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
        used = {key_of(part["text"]) for part in parts}
        few = bisect_right(self._levels, top)
        for _ in range(_TRIES):
            atom = self.inner.draw(rng) if self._draws else self.atoms[rng.randrange(few)] if few else None
            if atom and linkable(atom) and atom.level <= top and key_of(atom.text) not in used:
                return atom
        return None


def _part(question: Question) -> Part:
    kept = ("text", "answer", "solution", "skill", "level", "checker", "data", "label", "confidence")
    return {name: getattr(question, name) for name in kept}


def _alone(part: Part) -> Question:
    fields = {name: value for name, value in part.items() if name != "asked"}
    return Question(id=short_id("q", part["text"]), origin="seed", **fields)


def _question(parts: list[Part], rng: Random) -> Question | None:
    """The chain of some parts; what was asked before stays as it was."""
    linked: list[Part] = []
    for part in parts:
        if "asked" not in part:
            asked = _linked(part, linked[-1], len(linked), rng) if linked else part["text"]
            if asked is None:
                return None
            part = {**part, "asked": asked}
        linked.append(part)
    last = linked[-1]
    text = _text(linked)
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


def _text(parts: Sequence[Part]) -> str:
    lines = [f"Q{number}: {part['asked']}" for number, part in enumerate(parts, 1)]
    return "\n".join([_HEAD, *lines, f"Give the answer of Q{len(parts)} alone."])


def _linked(part: Part, before: Part, number: int, rng: Random) -> str | None:
    """A part's text with one of its numbers written by means of the answer before it, Q`number`."""
    places = _places(part["text"])
    value = number_of(_alone(before))
    if not places or value is None:
        return None
    place = rng.choice(places)
    offset = Fraction(place["number"]) - value
    size = _written(abs(offset))
    if size is None:
        return None
    link = f"(Q{number} {'-' if offset < 0 else '+'} {size})"
    return f"{part['text'][: place.start()]}{link}{part['text'][place.end() :]}"


def _links_hold(parts: Sequence[Part]) -> bool:
    """Whether every part is, with the answer before it put into its link, what was asked alone."""
    if parts[0]["asked"] != parts[0]["text"]:
        return False
    for number, (before, part) in enumerate(pairwise(parts), 1):
        value, asked = number_of(_alone(before)), part["asked"]
        links = [link for link in _LINK.finditer(asked) if link[1] == str(number)]
        if value is None or part["text"] not in [
            f"{asked[: link.start()]}{value + Fraction(link[2] + link[3])}{asked[link.end() :]}"
            for link in links
        ]:
            return False
    return True


def _solution(parts: Sequence[Part]) -> str:
    lines = []
    for number, part in enumerate(parts, 1):
        work = part["solution"].rpartition(ANSWER_MARK)[0].strip() or part["solution"].strip()
        given = f"with Q{number - 1} = {parts[number - 2]['answer']}: " if number > 1 else ""
        lines.append(f"Q{number}: {given}{work + ', ' if work else ''}so {part['answer']}")
    return "\n".join(lines) + f" {ANSWER_MARK} {parts[-1]['answer']}"


def _written(number: Fraction) -> str | None:
    """A number as plain digits; None where its decimals do not end, or it has many."""
    scaled = number * 10**6
    if scaled.denominator != 1 or abs(number) >= 10**12:
        return None
    digits = f"{abs(scaled.numerator):07d}"
    whole = f"{digits[:-6]}.{digits[-6:]}".rstrip("0").rstrip(".")
    return f"-{whole}" if number < 0 else whole
