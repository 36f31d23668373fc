"""Brier score and calibration error: worked out by hand, and what must hold of any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.curriculum.calibration import brier, calibration_error
from maieutic.graph.judged import calibration_of
from maieutic.records import Opinion, Outcome

cases = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("chances", "truths", "score", "error"),
    [
        ([1.0, 0.0], [True, False], 0.0, 0.0),
        ([0.0, 1.0], [True, False], 1.0, 1.0),
        ([0.5, 0.5], [True, False], 0.25, 0.0),
        ([0.5], [True], 0.25, 0.5),
        # Bin 8: |1/2 − 0.8| of 2; bin 2: |1/3 − 0.2| of 3.
        ([0.8, 0.8, 0.2, 0.2, 0.2], [True, False, False, False, True], 1.40 / 5, (0.6 + 0.4) / 5),
        # 0.70 and 0.79 are in one bin, 0.80 in the next; 1.0 is in the last.
        ([0.70, 0.79, 0.80, 1.0], [True, True, False, True], (0.09 + 0.0441 + 0.64) / 4, (0.51 + 0.8) / 4),
    ],
)
def test_by_hand(chances: list[float], truths: list[bool], score: float, error: float) -> None:
    assert brier(chances, truths) == pytest.approx(score)
    assert calibration_error(chances, truths) == pytest.approx(error)


@given(cases)
def test_both_lie_between_0_and_1(given_: list[tuple[float, bool]]) -> None:
    chances, truths = [chance for chance, _ in given_], [truth for _, truth in given_]
    assert 0 <= brier(chances, truths) <= 1
    assert 0 <= calibration_error(chances, truths) <= 1


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_who_knows_the_truth_is_perfect_and_a_half_always_gives_a_quarter(truths: list[bool]) -> None:
    assert brier([float(truth) for truth in truths], truths) == 0
    assert calibration_error([float(truth) for truth in truths], truths) == 0
    assert brier([0.5] * len(truths), truths) == 0.25


@given(cases)
def test_the_order_of_the_cases_says_nothing(given_: list[tuple[float, bool]]) -> None:
    turned = given_[::-1]
    one, other = ([list(part) for part in zip(*cases_, strict=True)] for cases_ in (given_, turned))
    assert brier(*one) == pytest.approx(brier(*other))
    assert calibration_error(*one) == pytest.approx(calibration_error(*other))


@given(cases)
def test_one_bin_compares_the_means(given_: list[tuple[float, bool]]) -> None:
    chances, truths = [chance for chance, _ in given_], [truth for _, truth in given_]
    means = sum(chances) / len(chances), sum(truths) / len(truths)
    assert calibration_error(chances, truths, bins=1) == pytest.approx(abs(means[0] - means[1]), abs=1e-9)


@pytest.mark.parametrize(("chances", "truths"), [([], []), ([0.5], []), ([1.5], [True]), ([-0.1], [True])])
def test_what_cannot_be_measured_is_refused(chances: list[float], truths: list[bool]) -> None:
    with pytest.raises(ValueError, match="chance"):
        brier(chances, truths)
    with pytest.raises(ValueError, match="chance"):
        calibration_error(chances, truths)


def opinion(outcome: Outcome, share: float | None, checked: Outcome) -> Opinion:
    return Opinion(
        rollout_id="r", question_id="q", method="judge", outcome=outcome, share=share, checked=checked
    )


def test_the_undecided_have_a_share_but_no_part_in_the_accuracy() -> None:
    found = calibration_of(
        [
            opinion("right", 1.0, "right"),
            opinion("right", 1.0, "wrong"),
            opinion("wrong", 0.0, "wrong"),
            opinion("undecided", 0.5, "right"),
            opinion("undecided", None, "wrong"),
        ]
    )
    assert (found.n, found.decided, found.agreed) == (5, 3, 2)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.brier == pytest.approx((0 + 1 + 0 + 0.25) / 4)
    # Bin 9: |1 − 2|; bin 5: |1 − 0.5|; bin 0: 0.
    assert found.ece == pytest.approx(1.5 / 4)
    assert found.ci95 is not None
    assert found.ci95[0] < 2 / 3 < found.ci95[1]
    none = calibration_of([opinion("undecided", None, "right")])
    assert (none.accuracy, none.ci95, none.brier, none.ece) == (None, None, None, None)
