"""Which questions of a seed set are left out of a run, each reason told with its count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..config import RunConfig
from ..errors import SeedError
from ..records import Question
from .overlap import LONGEST_RUN, Overlap
from .sets import keys_of, texts_of
from .unsafe import unsafe

_AROUND = 10
"""Tokens that a chat template adds, at least."""

_DRAWN = ("family", "executed")
"""Labels of what a family wrote: no stranger's text, and compared by its terms alone."""


def longest_question(config: RunConfig) -> int:
    """Characters that a question may have: one may be a token, and the answer needs room."""
    return config.context_of(["solver"]) - config.rollouts.max_tokens - _AROUND


def short_enough(
    config: RunConfig, source: str, questions: Sequence[Question], notes: list[str]
) -> list[Question]:
    """The questions that the model has room for."""
    longest = longest_question(config)
    short = [question for question in questions if len(question.text) <= longest]
    if not short:
        raise SeedError(
            f"{source}: all questions are longer than {longest} characters, which is the room that "
            f"serving.max_model_len {config.context_of(['solver'])} leaves beside rollouts.max_tokens "
            f"{config.rollouts.max_tokens}; raise the one or lower the other"
        )
    if len(short) < len(questions):
        notes.append(
            f"{source}: {len(questions) - len(short)} of {len(questions)} questions have more than {longest} "
            "characters and are left out; see serving.max_model_len"
        )
    return short


def safe(source: str, seeds: Sequence[Question], notes: list[str]) -> list[Question]:
    """The seeds that ask something, and do not speak to the agents."""
    kept, found = [], Counter[str]()
    for seed in seeds:
        why = unsafe(seed.text) or unsafe(seed.skill)
        found += Counter([why] if why else [])
        kept += [] if why else [seed]
    if found:
        counted = ", ".join(f"{count} with {why}" for why, count in found.most_common())
        notes.append(
            f"{source}: {found.total()} of {len(seeds)} questions are unsafe and left out: {counted}"
        )
    if not kept:
        raise SeedError(f"{source}: no question is left; {notes[-1].partition(': ')[2]}")
    return kept


def apart_from(
    source: str, seeds: Sequence[Question], fixed: Sequence[Question], notes: list[str]
) -> list[Question]:
    """The seeds without those that a fixed set has, too."""
    forbidden = {key for question in fixed for key in keys_of(question)}
    overlap = Overlap(
        [text for question in fixed if question.label not in _DRAWN for text in texts_of(question)]
    )
    kept = [
        seed
        for seed in seeds
        if not keys_of(seed) & forbidden and (seed.label in _DRAWN or overlap.find(seed.text) is None)
    ]
    if not kept:
        raise SeedError(
            f"{source}: all {len(seeds)} questions are in a held-out or validation set, too, or share "
            f"{LONGEST_RUN} words in a row with one there; give others, or another --heldout"
        )
    if len(kept) < len(seeds):
        notes.append(
            f"{source}: {len(seeds) - len(kept)} of {len(seeds)} questions are in a held-out or validation "
            f"set, too, or share {LONGEST_RUN} words in a row with one there, and are left out"
        )
    return kept
