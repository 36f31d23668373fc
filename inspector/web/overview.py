"""All runs, and two or more of them side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ...records import RunReport
from .charts import Chart, Series
from .found import AllRuns, home
from .rendering import page
from .runs import Run, changed

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
    lines.sort(key=lambda line: -changed(line.run.folder.config))
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
    return Line(run, report, home(run), _spark(curve(report)))


def curve(report: RunReport | None) -> list[float]:
    """Held-out accuracy of the Solver that was kept, the base model first."""
    if report is None or report.baseline is None:
        return []
    kept = [report.baseline.accuracy]
    for entry in report.rounds:
        kept.append(entry.heldout.accuracy if entry.promoted else kept[-1])
    return kept


def _spark(values: list[float]) -> str:
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    width, height = 100 / (len(values) - 1), 20 / ((high - low) or 1)
    return " ".join(
        f"{place * width:.1f},{22 - (value - low) * height:.1f}" for place, value in enumerate(values)
    )


def _charts(lines: list[Line]) -> list[Chart]:
    if not lines:
        return []
    curves = [curve(line.report) for line in lines]
    longest = max(map(len, curves))
    series = [
        Series(
            line.run.key,
            [round(100 * value, 2) for value in values] + [None] * (longest - len(values)),
            color=place,
        )
        for place, (line, values) in enumerate(zip(lines, curves, strict=True))
    ]
    labels = [str(number) for number in range(longest)]
    return [Chart("heldout", "Held-out accuracy of the kept Solver", "line", labels, series, unit="%")]


def _settings(runs: list[Run]) -> list[tuple[str, list[str]]]:
    """Settings in which they differ."""
    flat = [_flat(config.model_dump()) if (config := run.config()) else {} for run in runs]
    names = dict.fromkeys(name for one in flat for name in one)
    rows = [(name, [str(one.get(name, "–")) for one in flat]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def _flat(value: dict[str, object], before: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            found |= _flat(inner, f"{before}{name}.")
        else:
            found[before + name] = inner
    return found
