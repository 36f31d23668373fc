"""One question: what it asks, what was answered, where it comes from, what was learned from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, PlainTextResponse

from ..lineage import Use, lineage
from ..tables import BANK, Row, Tables
from .charts import sparkline
from .found import ThisRun
from .rendering import environment, page
from .runs import Run
from .trouble import trouble_of

router = APIRouter()
_CHILDREN = 100
_TURNS = 40
"""Rounds of a question of a fixed set that are shown, the newest."""
_UNLIKELY = -5.0
"""The lower edge of the curve of log-probabilities (nats)."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """How likely its tokens were to the Solver, where that was recorded."""

    mean: float
    """Geometric mean of the probabilities of all tokens."""
    least: float
    answer: float | None
    """The same of the tokens of the answer."""
    line: str
    """Log-probabilities as points in a box of 200 by 24, 0 at the top and −5 at the bottom."""


@router.get("/question/{question_id:path}/text", response_class=PlainTextResponse)
def whole(run: ThisRun, question_id: str) -> PlainTextResponse:
    """Everything that was ever said of a question, whole, as plain text."""
    rollouts = run.rows(
        "SELECT recorded_in, stage, id, completion FROM rollouts WHERE question_id = ? "
        "ORDER BY recorded_in, stage, index LIMIT 1000",
        [question_id],
    )
    if not rollouts:
        raise HTTPException(404, f"{run.key} has no rollouts of a question {question_id[:60]!r}")
    parts = [f"round {r['recorded_in']}, {r['stage']}, {r['id']}\n{r['completion']}\n" for r in rollouts]
    return PlainTextResponse("\n".join(parts))


@router.get("/question/{question_id:path}", response_class=HTMLResponse)
def shown(run: ThisRun, question_id: str) -> HTMLResponse:
    known = run.rows(f"SELECT id FROM {BANK} WHERE id = ? LIMIT 1", [question_id])  # noqa: S608
    if not known:
        return _fixed(run, question_id)
    found = run.remembered(("lineage", question_id), lambda: lineage(run, question_id))
    return page(
        "question.jinja",
        run=run,
        question=found.question,
        ancestors=found.ancestors,
        uses=found.uses[::-1],
        learned=[use for use in found.uses[::-1] if use.pairs],
        children=found.children[:_CHILDREN],
        hidden=max(0, len(found.children) - _CHILDREN),
        descendants=found.descendants,
        trouble=trouble_of(run),
        fixed="",
    )


def _fixed(run: Run, question_id: str) -> HTMLResponse:
    """A question of the validation or the held-out set, which has answers and nothing else."""
    for name in ("validation", "heldout"):
        found = run.rows(f"SELECT * FROM {name} WHERE id = ? LIMIT 1", [question_id])  # noqa: S608
        if found:
            return page(
                "question.jinja",
                run=run,
                question=found[0],
                ancestors=[],
                uses=_evaluated(run, question_id, name),
                learned=[],
                children=[],
                hidden=0,
                descendants=0,
                trouble=trouble_of(run),
                fixed={"validation": "validation", "heldout": "held-out"}[name],
            )
    raise HTTPException(404, f"{run.key} has no question {question_id[:60]!r}")


def _evaluated(run: Tables, question_id: str, stage: str) -> list[Use]:
    """What was answered by the Solver of each round."""
    rows = run.rows(
        "SELECT r.*, v.outcome, v.extracted, v.reason, v.by, v.confidence FROM rollouts r "
        "LEFT JOIN verdicts v ON v.rollout_id = r.id AND v.recorded_in = r.recorded_in "
        "WHERE r.question_id = ? AND starts_with(r.stage, ?) ORDER BY r.recorded_in DESC LIMIT ?",
        [question_id, stage, _TURNS],
    )
    rounds = dict.fromkeys(row["recorded_in"] for row in rows)
    return [_plain_use(round, [row for row in rows if row["recorded_in"] == round]) for round in rounds]


def _plain_use(round: int, rollouts: list[Row]) -> Use:
    return Use(
        round=round, attempt=None, rollouts=rollouts, pairs=[], training=None, gate=None, heldout=None,
        opinions=[], skills=[], hints=[],
    )  # fmt: skip


def confidence(rollout: Row) -> Confidence | None:
    """None where its tokens were not recorded."""
    tokens: Sequence[float] = rollout.get("logprobs") or []
    if not tokens:
        return None
    answer: Sequence[float] = rollout.get("answer_logprobs") or []
    curve = [(place, max(_UNLIKELY, value)) for place, value in enumerate(tokens)]
    return Confidence(
        mean=_mean(tokens),
        least=math.exp(min(tokens)),
        answer=_mean(answer) if answer else None,
        line=sparkline(curve, _UNLIKELY, 0.0, width=200, most=len(curve)),
    )


def _mean(logprobs: Sequence[float]) -> float:
    return math.exp(sum(logprobs) / len(logprobs))


environment().globals["confidence"] = confidence
