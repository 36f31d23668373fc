"""A right solution against itself with an error in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from ...records import PreferencePair
from .case import Asks, Case, Said
from .edits import change_digit, change_step, telling

_MARK = re.compile(r"\s*####.*\Z", re.DOTALL)
_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")


@dataclass(frozen=True, slots=True)
class Rise:
    """One pair for each question with a right rollout, or a worked reference where none is right.

    A Teacher that is a model writes the error, for up to `pairs.calls` questions of a round; what the
    checker does not call wrong is dropped, and so is what says of itself that it is wrong. For all others a
    worked operation is changed by rule so that it does not hold: a digit, the operator, a term dropped or
    two swapped. Where there is none, one digit.

    Source: RISE, arXiv 2410.06638. Differs: the Teacher writes the error, not the model that is trained;
    both sides are whole solutions, for our trainers end every completion (the paper: one step after a
    shared beginning). As there, a rejected side does not state the right answer: after an edit by rule
    its mark or its box is taken off.
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
    """The text with an error, and without the right answer at its end; empty where that cannot be."""
    step = change_step(text, rng)
    if step is not None:
        return _BOX.sub(r"\1", _MARK.sub("", step))
    return change_digit(text, rng) or ""
