"""One run: its curve, its map of skills and levels, where its questions went, its training, its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ...records import Evaluation, RoundReport, RunReport
from ..console import summary
from ..training import training_line
from .charts import Chart, Series
from .found import ThisRun
from .rendering import page
from .trouble import trouble_of

router = APIRouter()
ZONES = {"too_hard": "too hard", "learning": "learning", "mastered": "mastered"}
_GUARDS = ("guard/chosen", "guard/kl", "guard/entropy", "guard/ranking", "grad_norm")


@dataclass(frozen=True, slots=True)
class Cell:
    """A skill at a level, in one round."""

    share: float | None
    said: str


@dataclass(frozen=True, slots=True)
class Map:
    """Shares by skill (rows) and level (columns) of one round."""

    round: int
    rows: list[tuple[str, list[Cell]]]


@router.get("", response_class=HTMLResponse)
def shown(run: ThisRun) -> HTMLResponse:
    report = run.report()
    return page(
        "run.jinja",
        run=run,
        report=report,
        summary=summary(report) if report else "",
        charts=charts(report) if report and report.baseline else [],
        levels=_levels(report),
        maps={"heldout": maps(report, "heldout"), "pass": maps(report, "pass")} if report else {},
        training=[(entry.round, training_line(entry.train)) for entry in report.rounds] if report else [],
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
                [_percent(one.accuracy) for one in measured],
                [_percent(one.ci95[0]) for one in measured],
                [_percent(one.ci95[1]) for one in measured],
                [not one for one in kept],
            ),
            Series(
                "validation",
                [None, *(_percent(entry.validation.accuracy) for entry in report.rounds)],
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
        last = [entry.train.metrics.get(key) for entry in rounds]
        first = [entry.train.metrics.get(f"first/{key}") for entry in rounds]
        if any(value is not None for value in last):
            series = [Series("at the end", last), Series("in its first steps", first, color=1)]
            name = key.removeprefix("guard/").replace("_", " ")
            made.append(
                Chart(f"guard-{name.replace(' ', '-')}", f"Training: {name}", "line", numbers, series)
            )
    return made


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


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _levels(report: RunReport | None) -> list[str]:
    return sorted(report.baseline.by_level, key=int) if report and report.baseline else []


def maps(report: RunReport, kind: str) -> list[Map]:
    """Held-out accuracy after each round, or pass rates of each round's attempts."""
    if report.baseline is None:
        return []
    if kind == "pass":
        return [_map(report.baseline, entry.round, entry.pass_rates) for entry in report.rounds]
    first = [_map(report.baseline, 0, report.baseline.by_cell)]
    return first + [_map(report.baseline, entry.round, entry.heldout.by_cell) for entry in report.rounds]


def _map(baseline: Evaluation, number: int, cells: Mapping[str, float]) -> Map:
    levels = sorted(baseline.by_level, key=int)
    skills = dict.fromkeys([*baseline.by_skill, *(key.rpartition("/")[0] for key in cells)])
    return Map(number, [(skill, [_cell(skill, level, cells) for level in levels]) for skill in skills])


def _cell(skill: str, level: str, cells: Mapping[str, float]) -> Cell:
    share = cells.get(f"{skill}/{level}")
    said = "not measured" if share is None else f"{100 * share:.0f} %"
    return Cell(share, f"{skill}, level {level}: {said}")
