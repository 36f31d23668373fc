"""Requests to models: what was asked, how long it took, what failed, and how the reply ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .stages import STEP, TURN
from .tables import Row, Tables, first_round
from .troubled import AGAIN, CUT_OFF, FAILED, TROUBLED

MOST = 50
"""Shown where nothing else is asked for."""

TAIL = 400
"""Signs of what came back that are shown: its end, where the answer is and where it breaks off."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that fit what was asked for; `shown` are the newest, newest first."""

    total: int
    failed: int
    """That came to nothing, after all tries."""
    again: int
    """That were sent more than once."""
    cut_off: int
    """Of which the tokens of a reply ran out."""
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    """Of all together; they run side by side."""
    roles: dict[str, int]
    """Calls of every role in the same rounds, fitting or not."""
    shown: list[Row]


def calls(
    tables: Tables,
    round: int | None = None,
    role: str | None = None,
    failed: bool = False,
    most: int | None = MOST,
) -> Calls:
    """
    Args:
        role: of the model; canaries, which check weights and ask nothing, only where they are named.
        failed: only those that failed, had to be sent again or were cut off.
        most: how many are shown; all with None.
    """
    where = (
        "c.recorded_in = coalesce(?, c.recorded_in) AND (c.role = ? OR (? IS NULL AND c.role <> 'canary'))"
    )
    where += f" AND {TROUBLED}" if failed else ""
    given = [round, role, role]
    counts = tables.rows(
        "SELECT c.recorded_in, count(*) AS count, coalesce(sum(c.seconds), 0) AS seconds, "  # noqa: S608
        "coalesce(sum(c.prompt_tokens), 0)::BIGINT AS prompt_tokens, "
        "coalesce(sum(c.completion_tokens), 0)::BIGINT AS completion_tokens, "
        f"count(*) FILTER ({FAILED}) AS failed, count(*) FILTER ({AGAIN}) AS again, "
        f"count(*) FILTER ({CUT_OFF}) AS cut_off "
        f"FROM calls c WHERE {where} GROUP BY c.recorded_in",
        given,
    )
    return Calls(
        total=sum(row["count"] for row in counts),
        failed=sum(row["failed"] for row in counts),
        again=sum(row["again"] for row in counts),
        cut_off=sum(row["cut_off"] for row in counts),
        prompt_tokens=sum(row["prompt_tokens"] for row in counts),
        completion_tokens=sum(row["completion_tokens"] for row in counts),
        seconds=sum(row["seconds"] for row in counts),
        roles=_roles(tables, round),
        shown=_newest(tables, where, given, first_round(counts, most), most) if counts else [],
    )


def _roles(tables: Tables, round: int | None) -> dict[str, int]:
    rows = tables.rows(
        "SELECT role, count(*) AS count FROM calls WHERE recorded_in = coalesce(?, recorded_in) "
        "GROUP BY role ORDER BY role",
        [round],
    )
    return {row["role"]: row["count"] for row in rows}


def _newest(tables: Tables, where: str, given: Sequence[object], first: int, most: int | None) -> list[Row]:
    """The end of a reply is cut off here: a reply may be of any length."""
    return tables.rows(
        "WITH asked AS ("  # noqa: S608
        f"  SELECT *, {TURN} AS turn FROM"
        f"  (SELECT c.*, row_number() OVER () AS place, {STEP} AS step FROM calls c WHERE recorded_in >= ?) c"
        f"  WHERE {where}"
        "  ORDER BY recorded_in DESC, turn DESC, step DESC, place DESC LIMIT coalesce(?, 9000000000000000)"
        ") "
        "SELECT id, recorded_in AS round, stage, role, model, endpoint, checkpoint, template, subject_id, "
        "seconds, prompt_tokens, completion_tokens, coalesce(failure, '') AS failure, "
        "left(coalesce(error, ''), ?) AS error, coalesce(tried, []) AS tried, "
        f"{CUT_OFF} AS cut_off, len(completions) AS completions, "
        "right(coalesce(completions[-1], ''), ?) AS \"end\", "
        "coalesce(length(completions[-1]), 0) AS length "
        "FROM asked ORDER BY recorded_in DESC, turn DESC, step DESC, place DESC",
        [first, *given, most, TAIL, TAIL],
    )
