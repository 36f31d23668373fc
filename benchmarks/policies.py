"""Every curriculum policy in a world of simulated learners, beside uniform at equal rollouts.

    python -m benchmarks.policies --seeds 16

Prints the table of docs/policies.md: what each policy claims to be better at, by how much it is (points,
with a 95 % t interval over seeds, paired), and its mean accuracy. The worlds are said under the table.
Nothing here is a language model: see `curriculum/simulate.py`. Takes a minute or two, and exits with 1
where a claim does not hold.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from statistics import mean, stdev
from typing import Any, Literal

from maieutic.curriculum.policies import POLICIES
from maieutic.curriculum.policy import Policy
from maieutic.curriculum.simulate import Trace, World, simulate
from maieutic.plugins import found, made

_MOST_SEEDS = 1000

Measure = Literal["accuracy", "hardest", "worst", "informative", "area"]

WORLDS: dict[str, tuple[World, dict[str, Any]]] = {
    "pool": (World(), {"pool": 1024, "new": 64}),
    "growing": (World(), {"pool": 160, "new": 112}),
    "references": (World(reference=0.2), {"pool": 160, "new": 112}),
}


@dataclass(frozen=True)
class Claim:
    """What a policy is to be better at than uniform."""

    policy: str
    measure: Measure
    world: str = "pool"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.policy, self.measure, self.world))


CLAIMS: dict[str, Claim] = {
    claim.policy: claim
    for claim in [
        Claim("socratic", "hardest", "references"),
        Claim("easy_to_hard", "area"),
        Claim("balanced", "informative"),
        Claim("sec", "hardest"),
        Claim("dump", "hardest"),
        Claim("pcl", "informative"),
        Claim("cures", "accuracy"),
        Claim("e2h", "area", "growing"),
        Claim("adarft", "accuracy"),
        Claim("irt", "area", "growing"),
        Claim("alp_gmm", "accuracy", "growing"),
        Claim("eva", "hardest", "growing"),
        Claim("webrl", "hardest", "references"),
        Claim("stat_sel", "hardest", "references"),
        Claim("r_zero", "informative"),
        Claim("absolute_zero", "informative"),
        Claim("adcl", "area"),
        Claim("gain_rl", "area", "pool", {"width": 150.0, "pace": 60.0}),
        Claim("one_shot", "accuracy"),
    ]
}
SAID: dict[Measure, str] = {
    "accuracy": "final accuracy",
    "hardest": "final accuracy on the two highest levels",
    "worst": "final accuracy on the weakest skill",
    "informative": "questions with some rollouts right and some wrong",
    "area": "mean accuracy along the way",
}
NO_CLAIM: dict[str, str] = {
    "uniform": "the control",
    "hard_to_easy": "the reverse of a curriculum, there to be compared with; it is worse here",
    "cyclical": "made for epochs over one set; here it spends its rollouts on what is easy, and is worse",
}


def policy(name: str, options: Mapping[str, Any]) -> Policy:
    built: Policy = made(found("policies", name, POLICIES, "policy"), options, "options")
    return built


@cache
def _control(world: str, seed: int) -> Trace:
    where, sizes = WORLDS[world]
    return simulate(policy("uniform", {}), seed, world=where, **sizes)


def value(trace: Trace, measure: Measure) -> float:
    """One figure of a trace, a share from 0 to 1."""
    if measure == "area":
        return trace.area
    series: list[float] = getattr(trace, measure)
    return mean(series) if measure == "informative" else series[-1]


def difference(claim: Claim, seeds: int, measure: Measure | None = None) -> list[float]:
    """(seeds,) by how much a policy is ahead of uniform, in points: at what it claims, or another measure."""
    leads = []
    for seed in range(seeds):
        control = value(_control(claim.world, seed), measure or claim.measure)
        leads.append(100 * (value(_played(claim, seed), measure or claim.measure) - control))
    return leads


@cache
def _played(claim: Claim, seed: int) -> Trace:
    where, sizes = WORLDS[claim.world]
    return simulate(policy(claim.policy, claim.options), seed, world=where, **sizes)


def interval(values: list[float]) -> tuple[float, float]:
    """95 % interval of the mean, by Student's t."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return mean(values) - half, mean(values) + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=16, help="seeds 0, 1, … (default 16)")
    given = parser.parse_args()
    if not 2 <= given.seeds <= _MOST_SEEDS:
        parser.error(f"--seeds {given.seeds}: an interval needs 2, and {_MOST_SEEDS:,} are the most")
    print("| policy | its claim | world | ahead of uniform at it, points | final accuracy, points |")
    print("| --- | --- | --- | --- | --- |")
    failed = []
    for name in POLICIES:
        if name in NO_CLAIM:
            claim, said = Claim(name, "accuracy"), [NO_CLAIM[name], "pool", ""]
        else:
            claim = CLAIMS[name]
            leads = difference(claim, given.seeds)
            failed += [name] if interval(leads)[0] <= 0 else []
            said = [SAID[claim.measure], claim.world, _line(leads)]
        accuracy = _line(difference(claim, given.seeds, "accuracy")) if name != "uniform" else ""
        options = "".join(f", {key} {value:g}" for key, value in claim.options.items())
        print(f"| `{name}`{options} | {' | '.join([*said, accuracy])} |", flush=True)
    if failed:
        sys.exit(f"not surely ahead of uniform at its own claim: {', '.join(failed)}")


def _line(leads: list[float]) -> str:
    low, high = interval(leads)
    return f"{mean(leads):+.1f} [{low:+.1f}, {high:+.1f}]"


if __name__ == "__main__":
    main()
