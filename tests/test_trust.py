"""How far a label is trusted: a golden table worked out by hand, and what must hold for any votes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.curriculum.diversity import collapsed, distinct, spread
from maieutic.curriculum.trust import Evidence, label_of
from maieutic.records import Diversity

# A vote of the Teacher is worth log 40, of the Solver or the author log 10; n votes of one model
# count as 2n/(n+1); what nobody said weighs 1 for each of the ten answers that stay possible.
TABLE = [
    # claimed by the Teacher, what it says when it solves again, the Solver, the answer, its source
    (Evidence(), None, "none", 0.0),
    (Evidence(teacher=(None, None)), None, "none", 0.0),
    (Evidence(executed="7", claimed="8", by_teacher=True, teacher=("8",) * 4), "7", "executed", 1.0),
    # One claim of the Teacher, nobody else: 40 / (40 + 10).
    (Evidence("7", by_teacher=True), "7", "teacher", 0.8),
    # One of the Generator: 10 / (10 + 10).
    (Evidence("7"), "7", "vote", 0.5),
    # Five of one mind count as 10/6: 40^(5/3) = 468 against 10.
    (Evidence("7", by_teacher=True, teacher=("7",) * 4), "7", "teacher", 0.979),
    # One of five differs: 40^(4/3) = 137 against 40^(1/3) = 3.4 and nine unsaid.
    (Evidence("7", by_teacher=True, teacher=("7", "7", "7", "8")), "7", "vote", 0.917),
    # Three of five: 40 against 3.4 twice and eight unsaid.
    (Evidence("7", by_teacher=True, teacher=("7", "7", "8", "9")), "7", "vote", 0.729),
    # The Teacher's own four solutions speak against its claim: 3.4 against 137 and nine unsaid.
    # The claim is refused, and what they say does not take its place.
    (Evidence("8", by_teacher=True, teacher=("7",) * 4), "8", "vote", 0.023),
    # A seed without an answer, four solutions of one mind: 40^1.6 = 366 against 10.
    (Evidence(teacher=("7",) * 4), "7", "teacher", 0.973),
    # Two and two: 40^0.8 = 19.1 twice and nine unsaid; a tie goes to the first in order.
    (Evidence(teacher=("8", "7", "7", "8")), "7", "vote", 0.405),
    # The Generator's claim breaks a tie: 40^(2/3) = 11.7 against 117 and nine unsaid.
    (Evidence("8", teacher=("7", "8")), "8", "vote", 0.850),
    # Two of four could not be read: they are votes for nobody, and it is not of one mind.
    (Evidence(teacher=("7", "7", None, None)), "7", "vote", 0.657),
    # The Teacher says of its own question that it has no answer: 3.4 against 137 and nine unsaid.
    (Evidence("7", by_teacher=True, teacher=("none",) * 4), "7", "vote", 0.023),
    # A seed that has no answer, and a Solver of one mind about one: 366 against 39.8 and nine unsaid.
    (Evidence(teacher=("none",) * 4, solver=("7",) * 4), "none", "teacher", 0.882),
    # The Solver's majority beside the Teacher's: 40^1.6 · 10^1.6 against 10.
    (Evidence(teacher=("7",) * 4, solver=("7",) * 4), "7", "teacher", 0.999),
    # The Solver alone labels nothing, however sure it is.
    (Evidence(solver=("7",) * 4), None, "none", 0.0),
    (Evidence(teacher=(None,), solver=("7",) * 8), None, "none", 0.0),
    # The Solver against the Teacher: 366 against 39.8 and nine unsaid.
    (Evidence(teacher=("7",) * 4, solver=("8",) * 4), "7", "teacher", 0.882),
]


@pytest.mark.parametrize(("evidence", "answer", "source", "confidence"), TABLE)
def test_the_table(evidence: Evidence, answer: str | None, source: str, confidence: float) -> None:
    found = label_of(evidence)
    assert (found.answer, found.source) == (answer, source)
    assert found.confidence == pytest.approx(confidence, abs=6e-4)


answers = st.lists(st.sampled_from(["1", "2", "3", None]), max_size=8).map(tuple)
evidences = st.builds(
    Evidence,
    claimed=st.sampled_from(["1", "2", None]),
    by_teacher=st.booleans(),
    teacher=answers,
    solver=answers,
)


@given(evidences)
def test_a_confidence_is_a_share_and_the_answer_was_given(evidence: Evidence) -> None:
    found = label_of(evidence)
    given_ = {evidence.claimed, *evidence.teacher, *evidence.solver} - {None}
    assert 0 <= found.confidence < 1
    taught = {evidence.claimed, *evidence.teacher} - {None}
    assert (found.answer in given_) if taught else found.answer is None


@given(evidences)
def test_the_order_of_votes_does_not_count(evidence: Evidence) -> None:
    turned = Evidence(
        evidence.claimed, evidence.by_teacher, None, evidence.teacher[::-1], evidence.solver[::-1]
    )
    assert label_of(turned).answer == label_of(evidence).answer
    assert label_of(turned).confidence == pytest.approx(label_of(evidence).confidence)


@given(st.integers(1, 30))
def test_more_solutions_of_one_mind_are_trusted_more_and_never_fully(count: int) -> None:
    fewer, more = (label_of(Evidence(teacher=("7",) * n)).confidence for n in (count, count + 1))
    assert fewer < more < 40**2 / (40**2 + 10)


@given(evidences, st.sampled_from(["1", "2", "3"]))
def test_what_a_program_worked_out_decides_alone(evidence: Evidence, executed: str) -> None:
    found = label_of(
        Evidence(evidence.claimed, evidence.by_teacher, executed, evidence.teacher, evidence.solver)
    )
    assert (found.answer, found.source, found.confidence) == (executed, "executed", 1.0)


# ------------------------------------------------------------------ diversity


def test_distinct_pairs_of_words() -> None:
    assert distinct([], 2) == 0
    assert distinct(["one"], 2) == 0
    assert distinct(["a b c", "a b d"], 2) == 3 / 4
    assert distinct(["a b"] * 10, 2) == 1 / 10


def test_spread_is_one_less_the_mean_cosine_of_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(7, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [float(vectors[i] @ vectors[j]) for i in range(7) for j in range(i)]
    assert spread(vectors) == pytest.approx(1 - sum(pairs) / len(pairs), abs=1e-6)
    assert spread(vectors[:1]) == 0
    assert spread(np.repeat(vectors[:1], 9, axis=0)) == pytest.approx(0, abs=1e-6)
    assert spread(np.eye(4, dtype=np.float32)) == pytest.approx(1)


def test_a_collapse_is_a_fall_to_less_than_half_of_the_first_round() -> None:
    first = Diversity(distinct=0.6, spread=0.5, skills=7, questions=100)
    same = first.model_copy(update={"distinct": 0.3, "spread": 0.25})
    assert collapsed(first, same) == ""
    alike = first.model_copy(update={"distinct": 0.29})
    assert collapsed(first, alike) == "distinct pairs of words 0.29 (at first 0.60)"
    both = first.model_copy(update={"distinct": 0.1, "spread": 0.0})
    assert "spread 0.00 (at first 0.50)" in collapsed(first, both)
