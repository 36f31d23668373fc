"""The default pairs of one question, without a run around it."""

from __future__ import annotations

from random import Random

from maieutic.curriculum.pairs import Case, Judged, Socratic
from maieutic.records import PreferencePair, Question


def build_pairs(
    question: Question, judged: Judged, prompt: str, rng: Random, most: int = 2
) -> list[PreferencePair]:
    return Socratic().pairs(Case(question, judged, prompt, most), rng)
