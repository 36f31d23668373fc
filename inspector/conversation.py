"""What a run's models were asked and said, in the order in which it happened.

Calls do not say when they were sent: they stand in the order of `stages.py`, and within a stage in that of
their parts, which are written as the replies come; requests of one stage run side by side.

Asked of an index, whose rows have an address (`rowid`) in the order in which they were taken in.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .stages import STEP, TURN, node_of
from .tables import Row, Tables
from .troubled import TROUBLED

_ORDER = "recorded_in DESC, turn, step, length(recorded_as), recorded_as, place"
_LONG = 60_000
"""Signs of a prompt that a list shows; a longer one is only on its own page."""
_CUT = 6_000
"""Signs of each completion that a list shows."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls; what is None or empty asks for nothing."""

    role: str = ""
    """Canaries, which check weights and ask nothing, only where they are named."""
    skill: str = ""
    """Of the question or proposal that the call was made for."""
    verdict: str = ""
    """Of one of its rollouts."""
    stage: str = ""
    failed: bool = False
    """Those in trouble alone; see `troubled.py`."""
    text: str = ""
    """In the prompt, a completion or the subject, in small or capital letters."""


@dataclass(frozen=True, slots=True)
class Found:
    """Calls in their order, with `node`, and where the looking ended."""

    calls: list[Row]
    more: bool
    until: int | None = None
    """The oldest round that was looked at, where time ran out before the records did."""


def newest_round(tables: Tables) -> int | None:
    """The last one that asked a model anything."""
    (row,) = tables.rows("SELECT max(recorded_in) AS round FROM calls")
    return None if row["round"] is None else int(row["round"])


def stages(tables: Tables, round: int) -> list[Row]:
    """A round's stages in order: node, stage, role, how many calls, how many of them in trouble."""
    rows = tables.rows(
        f"SELECT {TURN} AS turn, step, stage, role, count(*) AS count, "  # noqa: S608
        f"count(*) FILTER ({TROUBLED}) AS troubled FROM "
        f"(SELECT *, {STEP} AS step FROM calls WHERE recorded_in = ?) GROUP BY turn, step, stage, role "
        "ORDER BY turn, step, stage, role",
        [round],
    )
    return [{**row, "node": node_of(row["step"])} for row in rows]


def of_round(tables: Tables, round: int, wanted: Wanted, most: int, skip: int = 0) -> Found:
    """Calls of one round from its beginning."""
    keys = _keys(tables, round, round, wanted, most + 1, skip)
    return Found(_whole(tables, keys[:most]), len(keys) > most)


def of_all(
    tables: Tables, newest: int, wanted: Wanted, most: int, skip: int = 0, spend: float = 0.2
) -> Found:
    """Calls of all rounds, the newest round first.

    Args:
        newest: the round to begin at.
        spend: seconds after which no further rounds are looked at.
    """
    keys: list[Row] = []
    started, last = time.monotonic(), newest
    for low, high in _spans(newest):
        keys += _keys(tables, low, high, wanted, most + 1 + skip - len(keys), 0)
        last = low
        if len(keys) > most + skip or time.monotonic() - started > spend:
            break
    shown = keys[skip : skip + most]
    full = len(keys) > skip + most
    return Found(_whole(tables, shown), full, None if full or last == 0 else last)


def _spans(newest: int) -> Iterator[tuple[int, int]]:
    """Rounds from the newest to the first, more of them at a time."""
    high, width = newest, 1
    while high >= 0:
        low = max(0, high - width + 1)
        yield low, high
        high, width = low - 1, min(4 * width, 64)


def _keys(tables: Tables, low: int, high: int, wanted: Wanted, most: int, skip: int) -> list[Row]:
    """Addresses of calls; their texts are read of few of them."""
    where, given = _where(wanted, low, high)
    return tables.rows(
        f"SELECT place, recorded_in, step FROM (SELECT *, {TURN} AS turn FROM ("  # noqa: S608
        f"SELECT rowid AS place, recorded_in, recorded_as, stage, {STEP} AS step FROM calls WHERE {where})) "
        f"ORDER BY {_ORDER} LIMIT ? OFFSET ?",
        [*given, most, skip],
    )


def _where(wanted: Wanted, low: int, high: int) -> tuple[str, list[object]]:
    rules, given = ["recorded_in BETWEEN ? AND ?"], [low, high]
    told: list[tuple[object, str, list[object]]] = [
        (wanted.role, "role = ?", [wanted.role]),
        (not wanted.role and wanted.stage != "canary", "role <> 'canary'", []),
        (wanted.stage, "stage = ?", [wanted.stage]),
        (wanted.failed, TROUBLED, []),
        (wanted.skill, _OF_SKILL, [wanted.skill, low, high]),
        (wanted.verdict, _OF_VERDICT, [low, high, low, high, wanted.verdict]),
        (wanted.text, _OF_TEXT, [wanted.text, _as_json(wanted.text), wanted.text, wanted.text]),
    ]
    all_given: list[object] = [*given]
    for asked, rule, values in told:
        if asked:
            rules.append(rule)
            all_given += values
    return " AND ".join(rules), all_given


_OF_SKILL = (
    "split_part(subject_id, '.', 1) IN (WITH of AS (SELECT id FROM "
    "(SELECT id, skill FROM questions UNION ALL SELECT id, skill FROM labelled UNION ALL "
    "SELECT id, skill FROM validation UNION ALL SELECT id, skill FROM heldout) WHERE skill = ?) "
    "SELECT id FROM of UNION ALL SELECT p.id FROM proposals p JOIN of ON of.id = p.question_id "
    "WHERE p.recorded_in BETWEEN ? AND ?)"
)
_OF_VERDICT = (
    "id IN (SELECT r.call_id FROM rollouts r JOIN verdicts v ON v.rollout_id = r.id "
    "AND v.recorded_in = r.recorded_in WHERE r.recorded_in BETWEEN ? AND ? AND v.recorded_in BETWEEN ? AND ? "
    "AND v.outcome = ?)"
)
_OF_TEXT = (
    "(contains(lower(messages), lower(?)) OR contains(lower(messages), lower(?)) "
    "OR contains(lower(array_to_string(completions, chr(10))), lower(?)) OR subject_id = ?)"
)


def _as_json(text: str) -> str:
    """As a text stands within the JSON of a prompt, which writes other signs than these of ASCII as codes."""
    return "".join(
        sign if " " <= sign <= "~" and sign not in '"\\' else sign.encode("unicode_escape").decode()
        for sign in text
    ).replace('"', '\\"')


def _whole(tables: Tables, keys: Sequence[Row]) -> list[Row]:
    """Calls with their texts, cut so that a list can hold them."""
    if not keys:
        return []
    rounds = [row["recorded_in"] for row in keys]
    rows = tables.rows(
        "SELECT * EXCLUDE (messages, completions, reasoning), rowid AS place, "  # noqa: S608
        f"CASE WHEN length(messages) <= {_LONG} THEN messages END AS messages, "
        f"length(messages) AS length, [left(x, {_CUT}) for x in completions] AS completions, "
        "[length(x) for x in completions] AS lengths, "
        f"[left(x, {_CUT}) for x in reasoning] AS reasoning "
        "FROM calls WHERE recorded_in BETWEEN ? AND ? AND rowid IN (SELECT unnest(?::BIGINT[]))",
        [min(rounds), max(rounds), [row["place"] for row in keys]],
    )
    by_place = {row["place"]: row for row in rows}
    return [
        {**by_place[key["place"]], "node": node_of(key["step"])} for key in keys if key["place"] in by_place
    ]


def call(tables: Tables, name: str) -> list[Row]:
    """Every request of that id with all of its texts, in order: a resume asks again for what failed."""
    rows = tables.rows(
        f"SELECT *, length(messages) AS length, [length(x) for x in completions] AS lengths, "  # noqa: S608
        f"{STEP} AS step FROM calls WHERE id = ? ORDER BY rowid LIMIT 50",
        [name],
    )
    return [{**row, "node": node_of(row["step"])} for row in rows]
