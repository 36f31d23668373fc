"""What a run is played with: its family, its seed questions, and the sets that are kept apart.

Everything here is read, drawn and split before a folder is made or a model is loaded, so that
a seed set that cannot be used stops a run at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from random import Random

from ..config import RunConfig
from ..errors import ConfigError, SeedError
from ..records import Question
from .checkers import registry
from .families.arithmetic import Arithmetic
from .families.chain import Chains, linkable
from .families.family import Family
from .families.gym import PREFIX, Gym, opened
from .families.rows import Rows
from .overlap import Overlap
from .seeds import checkers_of, load_seeds
from .sets import FixedSets, build_sets, keys_of
from .unsafe import unsafe

_HORIZON = 3
"""Questions in the longest chain of a user's own seeds, where nothing else is said."""

_SHARE = 0.25
"""Of a user's own questions that are set aside for validation, and as much for the held-out set."""

_MOST = 500
"""Questions of such a set, at most."""

_FEWEST = 4
"""Questions with an answer that a seed set must have: one for each set, and two to train on."""

_TRIES = 40
"""Draws for one question of a set, of a family that has few."""

_DRAWN = ("family", "executed")
"""Labels of what a family wrote: no stranger's text, and compared by its terms alone."""

_FROM_GYM = 100
"""Seed questions that are drawn from reasoning-gym, all families together."""


@dataclass(frozen=True)
class Material:
    """Seeds and sets, with what was left out and why."""

    seeds: tuple[Question, ...]
    """Those without an answer have the label `none`: a Teacher must label them first."""
    sets: FixedSets
    notes: tuple[str, ...] = ()


def family_of(config: RunConfig, seeds: Sequence[Question]) -> Family:
    """The family of a run, from its configuration and the seeds in its folder."""
    inner: Family
    atoms: list[Question] = []
    horizon = config.curriculum.horizon
    if config.seeds.startswith(PREFIX):
        inner = opened(config.seeds)
    elif all(map(_worked_out, seeds)):
        inner = Arithmetic()
    else:
        inner, atoms = Rows(seeds), [seed for seed in seeds if seed.label != "none"]
        horizon = horizon or (_HORIZON if sum(map(linkable, atoms)) > 1 else 1)
    return Chains(inner, atoms, horizon) if horizon > 1 else inner


def _worked_out(seed: Question) -> bool:
    """Only the built-in arithmetic works answers out from the text."""
    return seed.label == "executed"


def gather(config: RunConfig) -> Material:
    """Read the seeds, draw or split the fixed sets, and keep the one out of the other.

    Raises:
        SeedError: a seed or held-out set cannot be used, or leaves too little.
        ConfigError: a name in the configuration is wrong, or the sets cannot be drawn.
    """
    notes: list[str] = []
    named = {_name(source): _heldout(config, source, notes) for source in config.heldout}
    if len(named) < len(config.heldout):
        raise ConfigError("heldout: two sets have the same name; rename a file")
    if config.seeds.startswith(PREFIX):
        seeds, validation, drawn = _from_gym(config, opened(config.seeds), notes)
    else:
        teacher = bool(config.teacher.url)
        seeds = load_seeds(config.seeds, config.columns, config.checker, config.sets.most_seeds, teacher)
        if len(seeds) == config.sets.most_seeds:
            notes.append(f"{config.seeds}: the first {len(seeds):,} questions are taken (sets.most_seeds)")
        if all(map(_worked_out, seeds)):
            sets = _arithmetic_sets(config, seeds)
            validation, drawn = list(sets.validation), list(sets.heldout)
        else:
            seeds = _short(config, config.seeds, seeds, notes)
            seeds, validation, drawn = _split(config, seeds, split_heldout=not named)
    if named:
        first, *others = named
        sets = FixedSets(
            tuple(validation), tuple(named[first]), {name: tuple(named[name]) for name in others}
        )
    else:
        sets = FixedSets(tuple(validation), tuple(drawn))
    sets = _with_chains(config, seeds, sets, chain_heldout=not named)
    for checker in checkers_of([*seeds, *sets.all()]):
        # One that cannot work here says so now: no sandbox, no such function, no key.
        registry.opened(checker).close()
    return Material(tuple(_apart(seeds, sets, notes)), sets, tuple(notes))


def kept_apart(heldout: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    """Texts of the held-out sets that are named, or of the built-in fixed sets without any."""
    if not heldout:
        return [question.text for question in default_sets(RunConfig()).all()]
    return [q.text for source in heldout for q in load_seeds(source, columns, "exact", unanswered=True)]


def _name(source: str) -> str:
    return source if source.startswith((PREFIX, "hf:")) else PurePath(source).name


def _heldout(config: RunConfig, source: str, notes: list[str]) -> list[Question]:
    """The questions of a named held-out set; it needs an answer to every one that is measured."""
    if source.startswith(PREFIX):
        family = opened(source)
        rng = Random(f"{config.sets.seed}/{source}")
        questions = _per_cell(family, config, config.sets.per_cell, rng, set(), notes)
    else:
        questions = load_seeds(source, config.columns, config.checker, config.sets.most_seeds, True)
        answered = [question for question in questions if question.label != "none"]
        if len(answered) < len(questions):
            notes.append(f"{source}: {len(questions) - len(answered)} without an answer are left out")
        questions = _short(config, source, answered, notes)
    if not questions:
        raise SeedError(f"{source}: holds no question with an answer; a held-out set is made of these")
    return questions


def longest_question(config: RunConfig) -> int:
    """Characters that a question may have: one may be a token, and the answer needs room."""
    return config.serving.max_model_len - config.rollouts.max_tokens - _AROUND


_AROUND = 10
"""Tokens that a chat template adds, at least."""


def _short(config: RunConfig, source: str, questions: Sequence[Question], notes: list[str]) -> list[Question]:
    longest = longest_question(config)
    short = [question for question in questions if len(question.text) <= longest]
    if not short:
        raise SeedError(
            f"{source}: all questions are longer than {longest} characters, which is the room that "
            f"serving.max_model_len {config.serving.max_model_len} leaves beside rollouts.max_tokens "
            f"{config.rollouts.max_tokens}; raise the one or lower the other"
        )
    if len(short) < len(questions):
        notes.append(
            f"{source}: {len(questions) - len(short)} of {len(questions)} questions have more than {longest} "
            "characters and are left out; see serving.max_model_len"
        )
    return short


def _arithmetic_sets(config: RunConfig, seeds: Iterable[Question]) -> FixedSets:
    taken = {question.text for question in (*seeds, *load_seeds("builtin"))}
    return build_sets(config.sets.per_cell, config.sets.seed, taken)


def default_sets(config: RunConfig) -> FixedSets:
    """The sets of a run on the built-in seeds."""
    return _arithmetic_sets(config, [])


def _from_gym(
    config: RunConfig, family: Gym, notes: list[str]
) -> tuple[list[Question], list[Question], list[Question]]:
    rng = Random(config.sets.seed)
    used: set[str] = set()
    validation = _per_cell(family, config, config.sets.per_cell, rng, used, notes)
    heldout = _per_cell(family, config, config.sets.per_cell, rng, used, [])
    low = [cell for cell in family.cells if cell[1] <= 2]
    each = max(1, -(-_FROM_GYM // len(low)))
    seeds = _per_cell(Gym(low, family.parameters), config, each, rng, used, [])
    if not (validation and heldout and seeds):
        raise SeedError(
            f"{config.seeds}: gives no questions of at most {longest_question(config)} characters for the "
            "seeds and both fixed sets; raise serving.max_model_len, or choose another family"
        )
    return seeds, validation, heldout


def _per_cell(
    family: Gym, config: RunConfig, count: int, rng: Random, used: set[str], notes: list[str]
) -> list[Question]:
    """As many questions of each skill and level as it has, up to `count`, none of them used before."""
    questions: list[Question] = []
    poor: list[str] = []
    longest = longest_question(config)
    for cell in family.cells:
        found = 0
        for attempt in range(_TRIES * count):
            question = family.drawn(cell, rng)
            if found == count or (attempt >= _TRIES and not found) or (question is None and attempt > 1):
                break
            # Without an answer of its own there is nothing for a solution to show.
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


def _split(
    config: RunConfig, seeds: list[Question], split_heldout: bool
) -> tuple[list[Question], list[Question], list[Question]]:
    """Set a share of a user's own questions aside; only those with an answer can measure."""
    answered = [seed for seed in seeds if seed.label != "none"]
    if len(answered) < _FEWEST:
        raise SeedError(
            f"{config.seeds}: {len(answered)} questions with an answer; at least {_FEWEST} are needed, for a "
            "part of them is set aside to measure with"
        )
    Random(config.sets.seed).shuffle(answered)
    size = min(_MOST, max(1, round(_SHARE * len(answered))))
    validation, heldout = answered[:size], answered[size : 2 * size] if split_heldout else []
    apart = {question.id for question in (*validation, *heldout)}
    return [seed for seed in seeds if seed.id not in apart], validation, heldout


def _with_chains(
    config: RunConfig, seeds: Sequence[Question], sets: FixedSets, chain_heldout: bool
) -> FixedSets:
    """The sets with chains of their own questions, where the run has chains to teach."""
    family = family_of(config, seeds)
    if not isinstance(family, Chains):
        return sets

    def more(questions: tuple[Question, ...], rng: Random) -> tuple[Question, ...]:
        chains = Chains(family.inner, questions, family.horizon)
        return (*questions, *_chains(chains, config, rng)) if chains.atoms else questions

    rng = Random(f"{config.sets.seed}/chains")
    heldout = more(sets.heldout, rng) if chain_heldout else sets.heldout
    return FixedSets(more(sets.validation, rng), heldout, sets.further)


def _chains(family: Chains, config: RunConfig, rng: Random) -> list[Question]:
    found: dict[str, Question] = {}
    for horizon in range(2, family.horizon + 1):
        here = 0
        for _ in range(_TRIES * config.sets.per_cell):
            question = family.drawn(horizon, rng)
            if here == config.sets.per_cell:
                break
            if question and question.id not in found and len(question.text) <= longest_question(config):
                found[question.id] = question
                here += 1
    return list(found.values())


def _apart(seeds: Sequence[Question], sets: FixedSets, notes: list[str]) -> list[Question]:
    """The seeds without those that a fixed set has, too."""
    forbidden = sets.keys()
    overlap = Overlap([question.text for question in sets.all() if question.label not in _DRAWN])
    kept = [
        seed
        for seed in seeds
        if not keys_of(seed) & forbidden and (seed.label in _DRAWN or overlap.find(seed.text) is None)
    ]
    if len(kept) < len(seeds):
        notes.append(f"{len(seeds) - len(kept)} seed questions are in a fixed set, too, and are left out")
    safe = [seed for seed in kept if seed.label in _DRAWN or unsafe(seed.text) is None]
    if len(safe) < len(kept):
        notes.append(f"{len(kept) - len(safe)} seed questions give orders to the agents, and are left out")
    kept = safe
    if not kept:
        raise SeedError("no seed question is left beside the fixed sets; give more, or another held-out set")
    return kept
