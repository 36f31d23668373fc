"""What sort of thing an answer is, and which checker suits it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from .checkers.answers import LONGEST_ANSWER, plain
from .checkers.numbers import read_number
from .columns import SeedRow
from .overlap import normal

SUITED: Mapping[str, str | None] = {
    "integer": "math",
    "number": "math",
    "LaTeX": "math",
    "letter": "choice",
    "choice": "choice",
    "word": "exact",
    "text": None,
    "JSON": "json",
    "schema": "json",
    "program": "python",
    "none": None,
}
"""The checker for each kind of answer; None where a program cannot tell."""

_FEW = 4
"""Words that an answer may have to be compared as it stands."""


def canonical(answer: str) -> str:
    """One form for answers that are the same: numbers by their value, text without case and spaces."""
    text = plain(answer)
    number = read_number(text)
    if number is None:
        return normal(text)
    return f"{number.value}{'%' if number.percent else ''}{' ' + number.unit if number.unit else ''}"


def kind_of(row: SeedRow) -> str:
    """What sort of thing an answer is, which tells what can check it."""
    if row.given.get("tests") or row.given.get("asserts"):
        return "program"
    if row.answer is None:
        return "schema" if row.given.get("schema") else "none"
    if len(row.answer) > LONGEST_ANSWER:
        return "text"
    return "choice" if row.given.get("choices") else _kind(row.answer)


@lru_cache(maxsize=1024)
def _kind(answer: str) -> str:
    if _PLAIN_INTEGER.fullmatch(answer):
        return "integer"  # most answers of most sets; the rest takes ten times as long
    text = plain(answer)
    number = read_number(text)
    if number is not None:
        return "integer" if number.value.denominator == 1 else "number"
    if text[:1] in "{[" and text[-1:] in "}]" and '"' in text:
        return "JSON"
    if len(text) <= 3 and text.strip("().").isalpha() and len(text.strip("().")) == 1:
        return "letter"
    if "\\" in text or any(sign in text for sign in "^=+*/<>"):
        return "LaTeX"
    return "word" if len(text.split()) <= _FEW else "text"


_PLAIN_INTEGER = re.compile(r"-?[0-9]{1,15}")
