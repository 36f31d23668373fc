"""Questions of a run by what they exercise and what became of them, the newest first; proposals refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .tables import BANK, Row, Tables

SETS = {"bank": BANK, "validation": "validation", "heldout": "heldout"}
"""Where questions are kept, and what to read for each."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which questions; what is None or empty asks for nothing."""

    of: str = "bank"
    """One of `SETS`."""
    skill: str = ""
    level: int | None = None
    origin: str = ""
    zone: str = ""
    """Of the last attempt; of that of the round, where one is asked for by `attempted`."""
    admitted: int | None = None
    """In that round."""
    attempted: int | None = None
    text: str = ""
    """In the question, in small or capital letters; or its id."""


def questions(tables: Tables, asked: Asked, most: int, skip: int = 0) -> tuple[list[Row], bool]:
    """Questions, each with its last `attempt` and how many `pairs` are of it; and whether more follow."""
    where, given = _where(asked)
    rows = tables.rows(
        f"SELECT id, left(text, 400) AS text, skill, level, origin, round, recorded_in, label, confidence, "  # noqa: S608
        f"parent_id FROM {SETS[asked.of]} WHERE {where} ORDER BY recorded_in DESC, id LIMIT ? OFFSET ?",
        [*given, most + 1, skip],
    )
    shown = rows[:most]
    ids = [row["id"] for row in shown]
    attempts = _attempts(tables, ids, asked.attempted) if asked.of == "bank" else {}
    pairs = _pairs(tables, ids) if asked.of == "bank" else {}
    said = _measured(tables, ids) if asked.of != "bank" else {}
    found = [
        {
            **row,
            "attempt": attempts.get(row["id"]),
            "pairs": pairs.get(row["id"], 0),
            "said": said.get(row["id"]),
        }
        for row in shown
    ]
    return found, len(rows) > most


def _where(asked: Asked) -> tuple[str, list[object]]:
    rules, given = ["true"], list[object]()
    if asked.of == "bank":
        told: list[tuple[bool, str, list[object]]] = [
            (bool(asked.origin), "origin = ?", [asked.origin]),
            (asked.admitted is not None, "recorded_in = ?", [asked.admitted]),
            (asked.attempted is not None or bool(asked.zone), *_attempted(asked)),
        ]
    else:
        told = []
    told += [
        (bool(asked.skill), "skill = ?", [asked.skill]),
        (asked.level is not None, "level = ?", [asked.level]),
        (bool(asked.text), "(contains(lower(text), lower(?)) OR id = ?)", [asked.text, asked.text]),
    ]
    for wanted, rule, values in told:
        if wanted:
            rules.append(rule)
            given += values
    return " AND ".join(rules), given


def _attempted(asked: Asked) -> tuple[str, list[object]]:
    if asked.attempted is not None:
        zone = " AND zone = ?" if asked.zone else ""
        given: list[object] = [asked.attempted, *([asked.zone] if asked.zone else [])]
        return f"id IN (SELECT question_id FROM attempts WHERE recorded_in = ?{zone})", given  # noqa: S608
    return (
        "id IN (SELECT question_id FROM attempts GROUP BY question_id HAVING arg_max(zone, recorded_in) = ?)",
        [asked.zone],
    )


def _attempts(tables: Tables, ids: Sequence[str], round: int | None) -> dict[str, Row]:
    rows = tables.rows(
        "SELECT question_id, max(recorded_in) AS round, count(*) AS count, "
        "arg_max(pass_rate, recorded_in) AS pass_rate, arg_max(zone, recorded_in) AS zone FROM attempts "
        "WHERE question_id IN (SELECT unnest(?::VARCHAR[])) AND recorded_in = coalesce(?, recorded_in) "
        "GROUP BY question_id",
        [ids, round],
    )
    return {row["question_id"]: row for row in rows}


def _pairs(tables: Tables, ids: Sequence[str]) -> dict[str, int]:
    """Those that were built of a question; replayed ones are the same once more."""
    rows = tables.rows(
        "SELECT question_id, count(*) FILTER (NOT coalesce(replayed, false)) AS count FROM pairs "
        "WHERE question_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY question_id",
        [ids],
    )
    return {row["question_id"]: row["count"] for row in rows}


def _measured(tables: Tables, ids: Sequence[str]) -> dict[str, Row]:
    """What the last Solver that was measured says to questions of a fixed set."""
    rows = tables.rows(
        "WITH last AS (SELECT max(recorded_in) AS round FROM rollouts WHERE starts_with(stage, 'heldout')) "
        "SELECT question_id, any_value(outcome) AS outcome, any_value(recorded_in) AS round FROM verdicts "
        "WHERE recorded_in = (SELECT round FROM last) AND question_id IN (SELECT unnest(?::VARCHAR[])) "
        "GROUP BY question_id",
        [ids],
    )
    return {row["question_id"]: row for row in rows}


def refusals(
    tables: Tables, asked: Asked, reason: str, author: str, most: int, skip: int = 0
) -> tuple[list[Row], bool]:
    """Refused proposals with the text of the question that they are most like; and whether more follow."""
    rows = tables.rows(
        "SELECT id, recorded_in, author, move, left(text, 400) AS text, skill, level, reason, why, "
        "parent_id, nearest_id, likeness FROM proposals WHERE admitted = false AND (? = '' OR reason = ?) "
        "AND (? = '' OR author = ?) AND (? = '' OR skill = ?) AND level = coalesce(?, level) "
        "AND recorded_in = coalesce(?, recorded_in) "
        "AND (? = '' OR contains(lower(text), lower(?)) OR id = ?) "
        "ORDER BY recorded_in DESC, id LIMIT ? OFFSET ?",
        [
            reason, reason, author, author, asked.skill, asked.skill, asked.level, asked.admitted,
            asked.text, asked.text, asked.text, most + 1, skip,
        ],
    )  # fmt: skip
    shown = rows[:most]
    nearest = tables.rows(
        f"SELECT id, left(text, 400) AS text FROM {BANK} WHERE id IN (SELECT unnest(?::VARCHAR[]))",  # noqa: S608
        [[row["nearest_id"] for row in shown if row["nearest_id"]]],
    )
    texts = {row["id"]: row["text"] for row in nearest}
    return [{**row, "nearest": texts.get(row["nearest_id"])} for row in shown], len(rows) > most


def reasons(tables: Tables, round: int | None) -> list[Row]:
    """Why proposals were refused, and how many for each: the most first."""
    return tables.rows(
        "SELECT reason, count(*) AS count FROM proposals WHERE admitted = false "
        "AND recorded_in = coalesce(?, recorded_in) GROUP BY reason ORDER BY count DESC, reason",
        [round],
    )
