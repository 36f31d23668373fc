"""A long run in small: thirty rounds, and a bank that holds three rounds' questions."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from maieutic.benchmarks import longrun
from maieutic.benchmarks.longrun import Enough, settings
from maieutic.benchmarks.simulator import Simulated
from maieutic.config import RunConfig
from maieutic.graph.making import create
from maieutic.graph.progress import Quiet
from maieutic.graph.room import Room
from maieutic.graph.run import open_room
from maieutic.graph.vet import against
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.run import RunFolder
from maieutic.memory.store import Store
from maieutic.records import Question, short_id
from maieutic.tasks.material import gather

pytestmark = pytest.mark.slow

ROUNDS, NEW, ACTIVE = 30, 40, 120
COMPARED = ("questions", "vetted", "attempts", "verdicts", "pairs", "worths", "gates")


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return settings(ROUNDS, NEW, ACTIVE)


def begun(runs: Path, config: RunConfig) -> RunFolder:
    return create(config, runs, longrun.NAME, gather(config))


class Until(Quiet):
    """Breaks a run off at a stage of a round."""

    def __init__(self, round: int, stage: str = "select") -> None:
        self.last = (round, stage)

    def begin(self, round: int, stage: str, total: int) -> None:
        if (round, stage) == self.last:
            raise Enough


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> RunFolder:
    """Played in one go."""
    folder = begun(tmp_path_factory.mktemp("whole"), config)
    longrun.run(folder, config, Until(ROUNDS + 1))
    return folder


def rows(folder: RunFolder, number: int, kind: str) -> list[dict[str, Any]]:
    """But for what is nearest to a proposal: which of two that are equally near is Chroma's affair."""
    found = [
        {name: value for name, value in row.items() if name not in ("nearest_id", "likeness")}
        for part in (folder.round(number) / kind).glob("*.parquet")
        for row in pq.read_table(part).to_pylist()
    ]
    return sorted(found, key=repr)


def opened(folder: RunFolder, config: RunConfig) -> Room:
    return asyncio.run(open_room(config, folder, Quiet(), Simulated(folder)))


def test_what_is_held_stays_in_its_bounds(folder: RunFolder) -> None:
    written = [q for number in folder.rounds() for q in folder.read(number, "questions", Question)]
    assert len(written) > 20 * NEW
    store = Store(folder.memory, NgramEmbedding())
    assert ACTIVE < store.collection("questions").count() <= ACTIVE + 3 * NEW
    # Twelve failures of each of 42 skills and levels at most, and as many free entries as a round frees.
    assert store.collection("failures").count() <= 12 * 42 + NEW
    store.close()
    assert longrun.state_bytes(folder) < longrun.STATE_BYTES
    assert len(list((folder.memory / "replayable").glob("*"))) == 1  # of round 16; of 32 there is none yet
    with sqlite3.connect(folder.memory / "archive.sqlite") as archive:
        assert archive.execute("SELECT count(*) FROM retired").fetchone()[0] > len(written) - ACTIVE - 2 * NEW


def test_copies_of_what_was_retired_are_refused(folder: RunFolder, config: RunConfig) -> None:
    room = opened(folder, config)
    there = {question.id for question, _ in room.bank.known()}
    gone = [
        q for number in range(15) for q in folder.read(number, "questions", Question) if q.id not in there
    ]
    assert len(gone) > 5 * NEW
    assert room.bank.get([q.id for q in gone]) == gone
    copies = {q.id: q.model_copy(update={"text": q.text.replace("What", "what")}) for q in gone[-50:]}
    copies = {key: q.model_copy(update={"id": short_id("q", q.text)}) for key, q in copies.items()}
    reasons, nearest = against(room, copies)
    assert set(reasons) == set(copies)
    assert set(reasons.values()) <= {"near duplicate", "held-out overlap"}
    assert {key for key, (near, _) in nearest.items() if near == key} == set(nearest) != set()
    assert set(against(room, {q.id: q for q in gone[-50:]})[0].values()) <= {"duplicate", "held-out overlap"}
    assert room.store is not None
    room.store.close()


def test_broken_off_and_resumed_it_is_the_run_that_would_have_been(
    folder: RunFolder, config: RunConfig, tmp_path: Path
) -> None:
    broken = begun(tmp_path, config)
    # In the middle of a round, at its beginning, and after the archive has begun to fill.
    for until in (Until(3, "teach"), Until(5), Until(6, "vet"), Until(8)):
        longrun.run(broken, config, until)
    for number in range(1, 8):
        for kind in COMPARED:
            assert rows(broken, number, kind) == rows(folder, number, kind), (number, kind)
        assert broken.read_json(number, "selected") == folder.read_json(number, "selected")


def test_a_lost_memory_is_the_same_again(folder: RunFolder, config: RunConfig, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / longrun.NAME)
    shutil.copytree(folder.path, copy.path)
    shutil.rmtree(copy.memory)
    found = []
    for one in (folder, copy):
        room = opened(one, config)
        gone = room.bank.archive._base.execute("SELECT id FROM retired ORDER BY id").fetchall()
        pairs = [pair.id for pair in room.replayable.before(one, ROUNDS + 1)]
        weak = sorted(room.profile.all(), key=lambda w: (w.skill, w.level))
        found.append((room.bank.known(), gone, weak, pairs, room.accounts.of("solver")))
        assert room.store is not None
        room.store.close()
    assert found[0] == found[1]
