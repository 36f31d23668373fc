r"""Answers that have a name: does not exist, undefined, infinity, no solution, times of day.

>>> same_term("DNE", "does not exist"), same_term(r"\infty", "DNE"), same_term("5", "6")
(True, False, None)
>>> same_term("10:30 am", "10:30 A.M."), same_term("10:30 am", "10:30"), same_term("10:30", "10:30 pm")
(True, False, True)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TERMS = {
    said: term
    for term, wordings in {
        # A limit that is infinite, one that does not exist, and a value that is not defined
        # are three answers: a question may be about just that difference.
        "does not exist": (
            "dne", "does not exist", "doesn't exist", "do not exist", "the limit does not exist",
            "limit does not exist",
        ),
        "undefined": ("undefined", "not defined", "is undefined", "is not defined"),
        "infinity": (r"\infty", "∞", "infinity", r"+\infty", "+∞", "+infinity", "positive infinity"),
        "-infinity": (r"-\infty", "-∞", "-infinity", "negative infinity", "minus infinity"),
        # The set of solutions is empty, or there is none: the same, said in two ways.
        "no solution": (
            "no solution", "no solutions", "there is no solution", "there are no solutions", r"\emptyset",
            r"\varnothing", "∅", "empty set", "the empty set", r"\{\}",
        ),
        # Says less than "no solution": there may be complex ones.
        "no real solution": (
            "no real solution", "no real solutions", "there is no real solution",
            "there are no real solutions",
        ),
    }.items()
    for said in wordings
}  # fmt: skip
_OPEN = frozenset({"infinity", "-infinity", "no solution"})
"""What may be written as mathematics, too, such as a limit or a set that comes to it."""

_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)?\s*(?P<half>[ap]\.?\s?m\.?)?",
    re.IGNORECASE,
)


def same_term(expected: str, said: str) -> bool | None:
    """Whether two plain answers are the same term or time; None where they are neither.

    A time of day with am or pm is answered by the same on a clock of 12 or 24 hours; without
    am or pm a time before one in the afternoon does not say which half of the day it means, and
    as an answer to one that does it is not enough.
    """
    one, other = _term(expected), _term(said)
    if one is not None and other is not None:
        return one == other
    if one is not None and one not in _OPEN:
        return False
    return _same_time(_time(expected), _time(said))


def _term(text: str) -> str | None:
    words = " ".join(text.replace("’", "'").casefold().split()).rstrip(".")
    if re.fullmatch(r"(?:[a-z]\.)+[a-z]", words):
        words = words.replace(".", "")  # D.N.E
    return _TERMS.get(re.sub(r"^([+-])\s+|(?<=\\\{)\s+(?=\\\})", r"\1", words))


@dataclass(frozen=True, slots=True)
class _Time:
    seconds: int
    """Since midnight."""
    half: bool
    """Whether it says which half of the day it means."""
    told: bool
    """Whether am, pm, noon or midnight tells that it is a time, and not a ratio."""


_NAMED_TIMES = {"noon": _Time(12 * 3600, True, True), "midnight": _Time(0, True, True)}


def _time(text: str) -> _Time | None:
    if (named := _NAMED_TIMES.get(text.casefold())) is not None:
        return named
    match = _CLOCK.fullmatch(text)
    if match is None or not (match["half"] or match["minute"]):
        return None
    hour, rest = int(match["hour"]), 60 * int(match["minute"] or 0) + int(match["second"] or 0)
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        return _Time(3600 * (hour % 12 + 12 * (match["half"][0] in "pP")) + rest, True, True)
    return _Time(3600 * hour + rest, not 1 <= hour <= 12, False) if hour <= 23 else None


def _same_time(expected: _Time | None, said: _Time | None) -> bool | None:
    if not any(time is not None and time.told for time in (expected, said)):
        return None  # 3:40 alone may be a ratio
    if expected is None or said is None:
        return False
    if expected.half and said.half:
        return expected.seconds == said.seconds
    return not expected.half and expected.seconds % 43_200 == said.seconds % 43_200
