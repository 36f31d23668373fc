"""Zones, utility, pairs, gate, policies: golden tables and properties."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.curriculum.difficulty import generator_quota, utility, zone_of
from maieutic.curriculum.gate import decide, paired_interval, wilson
from maieutic.curriculum.pairs import change_digit
from maieutic.curriculum.policies.socratic import Socratic
from maieutic.curriculum.policies.uniform import Uniform
from maieutic.curriculum.policy import Asked, Known
from maieutic.curriculum.topics import draw
from maieutic.records import Attempt, Move, Question, Rollout, Verdict
from pairing import build_pairs

rates = st.floats(0, 1)


def question(name: str = "q", level: int = 1) -> Question:
    return Question(
        id=name, text="What is 7 + 2 * 3?", answer="13", solution=REFERENCE,
        skill="precedence", level=level, origin="seed",
    )  # fmt: skip


def attempt(name: str, rate: float, round: int = 1, level: int = 1) -> Attempt:
    return Attempt(
        question_id=name, skill="precedence", level=level, round=round, right=int(4 * rate),
        decided=4, pass_rate=rate, zone=zone_of(rate),
    )  # fmt: skip


def judged(*outcomes: tuple[str, str]) -> list[tuple[Rollout, Verdict]]:
    rows = []
    for index, (text, outcome) in enumerate(outcomes):
        rollout = Rollout(
            id=f"r{index}", question_id="q", round=1, stage="attempt", checkpoint="base",
            index=index, completion=text, tokens=1, truncated=False, call_id="c",
        )  # fmt: skip
        rows.append(
            (rollout, Verdict.model_validate(
                {"rollout_id": rollout.id, "question_id": "q", "outcome": outcome}))
        )  # fmt: skip
    return rows


@pytest.mark.parametrize(
    ("rate", "zone"),
    [(0, "too_hard"), (0.125, "learning"), (0.5, "learning"), (0.99, "learning"), (1, "mastered")],
)
def test_zones(rate: float, zone: str) -> None:
    assert zone_of(rate) == zone


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_a_pass_rate_outside_0_to_1_is_refused(rate: float) -> None:
    with pytest.raises(ValueError):
        zone_of(rate)
    with pytest.raises(ValueError):
        utility(rate)


@pytest.mark.parametrize(
    ("rate", "expected"), [(0, 0.0439369336), (0.25, 0.4578333617), (0.5, 1.0), (1, 0.0439369336)]
)
def test_utility_of_socratic_zero(rate: float, expected: float) -> None:
    assert utility(rate) == pytest.approx(expected)


@given(rates)
def test_utility_is_symmetric_and_at_most_one(rate: float) -> None:
    assert 0 < utility(rate) <= 1
    assert utility(rate) == pytest.approx(utility(1 - rate))


@given(st.integers(0, 99), st.integers(0, 99), rates, rates)
def test_quota_stays_between_its_ends(least: int, more: int, admitted: float, worth: float) -> None:
    assert least <= generator_quota(least, least + more, admitted, worth) <= least + more
    assert generator_quota(least, least + more, 1, 1) == least + more


# What the rollouts were → how many pairs of which kind, with which chosen and rejected.
RIGHT, RIGHT2 = "7 + 6 = 13 #### 13", "13 #### 13"
WRONG, WRONG2 = "7 + 6 = 14 #### 14", "9 * 3 = 27 #### 27"
REFERENCE = "7 + 6 = 13 #### 13"
PAIR_TABLE = [
    ([], 0, None),
    ([(RIGHT, "right"), (WRONG, "wrong")], 1, "rollouts"),
    ([(RIGHT, "right"), (WRONG, "wrong"), (WRONG2, "wrong")], 2, "rollouts"),
    ([(RIGHT, "right"), (RIGHT2, "right"), (WRONG, "wrong"), (WRONG2, "wrong")], 2, "rollouts"),
    ([(RIGHT, "right"), (WRONG, "wrong"), (WRONG, "wrong")], 1, "rollouts"),
    ([(WRONG, "wrong"), (WRONG2, "wrong")], 2, "reference"),
    ([(WRONG, "wrong"), ("no idea", "invalid")], 1, "reference"),
    ([("no idea", "invalid")], 0, None),
    ([("late", "undecided"), ("no idea", "invalid")], 0, None),
    ([(RIGHT, "right"), (RIGHT, "right")], 1, "anchor"),
    ([(RIGHT, "right"), ("no idea", "invalid")], 1, "anchor"),
    ([(RIGHT, "right"), ("late", "undecided")], 1, "anchor"),
]


@pytest.mark.parametrize(("outcomes", "count", "kind"), PAIR_TABLE)
def test_pair_rules(outcomes: list[tuple[str, str]], count: int, kind: str | None) -> None:
    pairs = build_pairs(question(), judged(*outcomes), "prompt", Random(0), most=2)
    assert len(pairs) == count
    assert {pair.kind for pair in pairs} == ({kind} if kind else set())
    for pair in pairs:
        chosen = {text for text, outcome in outcomes if outcome == "right"} or {REFERENCE}
        rejected = {text for text, outcome in outcomes if outcome == "wrong"}
        assert pair.chosen in chosen
        assert pair.rejected != pair.chosen
        if kind == "anchor":
            differing = [x != y for x, y in zip(pair.chosen, pair.rejected, strict=True)]
            assert sum(differing) == 1
        else:
            assert pair.rejected in rejected


@given(st.text(max_size=40), st.integers(0, 999))
def test_changing_a_digit_changes_one_digit(text: str, seed: int) -> None:
    changed = change_digit(text, Random(seed))
    if not any(sign in "0123456789" for sign in text):
        assert changed is None
        return
    assert changed is not None
    places = [(x, y) for x, y in zip(text, changed, strict=True) if x != y]
    assert len(places) == 1
    assert all(sign in "0123456789" for sign in places[0])


GATE = {"tolerance": 0.0, "confidence": 0.95, "resamples": 2000, "seed": 0}


@pytest.mark.parametrize(
    ("before", "after", "no_fall", "no_sure_fall"),
    [
        (100, 100, True, True),
        (50, 60, True, True),
        (60, 59, False, True),
        (60, 40, False, False),
        (100, 0, False, False),
    ],
)
def test_the_gate_and_its_rules(before: int, after: int, no_fall: bool, no_sure_fall: bool) -> None:
    marks = [[place < right for place in range(100)] for right in (before, after)]
    assert decide(*marks, rule="no_fall", **GATE).promoted is no_fall  # type: ignore[arg-type]
    assert decide(*marks, rule="no_sure_fall", **GATE).promoted is no_sure_fall  # type: ignore[arg-type]
    lenient = {**GATE, "tolerance": 0.01}
    assert decide(*marks, rule="no_fall", **lenient).promoted is no_sure_fall  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_the_interval_holds_the_difference(pairs: list[tuple[bool, bool]]) -> None:
    before, after = zip(*pairs, strict=True)
    low, high = paired_interval(before, after, 0.95, 500, 0)
    assert -1 <= low <= high <= 1
    if before == after:
        assert (low, high) == (0, 0)


def test_the_interval_refuses_what_cannot_be_paired() -> None:
    with pytest.raises(ValueError):
        paired_interval([True], [], 0.95, 500, 0)


def test_wilson_agrees_with_the_textbook() -> None:
    assert wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(0, 0) == (0, 1)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_holds_the_share(right: int, more: int) -> None:
    low, high = wilson(right, right + more)
    assert 0 <= low <= right / (right + more) <= high <= 1


FAMILY: frozenset[Move] = frozenset({"harder", "neighbour"})


def six(count: int, need: dict[tuple[str, int], float], moves: frozenset[Move] = FAMILY) -> Asked:
    """Six levels, and one seed."""
    return Asked(count, Random(0), need=need, top=6, moves=moves)


def bank() -> list[Known]:
    rows = [Known(question(f"new{i}"), None) for i in range(40)]
    rows += [Known(question(f"solved{i}"), attempt(f"solved{i}", 1)) for i in range(40)]
    return rows + [Known(question(f"failed{i}"), attempt(f"failed{i}", 0.5)) for i in range(40)]


@pytest.mark.parametrize("policy", [Socratic(0.2, 2), Uniform()])
@pytest.mark.parametrize("count", [1, 10, 100, 1000])
def test_choice_is_distinct_and_no_more_than_asked(policy: Socratic | Uniform, count: int) -> None:
    chosen = policy.select(bank(), Asked(count, Random(0)))
    assert len(chosen) == len(set(chosen)) == min(count, 120)


def test_socratic_repeats_a_share_of_what_is_mastered() -> None:
    chosen = Socratic(0.2, 2).select(bank(), Asked(50, Random(0)))
    assert sum(name.startswith("solved") for name in chosen) == 10
    assert sum(name.startswith("new") for name in chosen) == 40


def test_socratic_makes_mastered_harder_and_sets_the_hopeless_aside() -> None:
    attempts = [attempt("m", 1), attempt("l", 0.25), attempt("h", 0)]
    lessons = Socratic(0.2, 2).plan(attempts, six(300, {("precedence", 1): 0.5}))
    assert len(lessons) == 300
    assert {lesson.move for lesson in lessons if lesson.question_id == "m"} == {"harder"}
    assert {lesson.move for lesson in lessons if lesson.question_id == "l"} == {"harder", "neighbour"}
    assert all(lesson.question_id != "h" for lesson in lessons)


def test_socratic_teaches_most_where_there_is_most_to_learn() -> None:
    attempts = [attempt("solved", 1, level=1), attempt("failed", 0.5, level=1)]
    worth = {("precedence", 1): 0.35, ("precedence", 2): 0.1, ("precedence", 3): 0.85}
    lessons = Socratic(0.2, 2).plan(attempts, six(7000, worth))
    taught = Counter(1 + lesson.levels * (lesson.move == "harder") for lesson in lessons)
    # Weights are 0.15 more than the share that fails: 0.5, 0.25 and 1.
    assert taught[1] == pytest.approx(2000, rel=0.1)
    assert taught[2] == pytest.approx(1000, rel=0.1)
    assert taught[3] == pytest.approx(4000, rel=0.1)


@pytest.mark.parametrize(
    ("rate", "level", "lessons"),
    [
        (1, 1, {("harder", 1), ("harder", 2)}),
        (1, 5, {("harder", 1)}),
        (1, 6, {("neighbour", 1)}),
        (0.5, 1, {("harder", 1), ("neighbour", 1)}),
        (0.5, 6, {("neighbour", 1)}),
    ],
)
def test_moves_by_zone_and_level(rate: float, level: int, lessons: set[tuple[str, int]]) -> None:
    planned = Socratic(0.2, 2).plan([attempt("a", rate, level=level)], six(200, {}))
    assert {(lesson.move, lesson.levels) for lesson in planned} == lessons


MODEL: frozenset[Move] = frozenset({"refine", "harder", "simplify", "diversify"})


@pytest.mark.parametrize(
    ("rate", "level", "lessons"),
    [
        (1, 1, {("harder", 1), ("harder", 2)}),
        (1, 6, {("diversify", 1)}),
        (0.5, 1, {("refine", 1), ("diversify", 1)}),
        (0.5, 6, {("refine", 1), ("diversify", 1)}),
        (0, 3, {("simplify", 1)}),
    ],
)
def test_moves_by_zone_with_a_teacher_that_has_more_of_them(
    rate: float, level: int, lessons: set[tuple[str, int]]
) -> None:
    planned = Socratic(0.2, 2).plan([attempt("a", rate, level=level)], six(200, {}, MODEL))
    assert {(lesson.move, lesson.levels) for lesson in planned} == lessons


def test_what_is_too_hard_is_made_easier_beside_all_else() -> None:
    attempts = [attempt("m", 1), attempt("l", 0.25), attempt("h", 0)]
    lessons = Socratic(0.2, 2).plan(attempts, six(300, {}, MODEL))
    by_question = {name: {x.move for x in lessons if x.question_id == name} for name in ("m", "l", "h")}
    assert by_question == {"m": {"harder"}, "l": {"refine", "diversify"}, "h": {"simplify"}}


cells_of = st.lists(
    st.tuples(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), st.sampled_from([0.0, 0.3, 1.0])),
    min_size=1, max_size=8, unique_by=lambda entry: entry[0],
)  # fmt: skip


@given(cells_of, st.integers(0, 60), st.floats(0.05, 1), st.integers(0, 9))
def test_no_topic_has_more_than_its_quota_while_another_is_in_need(
    given_cells: list[tuple[tuple[str, int], float]], count: int, quota: float, seed: int
) -> None:
    cells, needs = map(list, zip(*given_cells, strict=True))
    weights = [0.15 + need for need in needs]
    drawn = draw(cells, weights, needs, count, quota, Random(seed))
    assert drawn == draw(cells, weights, needs, count, quota, Random(seed))
    assert len(drawn) == count
    assert set(drawn) <= set(cells)
    most, taken = max(1, int(quota * count)), Counter(skill for skill, _ in drawn)
    in_need = {skill for (skill, _), need in given_cells if need > 0}
    for skill, times in taken.items():
        if times > most:
            assert all(taken[other] >= most for other in in_need - {skill})


def test_a_quota_of_one_draws_as_ever() -> None:
    cells, weights = [("a", 1), ("b", 1)], [0.9, 0.1]
    assert draw(cells, weights, weights, 50, 1.0, Random(3)) == Random(3).choices(cells, weights, k=50)
    half = Counter(draw(cells, weights, weights, 50, 0.5, Random(3)))
    assert half == {("a", 1): 25, ("b", 1): 25}


def test_socratic_never_goes_idle() -> None:
    assert len(Socratic(0.2, 2).plan([attempt("h", 0)], six(5, {}))) == 5
    assert Socratic(0.2, 2).plan([], six(5, {})) == []


def test_uniform_looks_at_nothing() -> None:
    assert {lesson.question_id for lesson in Uniform().plan([], Asked(5, Random(0)))} == {None}
