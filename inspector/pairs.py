"""Preference pairs: what the Solver was shown as better and as worse."""

from __future__ import annotations

from dataclasses import dataclass

from .tables import BANK, Row, Tables, first_round

MOST = 50
"""Shown where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of a run or a round; `shown` are the newest, the last round first."""

    total: int
    kinds: dict[str, int]
    replayed: int
    questions: int
    """Different ones, of all rounds that were asked for."""
    shown: list[Row]


def pairs(tables: Tables, round: int | None = None, most: int | None = MOST) -> Pairs:
    """
    Args:
        round: that trained on them; replayed ones were made earlier.
        most: how many are shown; all with None.
    """
    counts = tables.rows(
        "SELECT recorded_in, kind, count(*) AS count, count(*) FILTER (replayed) AS replayed FROM pairs "
        "WHERE recorded_in = coalesce(?, recorded_in) GROUP BY recorded_in, kind ORDER BY kind",
        [round],
    )
    kinds: dict[str, int] = {}
    for row in counts:
        kinds[row["kind"]] = kinds.get(row["kind"], 0) + row["count"]
    (asked,) = tables.rows(
        "SELECT count(DISTINCT question_id) AS count FROM pairs WHERE recorded_in = coalesce(?, recorded_in)",
        [round],
    )
    return Pairs(
        total=sum(kinds.values()),
        kinds=kinds,
        replayed=sum(row["replayed"] for row in counts),
        questions=asked["count"],
        shown=_newest(tables, round, first_round(counts, most), most) if counts else [],
    )


def _newest(tables: Tables, round: int | None, first: int, most: int | None) -> list[Row]:
    """With the question's text, skill and level; what an older run did not note has its default."""
    return tables.rows(
        "WITH newest AS ("  # noqa: S608
        "  SELECT *, row_number() OVER () AS place FROM pairs"
        "  WHERE recorded_in >= ? AND recorded_in = coalesce(?, recorded_in)"
        "  ORDER BY recorded_in DESC, place LIMIT coalesce(?, 9000000000000000)"
        ") "
        "SELECT p.id, p.question_id, p.round, p.recorded_in, p.kind, q.text, q.skill, q.level, p.prompt, "
        "p.chosen, p.rejected, coalesce(p.chosen_messages, '') AS chosen_messages, "
        "coalesce(p.rejected_messages, '') AS rejected_messages, coalesce(p.replayed, false) AS replayed, "
        "coalesce(p.weight, 1.0) AS weight, coalesce(p.smoothing, 0.0) AS smoothing, "
        "coalesce(p.stage, 0) AS stage, p.likelihood "
        f"FROM newest p LEFT JOIN {BANK} q ON q.id = p.question_id "
        "ORDER BY p.recorded_in DESC, p.place",
        [first, round, most],
    )
