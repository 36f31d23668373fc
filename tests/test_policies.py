"""Curriculum policies: numbers worked out by hand, properties that all share, and state that lasts."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maieutic.config import load
from maieutic.curriculum.draws import Shelves, drawn, highest, softmax
from maieutic.curriculum.irt import chance, fitted
from maieutic.curriculum.policies import POLICIES, policy_of
from maieutic.curriculum.policies.adarft import AdaRFT
from maieutic.curriculum.policies.adcl import ADCL
from maieutic.curriculum.policies.alp_gmm import ALPGMM
from maieutic.curriculum.policies.balanced import Balanced
from maieutic.curriculum.policies.cures import CurES, gradient_deviation, shared_out
from maieutic.curriculum.policies.cyclical import Cyclical
from maieutic.curriculum.policies.dump import DUMP
from maieutic.curriculum.policies.e2h import E2H, cosine, gaussian
from maieutic.curriculum.policies.eva import Eva, information
from maieutic.curriculum.policies.fixed_order import EasyToHard, HardToEasy
from maieutic.curriculum.policies.gain_rl import GainRL
from maieutic.curriculum.policies.irt_matching import IRT
from maieutic.curriculum.policies.one_shot import OneShot, variance
from maieutic.curriculum.policies.pcl import PCL
from maieutic.curriculum.policies.r_zero import RZero
from maieutic.curriculum.policies.sec import SEC
from maieutic.curriculum.policies.stat_sel import StatSel
from maieutic.curriculum.policies.webrl import WebRL
from maieutic.curriculum.policy import Asked, Known, Policy, Skills
from maieutic.curriculum.repetition import bleu, cluster_shares
from maieutic.curriculum.signals import Rates, absolute_advantage, difficulties, learnability, uncertainty
from maieutic.curriculum.values import ValueModel
from maieutic.errors import ConfigError
from maieutic.plugins import found, made
from maieutic.records import Attempt, Question

Cell = tuple[str, int]


def known(
    name: str, rate: float | None = None, skill: str = "s", level: int = 1, round: int = 1, n: int = 4
) -> Known:
    question = Question(
        id=name,
        text=f"{name} of {skill} {level}",
        answer="1",
        solution="",
        skill=skill,
        level=level,
        origin="seed",
    )
    if rate is None:
        return Known(question, None)
    zone = "mastered" if rate == 1 else "learning" if rate else "too_hard"
    return Known(
        question,
        Attempt(
            question_id=name, skill=skill, level=level, round=round, right=builtin_round(rate * n), decided=n,
            pass_rate=rate, zone=zone,
        ),
    )  # fmt: skip


builtin_round = round


def asked(count: int, seed: int = 0, **more: Any) -> Asked:
    return Asked(count, Random(seed), **more)


def of(name: str, **options: Any) -> Policy:
    built: Policy = made(
        found("policies", name, POLICIES, "curriculum.policy"), options, "curriculum.options"
    )
    return built


# What all of them share


names = st.lists(st.integers(0, 10_000), min_size=1, max_size=40, unique=True)
rates = st.sampled_from([None, 0.0, 0.25, 0.5, 0.75, 1.0])


@st.composite
def banks(draw: st.DrawFn) -> list[Known]:
    return [
        known(
            f"q{name}",
            draw(rates),
            draw(st.sampled_from("abc")),
            draw(st.integers(1, 4)),
            draw(st.integers(1, 3)),
        )
        for name in draw(names)
    ]


_IMPORTS = {"r_zero", "alp_gmm"}
"""They import scikit-learn, which takes seconds."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in _IMPORTS else ()) for n in POLICIES]
)
@settings(max_examples=25, deadline=None)
@given(banks(), st.integers(1, 60), st.integers(0, 5), st.integers(1, 3))
def test_any_bank_is_chosen_from(name: str, bank: list[Known], count: int, seed: int, round: int) -> None:
    """Distinct questions of the bank, no more than asked; the same again; and the same from its state."""
    policy = of(name)
    cells = tuple(sorted({each.cell for each in bank}))
    more: dict[str, Any] = {"round": round, "rounds": 3, "cells": cells, "top": 4}
    policy.update([each for each in bank if each.last], asked(count, seed, **more))
    policy.update([], asked(count, seed, **more))
    chosen = policy.select(bank, asked(count, seed, **more))
    assert len(chosen) == len(set(chosen)) <= min(count, len(bank))
    assert chosen and set(chosen) <= {each.question.id for each in bank}
    if name != "cyclical":
        assert len(chosen) == min(count, len(bank))
    assert policy.select(bank, asked(count, seed, **more)) == chosen
    there = {each.question.id: each for each in bank}
    counts = policy.allocate(bank, chosen, asked(count, seed, **more))
    assert not counts or (counts.keys() == set(chosen) and sum(counts.values()) <= 4 * len(chosen))
    attempts = [each.last for each in bank if each.last]
    lessons = policy.plan(attempts, asked(count, seed, **more))
    assert len(lessons) == count or (not attempts and name == "socratic")
    assert all(lesson.question_id is None or lesson.question_id in there for lesson in lessons)
    assert all(lesson.cell is None or lesson.cell in cells for lesson in lessons)
    assert all(math.isfinite(value) for value in policy.metrics().values())
    again = of(name)
    again.load_state_dict(json.loads(json.dumps(policy.state_dict())))
    assert again.select(bank, asked(count, seed, **more)) == chosen
    assert again.plan(attempts, asked(count, seed, **more)) == lessons


@pytest.mark.parametrize("name", POLICIES)
def test_what_is_kept_does_not_grow_with_the_rounds(name: str) -> None:
    policy = of(name, **({"most": 2} if name == "alp_gmm" else {"most": 200} if name == "one_shot" else {}))
    sizes = []
    for round in range(1, 121):
        bank = [known(f"q{round}-{i}", (i % 5) / 4, f"s{i % 2}", 1 + i % 3, round) for i in range(40)]
        policy.update(bank, asked(40, round=round, top=3))
        sizes.append(len(json.dumps(policy.state_dict())))
    assert sizes[-1] <= 1.1 * sizes[-40]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("sek", {}, "curriculum.policy: no 'sek'; did you mean sec"),
        ("sec", {"temperature": 0}, "curriculum.options.temperature '0': Input should be greater than 0"),
        ("sec", {"tau": 1}, "curriculum.options: no option 'tau'; options: rate, temperature, decay"),
        ("balanced", {"low": 0.8}, "curriculum.options: low 0.8 is more than high 0.75"),
        ("uniform", {"a": 1}, "no option 'a'; options: none"),
        ("no_such_module_at_all:Policy", {}, "cannot be imported"),
        ("json:loads", {}, "loads is no dataclass"),
        ("cures", {"most": 1000}, "less than or equal to 64"),
        ("maieutic.curriculum.pairs.lengths:Lengths", {}, "is no policy, it has no select, "),
        ("maieutic.curriculum.policy:Base", {}, "abstract class Base"),
        ("maieutic.curriculum.policies.arms:Arms", {}, "abstract class Arms"),
        ("my-newest", {}, "curriculum.policy: no 'my-newest'"),
        ("sec", {"temperature": True}, "curriculum.options.temperature 'True': true and false are no value"),
        (
            "sec",
            {"temperature": math.inf},
            "curriculum.options.temperature 'Infinity': is no number to reckon with",
        ),
        ("irt", {"lower": math.nan}, "curriculum.options.lower 'NaN': is no number to reckon with"),
        ("irt", {"lower": 1.0}, "curriculum.options: lower 1 is more than upper 0"),
        ("pcl", {"stiffness": 1e-308}, "greater than or equal to 0.000001"),
        ("gain_rl", {"width": 1e-308}, "greater than or equal to 0.01"),
    ],
)
def test_what_cannot_be_had_is_said(name: str, options: dict[str, Any], said: str) -> None:
    config = load(None, [f"curriculum.policy={name}", f"curriculum.options={json.dumps(options)}"])
    with pytest.raises(ConfigError) as caught:
        policy_of(config)
    assert said in str(caught.value)


def test_the_infinite_default_may_be_written_out() -> None:
    policy = policy_of(load(None, ["curriculum.policy=irt", "curriculum.options.lower=-.inf"]))
    assert policy == IRT()


@pytest.mark.parametrize(("name", "options"), [("pcl", {"candidates": 1e308}), ("adcl", {"wide": 1e308})])
def test_as_many_candidates_as_there_are(name: str, options: dict[str, float]) -> None:
    bank = [known(f"q{place}", None) for place in range(9)]
    assert len(of(name, **options).select(bank, asked(4))) == 4


THEIRS = """
from dataclasses import dataclass, field
from maieutic.curriculum.policy import Base

class Unknown: ...

@dataclass
class Selects:
    def select(self, bank, asked): return []

@dataclass
class Measuring(Base):
    measures = None
    def select(self, bank, asked): return []

@dataclass
class Undefined(Base):
    rate: "Nowhere" = None

@dataclass
class Odd(Base):
    helper: Unknown = field(default_factory=Unknown)

@dataclass
class Breaks(Base):
    def select(self, bank, asked): return []
    def __post_init__(self):
        raise KeyError("first\\nsecond")

made = Breaks.__new__(Breaks)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "Selects",
            "has no allocate, plan, update, state_dict, load_state_dict, metrics, measures; derive it",
        ),
        ("Measuring", "has no measures; derive it"),
        ("Undefined", "the fields of Undefined are its options, and one has a type that cannot be checked"),
        ("Odd", "the fields of Odd are its options, and one has a type that cannot be checked"),
        ("Breaks", "curriculum.options: Breaks cannot be made (KeyError: 'first"),
        ("made", "is no dataclass"),
    ],
)
def test_one_of_theirs_that_is_no_policy_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    (tmp_path / "policies_of_theirs.py").write_text(THEIRS)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as caught:
        policy_of(load(None, [f"curriculum.policy=policies_of_theirs:{name}"]))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_breaks_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "breaks_of_theirs.py").write_text("raise RuntimeError('one\\ntwo')")
    (tmp_path / "leaves_of_theirs.py").write_text("raise SystemExit(0)")
    monkeypatch.syspath_prepend(tmp_path)
    for module, said in (("breaks", "(RuntimeError: one two)"), ("leaves", "(SystemExit: 0)")):
        with pytest.raises(ConfigError) as caught:
            policy_of(load(None, [f"curriculum.policy={module}_of_theirs:P"]))
        assert said in str(caught.value)


def test_options_can_be_set_one_by_one() -> None:
    config = load(None, ["curriculum.policy=sec", "curriculum.options.temperature=0.2"])
    policy = policy_of(config)
    assert isinstance(policy, SEC) and policy.temperature == 0.2


# Quantities


@pytest.mark.parametrize(
    ("rate", "advantage", "learn", "unsure"),
    [
        (0, 0, 0, 0),
        (0.25, math.sqrt(3) / 2, 0.75, 0.5),
        (0.5, 1, 0.5, 1),
        (1, 0, 0, 0),
        (0.125, 0.6614, 0.875, 0.25),
    ],
)
def test_signals(rate: float, advantage: float, learn: float, unsure: float) -> None:
    assert absolute_advantage(rate) == pytest.approx(advantage, abs=1e-4)
    assert learnability(rate) == pytest.approx(learn)
    assert uncertainty(rate) == pytest.approx(unsure)


@given(st.integers(1, 16), st.integers(0, 16))
def test_the_mean_size_of_advantages_is_that_of_its_rollouts(n: int, right: int) -> None:
    right = min(right, n)
    rewards = np.array([1.0] * right + [0.0] * (n - right))
    spread = rewards.std()
    sizes = np.abs(rewards - rewards.mean()) / spread if spread else np.zeros(n)
    assert absolute_advantage(right / n) == pytest.approx(sizes.mean(), abs=1e-9)


def test_rates_draw_a_question_towards_its_skill_and_level() -> None:
    bank = [known("a", 1), known("b", 0), known("c"), known("d", level=3), known("e", skill="t")]
    rates = Rates(bank, weight=2)
    # The cell has ½: (4 · 1 + 2 · ½) / 6, (4 · 0 + 2 · ½) / 6.
    assert [rates.of(each) for each in bank] == pytest.approx([5 / 6, 1 / 6, 0.5, 0.5, 0.5])
    older = [known("a", 1, round=1), known("b", 0, round=2)]
    # A round later half of the evidence is gone: (2 · 1 + 2 · 0) / 4.
    assert Rates(older, weight=2).of(older[0]) == pytest.approx(0.5)


def test_difficulty_is_the_level_or_what_is_known() -> None:
    assert difficulties([known("a", level=2), known("b", level=5), known("c", level=9)]) == [0, 0.5, 1]
    assert difficulties([known("a", 1), known("b", 0)]) == pytest.approx([1 / 6, 5 / 6])


# Draws


def test_softmax_by_hand() -> None:
    assert softmax([0, math.log(3)], 1) == pytest.approx([0.25, 0.75])
    assert softmax([1e6, 1e6], 0.1) == [0.5, 0.5]
    assert softmax([], 1) == []


def test_drawing_by_weight_takes_the_heavy_first_and_the_weightless_last() -> None:
    bank = [known(str(i)) for i in range(4)]
    first = Counter(drawn(bank, [3, 1, 0, 0], 1, Random(seed))[0] for seed in range(2000))
    assert first["0"] == pytest.approx(1500, abs=100) and first["1"] == 2000 - first["0"]
    assert set(drawn(bank, [3, 1, 0, 0], 2, Random(1))) == {"0", "1"}
    assert set(drawn(bank, [3, 1, 0, 0], 9, Random(1))) == {"0", "1", "2", "3"}
    assert highest(bank, [1, 5, 3, 4], 2, Random(0)) == ["1", "3"]


def test_shelves_give_what_was_never_attempted_first() -> None:
    bank = [known("old", 1, round=1), known("older", 1, round=0), known("new"), known("other", level=2)]
    assert Shelves(bank, Random(0)).draw({("s", 1): 1.0}, 4, Random(0)) == ["new", "older", "old", "other"]


# Each by hand


def test_sec_updates_and_draws() -> None:
    policy = SEC(rate=0.5, temperature=1)
    policy.update([known("a", 0.5), known("b", 0, level=2)], asked(2))
    assert policy.values == {("s", 1): 0.5, ("s", 2): 0}
    weights = policy.weights([("s", 1), ("s", 2)], asked(1))
    assert weights[("s", 1)] / weights[("s", 2)] == pytest.approx(math.exp(0.5))
    policy.update([known("c", 0, level=2)], asked(1))
    assert policy.values[("s", 1)] == 0.5
    policy.decay = True
    policy.update([known("c", 0, level=2)], asked(1))
    assert policy.values[("s", 1)] == 0.25


def test_dump_bounds() -> None:
    policy = DUMP()
    assert len(set(policy.weights([("s", 1), ("s", 2)], asked(1)).values())) == 1
    policy.update([known("a", 0.5)], asked(1))
    seen, unseen = policy.bounds([("s", 1), ("s", 2)])
    assert seen == pytest.approx(1 + math.sqrt(2 * math.log(5) / 5))
    assert unseen == pytest.approx(math.sqrt(2 * math.log(5)))
    policy = DUMP(window=3)
    policy.update([known("a", 0.25), known("b", 0)], asked(2))
    assert policy.recent[("s", 1)] == [0, 0, 0] and policy.seen[("s", 1)] == 8


def test_e2h_schedules() -> None:
    assert cosine(4, 0) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert cosine(4, 1) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert cosine(4, 0.5) == pytest.approx([0.25] * 4)
    bell = gaussian(3, 0, 0.5, 0.5)
    # Weights 1, e^-2, e^-8 and a floor of 1/6 each: half of all is drawn by the bell.
    assert bell[0] == pytest.approx(1 / 6 + 0.5 / (1 + math.exp(-2) + math.exp(-8)))
    assert sum(bell) == pytest.approx(1)
    weights = E2H().weights([("a", 1), ("b", 1), ("a", 2)], asked(1, round=1, rounds=5))
    assert weights == pytest.approx({("a", 1): 1 / 3, ("b", 1): 1 / 3, ("a", 2): 1 / 3})


@pytest.mark.parametrize(("reward", "target"), [(0.5, 20), (1, 20 + 50 * math.tanh(1)), (0, 0)])
def test_adarft_moves_its_target(reward: float, target: float) -> None:
    policy = AdaRFT(start=20)
    policy.update([known("a", reward)], asked(1))
    assert policy.target == pytest.approx(target)


def test_adarft_takes_the_nearest() -> None:
    bank = [known(str(level), level=level) for level in (1, 2, 3, 4, 5)]
    assert AdaRFT(start=50).select(bank, asked(1)) == ["3"]
    assert set(AdaRFT(start=60).select(bank, asked(2))) == {"3", "4"}
    lessons = AdaRFT(start=60).plan([], asked(9, cells=[("s", 1), ("s", 2), ("t", 3)]))
    assert {lesson.cell for lesson in lessons} == {("s", 2)}


def test_fixed_orders() -> None:
    bank = [known(str(level), level=level) for level in (1, 2, 3)] + [known("seen", 1, level=1)]
    assert EasyToHard().select(bank, asked(1, round=1, rounds=3)) == ["1"]
    assert EasyToHard().select(bank, asked(1, round=2, rounds=3)) == ["2"]
    assert HardToEasy().select(bank, asked(1, round=1, rounds=3)) == ["3"]
    assert EasyToHard().select(bank, asked(4, round=1, rounds=3)) == ["1", "2", "3", "seen"]
    cells = [("s", 1), ("s", 2), ("s", 3)]
    assert {x.cell for x in EasyToHard().plan([], asked(5, round=1, rounds=3, cells=cells))} == {("s", 2)}
    assert {x.cell for x in HardToEasy().plan([], asked(5, round=2, rounds=3, cells=cells))} == {("s", 1)}


def test_irt_finds_abilities_and_difficulties() -> None:
    assert chance(1, 1) == 0.5 and chance(2, 0) == pytest.approx(0.8808, abs=1e-4)
    # One learner, one item, 3 of 4: θ − b maximises 3 ln σ + ln(1−σ) − θ²/2 − b²/2, and b = −θ.
    ability, difficulty = fitted([0], [0], [3], [4], prior=[0.0])
    theta = float(ability[0])
    assert float(difficulty[0]) == pytest.approx(-theta, abs=1e-5)
    assert 3 - 4 * chance(2 * theta, 0) - theta == pytest.approx(0, abs=1e-5)
    rows = [(who, what) for who in range(3) for what in range(3)]
    right = [round(400 * chance(who, what)) for who, what in rows]
    learners, items = map(list, zip(*rows, strict=True))
    ability, difficulty = fitted(learners, items, right, [400] * 9, prior=[0, 1, 2])
    assert [ability[who] - difficulty[what] for who, what in rows] == pytest.approx(
        [float(who - what) for who, what in rows], abs=0.15
    )


def test_irt_takes_what_lies_within_its_ability() -> None:
    policy = IRT()
    policy.difficulty, policy.ability = {("s", 1): -1.0, ("s", 2): 0.2}, 0.5
    bank = [known(str(level), level=level) for level in (1, 2, 3)]
    assert set(policy.select(bank, asked(2))) == {"1", "2"}
    policy.lower = -0.5
    assert policy.select(bank, asked(1)) == ["2"]
    policy.lower, policy.target = float("-inf"), 0.8
    # b ≤ 0.5 + ln ¼ = −0.886: only the first.
    assert policy.select(bank, asked(1)) == ["1"]
    policy.ability = 0.0
    for round in (1, 2, 3):
        policy.update([known("a", 0.0, round=round)], asked(1))
    lowest = fitted([0, 1, 2], [0, 0, 0], [0, 0, 0], [4, 4, 4], prior=[0.0])[0][2]
    assert policy.stagnant == 2
    assert policy.ability == pytest.approx(float(lowest) + 0.1)


def test_cyclical_shares() -> None:
    assert [Cyclical().share(round) for round in range(1, 7)] == [0.25, 0.5, 1, 0.5, 0.25, 0.5]
    bank = [known(str(i), 1.0 if i < 50 else 0.0, level=1 if i < 50 else 2) for i in range(100)]
    chosen = Cyclical().select(bank, asked(80))
    assert len(chosen) == 20 and sum(int(name) < 50 for name in chosen) >= 18


def test_balanced_prefers_its_band_then_the_nearest() -> None:
    rates = {"easy": 1.0, "good": 0.5, "hard": 0.0, "fair": 0.75}
    bank = [known(name, rate, skill=name, n=1000) for name, rate in rates.items()]
    assert set(Balanced().select(bank, asked(2))) == {"good", "fair"}
    assert Balanced(low=0.1, high=0.2).select(bank, asked(1)) == ["hard"]


@pytest.mark.parametrize(
    ("rate", "right", "wrong", "expected"),
    [(0.5, 1, 1, 0.25), (0.2, 1, 1, 0.16), (0.5, 4, 0, 0.25), (0, 1, 1, 0), (1, 1, 1, 0)],
)
def test_cures_deviation(rate: float, right: float, wrong: float, expected: float) -> None:
    # At ½ with 4 and 0: ½·¼·4 + 0 − ¼·¼·4 = ½ − ¼.
    assert gradient_deviation(rate, right, wrong) ** 2 == pytest.approx(expected)


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=30),
    st.integers(1, 4),
    st.integers(0, 12),
    st.integers(0, 100),
)
def test_rollouts_are_shared_out_within_bounds(
    weights: list[float], least: int, more: int, extra: int
) -> None:
    most, total = least + more, least * len(weights) + extra
    counts = shared_out(weights, total, least, most)
    assert all(least <= count <= most for count in counts)
    assert sum(counts) == min(total, most * len(weights))


def test_cures_allocates_by_deviation() -> None:
    bank = [known("unsure", 0.5, skill="a", n=1000), known("easy", 1.0, skill="b", n=1000)]
    counts = CurES(most=8).allocate(bank, ["unsure", "easy"], asked(2, rollouts=4))
    assert counts["unsure"] + counts["easy"] == 8 and counts["unsure"] == 6 and counts["easy"] == 2
    assert CurES(temperature=0.01).select(bank, asked(1)) == ["unsure"]
    with pytest.raises(ValueError):
        shared_out([1, 1], 1, 1, 2)


def test_value_model_learns_what_a_text_says() -> None:
    model = ValueModel(stiffness=0.01)
    rows = np.array([[1, 0], [0, 1]], dtype=np.float32)
    assert list(model.values(rows)) == [0.5, 0.5]
    for _ in range(20):
        model.fit(rows, [0.9, 0.1])
    assert model.values(rows) == pytest.approx([0.9, 0.1], abs=0.02)
    assert model.explained > 0.99
    # One row [1, 1] with a constant and λ = 1: w_c = ½ + ½·δ/(1 + xᵀx), and so on: x·w moves by ⅔ of the way.
    model = ValueModel(stiffness=1)
    model.fit(np.array([[1]], dtype=np.float32), [0.8])
    assert model.values(np.array([[1]], dtype=np.float32)) == pytest.approx([0.7])


def test_pcl_and_webrl_go_by_the_value_of_the_text() -> None:
    def embed(texts: Any) -> Any:
        return np.array([[float("easy" in t), float("mid" in t)] for t in texts], dtype=np.float32)

    seen = [known("easy1", 1.0), known("mid1", 0.5), known("hard1", 0.0)] * 30
    bank = [known("easy2"), known("mid2"), known("hard2")]
    for policy in (PCL(stiffness=0.01), WebRL(stiffness=0.01)):
        policy.update(seen, asked(3, embed=embed))
        assert policy.select(bank, asked(1, embed=embed)) == ["mid2"]
    assert PCL(target=0, stiffness=0.01, candidates=1).select(bank, asked(3, embed=embed))


def test_webrl_makes_new_from_failures() -> None:
    attempts = [x.last for x in (known("a", 1), known("b", 0.5), known("c", 0)) if x.last]
    lessons = WebRL().plan(attempts, asked(50))
    assert {lesson.question_id for lesson in lessons} == {"b", "c"}
    assert {lesson.move for lesson in lessons} == {"neighbour"}


@pytest.mark.parametrize(("rate", "worst", "mean"), [(0, 0, 0), (0.25, 1, 0.75), (0.5, 1, 0.5), (1, 0, 0)])
def test_eva_information(rate: float, worst: float, mean: float) -> None:
    assert (information(rate, "worst"), information(rate, "mean")) == (worst, mean)


def test_eva_evolves_the_informative_and_keeps_a_fifth() -> None:
    attempts = [known(f"q{i}", rate, level=1).last for i, rate in enumerate([0.5, 0.25, 0, 1, 1, 0, 1, 1])]
    lessons = Eva().plan([a for a in attempts if a], asked(40, top=3))
    assert {lesson.question_id for lesson in lessons} == {"q0", "q1"}
    assert {lesson.move for lesson in lessons} == {"harder", "neighbour"}
    bank = [known(f"seed{i}") for i in range(20)]
    bank += [
        Known(k.question.model_copy(update={"origin": "teacher"}), None)
        for k in map(known, map(str, range(20)))
    ]
    chosen = Eva().select(bank, asked(10))
    assert sum(name.startswith("seed") for name in chosen) == 2


def test_stat_takes_questions_of_the_missing_skills() -> None:
    bank = [known("failed", 0.25, skill="a"), known("fine", 1, skill="b")]
    bank += [known(f"a{i}", skill="a") for i in range(9)] + [known(f"b{i}", skill="b") for i in range(9)]
    chosen = StatSel().select(bank, asked(5))
    assert len(chosen) == 5 and all(name.startswith("a") for name in chosen)


def test_stat_finds_questions_that_need_what_the_teacher_named() -> None:
    """What is known to need a skill are the skills and levels of questions that were looked at."""
    bank = [known("failed", 0.25, skill="a"), known("other", 1, skill="b")]
    bank += [known(f"{skill}{i}", skill=skill) for skill in "abc" for i in range(9)]
    said = {"failed": Skills(["add", "carry"], ["carry"]), "other": Skills(["carry"], [])}
    chosen = StatSel(each=9).select(bank, asked(9, missing=lambda: said))
    assert {name[0] for name in chosen} == {"a", "b"}
    said = {"failed": Skills(["add"], ["carry"]), "other": Skills(["carry"], [])}
    chosen = StatSel(each=9).select(bank, asked(9, missing=lambda: said))
    assert "failed" not in chosen


def test_absolute_zero_leaves_out_what_nobody_and_what_everybody_solves() -> None:
    rates = {"none": 0.0, "some": 0.25, "all": 1.0}
    bank = [known(f"{name}{i}", rate, skill=name, n=1000) for name, rate in rates.items() for i in range(5)]
    assert all(name.startswith("some") for name in of("absolute_zero").select(bank, asked(5)))


def test_adcl_keeps_the_first_order_and_measures_the_next_batch_again() -> None:
    policy = ADCL(wide=2)
    cells = {"a": 0.9, "b": 0.6, "c": 0.3, "d": 0.1}
    policy.update([known(f"x{skill}", rate, skill=skill) for skill, rate in cells.items()], asked(4))
    fresh = [known(f"{skill}{i}", skill=skill) for skill in cells for i in range(5)]
    first = policy.select(fresh, asked(5, round=1, rounds=3))
    # Measured now, b is easier than a: the batch of the two easiest by the first order gives b.
    now = [*fresh, known("ya", 0.2, skill="a", round=2), known("yb", 0.9, skill="b", round=2)]
    assert set(first) <= {f"{s}{i}" for s in "ab" for i in range(5)}
    assert all(name.startswith("b") for name in policy.select(now, asked(5, round=1, rounds=3)))
    assert all(name[0] in "cd" for name in policy.select(fresh, asked(5, round=3, rounds=3)))


def test_gain_rl_moves_along_its_order() -> None:
    policy = GainRL(width=1, pace=10)
    bank = [known(str(i)) for i in range(40)]
    signal = {str(i): -float(i) for i in range(40)}
    assert set(policy.select(bank, asked(2, signal=signal))) <= {"0", "1", "2", "3", "4"}
    policy.update([known("0", 1.0)], asked(1, signal={"0": 0.5}))
    # 10·tanh(2·½) + 10·tanh(2·½)
    assert policy.centre == pytest.approx(20 * math.tanh(1))
    assert {int(name) for name in policy.select(bank, asked(3, signal=signal))} <= set(range(11, 20))
    policy.update([known("0", 0.0)], asked(1, signal={"0": 0.0}))
    assert policy.centre == pytest.approx(20 * math.tanh(1))
    assert policy.measures == "angles"


def test_one_shot_ranks_by_the_variance_of_history() -> None:
    assert variance([0, 1]) == 0.25 and variance([0.5]) == 0 and variance([0, 0.5, 1]) == pytest.approx(1 / 6)
    policy = OneShot()
    for round, (wild, calm) in enumerate([(0.0, 0.5), (1.0, 0.5), (0.0, 0.75)], 1):
        policy.update([known("wild", wild, round=round), known("calm", calm, round=round)], asked(2))
    assert policy.select([known("calm", 0.75), known("wild", 0)], asked(1)) == ["wild"]
    policy = OneShot(most=1)
    policy.update([known("a", 1), known("b", 1)], asked(2))
    assert list(policy.questions) == ["b"]


WORDS = ["what is two plus three", "what is two plus three", "name a river that flows north in wales"]


def test_bleu_by_hand() -> None:
    alike = bleu(WORDS)
    assert alike[0, 1] == pytest.approx(1) and alike[0, 2] < 0.1
    # Of "a b c d e" in "a b c d f": 4/5, 3/4, 2/3, 1/2; no brevity penalty.
    assert bleu(["a b c d e", "a b c d f"])[0, 1] == pytest.approx((4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    # "a b c d" against the same and four words more: all match, and it is half as long: e^(1 − 2).
    assert bleu(["a b c d", "a b c d e f g h"])[0, 1] == pytest.approx(math.exp(-1))


@pytest.mark.slow
def test_repetition_is_the_share_of_the_cluster() -> None:
    assert cluster_shares(WORDS, 0.5) == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert cluster_shares(["alone"], 0.5) == [1.0]
    assert cluster_shares(["", "", "x"], 0.5)


@pytest.mark.slow
@given(st.lists(st.text(max_size=20), max_size=12))
def test_any_texts_have_clusters(texts: list[str]) -> None:
    shares = cluster_shares(texts, 0.5)
    assert len(shares) == len(texts) and all(0 < share <= 1 for share in shares)


@pytest.mark.slow
def test_r_zero_prefers_the_unsure_and_the_rare() -> None:
    same = "what is the sum of four and nine today"
    rows = [
        (same, 0.5),
        (same, 0.5),
        ("who wrote the oldest book in town", 0.5),
        ("how far is it to rome", 1.0),
    ]
    bank = []
    for place, (text, rate) in enumerate(rows):
        each = known(f"q{place}", rate, skill=f"s{place}", n=10_000)
        bank.append(Known(each.question.model_copy(update={"text": text}), each.last))
    scores = RZero().scores(bank, asked(4))
    assert list(scores) == pytest.approx([1 / 3, 1 / 3, 2 / 3, -0.25], abs=1e-3)
    assert RZero(penalty=9).scores(bank, asked(4))[0] == 0


def test_alp_gmm_compares_with_the_last_result() -> None:
    policy = ALPGMM()
    for round, rate in enumerate([0.0, 0.5, 1.0, 1.0, 1.0], 1):
        policy.update([known(f"q{round}", rate, round=round)], asked(1, top=3))
    assert [value for _, value in policy.progress] == [0.5, 0.5, 0, 0]


def test_levels_that_are_still_to_come_are_on_the_scale() -> None:
    """What is planned at a level is what is selected there, once it has been written."""
    cells = [("s", level) for level in range(1, 7)]
    bank = [known("a", 1, level=1), known("b", 1, level=2), known("new", level=3)]
    assert AdaRFT(start=38).select(bank, asked(1, cells=cells)) == ["new"]
    assert {lesson.cell for lesson in AdaRFT(start=38).plan([], asked(9, cells=cells))} == {("s", 3)}


@pytest.mark.slow
def test_alp_gmm_asks_where_results_change() -> None:
    policy = ALPGMM(window=200, most=4, random=0.0)
    source = Random(0)
    for round in (1, 2, 3):
        # Level 3 goes from 0 to 1; the others stay.
        outcomes = [
            known(
                f"{round}-{level}-{i}",
                source.choice([0.0, 1.0]) if level == 3 else 0.5,
                level=level,
                round=round,
            )
            for level in (1, 2, 3, 4, 5)
            for i in range(40)
        ]
        policy.update(outcomes, asked(200, round, top=5))
    weights = policy.weights([("s", level) for level in (1, 2, 3, 4, 5)], asked(1))
    assert weights[("s", 3)] > 0.5
    assert sum(weights.values()) == pytest.approx(1)
