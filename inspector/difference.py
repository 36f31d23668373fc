"""Two runs side by side: what was set otherwise, how each went, and how far their ends differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curriculum.comparing import difference as paired
from ..curriculum.comparing import draws
from ..records import Evaluation, RunReport
from .tables import Tables


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    name: str
    settings: Mapping[str, Any]
    """Of run.yaml, sections within sections."""
    report: RunReport
    tables: Tables


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    first: Any
    second: Any
    """None where a run has no such setting."""


@dataclass(frozen=True, slots=True)
class Round:
    """Accuracies after a round; None where a run has not come so far."""

    round: int
    heldout: tuple[float | None, float | None]
    validation: tuple[float | None, float | None]
    kept: tuple[bool | None, bool | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """Final held-out accuracy at one skill and level."""

    skill: str
    level: int
    first: float | None
    second: float | None


@dataclass(frozen=True, slots=True)
class Final:
    """Held-out accuracy of the kept Solver, second less first, by the same questions."""

    questions: int
    difference: float
    low: float
    high: float
    """95 % interval, by bootstrap over questions; what other seeds would do is not in it."""
    p: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run took so far."""

    rounds: int
    seconds: float
    rollouts: int
    """Sampled for training: attempts, and what an objective samples."""
    prompt_tokens: int
    completion_tokens: int
    """Of all roles; what an objective samples is not in them."""
    trained_tokens: int
    """Of completions that an objective sampled."""


@dataclass(frozen=True, slots=True)
class Differing:
    """Of each pair, that of the first run and that of the second."""

    names: tuple[str, str]
    status: tuple[str, str]
    settings: list[Setting]
    versions: list[Setting]
    rounds: list[Round]
    accuracy: tuple[float | None, float | None]
    """Held-out, of the Solver that was kept last."""
    final: Final | None
    """None where their held-out questions are not the same."""
    cells: list[Cell]
    spent: tuple[Spent, Spent]


def difference(first: Side, second: Side) -> Differing:
    """
    Raises:
        RunError: a record is damaged.
    """
    return Differing(
        names=(first.name, second.name),
        status=(first.report.status, second.report.status),
        settings=_settings(flat(first.settings), flat(second.settings)),
        versions=_settings(first.report.versions, second.report.versions),
        rounds=[_base(first, second), *_rounds(first.report, second.report)],
        accuracy=(_accuracy(first.report.final), _accuracy(second.report.final)),
        final=_final(first, second),
        cells=_cells(first.report.final, second.report.final),
        spent=(_spent(first.report), _spent(second.report)),
    )


def flat(settings: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    """Settings by dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        whole = f"{section}{name}"
        found |= flat(value, f"{whole}.") if isinstance(value, Mapping) and value else {whole: value}
    return found


def _settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Setting]:
    names = dict.fromkeys([*first, *second])
    pairs = [Setting(name, first.get(name), second.get(name)) for name in names]
    return [pair for pair in pairs if pair.first != pair.second]


def _rounds(first: RunReport, second: RunReport) -> list[Round]:
    sides = [{entry.round: entry for entry in report.rounds} for report in (first, second)]
    found = []
    for number in sorted(sides[0].keys() | sides[1].keys()):
        one, two = (side.get(number) for side in sides)
        found.append(
            Round(
                round=number,
                heldout=(one.heldout.accuracy if one else None, two.heldout.accuracy if two else None),
                validation=(
                    one.validation.accuracy if one else None,
                    two.validation.accuracy if two else None,
                ),
                kept=(one.promoted if one else None, two.promoted if two else None),
            )
        )
    return found


def _base(first: Side, second: Side) -> Round:
    """The base models, of which a report holds no validation."""
    validation = [
        side.tables.rows(
            "SELECT avg((coalesce(v.outcome, '') = 'right')::INT) AS share FROM rollouts r "
            "LEFT JOIN verdicts v ON v.rollout_id = r.id AND v.recorded_in = r.recorded_in "
            "WHERE r.stage = 'validation' AND r.recorded_in = 0"
        )[0]["share"]
        for side in (first, second)
    ]
    return Round(
        round=0,
        heldout=(_accuracy(first.report.baseline), _accuracy(second.report.baseline)),
        validation=(validation[0], validation[1]),
        kept=(None, None),
    )


def _accuracy(measured: Evaluation | None) -> float | None:
    return measured.accuracy if measured else None


def _cells(first: Evaluation | None, second: Evaluation | None) -> list[Cell]:
    one, two = (side.by_cell if side else {} for side in (first, second))
    keys = sorted((key.rpartition("/")[0], int(key.rpartition("/")[2])) for key in one.keys() | two.keys())
    return [
        Cell(skill, level, one.get(f"{skill}/{level}"), two.get(f"{skill}/{level}")) for skill, level in keys
    ]


def _final(first: Side, second: Side) -> Final | None:
    one, two = _marks(first), _marks(second)
    if not one or one.keys() != two.keys():
        return None
    rows = [np.array([[side[key] for key in one]], dtype=float) for side in (one, two)]
    found = paired(rows[1], rows[0], draws(1, len(one)))
    return Final(len(one), found.mean, found.low, found.high, found.p)


def _marks(side: Side) -> dict[tuple[str, str, str], bool]:
    """Right or not of the Solver that was kept last, by held-out question; no verdict counts as wrong.

    Of the main set alone, which the report speaks of. By text and answer, too: an id of a user's own file
    may be another question in another run.
    """
    kept = max((entry.round for entry in side.report.rounds if entry.promoted), default=0)
    rows = side.tables.rows(
        "SELECT h.id, h.text, h.answer, coalesce(bool_or(v.outcome = 'right'), false) AS is_right "
        "FROM heldout h JOIN rollouts r ON r.question_id = h.id AND r.stage = 'heldout' "
        "LEFT JOIN verdicts v ON v.rollout_id = r.id AND v.recorded_in = r.recorded_in "
        "WHERE r.recorded_in = ? AND NOT regexp_matches(h.recorded_as, '^heldout[0-9]') "
        "GROUP BY h.id, h.text, h.answer ORDER BY h.id, h.text, h.answer",
        [kept],
    )
    return {(row["id"], row["text"], row["answer"]): row["is_right"] for row in rows}


def _spent(report: RunReport) -> Spent:
    return Spent(
        rounds=len(report.rounds),
        seconds=report.seconds,
        rollouts=sum(entry.rollouts.n + entry.train.rollouts for entry in report.rounds),
        prompt_tokens=sum(entry.prompt_tokens for entry in report.calls.values()),
        completion_tokens=sum(entry.completion_tokens for entry in report.calls.values()),
        trained_tokens=sum(entry.train.tokens for entry in report.rounds),
    )
