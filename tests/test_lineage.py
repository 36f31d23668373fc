"""Lineage of a played run: every pair leads back to a seed question and forward to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from maieutic.config import load
from maieutic.errors import RunError
from maieutic.graph import train
from maieutic.inspector.database import Database
from maieutic.inspector.lineage import lineage
from simulated import play, pretend_to_train
from tracing import traced

pytestmark = pytest.mark.slow

SMALL = [
    "rounds=4", "curriculum.questions=60", "curriculum.new=40", "training.least_pairs=1", "sets.per_cell=1",
    "generator.proposals=10", "generator.most=10",
]  # fmt: skip


@pytest.fixture
async def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(train, "run_job", pretend_to_train)
    with Database(await play(tmp_path / "run", load(None, SMALL))) as database:
        yield database


async def test_five_pairs_back_to_a_seed_and_forward_to_a_checkpoint(database: Database) -> None:
    pairs = database.rows("SELECT * FROM pairs WHERE recorded_in > 1 ORDER BY id")
    for pair in Random(0).sample(pairs, 5):
        traced(database, pair)


async def test_a_question_knows_its_children(database: Database) -> None:
    ((parent, count),) = database.ask(
        "SELECT parent_id, count(*) FROM questions WHERE parent_id IS NOT NULL GROUP BY 1 "
        "ORDER BY 2 DESC, 1 LIMIT 1"
    )[1]
    found = lineage(database, parent)
    assert len(found.children) == count
    assert all(row["parent_id"] == parent for row in found.children)


async def test_one_that_is_not_there(database: Database) -> None:
    with pytest.raises(RunError, match="no question 'q-nope'"):
        lineage(database, "q-nope")
