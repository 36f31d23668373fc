"""Statistics of a comparison, against values worked out by hand and by what must always hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.curriculum.comparing import (
    difference,
    draws,
    forgotten,
    holm,
    interval,
    place_of,
    reached,
    weights,
)

STEPS = [0.0, 400.0, 1000.0]


def area(at: list[float], heights: list[float], end: float) -> float:
    return math.fsum(w * height for w, height in zip(weights(at, end), heights, strict=True))


def test_steps_worked_out_by_hand() -> None:
    assert weights(STEPS, 2000) == [0.2, 0.3, 0.5]
    # 0.2 · 0.4 + 0.3 · 0.5 + 0.5 · 0.7
    assert area(STEPS, [0.4, 0.5, 0.7], 2000) == pytest.approx(0.58)
    assert area(STEPS, [0.4, 0.5, 0.7], 500) == pytest.approx(0.8 * 0.4 + 0.2 * 0.5)
    assert area([0.0], [0.4], 10) == 0.4
    assert [place_of(STEPS, x) for x in (0, 399, 400, 999, 1000, 5000)] == [0, 0, 1, 1, 2, 2]
    assert reached(STEPS, [0.4, 0.5, 0.7], 0.5) == 400
    assert reached(STEPS, [0.4, 0.5, 0.7], 0.4) == 0
    assert reached(STEPS, [0.4, 0.5, 0.7], 0.71) is None


def test_what_is_no_curve_is_refused() -> None:
    for at, end in (([], 5.0), ([1.0], 5.0), ([0.0, 3.0, 2.0], 5.0), ([0.0], 0.0)):
        with pytest.raises(ValueError, match="no steps"):
            weights(at, end)


@given(
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), max_size=8),
    st.floats(0, 1),
    st.floats(1, 3000),
)
def test_an_area_lies_between_the_least_and_the_greatest_height(
    steps: list[tuple[int, float]], first: float, end: float
) -> None:
    at, heights = [0.0], [first]
    for further, height in steps:
        at, heights = [*at, at[-1] + further], [*heights, height]
    assert math.isclose(sum(weights(at, end)), 1)
    found = area(at, heights, end)
    assert min(heights) - 1e-9 <= found <= max(heights) + 1e-9
    there = reached(at, heights, found - 1e-6)
    assert there is not None


def test_holm_worked_out_by_hand() -> None:
    # Sorted .01 .02 .03 .04: ·4 = .04, ·3 = .06, ·2 = .06, ·1 = .04 raised to .06.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_keeps_the_order_and_is_milder_than_bonferroni(ps: list[float]) -> None:
    adjusted = holm(ps)
    for p, q in zip(ps, adjusted, strict=True):
        assert p - 1e-12 <= q <= min(1.0, len(ps) * p) + 1e-12
    for one in range(len(ps)):
        for two in range(len(ps)):
            if ps[one] < ps[two]:
                assert adjusted[one] <= adjusted[two]


@given(st.integers(1, 6), st.integers(1, 40))
def test_every_resample_is_a_mean(seeds: int, questions: int) -> None:
    drawn = draws(seeds, questions, 50)
    assert np.allclose(drawn.seeds.sum(1), 1)
    assert np.allclose(drawn.questions.sum(1), 1)
    assert np.allclose(drawn.means(np.full((seeds, questions), 0.25)), 0.25)


def test_the_variance_of_resampled_means_is_that_of_the_mean() -> None:
    """Seeds alone differ: of n seeds the variance of the mean is s²/n, with n − 1 below s²."""
    marks = np.repeat(np.array([[0.2], [0.5], [0.8]]), 10, axis=1)
    spread = draws(3, 10, 200_000).means(marks).var()
    assert spread == pytest.approx(0.09 / 3, rel=0.02)
    # Questions alone differ: of n questions their variance (over n) over n.
    marks = np.repeat(np.array([[0.0, 1.0, 1.0, 0.0]]), 3, axis=0)
    assert draws(3, 4, 200_000).means(marks).var() == pytest.approx(0.25 / 4, rel=0.02)


def test_no_difference_is_none_and_a_clear_one_is_clear() -> None:
    rng = np.random.default_rng(0)
    marks = (rng.random((3, 200)) < 0.6).astype(float)
    none = difference(marks, marks, draws(3, 200))
    assert (none.mean, none.low, none.high, none.p) == (0.0, 0.0, 0.0, 1.0)
    better = np.minimum(1, marks + (rng.random((3, 200)) < 0.5))
    clear = difference(better, marks, draws(3, 200))
    assert clear.mean == pytest.approx(float((better - marks).mean()))
    assert 0 < clear.low < clear.mean < clear.high
    assert clear.p < 0.001
    other = difference(marks, better, draws(3, 200))
    assert (other.mean, other.p) == (-clear.mean, pytest.approx(clear.p, abs=0.001))


def test_marks_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot pair"):
        difference(np.zeros((3, 4)), np.zeros((2, 4)), draws(3, 4))
    with pytest.raises(ValueError, match="nothing to resample"):
        draws(0, 4)


def test_an_interval_holds_its_mean() -> None:
    marks = (np.random.default_rng(1).random((3, 100)) < 0.7).astype(float)
    low, high = interval(marks, draws(3, 100))
    assert low < marks.mean() < high
    assert high - low < 0.35


@pytest.mark.slow
def test_where_nothing_differs_it_seldom_says_so() -> None:
    """Two variants alike, three seeds, questions of unequal difficulty, seeds 0.1 logits apart: at 5 %
    it may be wrong in about 1 of 20; 300 trials leave room for chance."""
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(300):
        hard = rng.normal(0, 1.5, 200)

        def run(hard: np.ndarray = hard) -> np.ndarray:
            chance = 1 / (1 + np.exp(-(hard + 1 + rng.normal(0, 0.1))))
            return (rng.random(200) < chance).astype(float)

        ours, control = (np.array([run() for _ in range(3)]) for _ in "ab")
        wrong += difference(ours, control, draws(3, 200, 500)).p < 0.05
    assert wrong <= 24


def test_forgotten_counts_what_was_known() -> None:
    assert forgotten([True, True, False, True], [True, False, True, False]) == (2, 3)
    assert forgotten([False], [True]) == (0, 0)
