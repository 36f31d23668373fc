"""Vetting: a golden table of what is admitted, and why the rest is not; bank and profile are real."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from maieutic.config import load
from maieutic.graph.apart import KeptApart
from maieutic.graph.vet import decided, screened
from maieutic.memory.bank import QuestionBank
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.store import Store
from maieutic.records import Author, Proposal, Question
from maieutic.tasks.families.arithmetic import Arithmetic
from maieutic.tasks.seeds import family_question
from maieutic.tasks.sets import FixedSets


@pytest.fixture
def room(tmp_path: Path) -> Any:
    """What vetting looks at: one known question, two held out."""
    bank = QuestionBank(Store(tmp_path, NgramEmbedding()))
    bank.add([family_question("What is 3 + 4 * 5?")])
    sets = FixedSets((family_question("What is 6 * 7 + 2 - 5?"),), (family_question("What is 40 mod 7?"),))
    family = Arithmetic()
    return SimpleNamespace(
        bank=bank, sets=sets, config=load(), family=family, policy_top=family.top,
        apart=KeptApart(sets, bank, 0.985),
    )  # fmt: skip


def vetted_of(room: Any, proposals: list[Proposal]) -> tuple[list[Proposal], list[Question]]:
    return decided(room, proposals, screened(room, proposals), {})


def proposal(text: str, author: Author, number: int = 0) -> Proposal:
    return Proposal(
        id=f"p{number}", round=1, turn=0, author=author, move="design", parent_id=None,
        rollout_id=None, text=text,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("What is 9 - 4?", ""),
        ("What is 9 + 4 + 2?", ""),
        ("What is 3 + 4 * 5?", "duplicate"),
        ("What is 40 mod 7?", "held-out overlap"),
        ("What is 2 + 7 * 6 - 5?", "held-out overlap"),
        ("What is 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1?", "beyond the levels"),
        ("What is 4 - 9?", "unsolvable"),
        ("What is 4 mod 0?", "unsolvable"),
        ("What is (4 + 9?", "unreadable"),
        ("", "unreadable"),
        ("__import__('os').system('id')", "unreadable"),
        ("What is \u0664 + 9?", "unreadable"),
    ],
)
def test_a_proposal_is_admitted_or_refused_with_its_reason(room: Any, text: str, reason: str) -> None:
    authors: tuple[Author, ...] = ("teacher", "generator")
    for author in authors:
        (judged,), questions = vetted_of(room, [proposal(text, author)])
        assert (judged.reason, judged.admitted) == (reason, not reason)
        assert [q.origin for q in questions] == [author] * (not reason)
        assert judged.question_id == (questions[0].id if questions else None)


def test_of_equal_proposals_the_first_is_admitted(room: Any) -> None:
    twice = [proposal("What is 9 - 4?", "teacher", n) for n in range(3)]
    judged, questions = vetted_of(room, twice)
    assert [p.reason for p in judged] == ["", "duplicate", "duplicate"]
    assert len(questions) == 1


def test_a_likeness_from_the_threshold_on_is_a_near_duplicate(room: Any) -> None:
    close = proposal("What is 4 + 3 * 5?", "teacher")
    likeness = room.bank.nearest([close.text])[0][1]
    for threshold, reason in ((likeness, "near duplicate"), (likeness + 1e-3, "")):
        changed = room.config.curriculum.model_copy(update={"near_duplicate": threshold})
        room.config = room.config.model_copy(update={"curriculum": changed})
        assert vetted_of(room, [close])[0][0].reason == reason
