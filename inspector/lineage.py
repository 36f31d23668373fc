"""Where a question, a pair or a checkpoint comes from, and what came of it: read off a run's records.

seed → question → rollouts → verdicts → failure → child question (the call that wrote it) → admission →
pair → training job → checkpoint → held-out change; each step by the ids that the records hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import RunError
from .database import Database

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """A question with how it came to be."""

    question: Row
    proposal: Row | None
    """None of a seed question."""
    calls: list[Row]
    """Of the Teacher or the Generator; none where a program wrote it."""
    seen: Row | None
    """The rollout that its author saw, with its verdict."""
    labels: list[Row]
    """What spoke for its answer, and how it was checked later."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a round did with a question, and what came of the round."""

    round: int
    attempt: Row | None
    rollouts: list[Row]
    """With their verdicts, in their order."""
    pairs: list[Row]
    """Those that the round trained on, replayed ones among them."""
    training: Row | None
    """The Solver's job that saw them."""
    gate: Row | None
    heldout: tuple[float, float] | None
    """Accuracy of the Solver that was kept before the round, and of the one that its training made."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A question's way from a seed, and to the checkpoints that learned from it."""

    ancestors: list[Link] = field(default_factory=list)
    """The seed first, the question itself last."""
    uses: list[Use] = field(default_factory=list)
    children: list[Row] = field(default_factory=list)
    """Questions that were made from it."""

    @property
    def question(self) -> Row:
        return self.ancestors[-1].question


def lineage(database: Database, question_id: str) -> Lineage:
    """
    Raises:
        RunError: the run has no such question.
    """
    questions = {row["id"]: row for row in database.rows("SELECT * FROM questions")}
    if question_id not in questions:
        raise RunError(f"no question {question_id[:60]!r}; `maieutic show NAME --round 1` names some")
    line = [questions[question_id]]
    while (parent := questions.get(line[-1]["parent_id"] or "")) and parent not in line:
        line.append(parent)
    return Lineage(
        ancestors=[_link(database, question) for question in reversed(line)],
        uses=_uses(database, question_id),
        children=[row for row in questions.values() if row["parent_id"] == question_id],
    )


def _link(database: Database, question: Row) -> Link:
    proposals = database.rows(
        "SELECT * FROM proposals WHERE question_id = ? ORDER BY recorded_in LIMIT 1", [question["id"]]
    )
    proposal, calls, seen = next(iter(proposals), None), [], None
    if proposal:
        # A call that had to be mended is known by the proposal's id and a word after it.
        calls = database.rows(
            "SELECT * FROM calls WHERE subject_id = ? OR starts_with(subject_id, ? || '.') ORDER BY id",
            [proposal["id"], proposal["id"]],
        )
        seen = next(iter(_judged(database, "r.id = ?", proposal["rollout_id"])), None)
    labels = database.rows("SELECT * FROM labels WHERE question_id = ?", [question["id"]])
    labels += database.rows("SELECT * FROM audits WHERE question_id = ?", [question["id"]])
    return Link(question, proposal, calls, seen, labels)


def _judged(database: Database, where: str, value: object) -> list[Row]:
    return database.rows(
        f"SELECT r.*, v.outcome, v.extracted, v.reason, v.by, v.confidence FROM rollouts r "  # noqa: S608
        f"LEFT JOIN verdicts v ON v.rollout_id = r.id AND v.recorded_in = r.recorded_in "
        f"WHERE r.stage = 'attempt' AND {where} ORDER BY r.recorded_in, r.index",
        [value],
    )


def _uses(database: Database, question_id: str) -> list[Use]:
    attempts = {
        row["round"]: row
        for row in database.rows("SELECT * FROM attempts WHERE question_id = ?", [question_id])
    }
    rollouts = _judged(database, "r.question_id = ?", question_id)
    pairs = database.rows("SELECT * FROM pairs WHERE question_id = ? ORDER BY recorded_in", [question_id])
    rounds = attempts.keys() | {row["round"] for row in rollouts} | {row["recorded_in"] for row in pairs}
    return [
        Use(
            round=round,
            attempt=attempts.get(round),
            rollouts=[row for row in rollouts if row["round"] == round],
            pairs=[row for row in pairs if row["recorded_in"] == round],
            **_came_of(database, round),
        )
        for round in sorted(rounds)
    ]


def _came_of(database: Database, round: int) -> Row:
    trainings = database.rows("SELECT * FROM trainings WHERE round = ? AND role = 'solver'", [round])
    gates = database.rows("SELECT * FROM gates WHERE round = ?", [round])
    training, gate = next(iter(trainings), None), next(iter(gates), None)
    heldout = None
    if training and gate and not training["stopped"]:
        before, after = (database.heldout(number) for number in (gate["against_round"], round))
        heldout = (before, after) if before is not None and after is not None else None
    return {"training": training, "gate": gate, "heldout": heldout}
