"""A right solution against itself with an error in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from ...records import PreferencePair
from .case import Asks, Case, Said
from .edits import change_digit, change_step, telling

_STATED = re.compile(r"(?P<open>####[ \t]*|\\boxed\s*\{)(?P<answer>(?:[^{}\n]|\{[^{}\n]*\})*)")
"""An answer after its mark, or in its box."""


@dataclass(frozen=True, slots=True)
class Rise:
    """One pair for each question with a right rollout, or a worked reference where none is right.

    A Teacher that is a model writes the error, for up to `pairs.calls` questions of a round; what the
    checker does not call wrong is dropped, and so is what says of itself that it is wrong. For all others a
    worked operation is changed by rule so that it does not hold: a digit, the operator, a term dropped or
    two swapped. Where there is none, the answer is, or one digit.

    Source: RISE, arXiv 2410.06638. Differs: the Teacher writes the error, not the model that is trained;
    both sides are whole solutions, for our trainers end every completion (the paper: one step after a
    shared beginning). There the box is taken off what is rejected; here its answer becomes another one
    (after an edit by rule: what the changed step comes to, or a digit changed), for a side without an
    answer would be told apart by that alone.
    """

    asks: ClassVar[Asks] = "inject"

    def wish(self, case: Case, rng: Random) -> Said | None:
        """What the Teacher is to slip an error into."""
        right = case.rights
        return rng.choice(right) if right else case.reference if case.judged else None

    def pairs(self, case: Case, rng: Random) -> list[PreferencePair]:
        changed = case.changed
        if changed and not telling(changed.after, changed.before.text):
            chosen, after = changed.before, changed.after
        else:
            found = self.wish(case, rng)
            if found is None:
                return []
            chosen, after = found, _edited(found.text, rng)
        if not after.strip() or after.strip() == chosen.text.strip():
            return []
        return [case.pair("injected", chosen, chosen.ending(after))]


def _edited(text: str, rng: Random) -> str:
    """The text with an error, which its answer follows; empty where that cannot be."""
    step = change_step(text, rng)
    stated = list(_STATED.finditer(step or text))
    if step is None and not (stated and _other(text[: stated[-1].start()], stated[-1]["answer"], rng)):
        return change_digit(text, rng) or ""
    return _answered(step or text, stated[-1], rng) if stated else step or ""


def _answered(text: str, stated: re.Match[str], rng: Random) -> str:
    """The text with another answer in place of the stated one; an answer that can be made no other is
    taken away, with its mark or box."""
    before = text[: stated.start()]
    other = _other(before, stated["answer"], rng)
    return before.rstrip() if other is None else before + stated["open"] + other + text[stated.end() :]


def _other(before: str, answer: str, rng: Random) -> str | None:
    """What a text comes to, where that is not the answer already; else the answer with a digit changed."""
    numbers = re.findall("[0-9]+", before)
    if answer.isascii() and answer.strip().isdigit() and numbers and numbers[-1] != answer.strip():
        return str(numbers[-1])
    return change_digit(answer, rng)
