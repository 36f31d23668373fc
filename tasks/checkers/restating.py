r"""Answers that are the question again: an expression that has still to be worked out.

Asked for 17 + 25, a completion that ends in \boxed{17 + 25} has said nothing, and as mathematics it is
right. So an answer is none where it stands word for word in the question, or is made of the question's
numbers alone with signs between them, and the reference is something else.
"""

from __future__ import annotations

import re

from .answers import plain
from .numbers import read_number

_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_POWER = re.compile(r"\^\{(\w)\}")
_DROPPED = re.compile(r"\\left|\\right|\\[,;:!()\[\]]|[${}]")
_TIMES = re.compile(r"\\cdot|\\times|[×·]")
_SIGN = re.compile(r"(?<=.)[-+*/^!=]|\\[A-Za-z]+|√")
"""What makes an expression of a value; a minus before a number does not."""

_SUM = re.compile(r"[-+]?[(\d.]+(?:[-+*/^!()]+[\d.]+)*[)!]*")
_NUMERAL = re.compile(r"\d+(?:\.\d+)?")


def restates(text: str, said: str, expected: str) -> bool:
    """Whether an answer is the question, or a part of it, that was to be worked out.

    Args:
        text: the question.
        said: the answer that a completion states.
        expected: the reference; where it is written as the answer is, that is how it was meant.

    >>> restates("What is 17 + 25?", "25 + 17", "42")
    True
    >>> restates("Which is larger, 1/2 or 1/3?", "1/2", "0.5")
    False
    """
    form, reference = _form(said), _form(expected)
    if not _SIGN.search(form) or _unnamed(form) == _unnamed(reference):
        return False
    if (value := read_number(plain(said))) is not None:
        # A number: as long as it is finished, it is an answer wherever else it stands.
        finished = "/" not in form or form.lstrip("-") == f"{abs(value.value)}"
        return not finished and "/" not in reference and _within(form, text)
    if _within(form, text):
        return True
    worked = read_number(plain(expected))
    if worked is None or "/" in reference or not _SUM.fullmatch(form):
        return False
    there = set(_NUMERAL.findall(text))
    return set(_NUMERAL.findall(form)) <= there


def _within(form: str, text: str) -> bool:
    """Whether an expression stands in a text as a whole, spaces apart: 7+2 does not in 17+25."""
    spaced = r"\s*".join(map(re.escape, form))
    return re.search(rf"(?<![\w.]){spaced}(?![\w.]*\w)", _plainer(text)) is not None


def _unnamed(form: str) -> str:
    """An expression without a name before it and brackets around it: x = (y+2) is y+2."""
    return form.rpartition("=")[2].strip("()")


def _form(text: str) -> str:
    """An expression without what says nothing: spaces, braces, delimiters."""
    return re.sub(r"\s", "", _plainer(text)).rstrip(".?")


def _plainer(text: str) -> str:
    return _DROPPED.sub("", _TIMES.sub("*", _FRACTION.sub(r"\1/\2", _POWER.sub(r"^\1", plain(text)))))
