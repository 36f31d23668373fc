"""comparison.json: figures of a grid, made from the records of its runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ..curriculum.comparing import (
    Draws,
    Marks,
    difference,
    draws,
    forgotten,
    holm,
    interval,
    place_of,
    reached,
    weights,
)
from ..errors import RunError
from ..memory.run import RunFolder, write_whole
from ..records import (
    OVER,
    CellFigures,
    CellStatus,
    Comparison,
    DifferenceFigures,
    Evaluation,
    Height,
    Point,
    Question,
    RunReport,
    Spread,
    VariantFigures,
)
from .budget import spent
from .compare import failures, status_of
from .grid import Cell, Grid
from .report import heldout_marks, versions

_SURE = 0.05
_OF_CURVES = 1000
"""Resamples of each point of a curve: it is looked at, and nothing is decided by it."""
_HEIGHTS = 40
"""Points of a mean curve, at most."""


_drawn = cache(draws)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: what stands at each of its points."""

    cell: Cell
    figures: CellFigures
    marks: Marks  # (points, questions)

    @property
    def rollouts(self) -> list[float]:
        return [float(point.rollouts) for point in self.figures.points]

    @property
    def seconds(self) -> list[float]:
        return [point.seconds for point in self.figures.points]

    @property
    def heldout(self) -> list[float]:
        return [point.heldout for point in self.figures.points]

    def at(self, places: Sequence[float], x: float) -> Marks:
        """Marks of the Solver that was kept at x."""
        row: Marks = self.marks[place_of(places, x)]
        return row

    def over(self, end: float) -> Marks:
        """Marks, each weighted by the share of [0, end] for which its Solver was kept."""
        row: Marks = np.asarray(weights(self.rollouts, end)) @ self.marks
        return row


def write_comparison(folder: Path, grid: Grid) -> Comparison:
    """Put together what there is; gives what was written."""
    found = gathered(folder, grid)
    write_whole(folder / "comparison.json", found.model_dump_json(indent=1))
    return found


def gathered(folder: Path, grid: Grid) -> Comparison:
    """Figures of every cell and variant, and the differences from the control."""
    failed, cells, runs = failures(folder), list[CellFigures](), list[Run]()
    asked: list[str] = []
    notes: list[str] = []
    for cell in grid.cells():
        status = _status(folder, cell, failed)
        if status != "done":
            cells.append(
                CellFigures(
                    name=cell.name, variant=cell.variant.name, seed=cell.seed, status=status,
                    reason=failed.get(cell.name, ""),
                )
            )  # fmt: skip
            continue
        run, questions = _run(RunFolder(folder / cell.name), cell)
        cells.append(run.figures)
        notes += _ended_early(RunFolder(folder / cell.name), cell)
        if asked and questions != asked:
            notes.append(f"{cell.name} was measured on other questions and is compared with nothing")
            continue
        asked = questions
        runs.append(run)
    end = float(grid.rollouts or min((run.rollouts[-1] for run in runs), default=0.0))
    level = grid.reach if grid.reach is not None else _final(runs, grid.control)
    found = [_variant(v.name, list(v.settings), _of(runs, v.name), end, level) for v in grid.variants]
    return Comparison(
        name=folder.name,
        command=grid.command,
        begun=grid.begun,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        versions=versions(),
        seeds=list(grid.seeds),
        budget=grid.rollouts,
        end=end,
        control=grid.control,
        level=level,
        questions=len(asked),
        cells=cells,
        variants=sorted((v for v in found if v is not None), key=lambda v: -v.validation),
        final=_differences(grid, runs, _last),
        area=_differences(grid, runs, lambda run: run.over(end)) if end > 0 else [],
        notes=notes,
    )


def _last(run: Run) -> Marks:
    row: Marks = run.marks[-1]
    return row


def _status(folder: Path, cell: Cell, failed: dict[str, str]) -> CellStatus:
    if status_of(folder, cell) in OVER:
        return "done"
    if cell.name in failed:
        return "failed"
    return "stopped" if (folder / cell.name).exists() else "waiting"


def _ended_early(folder: RunFolder, cell: Cell) -> list[str]:
    """Of a run that ended before its last round, why; budget.rollouts is what all of them are to end by."""
    ended = RunReport.model_validate_json(folder.report.read_bytes()).ended
    return [f"{cell.name} ended early: {ended.said}"] if ended and ended.by != "budget.rollouts" else []


def _of(runs: Sequence[Run], variant: str) -> list[Run]:
    return [run for run in runs if run.cell.variant.name == variant]


def _final(runs: Sequence[Run], variant: str) -> float | None:
    ends = [run.heldout[-1] for run in _of(runs, variant)]
    return sum(ends) / len(ends) if ends else None


def _run(folder: RunFolder, cell: Cell) -> tuple[Run, list[str]]:
    """A finished run, and the ids of its held-out questions.

    Raises:
        RunError: its records are damaged, or gone.
    """
    try:
        report = RunReport.model_validate_json(folder.report.read_bytes())
        validation = Evaluation.model_validate(folder.read_json(0, "validation"))
    except ValidationError as error:
        raise RunError(_unreadable(folder, error.errors()[0]["msg"])) from error
    if report.baseline is None:
        raise RunError(_unreadable(folder, "there is no figure of the base model"))
    points = [Point(round=0, rollouts=0, seconds=0.0, heldout=report.baseline.accuracy,
                    validation=validation.accuracy)]  # fmt: skip
    rows, kept = [heldout_marks(folder, 0, "heldout")], report.baseline
    seconds = 0.0
    for entry in report.rounds:
        seconds += sum(spent for stage, spent in entry.seconds.items() if stage != "serve")
        row, before = rows[-1], points[-1]
        if entry.promoted:
            row, kept = heldout_marks(folder, entry.round, "heldout"), entry.heldout
        points.append(
            Point(
                round=entry.round,
                rollouts=spent(folder, entry.round + 1),
                seconds=round(seconds, 3),
                heldout=kept.accuracy,
                validation=entry.validation.accuracy if entry.promoted else before.validation,
            )
        )
        rows.append(row)
    lost, known = forgotten(rows[0], rows[-1])
    attempted = {name for entry in report.rounds for name in entry.pass_rates}
    figures = CellFigures(
        name=cell.name,
        variant=cell.variant.name,
        seed=cell.seed,
        status="done",
        points=points,
        known=known,
        forgotten=lost,
        cells=len(kept.by_cell),
        asked=len(attempted & set(kept.by_cell)),
        covered=sum(share >= 0.5 for share in kept.by_cell.values()),
    )
    ids = [question.id for question in folder.read(0, "sets/heldout", Question)]
    return Run(cell, figures, np.asarray(rows, dtype=float)), ids


def _unreadable(folder: RunFolder, why: str) -> str:
    return (
        f"{folder.path} is done, and its report or records are damaged ({why}); bring them back from a "
        "copy, or remove that folder, and the run is played anew"
    )


def _variant(
    name: str, settings: list[str], runs: Sequence[Run], end: float, level: float | None
) -> VariantFigures | None:
    """Means over the seeds that are done; None where none is."""
    if not runs:
        return None
    drawn = _drawn(len(runs), runs[0].marks.shape[1])
    last = [run.figures.points[-1] for run in runs]
    by_rollouts = _curve(runs, lambda run: run.rollouts)
    known = sum(run.figures.known for run in runs)
    return VariantFigures(
        name=name,
        settings=settings,
        seeds=[run.cell.seed for run in runs],
        validation=_mean([point.validation for point in last]),
        heldout=_spread(np.array([run.marks[-1] for run in runs]), drawn),
        area=_spread(np.array([run.over(end) for run in runs]), drawn)
        if end > 0
        else _spread(np.array([run.marks[0] for run in runs]), drawn),
        reach=_reach(runs, level),
        reached=[None if level is None else reached(run.rollouts, run.heldout, level) for run in runs],
        forgotten=sum(run.figures.forgotten for run in runs) / known if known else 0.0,
        covered=_mean([run.figures.covered for run in runs]),
        asked=_mean([run.figures.asked for run in runs]),
        rollouts=_mean([point.rollouts for point in last]),
        seconds=_mean([point.seconds for point in last]),
        by_rollouts=by_rollouts,
        by_seconds=_curve(runs, lambda run: run.seconds),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _spread(marks: Marks, drawn: Draws) -> Spread:
    low, high = interval(marks, drawn)
    return Spread(mean=float(marks.mean()), low=low, high=high)


def _curve(runs: Sequence[Run], at: Callable[[Run], list[float]]) -> list[Height]:
    """The mean over seeds wherever one of them changes."""
    places = sorted({x for run in runs for x in at(run)})
    every = -(-len(places) // _HEIGHTS)
    places = sorted({*places[::every], places[-1]})
    heights, drawn = [], _drawn(len(runs), runs[0].marks.shape[1], _OF_CURVES)
    for x in places:
        spread = _spread(np.array([run.at(at(run), x) for run in runs]), drawn)
        heights.append(Height(x=x, **spread.model_dump()))
    return heights


def _reach(runs: Sequence[Run], level: float | None) -> float | None:
    """Where the mean curve is first at the level."""
    if level is None:
        return None
    places = sorted({x for run in runs for x in run.rollouts})
    means = [_mean([run.heldout[place_of(run.rollouts, x)] for run in runs]) for x in places]
    return reached(places, means, level)


def _differences(grid: Grid, runs: Sequence[Run], of: Callable[[Run], Marks]) -> list[DifferenceFigures]:
    """Every variant against the control, in pairs of seed and question, corrected for their number."""
    control = {run.cell.seed: run for run in _of(runs, grid.control)}
    found = []
    for variant in grid.variants:
        ours = {run.cell.seed: run for run in _of(runs, variant.name)}
        seeds = sorted(ours.keys() & control.keys())
        if variant.name == grid.control or not seeds:
            continue
        one, two = (np.array([of(side[seed]) for seed in seeds]) for side in (ours, control))
        found.append((variant.name, len(seeds), difference(one, two, _drawn(*one.shape))))
    adjusted = holm([entry.p for _, _, entry in found])
    return [
        DifferenceFigures(
            variant=name, seeds=seeds, mean=entry.mean, low=entry.low, high=entry.high, p=entry.p,
            adjusted=p, outside=p < _SURE,
        )
        for (name, seeds, entry), p in zip(found, adjusted, strict=True)
    ]  # fmt: skip
