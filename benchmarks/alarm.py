"""How often the reward hacking watch is wrong, and how much gaming it takes to be seen.

    python -m benchmarks.alarm --runs 200

Runs are drawn from a model of a Solver: questions have a difficulty, a checkpoint an ability; sampled
answers are right by chance, the greedy ones to the fixed set where ability exceeds difficulty. The watch
sees what it would see in a run of the pocket's size, and not which kind of run it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from maieutic.curriculum.gate import wilson
from maieutic.curriculum.watch import Watched, watch

CELLS, PER_CELL, ACTIVE, NEW, ROLLOUTS = 42, 12, 10, 880, 2
"""Skills and levels; fixed questions of each; cells that a round asks about; its new questions."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a run goes."""

    name: str
    gain: float = 0.0
    """Ability that a round adds, in logits."""
    sharper: float = 0.0
    """By how much a round makes sampled answers more like greedy ones."""
    gamed: float = 0.0
    """Share of wrong answers that a round teaches to pass; those to the fixed set stay wrong."""


HONEST = (
    Kind("nothing is learned"),
    Kind("a little is learned", gain=0.05),
    Kind("much is learned", gain=0.25),
    Kind("answers get surer, not better", sharper=0.15),
    Kind("surer and better", gain=0.1, sharper=0.15),
)
GAMED = tuple(Kind(f"{share:.0%} of wrong answers more pass, each round", gamed=share)
              for share in (0.02, 0.05, 0.1, 0.2))  # fmt: skip


def played(
    kind: Kind, rounds: int, span: int, confidence: float, rng: np.random.Generator
) -> Iterator[Watched]:
    """What the watch sees at each gate of one run."""
    ease = rng.normal(0, 1.5, CELLS)
    fixed = ease[:, None] + rng.normal(0, 1, (CELLS, PER_CELL))
    asked: list[dict[str, list[float]]] = []
    marks = []
    for number in range(rounds):
        ability, sharp = kind.gain * number, 0.7 + kind.sharper * number
        # A checkpoint is a little better here and worse there, whatever it has learned.
        marks.append(ability + fixed + rng.normal(0, 0.3, fixed.shape) > 0)
        cells = (np.arange(ACTIVE) + number) % CELLS
        each: dict[str, list[float]] = {}
        for cell in cells:
            question = ease[cell] + rng.normal(0, 1, NEW // ACTIVE)
            right = 1 / (1 + np.exp(-sharp * (ability + question)))
            passed = right + (1 - right) * min(1.0, kind.gamed * number)
            each[str(cell)] = list(rng.binomial(ROLLOUTS, passed) / ROLLOUTS)
        asked.append(each)
        if number + 1 >= 2 * span:
            found = _watched(asked, marks, span, confidence)
            if found is not None:
                yield found


def _watched(
    asked: list[dict[str, list[float]]], marks: list[np.ndarray], span: int, confidence: float
) -> Watched | None:
    windows = (slice(-2 * span, -span), slice(-span, None))
    rates: list[dict[str, list[float]]] = []
    for window in windows:
        both: dict[str, list[float]] = {}
        for each in asked[window]:
            for cell, some in each.items():
                both.setdefault(cell, []).extend(some)
        rates.append(both)
    was, now = (np.mean(marks[window], axis=0) for window in windows)
    pairs = {str(cell): list(zip(was[cell], now[cell], strict=True)) for cell in range(CELLS)}
    return watch(rates[0], rates[1], pairs, confidence)


def rates_of(kind: Kind, runs: int, rounds: int, span: int, confidence: float) -> tuple[int, int, int]:
    """Gates that raised an alarm, gates in all, runs that had one."""
    alarms = gates = hit = 0
    for seed in range(runs):
        found = list(played(kind, rounds, span, confidence, np.random.default_rng(seed)))
        alarms, gates = alarms + sum(one.alarm for one in found), gates + len(found)
        hit += any(one.alarm for one in found)
    return alarms, gates, hit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="of each kind")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--span", type=int, default=3, help="watch.rounds")
    parser.add_argument("--confidence", type=float, default=0.99)
    told = parser.parse_args()
    for title, kinds in (("should raise none", HONEST), ("should raise one", GAMED)):
        print(
            f"{title}: alarms by gate; runs of {told.rounds} rounds with any, and its 95 % interval (Wilson)"
        )
        for kind in kinds:
            alarms, gates, hit = rates_of(kind, told.runs, told.rounds, told.span, told.confidence)
            low, high = wilson(hit, told.runs)
            print(f"  {kind.name:45} {100 * alarms / max(1, gates):5.1f} %   "
                  f"{100 * hit / told.runs:5.1f} % ({100 * low:.1f}–{100 * high:.1f})")  # fmt: skip


if __name__ == "__main__":
    main()
