"""What each policy is for, in a world of simulated learners: what docs/policies.md says of it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from statistics import mean

import pytest
from maieutic.benchmarks import policies
from maieutic.benchmarks.policies import CLAIMS, NO_CLAIM, difference
from maieutic.curriculum.policies import POLICIES
from maieutic.curriculum.policies.uniform import Uniform
from maieutic.curriculum.simulate import Learner, World, hardness, simulate

DOCS = Path(__file__).parent.parent / "docs" / "policies.md"


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMS)
def test_it_beats_uniform_at_its_own_claim(name: str) -> None:
    """On the mean of seeds, and on most of them."""
    leads = difference(CLAIMS[name], seeds=6)
    assert mean(leads) > 0
    assert sum(lead > 0 for lead in leads) >= 4


def test_each_claims_something_or_the_docs_say_that_it_does_not() -> None:
    assert CLAIMS.keys() | NO_CLAIM.keys() == POLICIES.keys()
    assert not CLAIMS.keys() & NO_CLAIM.keys()
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    assert {row.split("`")[1] for row in rows} == set(POLICIES)
    for name, why in NO_CLAIM.items():
        assert any(f"`{name}`" in row and why in row for row in rows)


@pytest.mark.parametrize("seeds", ["-1", "0", "1", "1000000000"])
def test_seeds_are_enough_for_an_interval(
    seeds: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["policies", "--seeds", seeds])
    with pytest.raises(SystemExit) as left:
        policies.main()
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == "" and "an interval needs 2" in said.err


def test_a_learner_learns_most_from_what_is_half_right() -> None:
    world = World(transfer=0.0)
    gains = []
    for rate in (0.0, 0.25, 0.5, 1.0):
        learner = Learner(world)
        question = world.question(("skill0", 1), Random(0))
        attempt = learner.attempt(question, 4, 1, Random(0))
        learner.learn([attempt.model_copy(update={"pass_rate": rate, "right": round(4 * rate)})], share=1.0)
        gains.append(learner.ability["skill0"])
        assert learner.ability["skill1"] == 0
    # The pace of 4 times p(1−p), and a little from the reference where nothing was right.
    assert gains == pytest.approx([4 * 0.02, 4 * 0.1875, 4 * 0.25, 0])


def test_chances_are_those_of_item_response_theory() -> None:
    world, rng = World(scatter=0.0), Random(1)
    learner = Learner(world)
    question = world.question(("skill0", 3), rng)
    assert hardness(question) == pytest.approx(-2.0 + 2 * 1.2, abs=1e-5)
    rate = mean(learner.attempt(question, 10, 1, rng).pass_rate for _ in range(400))
    assert rate == pytest.approx(learner.accuracy(("skill0", 3)), abs=0.03)


def test_a_simulation_is_the_same_again_and_spends_its_budget() -> None:
    one, two = (simulate(Uniform(), 3, rounds=3, count=16, pool=64, new=8) for _ in range(2))
    assert one == two
    assert sum(one.rollouts) == 3 * 16 * 4
    assert one.accuracy[-1] > one.accuracy[0]
    assert simulate(Uniform(), 4, rounds=3, count=16, pool=64, new=8) != one
