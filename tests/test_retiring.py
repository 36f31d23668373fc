"""Questions that leave the bank: in which order, and that they are still known."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from maieutic.curriculum.difficulty import zone_of
from maieutic.errors import MemoryDamaged
from maieutic.memory.archive import Archive
from maieutic.memory.bank import QuestionBank
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.retiring import retired
from maieutic.memory.shelf import Shelf
from maieutic.memory.store import Store
from maieutic.records import Attempt, Question, short_id
from maieutic.tasks import arithmetic, drawing
from maieutic.tasks.seeds import family_question


def question(text: str, round: int = 0) -> Question:
    return Question(
        id=short_id("q", text), text=text, answer="1", solution="#### 1", skill="s", level=1,
        origin="teacher", round=round,
    )  # fmt: skip


def went(one: Question, rate: float, round: int) -> Attempt:
    return Attempt(
        question_id=one.id, skill=one.skill, level=one.level, round=round, right=0, decided=1, pass_rate=rate,
        zone=zone_of(rate),
    )  # fmt: skip


def named(name: str, rate: float | None, round: int) -> tuple[Question, Attempt | None]:
    one = question(name, round).model_copy(update={"id": name})
    return one, None if rate is None else went(one, rate, round)


GOLDEN = [
    # what leaves first is at the front
    named("mastered-long-ago", 1.0, 2),
    named("mastered-a", 1.0, 7),
    named("mastered-b", 1.0, 7),
    named("too-hard-long-ago", 0.0, 1),
    named("too-hard", 0.0, 8),
    named("learning-long-ago", 0.5, 3),
    named("learning", 0.5, 9),
    named("never-asked-old", None, 4),
    named("never-asked", None, 9),
]


@pytest.mark.parametrize("active", range(1, len(GOLDEN) + 2))
def test_what_leaves_first(active: int) -> None:
    rows = Random(active).sample(GOLDEN, len(GOLDEN))
    wanted = [one.id for one, _ in GOLDEN[: max(0, len(GOLDEN) - active)]]
    assert retired(rows, active) == wanted


def test_what_the_round_refers_to_stays_and_no_bound_is_none() -> None:
    assert retired(GOLDEN, 0) == []
    keep = {"mastered-a", "too-hard"}
    assert retired(GOLDEN, 5, keep) == [
        "mastered-long-ago",
        "mastered-b",
        "too-hard-long-ago",
        "learning-long-ago",
    ]
    assert retired(GOLDEN, 1, {one.id for one, _ in GOLDEN}) == []


def texts(count: int, seed: int) -> list[str]:
    rng, found = Random(seed), dict[str, None]()
    while len(found) < count:
        found[arithmetic.question_text(drawing.draw(rng.choice(["mixed", "parentheses"]), 5, rng))] = None
    return list(found)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path / "archive.sqlite")
    yield made
    made.close()


def test_an_archive_finds_by_id_and_by_text(archive: Archive) -> None:
    gone = [question(text) for text in texts(1200, 1)]
    archive.add(gone)
    archive.add(gone[:3])
    archive.add([])
    assert archive.count() == 1200
    assert archive.known_ids([gone[5].id, "q-none"]) == {gone[5].id}
    assert archive.get([gone[7].id, "q-none"]) == {gone[7].id: gone[7]}
    known = {one.text: one.id for one in gone}
    others = [text for text in texts(1000, 2) if text not in known]
    asked = [*known, *others]
    Random(3).shuffle(asked)
    assert archive.copied(asked) == [known.get(text, "") for text in asked]
    assert archive.copied([gone[9].text.upper().replace(" ", "\n "), ""]) == [gone[9].id, ""]
    archive.clear()
    assert archive.copied(asked[:2]) == ["", ""]


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "archive.sqlite").write_bytes(b"no database at all, and long enough to be read as one" * 99)
    with pytest.raises(MemoryDamaged, match="the memory cannot be used"):
        QuestionBank(Store(tmp_path, NgramEmbedding()))


class Played:
    """Rounds of a small bank, by hand."""

    def __init__(self, folder: Path, active: int) -> None:
        self.store = Store(folder, NgramEmbedding())
        self.bank = QuestionBank(self.store, active)

    def round(self, number: int, new: list[Question]) -> None:
        asked = [one for one, last in self.bank.known() if last is None]
        self.bank.note(went(one, [0.0, 0.5, 1.0][place % 3], number) for place, one in enumerate(asked))
        self.bank.retire({asked[0].id} if asked else ())
        self.bank.add(new)


def test_a_bank_stays_in_its_bound_and_knows_what_has_left(tmp_path: Path) -> None:
    played = Played(tmp_path, 30)
    new = [family_question(text) for text in texts(120, 4)]
    for number in range(8):
        played.round(number + 1, new[15 * number : 15 * number + 15])
    bank = played.bank
    there = bank.known()
    assert bank.count() == 45  # the bound, and what the last round added
    gone = [one for one in new if one.id not in {kept.id for kept, _ in there}]
    assert len(gone) == 75
    assert bank.known_ids([one.id for one in new]) == {one.id for one in new}
    assert bank.get([one.id for one in new]) == new
    assert [(name, round(like, 3)) for name, like in bank.nearest([one.text for one in gone])] == [
        (one.id, 1.0) for one in gone
    ]
    bank.add(gone)
    assert bank.known() == there
    near = bank.like(gone[0].text, 5)
    assert len(near) == 5
    assert not {one.id for one in near} & {one.id for one in gone}
    # Chroma's index keeps what is deleted: entries that go are overwritten instead.
    assert played.store.collection("questions").count() <= 30 + 15 + 15
    played.store.close()
    again = Played(tmp_path, 30)
    assert again.bank.known() == there
    assert again.bank.get([one.id for one in gone]) == gone


def test_what_is_held_is_found_behind_any_number_of_free_entries(tmp_path: Path) -> None:
    bank = Played(tmp_path, 1).bank
    old = [question(f"Tom has {number} apples and buys 2 more. How many?") for number in range(40)]
    held = question("Ann has nine pears and eats three of them. How many are left?", 9)
    bank.add([*old, held])
    bank.note(went(one, 1.0, 1) for one in old)
    assert bank.retire({held.id}) == 40
    asked = "Tom has 41 apples and buys 3 more. How many now?"
    ((name, like),) = bank.nearest([asked])
    alike = bank.embedded([asked, held.text])
    assert (name, round(like, 3)) == (held.id, round(float(alike[0] @ alike[1]), 3))
    assert like > 0.1
    assert bank.like(asked, 3) == [held]


def test_a_kill_between_archive_and_chroma_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = [family_question(text) for text in texts(50, 5)]
    whole, killed = Played(tmp_path / "whole", 10), Played(tmp_path / "killed", 10)
    for one in (whole, killed):
        one.bank.add(new)
        one.bank.note(went(q, 1.0, 1) for q in new[:30])
    whole.bank.retire(())

    def dies(*_: object) -> None:
        raise sqlite3.OperationalError("killed")

    with monkeypatch.context() as cut:
        cut.setattr(Shelf, "drop", dies)
        with pytest.raises(sqlite3.OperationalError):
            killed.bank.retire(())
    killed.store.close()
    again = Played(tmp_path / "killed", 10)
    again.bank.retire(())
    assert again.bank.known() == whole.bank.known()
    assert again.bank.get([q.id for q in new]) == new
    assert again.bank.archive.count() == whole.bank.archive.count() == 40


def test_what_overwrites_an_entry_has_nothing_of_it(tmp_path: Path) -> None:
    shelf = Shelf(Store(tmp_path, NgramEmbedding()).collection("things"), spare=2)
    shelf.put(["a", "b", "c", "d"], ["1 + 1", "2 + 2", "3 + 3", "4 + 4"], [{"zone": "mastered"}] * 4)
    shelf.drop(["a", "b", "c", "none"])
    shelf.put(["e"], ["5 + 5"], [{"zone": "learning"}])
    assert {key: metadata["zone"] for key, metadata in shelf.read()} == {"d": "mastered", "e": "learning"}
    assert shelf.collection.count() == 3  # one free entry is left of two that are spared
    shelf.put(["a"], ["1 + 1"], [{"zone": "learning"}])
    shelf.put(["b"], ["2 + 2"], [{"zone": "learning"}])
    assert {key for key, _ in shelf.read()} == {"a", "b", "d", "e"}
    found = shelf.collection.query(query_texts=["5 + 5"], n_results=1)
    assert shelf.key(found["ids"][0][0]) == "e"
