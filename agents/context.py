"""What a prompt says of the Solver's weaknesses: short, in one order, and never without an end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ..memory.profile import Weakness
from ..prompts import shortened
from ..records import SkillNote
from .teacher import Seen

_CELLS, _SKILLS, _FAILURES = 6, 8, 2
"""Weaknesses, missing skills and earlier failures that are named."""

_LONGEST_NAME, _LONGEST_QUESTION, _LONGEST_ATTEMPT = 60, 600, 400
"""Characters of a skill's name, an earlier question, an earlier attempt."""


def often_missing(notes: Iterable[SkillNote], most: int = _SKILLS) -> list[tuple[str, int]]:
    """The Missing-Skill-Profile: which skills answers lacked, most often first.

    Source: STAT, arXiv 2510.10023. Differs: of this run's failures as they come, with names of the
    Teacher's own making; there a fixed catalogue, and failures found by a process reward model.
    """
    counted = Counter(name.casefold() for note in notes for name in dict.fromkeys(note.missing))
    return sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))[:most]


def missing_text(missing: Sequence[tuple[str, int]]) -> str:
    """`adding fractions (4), reading a table (2)`."""
    return ", ".join(f"{_name(skill)} ({times})" for skill, times in missing[:_SKILLS])


def weakness_text(worst: Sequence[Weakness], missing: Sequence[tuple[str, int]]) -> str:
    """What is worst by skill and level, and what is often missing; empty where nothing is known."""
    lines = [
        f"{_name(weakness.skill)}, level {weakness.level}: {weakness.pass_rate:.0%} right"
        for weakness in worst
        if weakness.need > 0
    ][:_CELLS]
    lines += [f"skills often missing: {missing_text(missing)}"] if missing else []
    return "\n".join(lines)


def failures_text(seen: Sequence[Seen]) -> str:
    """Earlier failures, each a question and an answer to it that was wrong."""
    return "\n\n".join(
        f"Question: {shortened(one.question.text, _LONGEST_QUESTION)}\n"
        f"Wrong answer: {shortened(one.completion, _LONGEST_ATTEMPT)}"
        for one in seen[:_FAILURES]
    )


def _name(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_NAME]
