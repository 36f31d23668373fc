"""The weakness profile, and for one skill: what each round taught about it and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse

from ...records import Evaluation
from ..lesson import lesson
from ..teaching import Subject, Taught, interval, sentence, teaching, told_best
from ..weaknesses import Weak, profile
from .asked import Number, Page, Text
from .charts import Chart, Series, in_percent, sparkline
from .found import ThisRun, below
from .rendering import page
from .runs import Run
from .trouble import trouble_of

router = APIRouter()
_PAGE = 25
"""Rounds of a skill that a page lists."""


@dataclass(frozen=True, slots=True)
class Line:
    """A skill at a level in the list."""

    weak: Weak
    spark: str
    """Points of its pass rate, in a box of 100 by 24; its height is all from 0 to 1."""
    heldout: float | None


@router.get("/weaknesses", response_class=HTMLResponse)
def weaknesses(
    run: ThisRun, skill: Text = "", level: Number = None, round: Number = None, at: Page = 1
) -> HTMLResponse:
    if skill:
        return _one(run, Subject(skill, level), round, at)
    measured = _measured(run)
    last = measured[max(measured)] if measured else None
    lines = [
        Line(weak, _curve(weak), last.by_cell.get(f"{weak.skill}/{weak.level}") if last else None)
        for weak in profile(run)
        if level is None or weak.level == level
    ]
    return page("weaknesses.jinja", run=run, trouble=trouble_of(run), lines=lines, level=level)


def _curve(weak: Weak) -> str:
    return sparkline([(entry.round, entry.pass_rate) for entry in weak.history])


def _measured(run: Run) -> dict[int, Evaluation]:
    """Held-out results by round, 0 the base model."""
    report = run.report()
    if report is None or report.baseline is None:
        return {}
    return {0: report.baseline, **{entry.round: entry.heldout for entry in report.rounds}}


def _one(run: Run, of: Subject, round: int | None, at: int) -> HTMLResponse:
    measured = _measured(run)
    rounds = run.remembered(("teaching", of, len(measured)), lambda: teaching(run, of, measured))
    questions = _questions(run, of)
    if not rounds and not questions and not any(of.accuracy(one) is not None for one in measured.values()):
        raise HTTPException(404, f"this run has no question on {of.said[:100]!r}")
    told = (
        next((one for one in rounds if one.round == round), None) if round is not None else told_best(rounds)
    )
    if round is not None and told is None:
        raise HTTPException(404, f"round {round} did nothing about {of.said[:100]!r}")
    newest = list(reversed(rounds))
    return page(
        "skill.jinja",
        run=run,
        trouble=trouble_of(run),
        of=of,
        questions=questions,
        told=told,
        chosen=round is not None,
        said=sentence(of, told, questions) if told else "",
        ends=(interval(told.before, questions), interval(told.after, questions)) if told else (None, None),
        lesson=lesson(run, of, told.round) if told else {},
        charts=_charts(of, rounds, measured, questions),
        rounds=newest[_PAGE * (at - 1) : _PAGE * at],
        more=len(newest) > _PAGE * at,
        at=at,
        address_of=lambda at: below(run, "weaknesses", skill=of.skill, level=of.level, round=round, page=at),
        levels=_levels(run, of.skill),
    )


def _questions(run: Run, of: Subject) -> int:
    """How many the main held-out set has on the subject."""
    (row,) = run.rows(
        "SELECT count(*) AS count FROM heldout WHERE skill = ? AND level = coalesce(?, level) "
        "AND NOT regexp_matches(recorded_as, '^heldout[0-9]')",
        [of.skill, of.level],
    )
    return int(row["count"])


def _levels(run: Run, skill: str) -> list[int]:
    rows = run.rows("SELECT DISTINCT level FROM attempts WHERE skill = ? ORDER BY level LIMIT 50", [skill])
    return [row["level"] for row in rows]


def _charts(
    of: Subject, rounds: Sequence[Taught], measured: Mapping[int, Evaluation], questions: int
) -> list[Chart]:
    by_round = {one.round: one for one in rounds}
    numbers = sorted({*measured, *by_round})
    if not numbers:
        return []
    accuracy = {number: of.accuracy(one) for number, one in measured.items()}
    return [_pass_rates(numbers, by_round, accuracy, questions), _taught(numbers, by_round)]


def _pass_rates(
    numbers: Sequence[int], rounds: Mapping[int, Taught], accuracy: Mapping[int, float | None], questions: int
) -> Chart:
    ends = [interval(accuracy.get(number), questions) for number in numbers]
    labels = [str(number) for number in numbers]
    asked = [rounds[number].pass_rate if number in rounds else None for number in numbers]
    gates = [rounds[number].gate if number in rounds else None for number in numbers]
    return Chart(
        "skill",
        "Held-out accuracy, and pass rate of what the rounds asked",
        "line",
        labels,
        [
            Series(
                "held-out",
                [in_percent(accuracy.get(number)) for number in numbers],
                [in_percent(end[0]) if end else None for end in ends] if all(ends) else [],
                [in_percent(end[1]) if end else None for end in ends] if all(ends) else [],
                [gate is not None and gate["trained"] and not gate["promoted"] for gate in gates],
            ),
            Series("pass rate of the attempts", [in_percent(share) for share in asked], color=1),
        ],
        unit="%",
        said=f"Intervals are 95 % (Wilson) on {questions:,} held-out questions. An empty point is a Solver "
        "that the gate did not keep. What is asked changes from round to round, and its pass rate with it.",
    )


def _taught(numbers: Sequence[int], rounds: Mapping[int, Taught]) -> Chart:
    there = [rounds.get(number) for number in numbers]
    admitted = [one.written if one else 0 for one in there]
    pairs = [sum(one.pairs.values()) if one else 0 for one in there]
    return Chart(
        "taught",
        "Questions admitted, and new pairs trained on",
        "line",
        [str(number) for number in numbers],
        [
            Series("questions admitted", admitted, color=4),
            Series("new pairs", pairs, color=2),
        ],
    )
