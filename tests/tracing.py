"""A pair followed back to a seed question and forward to a checkpoint."""

from __future__ import annotations

from typing import Any

from maieutic.inspector.database import Database
from maieutic.inspector.lineage import lineage


def traced(database: Database, pair: dict[str, Any]) -> str:
    """Follow a pair, each step checked against the records; gives the checkpoint that it led to."""
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
    return str(use.training["id"])
