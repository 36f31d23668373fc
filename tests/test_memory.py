"""Records on disk and the two Chroma collections, all real."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from chromadb import Collection
from hypothesis import given
from hypothesis import strategies as st
from maieutic.curriculum.difficulty import zone_of
from maieutic.errors import ConfigError, RunError
from maieutic.memory.bank import QuestionBank
from maieutic.memory.embedding import NgramEmbedding, embed, embedding_function
from maieutic.memory.profile import WeaknessProfile
from maieutic.memory.run import RunFolder, schema_of, write_whole
from maieutic.memory.store import Store, batches
from maieutic.records import (
    Attempt,
    Call,
    PreferencePair,
    Proposal,
    Question,
    Rollout,
    Verdict,
    Worth,
)
from maieutic.tasks import arithmetic, drawing
from maieutic.tasks.seeds import family_question


def store(path: Path) -> Store:
    return Store(path, NgramEmbedding())


def drawn(count: int, seed: int = 0) -> list[Question]:
    rng, found = Random(seed), {}
    while len(found) < count:
        question = family_question(arithmetic.question_text(drawing.draw("mixed", 3, rng)))
        found[question.id] = question
    return list(found.values())


def attempt(question: Question, rate: float, round: int) -> Attempt:
    return Attempt(
        question_id=question.id, skill=question.skill, level=question.level, round=round,
        right=int(4 * rate), decided=4, pass_rate=rate, zone=zone_of(rate),
    )  # fmt: skip


def rollout(question: Question, completion: str = "#### 0") -> Rollout:
    return Rollout(
        id=f"{question.id}.0", question_id=question.id, round=1, stage="attempt", checkpoint="base",
        index=0, completion=completion, tokens=1, truncated=False, call_id="c",
    )  # fmt: skip


@pytest.mark.parametrize(
    "model", [Question, Rollout, Verdict, Attempt, Proposal, PreferencePair, Call, Worth]
)
def test_every_record_has_columns(model: type) -> None:
    assert schema_of(model).names == list(model.model_fields)


def test_records_come_back_as_they_were_part_by_part(tmp_path: Path) -> None:
    folder, questions = RunFolder(tmp_path), drawn(5)
    folder.write(1, "questions", 0, questions[:2])
    folder.write(1, "questions", 1, [])
    folder.write(1, "questions", 2, questions[2:])
    assert folder.read(1, "questions", Question) == questions
    assert folder.count(1, "questions") == 3
    assert folder.has(1, "questions", 1)
    assert not folder.has(1, "questions", 3)
    assert folder.read(2, "questions", Question) == []


@given(st.text())
def test_any_text_survives_the_disk(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    # A lone surrogate is no text that JSON from an endpoint can hold.
    text = text.encode("utf-8", "replace").decode()
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    pair = PreferencePair(
        id="p", question_id="q", round=1, kind="anchor", prompt=text, chosen=text, rejected=text
    )
    folder.write(1, "pairs", 0, [pair])
    assert folder.read(1, "pairs", PreferencePair) == [pair]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"nonsense"])
def test_a_damaged_part_is_named(tmp_path: Path, content: bytes) -> None:
    folder = RunFolder(tmp_path)
    folder.write(1, "questions", 0, drawn(3))
    (part,) = tmp_path.rglob("*.parquet")
    with pytest.raises(RunError, match=r"questions-0000\.parquet is damaged"):
        folder.read(1, "questions", Attempt)
    folder.write_json(1, "gate", {})
    (folder.round(1) / "gate.json").write_bytes(content)
    with pytest.raises(RunError, match=r"gate\.json is damaged"):
        folder.read_json(1, "gate")
    part.write_bytes(content)
    with pytest.raises(RunError, match=r"questions-0000\.parquet is damaged"):
        folder.read(1, "questions", Question)


def test_a_part_of_a_later_version_says_so(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write(1, "questions", 0, drawn(1))
    (part,) = tmp_path.rglob("*.parquet")
    table = pq.read_table(part)
    assert table.schema.metadata == {b"maieutic_schema": b"1"}
    pq.write_table(table.append_column("mood", [["glad"]]), part)
    with pytest.raises(RunError, match=r"later version of maieutic \(columns \['mood'\]\).*run\.yaml"):
        folder.read(1, "questions", Question)
    changed = table.rename_columns(["name" if n == "id" else n for n in table.column_names])
    pq.write_table(changed.replace_schema_metadata({"maieutic_schema": "2"}), part)
    with pytest.raises(RunError, match="schema 2, and this one reads 1"):
        folder.read(1, "questions", Question)


def test_a_part_of_an_older_version_has_defaults_for_what_came_later(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write(1, "questions", 0, drawn(1))
    (part,) = tmp_path.rglob("*.parquet")
    whole = folder.read(1, "questions", Question)
    pq.write_table(pq.read_table(part).drop(["data"]).replace_schema_metadata(None), part)
    assert folder.read(1, "questions", Question) == whole


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    write_whole(file, "old")
    with pytest.raises(RunError, match="cannot be written"):
        write_whole(tmp_path / "report.json" / "below", "new")
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


@given(st.text(max_size=300))
def test_embeddings_have_length_one_and_do_not_vary(text: str) -> None:
    vector = embed(text)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(vector, embed(text))


def test_a_configured_embedding_takes_its_place() -> None:
    assert isinstance(embedding_function("maieutic.memory.embedding:NgramEmbedding"), NgramEmbedding)
    for wrong in ("nowhere:Nothing", "maieutic.memory.embedding:Nothing", "", "x"):
        with pytest.raises(ConfigError, match=r"memory\.embedding"):
            embedding_function(wrong)


def test_the_bank_keeps_questions_and_their_last_attempt(tmp_path: Path) -> None:
    bank, questions = QuestionBank(store(tmp_path)), drawn(30)
    bank.add(questions)
    bank.note([attempt(questions[0], 0.5, 1)])
    bank.add(questions)
    again = QuestionBank(store(tmp_path))
    known = {question.id: last for question, last in again.known()}
    assert len(known) == 30
    assert known[questions[0].id] == attempt(questions[0], 0.5, 1)
    assert known[questions[1].id] is None
    assert again.get([questions[3].id, questions[1].id]) == [questions[3], questions[1]]


def test_near_copies_are_found_in_the_bank_and_in_the_batch(tmp_path: Path) -> None:
    bank = QuestionBank(store(tmp_path))
    assert bank.nearest(["What is 3 + 4?"]) == [("", 0.0)]
    bank.add([family_question("What is 12 + 7 - 3?")])
    same, spaced, near, other, twin = bank.nearest(
        ["What is 12 + 7 - 3?", "what is 12+7-3?", "What is 12 + 7 - 4?", "What is 5 * 8?", "What is 5 * 8?"]
    )
    assert same[1] == pytest.approx(1, abs=1e-5)
    assert spaced[1] == pytest.approx(1, abs=1e-5)
    assert other[1] < 0.5 < near[1] < 0.95
    assert twin == ("text:3", pytest.approx(1, abs=1e-5))


def test_distinct_questions_are_seldom_taken_for_copies(tmp_path: Path) -> None:
    bank = QuestionBank(store(tmp_path))
    bank.add(drawn(300))
    known = {question.id for question in drawn(300)}
    others = [q for q in drawn(300, seed=1) if q.id not in known]
    likeness = [near for _, near in bank.nearest([q.text for q in others])]
    assert sum(near >= 0.985 for near in likeness) / len(likeness) < 0.05


def test_the_profile_tells_what_is_worst_and_worth_teaching(tmp_path: Path) -> None:
    profile = WeaknessProfile(store(tmp_path))
    assert profile.worst(3) == []
    assert profile.failures_like(["What is 3 + 4?"]) == [[]]
    easy, hard, hopeless = (
        family_question(text) for text in ("What is 3 + 4?", "What is 9 mod 4?", "What is (3 + 4) * 2?")
    )
    profile.update(1, [attempt(easy, 1, 1), attempt(hard, 0.25, 1), attempt(hopeless, 0, 1)], [])
    assert [w.skill for w in profile.worst(2)] == ["parentheses", "remainder"]
    assert {w.skill: w.need for w in profile.all()} == {
        "addition": 0, "remainder": 0.75, "parentheses": 1,
    }  # fmt: skip
    profile.update(2, [attempt(hard, 0.75, 2)], [])
    profile.update(2, [attempt(hard, 0.75, 2)], [])
    again = next(w for w in WeaknessProfile(store(tmp_path)).all() if w.skill == "remainder")
    assert again.history == ((1, 0.25, 1), (2, 0.75, 1))
    assert (again.attempts, again.pass_rate, again.last_seen) == (2, 0.75, 2)


@given(st.integers(0, 20_000))
def test_what_is_given_to_chroma_at_once_has_few_sizes(count: int) -> None:
    """Every size has a prepared statement of its own, in every connection: see `batches`."""
    parts = list(batches(count))
    assert [place for part in parts for place in range(part.start, part.stop)] == list(range(count))
    assert all((part.stop - part.start).bit_count() == 1 for part in parts)
    assert len(parts) <= 10 + count // 1024


def test_bank_and_profile_give_chroma_such_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def watch(method: str, named: str) -> None:
        real = getattr(Collection, method)

        def counted(self: Any, **told: Any) -> Any:
            sizes.append(len(told.get(named) or told["query_texts"]))
            return real(self, **told)

        monkeypatch.setattr(Collection, method, counted)

    for method, named in (("upsert", "ids"), ("update", "ids"), ("query", "query_embeddings")):
        watch(method, named)
    base = store(tmp_path)
    bank, profile = QuestionBank(base), WeaknessProfile(base)
    texts = [f"What is {number} + 7?" for number in range(10, 49)]
    questions = [family_question(text) for text in texts]
    bank.add(questions)
    assert bank.nearest(texts)[0] == (questions[0].id, pytest.approx(1))
    profile.update(1, [attempt(one, 0.5, 1) for one in questions], [(one, rollout(one)) for one in questions])
    assert len(profile.failures_like(texts)) == len(texts)
    assert len(sizes) > 10 and all(size.bit_count() == 1 for size in sizes)


def test_failures_like_this_one(tmp_path: Path) -> None:
    profile = WeaknessProfile(store(tmp_path))
    texts = ["What is 12 + 7 - 3?", "What is 12 + 7 - 4?", "What is 9 mod 4?"]
    failures = [(family_question(text), rollout(family_question(text), "#### 9")) for text in texts]
    profile.update(1, [attempt(q, 0.5, 1) for q, _ in failures], failures)
    (like,) = profile.failures_like(["What is 12 + 7 - 5?"], 2)
    assert {failure.question for failure in like} == set(texts[:2])
    assert like[0].completion == "#### 9"


def test_each_cell_keeps_a_bounded_number_of_failures(tmp_path: Path) -> None:
    memory = store(tmp_path)
    profile = WeaknessProfile(memory)
    ids = {round: [q.id for q in drawn(count, seed=round)] for round, count in ((1, 40), (2, 5))}
    for round, count in ((1, 40), (2, 5), (2, 5)):
        failures = [(q, rollout(q)) for q in drawn(count, seed=round) for _ in range(3)]
        profile.update(round, [attempt(q, 0.5, round) for q, _ in failures], failures)
    kept = [failure.question_id for failure in profile.failures_like(["What is 1 + 2 - 3 + 4?"], 20)[0]]
    assert len(kept) == memory.collection("failures").count() == 12
    assert set(ids[2]) <= set(kept)
    assert set(kept) - set(ids[2]) <= set(ids[1])


def test_a_failure_is_forgotten_once_mastered_and_set_aside_while_hopeless(tmp_path: Path) -> None:
    profile = WeaknessProfile(store(tmp_path))
    one, two, three = drawn(3)
    failures = [(q, rollout(q)) for q in (one, two, three)]
    profile.update(1, [attempt(one, 0.5, 1), attempt(two, 0.5, 1), attempt(three, 0, 1)], failures)
    assert {f.question_id for f in profile.failures_like([one.text], 9)[0]} == {one.id, two.id}
    profile.update(2, [attempt(two, 1, 2)], [])
    assert {f.question_id for f in profile.failures_like([one.text], 9)[0]} == {one.id}


def test_halves_of_characters_stop_no_write(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    verdict = Verdict(
        rollout_id="r", question_id="q", outcome="wrong", extracted='{"a": "\ud83d"}', reason="\udc00"
    )
    folder.write(1, "verdicts", 0, [verdict])
    (kept,) = folder.read(1, "verdicts", Verdict)
    assert (kept.extracted, kept.reason) == ('{"a": "?"}', "?")


def test_parts_beyond_ten_thousand_are_read_in_their_order(tmp_path: Path) -> None:
    folder, questions = RunFolder(tmp_path), drawn(3)
    for index, question in zip((9_999, 10_000, 2), questions, strict=True):
        folder.write(1, "asked/x", index, [question])
    folder.write(1, "asked/x-1", 0, [])
    assert folder.read(1, "asked/x", Question) == [questions[2], questions[0], questions[1]]
    assert folder.count(1, "asked/x") == 3
