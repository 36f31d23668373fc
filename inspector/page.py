"""report.html: one self-contained page of a run, no script, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from ..memory.run import write_whole
from ..records import Evaluation, RunReport
from .console import LABELS, diversity_line, labels_line, summary
from .training import training_line
from .verifying import verifier_line

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 260, 44, 28
ZONES = ("mastered", "learning", "too_hard")

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    autoescape=True,
)


@dataclass(frozen=True, slots=True)
class Dot:
    """One measured checkpoint in the curve, in pixels."""

    x: float
    y: float
    low: float
    high: float
    round: int
    percent: float
    kept: bool


def write_page(path: Path, report: RunReport) -> None:
    """Draw the page anew from a report."""
    template = _environment.get_template("report.jinja")
    write_whole(
        path,
        template.render(
            report=report,
            summary=summary(report),
            dots=_dots(report),
            ticks=[(value, _y(value / 100)) for value in range(0, 101, 20)],
            width=WIDTH,
            height=HEIGHT,
            left=LEFT,
            bottom=BOTTOM,
            maps=[
                (
                    "Pass rate by skill and level: the attempts of each round",
                    [_map(entry.round, report, entry.pass_rates) for entry in report.rounds],
                ),
                (
                    "Held-out accuracy by skill and level, after each round",
                    [_map(number, report, evaluation.by_cell) for number, evaluation, _ in _measured(report)],
                ),
            ],
            trust=[
                (entry.round, labels_line(entry.labels), diversity_line(entry.diversity, entry.collapsed))
                for entry in report.rounds
            ],
            judged=[(e.round, verifier_line(e.verifier)) for e in report.rounds if e.verifier],
            trained=[(e.round, training_line(e.train)) for e in report.rounds if e.train.examples],
            zones=_shares(report),
            zone_names=ZONES,
            stages=_stages(report),
            labels=LABELS,
        ),
    )


def _measured(report: RunReport) -> list[tuple[int, Evaluation, bool]]:
    """(round, held-out evaluation, kept), the base model first."""
    first = [(0, report.baseline, True)] if report.baseline else []
    return first + [(entry.round, entry.heldout, entry.promoted) for entry in report.rounds]


def _y(share: float) -> float:
    return round((HEIGHT - BOTTOM) * (1 - share) + 6 * share, 1)


def _dots(report: RunReport) -> list[Dot]:
    measured = _measured(report)
    apart = (WIDTH - LEFT - 30) / max(1, len(measured) - 1)
    return [
        Dot(
            x=round(LEFT + 14 + place * apart, 1),
            y=_y(evaluation.accuracy),
            low=_y(evaluation.ci95[0]),
            high=_y(evaluation.ci95[1]),
            round=number,
            percent=round(100 * evaluation.accuracy, 1),
            kept=kept,
        )
        for place, (number, evaluation, kept) in enumerate(measured)
    ]


@dataclass(frozen=True, slots=True)
class Map:
    """Percent right by skill (rows) and level (columns)."""

    round: int
    levels: list[str]
    rows: list[tuple[str, list[int | None]]]


def _map(number: int, report: RunReport, cells: Mapping[str, float]) -> Map:
    """A map with the same rows and columns for every round; what was not measured stays empty."""
    baseline = report.baseline
    skills = list(baseline.by_skill) if baseline else []
    levels = sorted(baseline.by_level, key=int) if baseline else []

    def percent(skill: str, level: str) -> int | None:
        share = cells.get(f"{skill}/{level}")
        return None if share is None else round(100 * share)

    return Map(number, levels, [(skill, [percent(skill, level) for level in levels]) for skill in skills])


def _shares(report: RunReport) -> list[tuple[int, list[tuple[str, int, float]]]]:
    """For each round: (zone, questions, share in percent)."""
    rows = []
    for entry in report.rounds:
        counts = entry.zones.model_dump()
        total = sum(counts.values()) or 1
        rows.append((entry.round, [(z, counts[z], round(100 * counts[z] / total, 2)) for z in ZONES]))
    return rows


def _stages(report: RunReport) -> list[tuple[str, float, float]]:
    """(stage, seconds over the whole run, share of the longest in percent), longest first."""
    spent: dict[str, float] = {}
    for account in (report.start_seconds, *(entry.seconds for entry in report.rounds)):
        for stage, seconds in account.items():
            spent[stage] = spent.get(stage, 0.0) + seconds
    longest = max(spent.values(), default=1.0) or 1.0
    ranked = sorted(spent.items(), key=lambda item: -item[1])
    return [(stage, seconds, round(100 * seconds / longest, 1)) for stage, seconds in ranked]
