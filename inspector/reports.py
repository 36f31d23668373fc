"""report.json of a run, and what the records add to it about one round."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from ..errors import RunError
from ..graph.lock import held
from ..memory.run import RunFolder
from ..records import OVER, Evaluation, LabelFigures, RoundReport, RunReport
from .tables import Tables

_EXAMPLES = 3


def load_report(folder: RunFolder) -> RunReport:
    """report.json of a run.

    Raises:
        RunError: it has not finished measuring the base model yet, or the report cannot be read.
    """
    if not folder.report.exists():
        raise RunError(f"{folder.path.name} has no report yet; it appears after the first evaluation")
    try:
        return RunReport.model_validate_json(folder.report.read_bytes())
    except (ValidationError, OSError) as error:
        raise RunError(
            f"{folder.report} is damaged or of another version of maieutic; `maieutic resume "
            f"{folder.path.name}` writes it anew from the records"
        ) from error


def report_now(folder: RunFolder) -> RunReport:
    """The same with the status as it is: a killed run could not write it down, and a resumed one does so
    at its next gate.

    Raises:
        RunError: as `load_report`.
    """
    report = load_report(folder)
    # One that waits for a person goes on waiting when nobody holds it.
    if report.status == "waiting for review" or report.status in OVER:
        return report
    return report.model_copy(update={"status": "running" if held(folder) else "stopped"})


@dataclass(frozen=True, slots=True)
class RoundData:
    """One round; of round 0, which measures the base model, `baseline` and what follows it."""

    round: int
    report: RoundReport | None
    asked: dict[str, int]
    """Questions by `skill/level`."""
    examples: list[str]
    """Ids of some questions: of those solved sometimes, where there are any, the hardest."""
    baseline: Evaluation | None = None
    seed_labels: LabelFigures | None = None
    start_seconds: dict[str, float] | None = None


def round_data(tables: Tables, name: str, report: RunReport, number: int) -> RoundData:
    """
    Raises:
        RunError: the round is not over.
    """
    if number == 0 and report.baseline is not None:
        start = dict(report.start_seconds)
        return RoundData(0, None, {}, [], report.baseline, report.seed_labels, start)
    entry = next((r for r in report.rounds if r.round == number), None)
    if entry is None:
        done = ", ".join(map(str, range(len(report.rounds) + 1)))
        raise RunError(f"{name} has no finished round {number}; finished: {done}")
    counts = tables.rows(
        "SELECT skill, level, count(*) AS count FROM attempts WHERE recorded_in = ? GROUP BY skill, level",
        [number],
    )
    examples = tables.rows(
        "SELECT question_id FROM (SELECT *, row_number() OVER () AS place FROM attempts) "
        "WHERE recorded_in = ? ORDER BY zone <> 'learning', pass_rate, place LIMIT ?",
        [number, _EXAMPLES],
    )
    return RoundData(
        round=number,
        report=entry,
        asked={f"{row['skill']}/{row['level']}": row["count"] for row in counts},
        examples=[row["question_id"] for row in examples],
    )
