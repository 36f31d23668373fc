"""What a round's lesson on a subject was made of: some failures, questions, pairs, hints and notes."""

from __future__ import annotations

from .tables import BANK, Row, Tables
from .teaching import OF, Subject


def lesson(tables: Tables, of: Subject, round: int, most: int = 10) -> dict[str, list[Row]]:
    """What a round's lesson on a subject was made of: some of each kind."""
    given = [of.skill, of.level]
    return {
        "failed": _failed(tables, of, round, most),
        "asked": tables.rows(_FRESH, [round, *given, round, most]),
        "pairs": tables.rows(
            "SELECT question_id, kind, left(chosen, 2000) AS chosen, left(rejected, 2000) AS rejected, "  # noqa: S608
            "left(prompt, 600) AS prompt FROM pairs WHERE recorded_in = ? AND NOT coalesce(replayed, false) "
            f"AND question_id IN (SELECT id FROM {BANK} WHERE {OF}) LIMIT ?",
            [round, *given, most // 2],
        ),
        "hints": _notes(tables, "hints", "kind, left(h.text, 600) AS said", given, round, most),
        "notes": _notes(tables, "skills", "needed, missing", given, round, most),
        "written": tables.rows(_WRITTEN, [round, *given, round, most]),
    }


_FRESH = (
    "SELECT q.id, left(q.text, 300) AS text, q.origin, q.recorded_in AS admitted, p.move, p.why, "  # noqa: S608
    "a.pass_rate, a.zone FROM (SELECT question_id, pass_rate, zone FROM attempts "
    f"WHERE recorded_in = ? AND {OF}) a JOIN {BANK} q ON q.id = a.question_id "
    "LEFT JOIN proposals p ON p.question_id = q.id AND p.recorded_in = q.recorded_in AND p.recorded_in < ? "
    "ORDER BY (coalesce(p.why, '') = ''), q.recorded_in DESC, q.id LIMIT ?"
)
_WRITTEN = (
    "SELECT q.id, left(q.text, 300) AS text, q.origin, p.move, p.why FROM "  # noqa: S608
    f"(SELECT * FROM questions WHERE recorded_in = ? AND {OF}) q "
    "LEFT JOIN proposals p ON p.question_id = q.id AND p.recorded_in = ? "
    "ORDER BY (coalesce(p.why, '') = ''), q.id LIMIT ?"
)


def _notes(
    tables: Tables, view: str, columns: str, given: list[str | int | None], round: int, most: int
) -> list[Row]:
    return tables.rows(
        f"SELECT h.question_id, {columns} FROM {view} h WHERE h.recorded_in = ? AND h.question_id IN "  # noqa: S608
        f"(SELECT id FROM {BANK} WHERE {OF}) LIMIT ?",
        [round, *given, most],
    )


def _failed(tables: Tables, of: Subject, round: int, most: int) -> list[Row]:
    """Questions that failed in a round, the worst first, each with the first of its wrong completions."""
    rows = tables.rows(
        f"SELECT question_id, pass_rate, zone FROM attempts WHERE recorded_in = ? AND {OF} AND pass_rate < 1 "  # noqa: S608
        "ORDER BY pass_rate, question_id LIMIT ?",
        [round, of.skill, of.level, most],
    )
    ids = [row["question_id"] for row in rows]
    wrong = tables.rows(
        "SELECT r.question_id, left(r.completion, 3000) AS completion, v.extracted FROM "
        "(SELECT * FROM rollouts WHERE recorded_in = ? AND question_id IN (SELECT unnest(?::VARCHAR[]))) r "
        "JOIN (SELECT * FROM verdicts WHERE recorded_in = ? AND outcome = 'wrong') v ON v.rollout_id = r.id "
        "WHERE r.stage = 'attempt' ORDER BY r.index DESC",
        [round, ids, round],
    )
    texts = tables.rows(
        f"SELECT id, left(text, 600) AS text, answer FROM {BANK} WHERE id IN (SELECT unnest(?::VARCHAR[]))",  # noqa: S608
        [ids],
    )
    said, asked = {row["question_id"]: row for row in wrong}, {row["id"]: row for row in texts}
    return [
        {
            **row,
            **asked.get(row["question_id"], {"text": row["question_id"], "answer": ""}),
            **said[row["question_id"]],
        }
        for row in rows
        if row["question_id"] in said
    ]
