"""Where a question, a pair or a checkpoint comes from, and what came of it: read off a run's records.

seed → question → rollouts → verdicts → failure → child question (the call that wrote it) → admission →
pair → training job → checkpoint → held-out change; each step by the ids that the records hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import RunError
from .tables import BANK, Row, Tables


@dataclass(frozen=True, slots=True)
class Link:
    """A question with how it came to be."""

    question: Row
    proposal: Row | None
    """None of a seed question."""
    nearest: Row | None
    """The question most like it that was there before; `proposal` says how like."""
    calls: list[Row]
    """Of the Teacher or the Generator; none where a program wrote it."""
    seen: Row | None
    """The rollout that its author saw, with its verdict."""
    labels: list[Row]
    """What spoke for its answer."""
    audits: list[Row]
    """How that was checked later."""
    reviews: list[Row]
    """What a person said of it."""


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
    opinions: list[Row]
    """What a Verifier that is a model said of the rollouts."""
    skills: list[Row]
    """What the Teacher says that the question needs, and a failure at it lacked."""
    hints: list[Row]


@dataclass(frozen=True, slots=True)
class Lineage:
    """A question's way from a seed, and to the checkpoints that learned from it."""

    ancestors: list[Link] = field(default_factory=list)
    """The seed first, the question itself last."""
    uses: list[Use] = field(default_factory=list)
    children: list[Row] = field(default_factory=list)
    """Questions that were made from it."""
    descendants: int = 0
    """Its children, theirs, and so on."""

    @property
    def question(self) -> Row:
        return self.ancestors[-1].question


def find(tables: Tables, given: str) -> str:
    """The id of the question that is meant by it, or by how it begins.

    Raises:
        RunError: there is none, or more than one.
    """
    counted = f"SELECT id, count(*) OVER () AS count FROM {BANK} WHERE starts_with(id, ?) ORDER BY id LIMIT 4"  # noqa: S608
    found = tables.rows(counted, [given])
    if len(found) == 1 or (found and found[0]["id"] == given):
        return str(found[0]["id"])
    if not found:
        raise RunError(f"no question {given[:60]!r}; `maieutic show NAME --round 1` names some")
    some = ", ".join(row["id"] for row in found)
    raise RunError(f"{given[:60]!r} begins {found[0]['count']:,} questions, such as {some}; give more of it")


def lineage(tables: Tables, question_id: str) -> Lineage:
    """
    Raises:
        RunError: the run has no such question.
    """
    ids = _line(tables, question_id)
    if not ids:
        raise RunError(f"no question {question_id[:60]!r}; `maieutic show NAME --round 1` names some")
    children = tables.rows(
        f"SELECT * FROM {BANK} WHERE parent_id = ? ORDER BY round, id",  # noqa: S608
        [question_id],
    )
    return Lineage(
        ancestors=_links(tables, ids),
        uses=_uses(tables, question_id),
        children=children,
        descendants=_descendants(tables, question_id) if children else 0,
    )


def _line(tables: Tables, question_id: str) -> list[str]:
    """Ids from the seed to the question. A damaged record may name a descendant as parent."""
    found = tables.rows(
        f"WITH RECURSIVE bank AS (SELECT id, parent_id FROM {BANK}), line AS ("  # noqa: S608
        "  SELECT id, parent_id, 0 AS depth, [id] AS seen FROM bank WHERE id = ?"
        "  UNION ALL"
        "  SELECT b.id, b.parent_id, l.depth + 1, list_append(l.seen, b.id) FROM line l"
        "  JOIN bank b ON b.id = l.parent_id WHERE NOT list_contains(l.seen, b.id)"
        ") SELECT id FROM line ORDER BY depth DESC",
        [question_id],
    )
    return [row["id"] for row in found]


def _descendants(tables: Tables, question_id: str) -> int:
    (found,) = tables.rows(
        f"WITH RECURSIVE bank AS (SELECT id, parent_id FROM {BANK}), line AS ("  # noqa: S608
        "  SELECT ?::VARCHAR AS id UNION SELECT b.id FROM line l JOIN bank b ON b.parent_id = l.id"
        ") SELECT count(*) - 1 AS count FROM line",
        [question_id],
    )
    return int(found["count"])


def _where(
    tables: Tables, view: str, column: str, values: Sequence[object], rounds: Sequence[int] = ()
) -> list[Row]:
    """Rows of a view whose column has one of some values, in the order of the rounds.

    Args:
        rounds: whose records alone are looked into; all if empty.
    """
    known = [value for value in values if value is not None]
    if not known:
        return []
    # Values one by one, so that only their rows are read whole; joined to a list, all would be.
    where = f"{column} IN ({', '.join('?' * len(known))})"
    where += f" AND recorded_in IN ({', '.join('?' * len(rounds))})" if rounds else ""
    return tables.rows(f"SELECT * FROM {view} WHERE {where} ORDER BY recorded_in", [*known, *rounds])  # noqa: S608


def _links(tables: Tables, ids: Sequence[str]) -> list[Link]:
    """The line of a question: everything about all of its links is read together."""
    questions = {row["id"]: row for row in _where(tables, BANK, "id", ids)}
    proposals: dict[str, Row] = {}
    admitted_in = sorted({row["recorded_in"] for row in questions.values()})
    for row in _where(tables, "proposals", "question_id", ids, admitted_in):
        proposals.setdefault(row["question_id"], row)
    made = list(proposals.values())
    names = [row["id"] for row in made]
    nearest = {row["id"]: row for row in _where(tables, BANK, "id", [row["nearest_id"] for row in made])}
    # A call that had to be mended is known by the proposal's id and a word after it.
    written_in = sorted({row["recorded_in"] for row in made})
    calls = _where(tables, "calls", "split_part(subject_id, '.', 1)", names, written_in)
    seen = {row["id"]: row for row in _judged(tables, "id", [row["rollout_id"] for row in made])}
    labels, audits = (_where(tables, view, "question_id", ids) for view in ("labels", "audits"))
    reviews = _where(tables, "reviews", "proposal_id", names)
    links = []
    for name in ids:
        proposal = proposals.get(name)
        links.append(
            Link(
                question=questions[name],
                proposal=proposal,
                nearest=nearest.get(proposal["nearest_id"]) if proposal else None,
                calls=[row for row in calls if proposal and _of(row["subject_id"], proposal["id"])],
                seen=seen.get(proposal["rollout_id"]) if proposal else None,
                labels=[row for row in labels if row["question_id"] == name],
                audits=[row for row in audits if row["question_id"] == name],
                reviews=[row for row in reviews if proposal and row["proposal_id"] == proposal["id"]],
            )
        )
    return links


def _of(subject: str, proposal: str) -> bool:
    return subject.partition(".")[0] == proposal


def _judged(tables: Tables, column: str, values: Sequence[object]) -> list[Row]:
    """Attempts with their verdicts."""
    found = [row for row in _where(tables, "rollouts", column, values) if row["stage"] == "attempt"]
    rounds = sorted({row["recorded_in"] for row in found})
    verdicts = _where(tables, "verdicts", "rollout_id", [row["id"] for row in found], rounds)
    said = {(row["rollout_id"], row["recorded_in"]): row for row in verdicts}
    ours = ("outcome", "extracted", "reason", "by", "confidence")
    nothing: Row = dict.fromkeys(ours)
    judged = [
        {**row, **{name: said.get((row["id"], row["recorded_in"]), nothing)[name] for name in ours}}
        for row in found
    ]
    return sorted(judged, key=lambda row: (row["recorded_in"], row["index"]))


def _uses(tables: Tables, question_id: str) -> list[Use]:
    views = ("attempts", "pairs", "opinions", "skills", "hints")
    found = {view: _where(tables, view, "question_id", [question_id]) for view in views}
    found["rollouts"] = _judged(tables, "question_id", [question_id])
    by_round: dict[int, dict[str, list[Row]]] = {}
    for view, rows in found.items():
        for row in rows:
            by_round.setdefault(row["recorded_in"], {}).setdefault(view, []).append(row)
    return [_use(tables, round, by_round[round]) for round in sorted(by_round)]


def _use(tables: Tables, round: int, found: dict[str, list[Row]]) -> Use:
    trainings = tables.rows("SELECT * FROM trainings WHERE recorded_in = ? AND role = 'solver'", [round])
    gates = tables.rows("SELECT * FROM gates WHERE recorded_in = ?", [round])
    training, gate = next(iter(trainings), None), next(iter(gates), None)
    heldout = None
    if training and gate and not training["stopped"]:
        before, after = (tables.heldout(number) for number in (gate["against_round"], round))
        heldout = (before, after) if before is not None and after is not None else None
    return Use(
        round=round,
        attempt=next(iter(found.get("attempts", [])), None),
        rollouts=found.get("rollouts", []),
        pairs=found.get("pairs", []),
        training=training,
        gate=gate,
        heldout=heldout,
        opinions=found.get("opinions", []),
        skills=found.get("skills", []),
        hints=found.get("hints", []),
    )
