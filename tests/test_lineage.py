"""Lineage of a played run: every pair leads back to a seed question and forward to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from maieutic.config import load
from maieutic.errors import RunError
from maieutic.graph import train
from maieutic.memory.database import Database
from maieutic.memory.lineage import lineage
from simulated import play, pretend_to_train

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
        found = lineage(database, pair["question_id"])
        seed = found.ancestors[0]
        assert (seed.question["origin"] == "seed") is (seed.proposal is None)
        for before, link in zip(found.ancestors, found.ancestors[1:], strict=False):
            assert link.question["parent_id"] == before.question["id"]
        for link in found.ancestors:
            if link.proposal is None:
                continue
            assert link.proposal["admitted"] and link.proposal["question_id"] == link.question["id"]
            assert link.proposal["nearest_id"] and link.proposal["likeness"] < 1
            assert (link.proposal["author"] == "generator") is bool(link.calls)
            if link.proposal["rollout_id"]:
                assert link.seen and link.seen["question_id"] == link.proposal["parent_id"]
        use = next(use for use in found.uses if use.round == pair["recorded_in"])
        assert pair["id"] in {one["id"] for one in use.pairs}
        assert use.training and use.training["round"] == use.round
        assert use.gate and use.gate["candidate"] == use.training["id"]
        assert use.heldout is not None
        if not pair["replayed"]:
            assert {row["outcome"] for row in use.rollouts} <= {"right", "wrong", "invalid"}
            assert use.attempt and use.attempt["decided"] == len(use.rollouts)


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
