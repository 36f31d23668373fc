"""Rows of the four kinds: a golden table for each, and KTO's ratio whatever the rollouts are."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.curriculum.pairs import Case
from maieutic.curriculum.rows import (
    completion_rows,
    labelled_rows,
    pair_rows,
    prompt_rows,
)
from maieutic.records import PreferencePair, Question, Rollout, Verdict

KINDS = {"R": "right", "W": "wrong", "I": "invalid", "U": "undecided"}


def case_of(name: str, said: str, solution: str = "ref", most: int = 2) -> Case:
    """`said` has a word for each rollout: `R1 W1 R1`; the first letter is its outcome."""
    question = Question(
        id=name, text=f"{name}?", answer="1", solution=solution, skill="s", level=1, origin="seed",
        checker="exact", data="{}",
    )  # fmt: skip
    judged = []
    for index, text in enumerate(said.split()):
        rollout = Rollout(
            id=f"{name}{index}", question_id=name, round=1, stage="attempt", checkpoint="base", index=index,
            completion=text, tokens=1, truncated=False, call_id="c",
        )  # fmt: skip
        told = {"rollout_id": rollout.id, "question_id": name, "outcome": KINDS[text[0]]}
        judged.append((rollout, Verdict.model_validate(told)))
    return Case(question, judged, f"{name}!", most)


COMPLETIONS = [
    ("", "ref", []),
    ("R1", "ref", ["R1"]),
    ("R1 R1 W1", "ref", ["R1"]),
    ("R1 R2 R3", "ref", None),
    ("W1 W2", "ref", ["ref"]),
    ("W1", "", []),
    ("I1 U1", "ref", []),
]


@pytest.mark.parametrize(("said", "solution", "expected"), COMPLETIONS)
def test_completions(said: str, solution: str, expected: list[str] | None) -> None:
    rows = completion_rows([case_of("q", said, solution)], Random(0))
    texts = [row["completion"] for row in rows]
    if expected is None:
        assert len(texts) == 2 and set(texts) < {"R1", "R2", "R3"}
    else:
        assert texts == expected
    assert all(row == {"prompt": "q!", "completion": row["completion"], "weight": 1.0} for row in rows)


FIRST = [
    ("R1", "ref", ["ref"]),
    ("R1 R2 R3 W1", "ref", ["ref"]),
    ("W1", "ref", ["ref"]),
    ("R1", "", ["R1"]),
    ("I1 U1", "ref", []),
    ("", "ref", []),
]


@pytest.mark.parametrize(("said", "solution", "expected"), FIRST)
def test_completions_where_references_come_first(said: str, solution: str, expected: list[str]) -> None:
    case = replace(case_of("q", said, solution), reference_first=True)
    assert [row["completion"] for row in completion_rows([case], Random(0))] == expected
    good = [row["completion"] for row in labelled_rows([case], Random(0)) if row["label"]]
    assert good == expected


LABELLED = [
    ("", []),
    ("R1 W1 W1", [("R1", True), ("W1", False)]),
    ("W1", [("ref", True), ("W1", False)]),
    ("R1 R1", [("R1", True)]),
    ("I1 U1", []),
]


@pytest.mark.parametrize(("said", "expected"), LABELLED)
def test_labelled(said: str, expected: list[tuple[str, bool]]) -> None:
    rows = labelled_rows([case_of("q", said)], Random(0))
    assert [(row["completion"], row["label"]) for row in rows] == expected
    assert all(set(row) == {"prompt", "completion", "label", "weight"} for row in rows)


@given(
    st.lists(st.lists(st.sampled_from(["R1", "R2", "R3", "W1", "W2", "I1", "U1"]), max_size=6), max_size=8)
)
def test_labels_are_those_of_the_verdicts(said: list[list[str]]) -> None:
    cases = [case_of(f"q{place}", " ".join(words)) for place, words in enumerate(said)]
    rows = labelled_rows(cases, Random(0))
    assert rows == labelled_rows(cases, Random(0))
    assert all(row["weight"] == 1 for row in rows)
    for row in rows:
        assert row["completion"] == "ref" or (row["completion"][0] == "R") is row["label"]


def test_prompts_are_the_rounds_questions_in_its_order() -> None:
    cases = [case_of("b", "R1 W1"), case_of("a", "W1", ""), case_of("c", "U1")]
    rows = prompt_rows(cases, {"a": 0.0, "b": 0.5}, {"a": "Look."}, {"b": 7}, 4)
    assert rows == [
        {"prompt": "b!", "question_id": "b", "text": "b?", "answer": "1", "checker": "exact", "data": "{}",
         "solution": "ref", "hint": "", "times": 1.75},
        {"prompt": "a!", "question_id": "a", "text": "a?", "answer": "1", "checker": "exact", "data": "{}",
         "solution": "", "hint": "Look.", "times": 1.0},
    ]  # fmt: skip


def test_pairs_come_by_stage_and_else_as_they_were() -> None:
    def pair(name: str, stage: int = 0) -> PreferencePair:
        return PreferencePair(
            id=name, question_id="q", round=1, kind="ranked", prompt="p", chosen=name, rejected="r",
            stage=stage, smoothing=0.25, weight=2,
        )  # fmt: skip

    rows = pair_rows([pair("a", 1), pair("b"), pair("c", 2), pair("d", 1), pair("e")], "")
    assert [row["chosen"] for row in rows] == ["b", "e", "a", "d", "c"]
    assert rows[0] == {
        "prompt": "p", "chosen": "b", "rejected": "r", "weight": 2, "smoothing": 0.25, "stage": 0,
        "kind": "ranked",
    }  # fmt: skip
