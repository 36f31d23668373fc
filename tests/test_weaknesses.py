"""The weakness profile worked out of records is the one that Chroma holds, after every round."""

from __future__ import annotations

from pathlib import Path

import pytest
from maieutic.config import load
from maieutic.graph import train
from maieutic.inspector.database import Database
from maieutic.inspector.weaknesses import Weak, weaknesses
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.profile import WeaknessProfile
from maieutic.memory.run import RunFolder
from maieutic.memory.shelf import FREE
from maieutic.memory.store import Store
from maieutic.records import Attempt, Question, Rollout, Verdict, Zone
from simulated import play, pretend_to_train

SMALL = [
    "rounds=4", "curriculum.questions=90", "curriculum.new=60", "training.least_pairs=1", "sets.per_cell=1",
    "generator.proposals=10", "generator.most=10",
]  # fmt: skip


def question(number: int, skill: str = "addition") -> Question:
    return Question(
        id=f"q-{number:02}", text=f"What is {number} + 1?", answer=str(number + 1), solution="", skill=skill,
        level=1, origin="seed",
    )  # fmt: skip


def record(folder: RunFolder, round: int, asked: list[tuple[Question, list[str]]]) -> None:
    """A round's attempts, each question with the outcomes of its rollouts."""
    rollouts, verdicts, attempts = [], [], []
    for one, outcomes in asked:
        rate = outcomes.count("right") / len(outcomes)
        zone: Zone = "mastered" if rate == 1 else "too_hard" if rate == 0 else "learning"
        attempts.append(
            Attempt(
                question_id=one.id, skill=one.skill, level=one.level, round=round, zone=zone, pass_rate=rate,
                right=outcomes.count("right"), decided=len(outcomes),
            )
        )  # fmt: skip
        for index, outcome in enumerate(outcomes):
            name = f"{one.id}.{round}.attempt.{index}"
            said = Rollout(
                id=name, question_id=one.id, round=round, stage="attempt", checkpoint="base", index=index,
                completion=f"{outcome} {index}", tokens=1, truncated=False, call_id="c",
            )  # fmt: skip
            rollouts.append(said)
            verdicts.append(Verdict.model_validate(
                {"rollout_id": name, "question_id": one.id, "outcome": outcome, "extracted": str(index)}
            ))  # fmt: skip
    folder.write(round, "rollouts/attempt", 0, rollouts)
    folder.write(round, "verdicts/attempt", 0, verdicts)
    folder.write(round, "attempts", 0, attempts)


def found(folder: RunFolder, until: int | None = None) -> list[Weak]:
    with Database(folder) as database:
        return weaknesses(database, until)


@pytest.mark.slow
@pytest.mark.parametrize("skills", [[], ["curriculum.policy=uniform", "rollouts.n=2"]])
async def test_it_is_what_the_memory_of_a_played_run_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skills: list[str]
) -> None:
    monkeypatch.setattr(train, "run_job", pretend_to_train)
    folder = await play(tmp_path / "run", load(None, [*SMALL, *skills]))
    store = Store(folder.memory, NgramEmbedding())
    profile = WeaknessProfile(store)
    ours, theirs = found(folder), profile.worst()
    assert [(weak.skill, weak.level) for weak in ours] == [(weak.skill, weak.level) for weak in theirs]
    for weak, other in zip(ours, theirs, strict=True):
        assert weak.pass_rate == pytest.approx(other.pass_rate)
        assert (weak.attempts, weak.last_seen) == (other.attempts, other.last_seen)
        assert [(e.round, e.questions) for e in weak.history] == [(r, n) for r, _, n in other.history]
        assert [e.pass_rate for e in weak.history] == pytest.approx([p for _, p, _ in other.history])
    kept = store.collection("failures").get(include=["documents", "metadatas"])
    remembered = {
        tuple(
            [row["key"], text]
            + [row[name] for name in ("rollout_id", "completion", "skill", "level", "zone", "round")]
        )
        for text, row in zip(kept["documents"] or [], kept["metadatas"] or [], strict=True)
        if row["zone"] != FREE
    }
    told = {
        (e.question_id, e.text, e.rollout_id, e.completion, weak.skill, weak.level, e.zone, e.round)
        for weak in ours
        for e in weak.failures
    }
    assert remembered == told and len(told) > 50


def test_the_last_wrong_rollout_is_remembered_until_the_question_is_mastered(tmp_path: Path) -> None:
    folder, one, two = RunFolder(tmp_path), question(1), question(2)
    folder.write(0, "questions", 0, [one, two])
    record(folder, 1, [(one, ["wrong", "wrong", "right"]), (two, ["wrong", "invalid"])])
    record(folder, 2, [(one, ["right"]), (two, ["invalid"])])
    (weak,) = found(folder, until=1)
    assert [(e.question_id, e.completion, e.extracted) for e in weak.failures] == [
        ("q-01", "wrong 1", "1"), ("q-02", "wrong 0", "0"),
    ]  # fmt: skip
    assert weak.change is None
    (weak,) = found(folder)
    assert [e.question_id for e in weak.failures] == ["q-02"]
    assert weak.change == pytest.approx(0.5 - 1 / 6)
    assert (weak.attempts, weak.last_seen, weak.failures[0].zone) == (4, 2, "too_hard")


def test_twelve_of_a_cell_are_remembered_and_the_newest_stay(tmp_path: Path) -> None:
    folder, asked = RunFolder(tmp_path), [question(number) for number in range(20)]
    folder.write(0, "questions", 0, asked)
    record(folder, 1, [(one, ["wrong"]) for one in asked[:10]])
    record(folder, 2, [(one, ["wrong"]) for one in asked[10:]])
    (weak,) = found(folder)
    assert [e.question_id for e in weak.failures] == [
        *(f"q-{number}" for number in range(10, 20)), "q-08", "q-09",
    ]  # fmt: skip


def test_answers_to_fixed_sets_and_rounds_that_are_not_over_say_nothing(tmp_path: Path) -> None:
    folder, one = RunFolder(tmp_path), question(1)
    assert found(folder) == []
    folder.write(0, "questions", 0, [one])
    record(folder, 1, [(one, ["wrong"])])
    measured = Rollout(
        id="q-01.2.heldout.0", question_id="q-01", round=2, stage="heldout", checkpoint="base", index=0,
        completion="no", tokens=1, truncated=False, call_id="c",
    )  # fmt: skip
    folder.write(2, "rollouts/heldout", 0, [measured])
    verdict = Verdict(rollout_id=measured.id, question_id="q-01", outcome="wrong")
    folder.write(2, "verdicts/heldout", 0, [verdict])
    folder.write(2, "verdicts/attempt", 0, [verdict.model_copy(update={"rollout_id": "q-01.2.attempt.0"})])
    (weak,) = found(folder)
    assert [e.round for e in weak.failures] == [1] and weak.last_seen == 1


def test_a_failure_whose_question_is_gone_is_shown_without_its_text(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    record(folder, 1, [(question(1), ["wrong"])])
    ((failure,),) = (weak.failures for weak in found(folder))
    assert (failure.text, failure.completion) == ("", "wrong 0")
