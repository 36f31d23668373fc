"""All runs, and two or more of them side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ...records import RunReport
from ..difference import flat
from .charts import Chart, Series, in_percent, sparkline
from .found import AllRuns, home
from .rendering import page
from .runs import Run

router = APIRouter()
_MOST = 8
"""Runs that are compared at once: more lines cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Line:
    """A run in the list."""

    run: Run
    report: RunReport | None
    address: str
    spark: str
    """Points of its held-out curve, in a box of 100 by 24."""


@router.get("/", response_class=HTMLResponse)
def listed(runs: AllRuns) -> HTMLResponse:
    lines = [_line(run) for run in runs.all()]
    lines.sort(key=lambda line: -line.run.written)
    return page("runs.jinja", lines=lines, path=str(runs.path), grids=runs.comparisons(), run=None)


@router.get("/compare", response_class=HTMLResponse)
def compared(runs: AllRuns, run: Annotated[list[str] | None, Query()] = None) -> HTMLResponse:
    wanted = [found for key in dict.fromkeys(run or []) if (found := runs.find(key))][:_MOST]
    lines = [_line(one) for one in wanted]
    measured = [line for line in lines if line.report and line.report.baseline]
    return page(
        "compare_runs.jinja", lines=lines, charts=_charts(measured), settings=_settings(wanted), run=None
    )


def _line(run: Run) -> Line:
    report = run.report()
    values = curve(report)
    low, high = min(values, default=0.0), max(values, default=1.0)
    return Line(run, report, home(run), sparkline(list(enumerate(values)), low, high))


def curve(report: RunReport | None) -> list[float]:
    """Held-out accuracy of the Solver that was kept, the base model first."""
    if report is None or report.baseline is None:
        return []
    kept = [report.baseline.accuracy]
    for entry in report.rounds:
        kept.append(entry.heldout.accuracy if entry.promoted else kept[-1])
    return kept


def _charts(lines: list[Line]) -> list[Chart]:
    if not lines:
        return []
    curves = [curve(line.report) for line in lines]
    longest = max(map(len, curves))
    series = [
        Series(
            line.run.key,
            [in_percent(value) for value in values] + [None] * (longest - len(values)),
            color=place,
        )
        for place, (line, values) in enumerate(zip(lines, curves, strict=True))
    ]
    labels = [str(number) for number in range(longest)]
    return [Chart("heldout", "Held-out accuracy of the kept Solver", "line", labels, series, unit="%")]


def _settings(runs: list[Run]) -> list[tuple[str, list[str]]]:
    """Settings in which they differ."""
    told = [flat(config.model_dump()) if (config := run.config()) else {} for run in runs]
    names = dict.fromkeys(name for one in told for name in one)
    rows = [(name, [str(one.get(name, "–")) for one in told]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]
