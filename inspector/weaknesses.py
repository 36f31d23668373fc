"""What the Solver gets wrong, by skill and level, worked out of the records.

The same as WeaknessProfile holds in Chroma (`memory/profile.py`), by the same rule; but a run that is being
played writes there, and what it knew after an earlier round is no longer there at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from ..memory.forgetting import forgotten
from .tables import BANK, Row, Tables


@dataclass(frozen=True, slots=True)
class Passed:
    """A round's attempts at one skill and level."""

    round: int
    pass_rate: float
    questions: int


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A question that fails, with the wrong completion that is remembered of it."""

    question_id: str
    text: str
    answer: str
    rollout_id: str
    completion: str
    extracted: str | None
    zone: str
    round: int


@dataclass(frozen=True, slots=True)
class Weak:
    """One skill at one level, with its evidence."""

    skill: str
    level: int
    pass_rate: float
    """Of the last round that attempted it."""
    change: float | None
    """Of the pass rate since the round before that attempted it."""
    attempts: int
    """Questions that were attempted, in all rounds."""
    last_seen: int
    history: list[Passed]
    """Oldest first."""
    failures: list[Exemplar]
    """What is remembered, newest first."""


def weaknesses(tables: Tables, until: int | None = None) -> list[Weak]:
    """Every skill and level that was attempted: what is worst first, as WeaknessProfile ranks them.

    Args:
        until: the round after which it is to be told; the last one if left out.
    """
    rows = tables.rows(
        "SELECT skill, level, round, avg(pass_rate) AS pass_rate, count(*) AS questions FROM attempts "
        "WHERE round <= coalesce(?, round) GROUP BY skill, level, round ORDER BY skill, level, round",
        [until],
    )
    failures = _exemplars(tables, until)
    cells = groupby(rows, key=lambda row: (row["skill"], row["level"]))
    return _ranked(_weak(*cell, _history(entries), failures.get(cell, [])) for cell, entries in cells)


def _history(rows: Iterable[Row]) -> list[Passed]:
    return [Passed(row["round"], row["pass_rate"], row["questions"]) for row in rows]


def profile(tables: Tables) -> list[Weak]:
    """The same without what is remembered of failures, for which every verdict must be looked at; of a cell
    everything is one row, as a long run has many rounds."""
    rows = tables.rows(
        "SELECT skill, level, list(round ORDER BY round) AS rounds, list(rate ORDER BY round) AS rates, "
        "list(count ORDER BY round) AS counts FROM (SELECT skill, level, round, avg(pass_rate) AS rate, "
        "count(*) AS count FROM attempts GROUP BY skill, level, round) GROUP BY skill, level"
    )
    cells = (
        _weak(row["skill"], row["level"], list(map(Passed, row["rounds"], row["rates"], row["counts"])), [])
        for row in rows
    )
    return _ranked(cells)


def _ranked(cells: Iterable[Weak]) -> list[Weak]:
    return sorted(cells, key=lambda weak: (weak.pass_rate, weak.level, weak.skill))


def _weak(skill: str, level: int, history: list[Passed], failures: list[Exemplar]) -> Weak:
    now, *earlier = reversed(history)
    return Weak(
        skill=skill,
        level=level,
        pass_rate=now.pass_rate,
        change=now.pass_rate - earlier[0].pass_rate if earlier else None,
        attempts=sum(entry.questions for entry in history),
        last_seen=now.round,
        history=history,
        failures=failures,
    )


def _exemplars(tables: Tables, until: int | None) -> dict[tuple[str, int], list[Exemplar]]:
    """What is remembered by cell; texts are read of these alone."""
    kept = _remembered(_outcomes(tables, until))
    given = [[row["rollout_id"] for row in kept.values()]]
    rollouts = tables.rows(
        "SELECT r.id, r.completion, v.extracted FROM rollouts r "
        "LEFT JOIN verdicts v ON v.rollout_id = r.id AND v.recorded_in = r.recorded_in "
        "WHERE r.id IN (SELECT unnest(?::VARCHAR[]))",
        given,
    )
    questions = tables.rows(
        f"SELECT id, text, answer FROM {BANK} WHERE id IN (SELECT unnest(?::VARCHAR[]))",  # noqa: S608
        [list(kept)],
    )
    said, asked = ({row["id"]: row for row in rows} for rows in (rollouts, questions))
    cells: dict[tuple[str, int], list[Exemplar]] = {}
    for name, row in sorted(kept.items(), key=lambda item: (-item[1]["round"], item[0])):
        rollout, question = said[row["rollout_id"]], asked.get(name, {})
        cells.setdefault((row["skill"], row["level"]), []).append(
            Exemplar(
                question_id=name,
                text=question.get("text", ""),
                answer=question.get("answer", ""),
                rollout_id=row["rollout_id"],
                completion=rollout["completion"],
                extracted=rollout["extracted"],
                zone=row["zone"],
                round=row["round"],
            )
        )
    return cells


def _outcomes(tables: Tables, until: int | None) -> list[Row]:
    """What each round changes in what is remembered: questions that failed in it, and mastered ones.

    Of several wrong rollouts the one whose verdict was written last is remembered.
    """
    return tables.rows(
        "WITH failed AS ("
        "  SELECT v.recorded_in, v.question_id, arg_max(v.rollout_id, v.place) AS rollout_id"
        "  FROM (SELECT rollout_id, question_id, outcome, recorded_in, row_number() OVER () AS place"
        "        FROM verdicts) v"
        "  JOIN rollouts r ON r.id = v.rollout_id AND r.recorded_in = v.recorded_in AND r.stage = 'attempt'"
        "  WHERE v.outcome = 'wrong' AND v.recorded_in <= coalesce(?, v.recorded_in)"
        "  GROUP BY v.recorded_in, v.question_id"
        ") "
        "SELECT a.round, a.question_id, a.skill, a.level, a.zone, f.rollout_id FROM attempts a "
        "LEFT JOIN failed f ON f.recorded_in = a.recorded_in AND f.question_id = a.question_id "
        "WHERE (f.rollout_id IS NOT NULL OR a.zone = 'mastered') AND a.round <= coalesce(?, a.round) "
        "ORDER BY a.round, a.question_id",
        [until, until],
    )


def _remembered(outcomes: Iterable[Row]) -> dict[str, Row]:
    """Failures that are remembered after all rounds, by question."""
    held: dict[str, Row] = {}
    for _, group in groupby(outcomes, key=lambda row: row["round"]):
        rows = {row["question_id"]: row for row in group}
        held |= {name: row for name, row in rows.items() if row["rollout_id"] is not None}
        places = {name: (f"{row['skill']}/{row['level']}", row["round"]) for name, row in held.items()}
        for name in forgotten(places, {name: row["zone"] for name, row in rows.items()}):
            del held[name]
    return held
