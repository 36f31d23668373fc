"""What a training samples, worked out beforehand: by hand, and against what it must never exceed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.trainers.groups import Batches, counts, payable, spread


@pytest.mark.parametrize(
    ("times", "expected"),
    [([1, 1, 1], [1, 1, 1]), ([0.5] * 4, [1, 0, 1, 0]), ([2, 0.25, 0.25, 1.5], [2, 0, 1, 1]), ([], [])],
)
def test_groups_by_hand(times: list[float], expected: list[int]) -> None:
    assert list(counts(times)) == expected


@given(st.lists(st.floats(0, 9), max_size=60))
def test_groups_are_met_on_the_way(times: list[float]) -> None:
    given = list(counts(times))
    assert all(count >= 0 for count in given)
    for place in range(len(times)):
        assert abs(sum(given[: place + 1]) - sum(times[: place + 1])) <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("batches", "groups", "steps", "sampled"),
    [
        (Batches(8, 16, 1, 1), 4, 2, 32),  # two prompts a step
        (Batches(8, 16, 1, 1, iterations=2), 4, 4, 32),  # the same completions, twice each
        (Batches(8, 16, 1, 1, epochs=2), 4, 4, 64),
        (Batches(8, 16, 4, 4), 8, 1, 64),  # four micro-batches a step
        (Batches(8, 16, 1, 4), 8, 4, 64),  # four steps of what is sampled at once
        (Batches(8, 16, 1, 4), 9, 8, 128),  # a generation that is begun is sampled whole
        (Batches(8, 16, 1, 4), 1, 4, 64),  # fewer prompts than a generation has are repeated
        (Batches(8, 16, 1, 1, epochs=0.5), 4, 1, 16),
    ],
)
def test_steps_and_completions_by_hand(batches: Batches, groups: int, steps: int, sampled: int) -> None:
    assert (batches.steps(groups), batches.sampled(groups)) == (steps, sampled)


sizes = st.builds(
    Batches,
    st.just(4), st.sampled_from([4, 8, 16]), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3),
    st.sampled_from([0.5, 1.0, 2.0]),
)  # fmt: skip


@given(sizes, st.lists(st.floats(0, 3), max_size=40), st.integers(0, 2000))
def test_what_is_paid_for_is_not_overshot_and_no_more_would_fit(
    batches: Batches, times: list[float], left: int
) -> None:
    most = payable(times, batches, left)
    assert 0 <= most <= len(times)
    if most:
        assert batches.sampled(sum(counts(times[:most]))) <= left
    if most < len(times):
        assert batches.sampled(sum(counts(times[: most + 1]))) > left


def test_rows_come_as_often_as_they_have_groups() -> None:
    assert spread("abc", [1, 2, 0], 1) == ["a", "b", "b"]
    assert spread("ab", [1, 1], 5) == ["a", "b", "a", "b", "a"]
    assert spread("ab", [0, 0], 2) == ["a", "a"]
