"""A world of simulated learners: what a policy does to somebody whose ability is known, in milliseconds.

A question has a difficulty b, a learner an ability θ for each skill: P(right) = σ(θ − b) (1PL). What a
question teaches is what its rollouts differ: θ of its skill rises by `pace` · p̂(1−p̂) averaged over a
round's questions, p̂ the share of right rollouts, and that of other skills by `transfer` of it; a question
that nothing solved teaches a little by its reference. Policies, memory of attempts and lessons are the real
ones; nothing here has language.

It shows whether a policy does what it is for. It says nothing of how much a language model gains by it: the
learner's rule is the very assumption that many policies were made for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
from numpy.typing import NDArray

from ..records import Attempt, Question, short_id
from .difficulty import zone_of
from .irt import chance
from .policy import Asked, Cell, Known, Lesson, Policy


@dataclass(frozen=True)
class World:
    """What is asked, and how it is learned."""

    skills: int = 4
    levels: int = 6
    easiest: float = -2.0
    """b of the lowest level."""
    climb: float = 1.2
    """b from one level to the next."""
    scatter: float = 0.3
    """Standard deviation of b within a skill and level."""
    pace: float = 4.0
    """Ability gained by a round whose questions are all at p̂ = ½, times four."""
    transfer: float = 0.2
    reference: float = 0.02
    """What a question teaches that nothing solved, on the scale of p̂(1−p̂)."""

    @property
    def cells(self) -> list[Cell]:
        return [(f"skill{s}", level) for s in range(self.skills) for level in range(1, self.levels + 1)]

    def middle(self, cell: Cell) -> float:
        """Mean b of a skill and level; skills differ a little."""
        return self.easiest + self.climb * (cell[1] - 1) + 0.3 * int(cell[0][5:])

    def question(self, cell: Cell, rng: Random) -> Question:
        """One of a skill and level; its text holds its difficulty, which no policy reads as such."""
        hard = rng.gauss(self.middle(cell), self.scatter)
        text = f"{cell[0]} level {cell[1]} item {hard:.6f} {rng.random():.12f}"
        return Question(
            id=short_id("q", text),
            text=text,
            answer="",
            solution="",
            skill=cell[0],
            level=cell[1],
            origin="seed",
        )


def hardness(question: Question) -> float:
    """b of a simulated question."""
    return float(question.text.split()[4])


@dataclass
class Learner:
    """Abilities by skill."""

    world: World
    ability: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ability = {f"skill{s}": 0.0 for s in range(self.world.skills)}

    def attempt(self, question: Question, rollouts: int, round: int, rng: Random) -> Attempt:
        """So many rollouts of a question."""
        chances = chance(self.ability[question.skill], hardness(question))
        right = sum(rng.random() < chances for _ in range(rollouts))
        rate = right / rollouts
        return Attempt(
            question_id=question.id, skill=question.skill, level=question.level, round=round,
            right=right, decided=rollouts, pass_rate=rate, zone=zone_of(rate),
        )  # fmt: skip

    def learn(self, attempts: Sequence[Attempt], share: float) -> None:
        """Train on a round.

        Args:
            share: how much of a whole round it is: what is saved is not learned from.
        """
        gains = dict.fromkeys(self.ability, 0.0)
        for attempt in attempts:
            spread = attempt.pass_rate * (1 - attempt.pass_rate)
            gains[attempt.skill] += spread if attempt.right else self.world.reference
        step = self.world.pace * share / max(1, len(attempts))
        for skill in self.ability:
            others = sum(gain for other, gain in gains.items() if other != skill)
            self.ability[skill] += step * (gains[skill] + self.world.transfer * others)

    def accuracy(self, cell: Cell) -> float:
        """Chance to be right on the middle of a skill and level."""
        return chance(self.ability[cell[0]], self.world.middle(cell))


@dataclass(frozen=True)
class Trace:
    """What happened, round by round; everything is a share from 0 to 1."""

    accuracy: list[float]
    """Over all skills and levels alike, before the first round and after each."""
    hardest: list[float]
    """The same over the highest two levels."""
    worst: list[float]
    """The same over the skill where it is lowest."""
    informative: list[float]
    """Questions of a round with some rollouts right and some wrong."""
    rollouts: list[int]

    @property
    def area(self) -> float:
        """Mean accuracy over the rounds, weighted by their rollouts: the area under the curve."""
        return sum(a * n for a, n in zip(self.accuracy[1:], self.rollouts, strict=True)) / sum(self.rollouts)


def simulate(
    policy: Policy,
    seed: int,
    *,
    world: World | None = None,
    rounds: int = 8,
    count: int = 128,
    pool: int = 1024,
    new: int = 64,
    rollouts: int = 4,
) -> Trace:
    """Play a policy with `rounds` × `count` × `rollouts` rollouts, in more rounds where it asks less in one.

    Args:
        count: questions of a round.
        pool: questions that there are at the start, of every skill and level alike.
        new: questions that a round adds.
        rollouts: of a question.
    """
    world, rng = world or World(), Random(f"{seed}/world")
    learner = Learner(world)
    bank = [world.question(rng.choice(world.cells), rng) for _ in range(pool)]
    last: dict[str, Attempt] = {}
    trace = Trace([], [], [], [], [])
    _measure(learner, trace)
    left, round = rounds * count * rollouts, 0
    while left >= rollouts:
        round += 1
        known = [Known(question, last.get(question.id)) for question in bank]
        most = min(count, left // rollouts)
        asked = _asked(world, bank, round, rounds, most, rollouts, Random(f"{seed}/{round}/select"))
        there = {each.question.id: each for each in known}
        chosen = [there[name] for name in policy.select(known, asked)]
        counts = policy.allocate(known, [each.question.id for each in chosen], asked)
        attempts = [
            learner.attempt(each.question, counts.get(each.question.id, rollouts), round, rng)
            for each in chosen
        ]
        last |= {attempt.question_id: attempt for attempt in attempts}
        outcomes = [Known(each.question, last[each.question.id]) for each in chosen]
        learning = _asked(world, bank, round, rounds, most, rollouts, Random(f"{seed}/{round}/update"))
        policy.update(outcomes, learning)
        spent = sum(a.decided for a in attempts)
        learner.learn(attempts, spent / (count * rollouts))
        trace.informative.append(sum(0 < a.pass_rate < 1 for a in attempts) / max(1, len(attempts)))
        trace.rollouts.append(spent)
        left -= max(1, spent)
        _measure(learner, trace)
        planning = _asked(world, bank, round, rounds, new, rollouts, Random(f"{seed}/{round}/plan"), attempts)
        bank += _written(policy.plan(attempts, planning), {q.id: q for q in bank}, world, rng)
    return trace


def _asked(
    world: World,
    bank: Sequence[Question],
    round: int,
    rounds: int,
    count: int,
    rollouts: int,
    rng: Random,
    attempts: Sequence[Attempt] = (),
) -> Asked:
    rates: dict[Cell, list[float]] = {}
    for attempt in attempts:
        rates.setdefault((attempt.skill, attempt.level), []).append(attempt.pass_rate)
    return Asked(
        count=count,
        rng=rng,
        round=round,
        rounds=rounds,
        rollouts=rollouts,
        need={cell: 1 - sum(each) / len(each) for cell, each in rates.items()},
        cells=world.cells,
        top=world.levels,
        embed=_embedded,
        # Narrow where easy, and not quite: a model's hidden states know a little of what it can do.
        signal={q.id: 0.5 - 0.05 * hardness(q) + 0.1 * (_noise(q) - 0.5) for q in bank},
    )


def _noise(question: Question) -> float:
    return float(question.text.split()[5])


def _embedded(texts: Sequence[str]) -> NDArray[np.float32]:
    """(texts, size) directions for skills and levels: what an embedding can tell of a question."""
    rows = np.zeros((len(texts), 32), dtype=np.float32)
    for place, text in enumerate(texts):
        skill, _, level, *_ = text.split()
        rows[place, int(skill[5:])] = rows[place, 8 + int(level)] = math.sqrt(0.5)
    return rows


def _measure(learner: Learner, trace: Trace) -> None:
    cells = learner.world.cells
    accuracy = {cell: learner.accuracy(cell) for cell in cells}
    high = [accuracy[cell] for cell in cells if cell[1] > learner.world.levels - 2]
    by_skill = [
        [accuracy[cell] for cell in cells if cell[0] == skill]
        for skill in sorted({skill for skill, _ in cells})
    ]
    trace.accuracy.append(sum(accuracy.values()) / len(accuracy))
    trace.hardest.append(sum(high) / len(high))
    trace.worst.append(min(sum(each) / len(each) for each in by_skill))


def _written(
    lessons: Sequence[Lesson], there: dict[str, Question], world: World, rng: Random
) -> list[Question]:
    """What the Teacher makes of lessons."""
    written = []
    for lesson in lessons:
        cell = lesson.cell or rng.choice(world.cells)
        if lesson.question_id is not None:
            parent = there[lesson.question_id]
            climb = lesson.levels if lesson.move == "harder" else 0
            cell = (parent.skill, min(world.levels, parent.level + climb))
        written.append(world.question(cell, rng))
    return written
