"""One run: its curve, its map of skills and levels, where its questions went, its training, its time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ...records import Evaluation, RoundReport, RunReport
from ..console import summary
from ..training import word_of
from .charts import Chart, Series, in_percent
from .found import ThisRun
from .rendering import page
from .trouble import trouble_of

router = APIRouter()
ZONES = {"too_hard": "too hard", "learning": "learning", "mastered": "mastered"}
_ROUNDS = 50
"""Rounds that the table has at first."""
_GUARDS = ("guard/chosen", "guard/kl", "guard/entropy", "guard/ranking", "grad_norm")


@dataclass(frozen=True, slots=True)
class Map:
    """Shares by skill and level in each round, one of which is shown."""

    kind: str
    rounds: list[int]
    at: int
    """Place of the round that is shown."""
    skills: list[str]
    shares: list[list[int | None]]
    """Percent, by round; skills one after another, each with all levels. None was not measured."""


@router.get("", response_class=HTMLResponse)
def shown(
    run: ThisRun, at: Annotated[int | None, Query(ge=0)] = None, rounds: Literal["", "all"] = ""
) -> HTMLResponse:
    """
    Args:
        at: round whose maps are shown; the last if left out.
        rounds: whether the table has all of them.
    """
    report = run.report()
    newest = report.rounds[::-1] if report else []
    return page(
        "run.jinja",
        run=run,
        report=report,
        summary=summary(report) if report else "",
        charts=charts(report) if report and report.baseline else [],
        levels=_levels(report),
        maps=maps(report, at) if report else [],
        rounds=newest if rounds else newest[:_ROUNDS],
        older=0 if rounds else max(0, len(newest) - _ROUNDS),
        trouble=trouble_of(run),
    )


def charts(report: RunReport) -> list[Chart]:
    """The charts of a run that has measured its base model."""
    rounds = report.rounds
    numbers = [str(entry.round) for entry in rounds]
    made = [_heldout(report)]
    if rounds:
        made += [_zones(rounds, numbers), _flow(rounds, numbers), *_guards(rounds, numbers)]
        made += [_stages(report), _tokens(rounds, numbers)]
    return made


def _heldout(report: RunReport) -> Chart:
    assert report.baseline is not None
    measured = [report.baseline, *(entry.heldout for entry in report.rounds)]
    kept = [True, *(entry.promoted for entry in report.rounds)]
    return Chart(
        "heldout",
        "Held-out accuracy, and what the gate kept",
        "line",
        [str(number) for number in range(len(measured))],
        [
            Series(
                "held-out",
                [in_percent(one.accuracy) for one in measured],
                [in_percent(one.ci95[0]) for one in measured],
                [in_percent(one.ci95[1]) for one in measured],
                [not one for one in kept],
            ),
            Series(
                "validation",
                [None, *(in_percent(entry.validation.accuracy) for entry in report.rounds)],
                color=1,
            ),
        ],
        unit="%",
        said=f"Intervals are 95 % (Wilson) on {measured[0].n} questions. An empty point is a Solver that the "
        "gate did not keep. The validation set decides; the held-out set decides nothing.",
    )


def _zones(rounds: Sequence[RoundReport], numbers: Sequence[str]) -> Chart:
    shares = [entry.zones.model_dump() for entry in rounds]
    totals = [sum(one.values()) or 1 for one in shares]
    series = [
        Series(
            name,
            [round(100 * one[key] / total, 1) for one, total in zip(shares, totals, strict=True)],
            color=color,
        )
        for color, (key, name) in enumerate(ZONES.items(), 2)
    ]
    return Chart("zones", "Zones of the questions asked", "stacked", numbers, series, unit="%", largest=100)


def _flow(rounds: Sequence[RoundReport], numbers: Sequence[str]) -> Chart:
    reasons = Counter[str]()
    for entry in rounds:
        reasons.update(entry.questions.refused)
    series = [Series("admitted", [entry.questions.admitted for entry in rounds], color=4)]
    series += [
        Series(
            f"refused: {reason}",
            [entry.questions.refused.get(reason, 0) for entry in rounds],
            color=5 + place,
        )
        for place, (reason, _) in enumerate(reasons.most_common(6))
    ]
    return Chart("flow", "Proposed questions: admitted, or refused by reason", "stacked", numbers, series)


def _guards(rounds: Sequence[RoundReport], numbers: Sequence[str]) -> list[Chart]:
    made = []
    for key in _GUARDS:
        last = [_finite(entry.train.metrics.get(key)) for entry in rounds]
        first = [_finite(entry.train.metrics.get(f"first/{key}")) for entry in rounds]
        if any(value is not None for value in last):
            series = [Series("at the end", last), Series("in its first steps", first, color=1)]
            name = key.removeprefix("guard/").replace("_", " ")
            made.append(
                Chart(f"guard-{name.replace(' ', '-')}", f"Training: {word_of(key)}", "line", numbers, series)
            )
    return made


def _finite(value: float | None) -> float | None:
    """What a chart can show: the figures of a training that a guard stopped may have no end, or be none."""
    return value if value is not None and math.isfinite(value) else None


def _stages(report: RunReport) -> Chart:
    spent = Counter[str]()
    for account in (report.start_seconds, *(entry.seconds for entry in report.rounds)):
        spent.update(account)
    ranked = [(stage, time) for stage, time in spent.most_common() if time >= 0.05]
    return Chart(
        "stages",
        "Time by stage",
        "bar",
        [stage for stage, _ in ranked],
        [Series("seconds", [round(time, 1) for _, time in ranked])],
        axis="stage",
        unit="s",
    )


def _tokens(rounds: Sequence[RoundReport], numbers: Sequence[str]) -> Chart:
    roles = dict.fromkeys(role for entry in rounds for role in entry.calls)
    series = [
        Series(
            role,
            [figures.completion_tokens if (figures := entry.calls.get(role)) else 0 for entry in rounds],
            color=place,
        )
        for place, role in enumerate(roles)
    ]
    return Chart("tokens", "Tokens written, by role", "stacked", numbers, series)


def _levels(report: RunReport | None) -> list[str]:
    return sorted(report.baseline.by_level, key=int) if report and report.baseline else []


def maps(report: RunReport, at: int | None = None) -> list[Map]:
    """Held-out accuracy after each round, and pass rates of each round's attempts."""
    if report.baseline is None:
        return []
    after = {entry.round: entry.heldout.by_cell for entry in report.rounds}
    found = [_map("heldout", report.baseline, {0: report.baseline.by_cell} | after, at)]
    tried = {entry.round: entry.pass_rates for entry in report.rounds}
    return [*found, _map("pass", report.baseline, tried, at)] if tried else found


def _map(kind: str, baseline: Evaluation, rounds: Mapping[int, Mapping[str, float]], at: int | None) -> Map:
    levels = sorted(baseline.by_level, key=int)
    named = (key.rpartition("/")[0] for cells in rounds.values() for key in cells)
    skills = list(dict.fromkeys([*baseline.by_skill, *named]))
    keys = [f"{skill}/{level}" for skill in skills for level in levels]
    numbers = list(rounds)
    return Map(
        kind=kind,
        rounds=numbers,
        at=numbers.index(at) if at is not None and at in rounds else len(numbers) - 1,
        skills=skills,
        shares=[[_whole(cells.get(key)) for key in keys] for cells in rounds.values()],
    )


def _whole(share: float | None) -> int | None:
    return None if share is None else round(100 * share)
