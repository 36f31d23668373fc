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
from .families.gym import PREFIX, opened
from .families.rows import Rows
from .seeds import checkers_of, load_seeds
from .sets import FixedSets, build_sets
from .setting_apart import FEWEST, TRIES, Tell, each_cell, from_gym, lent, of_each_cell, split_off
from .sifting import apart_from, longest_question, safe, short_enough

_HORIZON = 3
"""Questions in the longest chain of a user's own seeds, where nothing else is said."""


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
            horizon = 1 if config.teacher.is_model else _HORIZON
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
        seeds, validation, drawn = from_gym(config, opened(config.seeds), measured, notes, tell)
    else:
        teacher, most = config.teacher.is_model, config.sets.most_seeds
        seeds = load_seeds(config.seeds, config.columns, config.checker, most, teacher, notes)
        if all(map(_worked_out, seeds)):
            sets = _arithmetic_sets(config, [*seeds, *measured])
            validation, drawn = list(sets.validation), list(sets.heldout)
        else:
            seeds = safe(config.seeds, short_enough(config, config.seeds, seeds, notes), notes)
            # Before a part is set aside, which decides what is kept: a held-out set must not.
            seeds = apart_from(config.seeds, seeds, measured, notes)
            if named and sum(seed.label != "none" for seed in seeds) < FEWEST:
                lender = next(iter(named))
                validation, named[lender] = lent(config, lender, named[lender], notes)
                drawn = []
            else:
                seeds, validation, drawn = split_off(config, seeds, split_heldout=not named)
    main, *others = named or [""]
    heldout = named[main] if named else drawn
    sets = FixedSets(tuple(validation), tuple(heldout), {name: tuple(named[name]) for name in others})
    sets = _with_chains(config, seeds, sets, chain_heldout=not named, notes=notes)
    if config.solver.handbook and config.model == "pocket" and not config.solver.model:
        notes.append(
            "solver.handbook: the pocket model was made without behaviours in its prompt and cannot read "
            "them; its attempts will fail: name another model, or leave it out"
        )
    for checker in checkers_of([*seeds, *sets.all()]):
        # One that cannot work here says so now: no sandbox, no such function, no key.
        registry.opened(checker).close()
    return Material(tuple(apart_from(config.seeds, seeds, sets.all(), notes)), sets, tuple(notes))


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
        each = each_cell(source, family, config, notes)
        questions = of_each_cell(family, config, each, rng, set(), notes, tell)
    else:
        questions = load_seeds(source, config.columns, config.checker, config.sets.most_seeds, True, notes)
        answered = [question for question in questions if question.label != "none"]
        if len(answered) < len(questions):
            notes.append(f"{source}: {len(questions) - len(answered)} without an answer are left out")
        questions = short_enough(config, source, answered, notes) if answered else []
    if not questions:
        raise SeedError(f"{source}: holds no question with an answer; a held-out set is made of these")
    return questions


def _arithmetic_sets(config: RunConfig, seeds: Iterable[Question]) -> FixedSets:
    taken = {question.text for question in (*seeds, *load_seeds("builtin"))}
    return build_sets(config.sets.per_cell, config.sets.seed, taken)


def default_sets(config: RunConfig) -> FixedSets:
    """The sets of a run on the built-in seeds."""
    return _arithmetic_sets(config, [])


def _with_chains(
    config: RunConfig, seeds: Sequence[Question], sets: FixedSets, chain_heldout: bool, notes: list[str]
) -> FixedSets:
    """The sets with chains of their own questions, where the run has chains to teach."""
    family = family_of(config, seeds)
    if not isinstance(family, Chains):
        if isinstance(family, Rows) and not config.teacher.is_model:
            notes.append(
                f"{config.seeds}: no new questions will be written: its rows are not chained (that takes a "
                "number in the text, a number for an answer, and curriculum.horizon above 1), and no Teacher "
                "is named; see teacher.endpoint"
            )
        elif config.curriculum.horizon > 1:
            notes.append(
                f"{config.seeds}: nothing can be chained, for that takes two questions with a number in "
                "their text and a number for an answer; curriculum.horizon is left out"
            )
        return sets

    told = [seed.confidence for seed in seeds if seed.label != "none"]
    trusted = min(told, default=1.0) ** family.horizon
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
        for _ in range(TRIES * config.sets.per_cell):
            question = family.drawn(horizon, rng)
            if here == most:
                break
            if question and question.id not in found and len(question.text) <= longest_question(config):
                found[question.id] = question
                here += 1
    return list(found.values())
