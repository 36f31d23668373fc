"""How seeds and fixed sets are drawn from reasoning-gym, or set aside from a user's own rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random

from ..config import RunConfig
from ..errors import SeedError
from ..records import Question
from .families.gym import Gym
from .sets import keys_of
from .sifting import longest_question

_SHARE = 0.25
"""Of a user's own questions that are set aside for validation, and as much for the held-out set."""

_MOST = 500
"""Questions of such a set, at most."""

FEWEST = 4
"""Questions with an answer that a seed set must have: one for each set, and two to train on."""

TRIES = 40
"""Draws for one question of a set, of a family that has few."""

_IN_VAIN = 8
"""Draws of a skill and level after which it is left out, where all were too long or there before."""

_FAILURES = 2
"""Draws that may fail, beside as many as do not; some take seconds to fail."""

_SILENCE_S = 5.0
"""Seconds of drawing after which it is told how far it is."""

_FROM_GYM = 100
"""Seed questions that are drawn from reasoning-gym, all families together."""

Tell = Callable[[str], None]
"""Told how far a long draw is."""


def from_gym(
    config: RunConfig, family: Gym, measured: Sequence[Question], notes: list[str], tell: Tell
) -> tuple[list[Question], list[Question], list[Question]]:
    """Seeds of the two lowest levels, and both sets: no question twice, and none of a named set."""
    rng, per_cell = Random(config.sets.seed), each_cell(config.seeds, family, config, notes)
    used = {key for question in measured for key in keys_of(question)}
    validation = of_each_cell(family, config, per_cell, rng, used, notes, tell)
    there = {(question.skill, question.level) for question in validation}
    rich = Gym([cell for cell in family.cells if cell in there], family.parameters)
    heldout = [] if measured else of_each_cell(rich, config, per_cell, rng, used, [], tell)
    lowest: dict[str, int] = {}
    for skill, level in sorted(rich.cells):
        lowest.setdefault(skill, level)
    low = Gym([cell for cell in rich.cells if cell[1] <= lowest[cell[0]] + 1], family.parameters)
    each = -(-_FROM_GYM // max(1, len(low.cells)))
    seeds = of_each_cell(low, config, each, rng, used, [], tell)
    if not (validation and (heldout or measured) and seeds):
        raise SeedError(
            f"{config.seeds}: gives no questions of at most {longest_question(config)} characters for the "
            "seeds and both fixed sets; raise serving.max_model_len, or choose another family"
        )
    return seeds, validation, heldout


def each_cell(source: str, family: Gym, config: RunConfig, notes: list[str]) -> int:
    """Questions of each skill and level in a set: fewer where a hundred families are played together."""
    wanted, cells = config.sets.per_cell, len(family.cells)
    if len({skill for skill, _ in family.cells}) == 1 or wanted * cells <= _MOST:
        return wanted
    each = max(1, _MOST // cells)
    notes.append(
        f"{source}: {each} for each of {cells} skills and levels in a set, not {wanted}: they are many"
    )
    return each


def of_each_cell(
    family: Gym, config: RunConfig, count: int, rng: Random, used: set[str], notes: list[str], tell: Tell
) -> list[Question]:
    """As many questions of each skill and level as it has, up to `count`, none of them used before."""
    questions: list[Question] = []
    poor: list[str] = []
    longest, told = longest_question(config), time.monotonic()
    for place, cell in enumerate(family.cells):
        if time.monotonic() > told + _SILENCE_S:
            told = time.monotonic()
            tell(f"drawing questions: {place} of {len(family.cells)} skills and levels")
        found = failed = 0
        for attempt in range(TRIES * count):
            if found == count or failed > found + _FAILURES or (attempt == _IN_VAIN and not found):
                break
            question = family.draw_at(cell, rng)
            failed += question is None
            if question and len(question.text) <= longest and not keys_of(question) & used:
                used |= keys_of(question)
                questions.append(question)
                found += 1
        if not found:
            poor.append(f"{cell[0]} level {cell[1]}")
    if poor:
        shown = ", ".join(poor[:5]) + (f" and {len(poor) - 5} more" if len(poor) > 5 else "")
        notes.append(f"no questions of at most {longest} characters for {shown}: left out")
    return questions


def split_off(
    config: RunConfig, seeds: list[Question], split_heldout: bool
) -> tuple[list[Question], list[Question], list[Question]]:
    """Set a share of a user's own questions aside; only those with an answer can measure."""
    answered = [seed for seed in seeds if seed.label != "none"]
    if len(answered) < FEWEST:
        raise SeedError(
            f"{config.seeds}: {len(answered)} different questions with an answer; at least {FEWEST} are "
            "needed, for a part of them is set aside to measure with: add answers, or name a held-out set "
            "that has some (--heldout), of which a part is set aside then"
        )
    Random(config.sets.seed).shuffle(answered)
    size = min(_MOST, max(1, round(_SHARE * len(answered))))
    validation, heldout = answered[:size], answered[size : 2 * size] if split_heldout else []
    apart = {question.id for question in (*validation, *heldout)}
    return [seed for seed in seeds if seed.id not in apart], validation, heldout


def lent(
    config: RunConfig, name: str, heldout: list[Question], notes: list[str]
) -> tuple[list[Question], list[Question]]:
    """(validation, what is left of a named held-out set), where the seeds have too few answers to decide."""
    if len(heldout) < FEWEST:
        raise SeedError(
            f"{name}: {len(heldout)} questions with an answer; the seeds have fewer than {FEWEST}, and a "
            f"part of this set must stand in for the validation set: at least {FEWEST} are needed"
        )
    order = list(heldout)
    Random(config.sets.seed).shuffle(order)
    size = min(_MOST, max(1, round(_SHARE * len(order))))
    notes.append(
        f"{name}: {size} of its {len(order)} questions decide what is kept and are not reported, for the "
        f"seeds have fewer than {FEWEST} answers"
    )
    return order[:size], order[size:]
