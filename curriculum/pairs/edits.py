"""Errors slipped into a worked solution by rule; and words that give a written one away."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from random import Random

_STEP = re.compile(
    r"(?<![\w.,/])(?P<left>[0-9]+)(?P<a>\s*)(?P<sign>[-+*/×]|mod)(?P<b>\s*)(?P<right>[0-9]+)(?P<c>\s*=\s*)"
    r"(?P<result>[0-9]+)(?![\w/]|[.,][0-9])"
)
"""One worked operation on whole numbers: `7 + 6 = 13`."""

_SIGNS: dict[str, Callable[[int, int], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "×": operator.mul,
    "/": operator.truediv,
    "mod": operator.mod,
}
_LONGEST_NUMBER = 15
"""Digits; beyond, nothing is worked out."""

_TELLING = re.compile(
    r"\b(?:mistak\w*|incorrect\w*|wrong\w*|errors?|erroneous\w*|inaccura\w*|intentional\w*|deliberate\w*|"
    r"oops|typos?|should (?:be|have been)|corrected|original solution)\b",
    re.IGNORECASE,
)


def change_digit(text: str, rng: Random) -> str | None:
    """The text with one of its digits replaced; None where it has none."""
    places = [i for i, sign in enumerate(text) if sign.isascii() and sign.isdigit()]
    if not places:
        return None
    at = rng.choice(places)
    digit = rng.choice([d for d in "0123456789" if d != text[at]])
    return text[:at] + digit + text[at + 1 :]


def change_step(text: str, rng: Random) -> str | None:
    """The text with one of its worked operations made wrong; None where it has none that can be.

    A digit is changed, an operator, a term dropped, or two swapped: only what then does not hold.
    """
    steps = [step for step in _STEP.finditer(text) if _readable(step) and not _broken(step[0])]
    rng.shuffle(steps)
    for step in steps:
        edits = [edit for edit in _edits(step, rng) if _broken(edit)]
        if edits:
            edit = rng.choice(edits)
            return text[: step.start()] + edit + text[step.end() :]
    return None


def _readable(step: re.Match[str]) -> bool:
    return all(len(step[part]) <= _LONGEST_NUMBER for part in ("left", "right", "result"))


def _edits(step: re.Match[str], rng: Random) -> Iterator[str]:
    left, sign, right, result = (step[name] for name in ("left", "sign", "right", "result"))
    a, b, c = step["a"], step["b"], step["c"]
    yield f"{left}{a}{sign}{b}{right}{c}{change_digit(result, rng)}"
    yield f"{left}{a}{sign}{b}{change_digit(right, rng)}{c}{result}"
    other = rng.choice([one for one in ("+", "-", "*") if one != sign])
    yield f"{left}{a}{other}{b}{right}{c}{result}"
    yield f"{left}{c}{result}"
    yield f"{right}{a}{sign}{b}{left}{c}{result}"


def _broken(edit: str) -> bool:
    """Whether a step does not hold."""
    step = _STEP.fullmatch(edit)
    if step is None:
        one, other = (int(side) for side in edit.split("="))
        return one != other
    try:
        return _SIGNS[step["sign"]](int(step["left"]), int(step["right"])) != int(step["result"])
    except ZeroDivisionError:
        return True


def telling(after: str, before: str) -> bool:
    """Whether a changed text has words that say it was changed, which the text before had not."""
    known = {word.casefold() for word in _TELLING.findall(before)}
    return any(word.casefold() not in known for word in _TELLING.findall(after))
