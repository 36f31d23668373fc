"""Rewards: golden tables at 0, ½ and 1, and what holds for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.errors import ConfigError
from maieutic.records import Outcome
from maieutic.trainers import rewards
from maieutic.trainers.grading import Grader, question_of, rewarded
from maieutic.trainers.rewards import Sampled, rewards_of

ROW = {
    "prompt": "What is 3 + 4?", "question_id": "q", "text": "What is 3 + 4?", "answer": "7",
    "checker": "arithmetic", "data": "", "solution": "3 + 4 = 7 #### 7",
}  # fmt: skip


def said(completion: str = "3 + 4 = 7 #### 7", outcome: Outcome = "right", **given: int) -> Sampled:
    return Sampled(
        completion, given.get("tokens", 10), True, outcome, given.get("step", 0), 100, question_of(ROW)
    )


@pytest.mark.parametrize(
    ("outcome", "value"), [("right", 1), ("wrong", 0), ("invalid", 0), ("undecided", None)]
)
def test_correctness(outcome: Outcome, value: float | None) -> None:
    assert rewards.correctness(outcome) == value


@pytest.mark.parametrize(
    ("completion", "ended", "value"),
    [
        ("7", True, 0),
        ("the answer is 7", True, 0),
        ("3 + 4 = 7 #### 7", True, 1),
        ("3 + 4 = 7 #### 7", False, 0.5),
        ("#### 6 no #### 7", True, 0.5),
        ("#### 7\nor so", True, 0.5),
        ("####", True, 0.5),
        (r"so \boxed{7}.", True, 1),
        (r"\boxed{6} or \boxed{7}", True, 0.5),
        (r"\boxed{7} I am sure", True, 0.5),
        ("<think>#### 5</think>#### 7", True, 1),
    ],
)
def test_format(completion: str, ended: bool, value: float) -> None:
    assert rewards.well_formed(completion, ended) == value


@pytest.mark.parametrize(
    ("tokens", "value"), [(0, 0), (80, 0), (90, -0.5), (95, -0.75), (100, -1), (101, -1), (10**6, -1)]
)
def test_soft_overlong(tokens: int, value: float) -> None:
    assert rewards.soft_overlong(tokens, 100, 20) == pytest.approx(value)
    assert rewards.Overlong()(said(tokens=tokens)) == pytest.approx(value)


@pytest.mark.parametrize(("tokens", "value"), [(0, 0), (50, 0.5), (100, 1), (150, 0.5), (200, 0), (1000, 0)])
def test_triangular(tokens: int, value: float) -> None:
    assert rewards.triangular(tokens, 100) == pytest.approx(value)


@pytest.mark.parametrize(("step", "budget"), [(0, 256), (31, 256), (32, 128), (95, 64), (32 * 40, 1)])
def test_the_budget_shrinks(step: int, budget: float) -> None:
    assert rewards.budget_at(step, 256, 0.5, 32) == budget
    reward = rewards.Budget(256, 0.5, 32)(said(tokens=int(budget), step=step))
    assert reward == pytest.approx(1)


@pytest.mark.parametrize(
    ("right", "confidence", "value"),
    [
        (True, 1, 1), (True, 0.5, 0.75), (True, 0, 0),
        (False, 1, 0), (False, 0.5, 0.75), (False, 0, 1),
        (True, 50, 1), (False, 50, 0), (True, -3, 0), (True, None, 0), (False, None, 0),
        (True, float("nan"), 0),
    ],
)  # fmt: skip
def test_calibration(right: bool, confidence: float | None, value: float) -> None:
    assert rewards.brier(right, confidence) == pytest.approx(value)


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        ("<confidence>0.5</confidence>", 0.5), ("<confidence> 70% </confidence>", 0.7), ("7", None),
        ("<confidence>sure</confidence>", None),
        ("<confidence>0.1</confidence> no <CONFIDENCE>1</CONFIDENCE>", 1.0),
    ],
)  # fmt: skip
def test_stated_confidence(completion: str, value: float | None) -> None:
    assert rewards.stated_confidence(completion) == pytest.approx(value)


@pytest.mark.parametrize(("outcome", "process", "value"), [
    (0, 0, 0), (0, 0.5, 0), (0, 1, 0), (1, 0, 0), (1, 0.5, 0.5), (1, 1, 1), (1, 7, 1), (1, -1, 0),
])  # fmt: skip
def test_posterior(outcome: float, process: float, value: float) -> None:
    assert rewards.posterior(outcome, process) == value


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        ("2 * 3 = 6, 7 + 6 = 13 #### 13", 1),
        ("2 * 3 = 5, 7 + 6 = 13 #### 13", 0.5),
        ("2 * 3 = 5 #### 13", 0),
        ("#### 13", 0.5),
        ("9 mod 4 = 1", 1),
        ("9 mod 0 = 1", 0),
        ("1.5 + 2 = 3", 0.5),
        ("5 - 7 = -2", 1),
    ],
)
def test_equations(completion: str, value: float) -> None:
    assert rewards.equations_right(completion) == value


def test_the_process_counts_where_the_outcome_is_right() -> None:
    reward = rewards.Process()
    assert reward(said("2 * 3 = 5, 7 + 6 = 13 #### 13")) == 0.5
    assert reward(said("3 + 4 = 7 #### 9", "wrong")) == 0
    assert reward(said(outcome="undecided")) is None
    with pytest.raises(ConfigError, match="cannot be imported"):
        rewards.Process("nowhere:half")


def half(sampled: Sampled) -> float:
    return 0.5 if sampled.question.id == "q" else 1.0


def test_a_score_of_ones_own() -> None:
    (reward,) = rewards_of({f"process?scorer={__name__}:half": 1.0}).values()
    assert reward(said("2 * 3 = 5 #### 13")) == 0.5


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.integers(0, 10_000))
def test_lengths_stay_in_bounds(tokens: int, longest: int, cache: int) -> None:
    assert -1 <= rewards.soft_overlong(tokens, longest, cache) <= 0
    assert rewards.soft_overlong(tokens + 1, longest, cache) <= rewards.soft_overlong(tokens, longest, cache)
    assert 0 <= rewards.triangular(tokens, longest) <= 1


@given(st.text(max_size=80), st.sampled_from(["right", "wrong", "invalid"]))
def test_no_text_breaks_a_reward(text: str, outcome: Outcome) -> None:
    every = rewards_of(dict.fromkeys(rewards.REWARDS, 1.0))
    for reward in every.values():
        value = reward(said(text, outcome))
        assert value is not None and -1 <= value <= 1


def test_what_nobody_can_decide_has_no_reward_at_all() -> None:
    every = rewards_of(dict.fromkeys(rewards.REWARDS, 1.0))
    for reward in every.values():
        assert rewarded(reward, [said(outcome="undecided")]) == [None]


def test_rewards_by_name_with_options() -> None:
    there = rewards_of({"correctness": 1, "overlong?cache=50": 0.5, "maieutic.trainers.rewards:Format": 1})
    assert there["overlong?cache=50"] == rewards.Overlong(cache=50)
    for wrong, message in [
        ({}, "there is none"),
        ({"corectness": 1}, "did you mean correctness"),
        ({"overlong?cash=1": 1}, "no option 'cash'"),
        ({"overlong?cache=many": 1}, "cache"),
        ({"correctness": float("inf")}, "is no number"),
        ({"budget?start=inf": 1}, "start 'inf': is no number"),
        ({"maieutic.curriculum.pairs.curry:Curry": 1}, "cannot be called with a Sampled"),
        ({"process?scorer=os:sep": 1}, "os:sep is no function"),
        ({"process?scorer=mine": 1}, "no 'mine'; name one of yours"),
    ]:
        with pytest.raises(ConfigError, match=message):
            rewards_of(wrong)


def test_the_verifiers_own_checkers_decide() -> None:
    grader = Grader()
    rows = [
        ROW,
        ROW,
        ROW,
        ROW,
        {**ROW, "checker": "numeric"},
        {**ROW, "text": "odd", "checker": "unsure_checker:check"},
    ]
    completions = ["#### 7", "#### 8", "hm", "#### 7", "#### 7.0", "#### 7"]
    try:
        found = grader.outcomes(rows, completions, [True, True, True, False, True, True])
    finally:
        grader.close()
    assert found == ["right", "wrong", "invalid", "invalid", "right", "undecided"]
