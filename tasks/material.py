"""What a run is played with: its family, its seed questions, and the sets that are kept apart.

Everything here is read, drawn and split before a folder is made or a model is loaded, so that
a seed set that cannot be used stops a run at once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from .overlap import LONGEST_RUN, Overlap
from .seeds import checkers_of, load_seeds
from .sets import FixedSets, build_sets, keys_of, texts_of
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

_IN_VAIN = 8
"""Draws of a skill and level after which it is left out, where all were too long or there before."""

_FAILURES = 2
"""Draws that may fail, beside as many as do not; some take seconds to fail."""

_DRAWN = ("family", "executed")
"""Labels of what a family wrote: no stranger's text, and compared by its terms alone."""

_SILENCE_S = 5.0
"""Seconds of drawing after which it is told how far it is."""

Tell = Callable[[str], None]

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
    elif seeds and all(map(_worked_out, seeds)):
        inner = Arithmetic()
    else:
        inner, atoms = Rows(seeds), [seed for seed in seeds if seed.label != "none" and linkable(seed)]
        if len(atoms) < 2:
            horizon = 1
        elif not horizon:
            # A Teacher that is a model writes what is harder; it makes no chains.
            horizon = 1 if config.teacher.url else _HORIZON
    return Chains(inner, atoms, horizon) if horizon > 1 else inner


def _worked_out(seed: Question) -> bool:
    """Only the built-in arithmetic works answers out from the text."""
    return seed.label == "executed"


def gather(config: RunConfig, tell: Tell = lambda said: None) -> Material:
    """Read the seeds, draw or split the fixed sets, and keep the one out of the other.

    Args:
        tell: hears now and then how far a long draw is.
    Raises:
        SeedError: a seed or held-out set cannot be used, or leaves too little.
        ConfigError: a name in the configuration is wrong, or the sets cannot be drawn.
    """
    notes: list[str] = []
    named = _named(config, notes, tell)
    measured = [question for part in named.values() for question in part]
    if config.seeds.startswith(PREFIX):
        seeds, validation, drawn = _from_gym(config, opened(config.seeds), measured, notes, tell)
    else:
        teacher, most = bool(config.teacher.url), config.sets.most_seeds
        seeds = load_seeds(config.seeds, config.columns, config.checker, most, teacher, notes)
        if all(map(_worked_out, seeds)):
            sets = _arithmetic_sets(config, [*seeds, *measured])
            validation, drawn = list(sets.validation), list(sets.heldout)
        else:
            seeds = _safe(config.seeds, _short(config, config.seeds, seeds, notes), notes)
            # Before a part is set aside, which decides what is kept: a held-out set must not.
            seeds = _apart(config.seeds, seeds, measured, notes)
            if named and sum(seed.label != "none" for seed in seeds) < _FEWEST:
                lender = next(iter(named))
                validation, named[lender] = _lent(config, lender, named[lender], notes)
                drawn = []
            else:
                seeds, validation, drawn = _split(config, seeds, split_heldout=not named)
    main, *others = named or [""]
    heldout = named[main] if named else drawn
    sets = FixedSets(tuple(validation), tuple(heldout), {name: tuple(named[name]) for name in others})
    sets = _with_chains(config, seeds, sets, chain_heldout=not named, notes=notes)
    for checker in checkers_of([*seeds, *sets.all()]):
        # One that cannot work here says so now: no sandbox, no such function, no key.
        registry.opened(checker).close()
    return Material(tuple(_apart(config.seeds, seeds, sets.all(), notes)), sets, tuple(notes))


def _named(config: RunConfig, notes: list[str], tell: Tell) -> dict[str, list[Question]]:
    """The held-out sets of the user's, by the name that each is reported under."""
    sources: dict[str, str] = {}
    for source in config.heldout:
        name = _name(source)
        if name in sources:
            raise ConfigError(
                f"heldout: {sources[name]} and {source} would both be reported as {name!r}; rename a file, "
                "or leave one out"
            )
        sources[name] = source
    return {name: _heldout(config, source, notes, tell) for name, source in sources.items()}


def kept_apart(heldout: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    """Texts of the held-out sets that are named, or of the built-in fixed sets without any."""
    if not heldout:
        return [question.text for question in default_sets(RunConfig()).all()]
    drawn = [source for source in heldout if source.startswith(PREFIX)]
    if drawn:
        raise ConfigError(f"--heldout {drawn[0]}: is drawn when a run is made; name a file to compare with")
    return [q.text for source in heldout for q in load_seeds(source, columns, "exact", unanswered=True)]


def _name(source: str) -> str:
    return source if source.startswith((PREFIX, "hf:")) else PurePath(source).name


def _heldout(config: RunConfig, source: str, notes: list[str], tell: Tell) -> list[Question]:
    """The questions of a named held-out set; it needs an answer to every one that is measured."""
    if source.startswith(PREFIX):
        family = opened(source)
        rng = Random(f"{config.sets.seed}/{source}")
        questions = _per_cell(family, config, _each(source, family, config, notes), rng, set(), notes, tell)
    else:
        questions = load_seeds(source, config.columns, config.checker, config.sets.most_seeds, True, notes)
        answered = [question for question in questions if question.label != "none"]
        if len(answered) < len(questions):
            notes.append(f"{source}: {len(questions) - len(answered)} without an answer are left out")
        questions = _short(config, source, answered, notes) if answered else []
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
    config: RunConfig, family: Gym, measured: Sequence[Question], notes: list[str], tell: Tell
) -> tuple[list[Question], list[Question], list[Question]]:
    """Seeds of the two lowest levels, and both sets: no question twice, and none of a named set."""
    rng, per_cell = Random(config.sets.seed), _each(config.seeds, family, config, notes)
    used = {key for question in measured for key in keys_of(question)}
    validation = _per_cell(family, config, per_cell, rng, used, notes, tell)
    there = {(question.skill, question.level) for question in validation}
    rich = Gym([cell for cell in family.cells if cell in there], family.parameters)
    heldout = [] if measured else _per_cell(rich, config, per_cell, rng, used, [], tell)
    lowest: dict[str, int] = {}
    for skill, level in sorted(rich.cells):
        lowest.setdefault(skill, level)
    low = Gym([cell for cell in rich.cells if cell[1] <= lowest[cell[0]] + 1], family.parameters)
    each = -(-_FROM_GYM // max(1, len(low.cells)))
    seeds = _per_cell(low, config, each, rng, used, [], tell)
    if not (validation and (heldout or measured) and seeds):
        raise SeedError(
            f"{config.seeds}: gives no questions of at most {longest_question(config)} characters for the "
            "seeds and both fixed sets; raise serving.max_model_len, or choose another family"
        )
    return seeds, validation, heldout


def _each(source: str, family: Gym, config: RunConfig, notes: list[str]) -> int:
    """Questions of each skill and level in a set: fewer where a hundred families are played together."""
    wanted, cells = config.sets.per_cell, len(family.cells)
    if len({skill for skill, _ in family.cells}) == 1 or wanted * cells <= _MOST:
        return wanted
    each = max(1, _MOST // cells)
    notes.append(
        f"{source}: {each} for each of {cells} skills and levels in a set, not {wanted}: they are many"
    )
    return each


def _per_cell(
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
        for attempt in range(_TRIES * count):
            if found == count or failed > found + _FAILURES or (attempt == _IN_VAIN and not found):
                break
            question = family.drawn(cell, rng)
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


def _split(
    config: RunConfig, seeds: list[Question], split_heldout: bool
) -> tuple[list[Question], list[Question], list[Question]]:
    """Set a share of a user's own questions aside; only those with an answer can measure."""
    answered = [seed for seed in seeds if seed.label != "none"]
    if len(answered) < _FEWEST:
        raise SeedError(
            f"{config.seeds}: {len(answered)} different questions with an answer; at least {_FEWEST} are "
            "needed, for a part of them is set aside to measure with: add answers, or name a held-out set "
            "that has some (--heldout), of which a part is set aside then"
        )
    Random(config.sets.seed).shuffle(answered)
    size = min(_MOST, max(1, round(_SHARE * len(answered))))
    validation, heldout = answered[:size], answered[size : 2 * size] if split_heldout else []
    apart = {question.id for question in (*validation, *heldout)}
    return [seed for seed in seeds if seed.id not in apart], validation, heldout


def _lent(
    config: RunConfig, name: str, heldout: list[Question], notes: list[str]
) -> tuple[list[Question], list[Question]]:
    """(validation, what is left of a named held-out set), where the seeds have too few answers to decide."""
    if len(heldout) < _FEWEST:
        raise SeedError(
            f"{name}: {len(heldout)} questions with an answer; the seeds have fewer than {_FEWEST}, and a "
            f"part of this set must stand in for the validation set: at least {_FEWEST} are needed"
        )
    order = list(heldout)
    Random(config.sets.seed).shuffle(order)
    size = min(_MOST, max(1, round(_SHARE * len(order))))
    notes.append(
        f"{name}: {size} of its {len(order)} questions decide what is kept and are not reported, for the "
        f"seeds have fewer than {_FEWEST} answers"
    )
    return order[:size], order[size:]


def _with_chains(
    config: RunConfig, seeds: Sequence[Question], sets: FixedSets, chain_heldout: bool, notes: list[str]
) -> FixedSets:
    """The sets with chains of their own questions, where the run has chains to teach."""
    family = family_of(config, seeds)
    if not isinstance(family, Chains):
        if isinstance(family, Rows) and not config.teacher.url:
            notes.append(
                f"{config.seeds}: no new questions will be written: its rows are not chained (that takes a "
                "number in the text, a number for an answer, and curriculum.horizon above 1), and no Teacher "
                "is named; see teacher.url"
            )
        elif config.curriculum.horizon > 1:
            notes.append(
                f"{config.seeds}: nothing can be chained, for that takes two questions with a number in "
                "their text and a number for an answer; curriculum.horizon is left out"
            )
        return sets

    trusted = min((question.confidence for question in seeds), default=1.0) ** family.horizon
    if trusted < config.labels.threshold:
        raise ConfigError(
            f"curriculum.horizon {family.horizon}: the answer of so long a chain is trusted {trusted:.2f}, "
            f"less than labels.threshold {config.labels.threshold}; lower one of them"
        )

    def more(questions: tuple[Question, ...], rng: Random) -> tuple[Question, ...]:
        chains = Chains(family.inner, questions, family.horizon)
        return (*questions, *_chains(chains, config, rng)) if chains.atoms else questions

    rng = Random(f"{config.sets.seed}/chains")
    heldout = more(sets.heldout, rng) if chain_heldout else sets.heldout
    validation = more(sets.validation, rng)
    if len(validation) == len(sets.validation):
        notes.append(
            f"{config.seeds}: no chain in the validation set: none has at most {longest_question(config)} "
            "characters and different questions; raise serving.max_model_len, or set curriculum.horizon=1"
        )
    return FixedSets(validation, heldout, sets.further)


def _chains(family: Chains, config: RunConfig, rng: Random) -> list[Question]:
    """A few of each length: many chains of the same questions would measure these again and again."""
    found: dict[str, Question] = {}
    most = min(config.sets.per_cell, len(family.atoms))
    for horizon in range(2, family.horizon + 1):
        here = 0
        for _ in range(_TRIES * config.sets.per_cell):
            question = family.drawn(horizon, rng)
            if here == most:
                break
            if question and question.id not in found and len(question.text) <= longest_question(config):
                found[question.id] = question
                here += 1
    return list(found.values())


def _apart(
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


def _safe(source: str, seeds: Sequence[Question], notes: list[str]) -> list[Question]:
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
