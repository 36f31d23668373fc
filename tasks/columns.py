"""Which column of a seed set says what: found by name, or told; then one plain form for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError, SeedError
from .checkers.answers import MARK, boxed
from .rows import Placed, Row, Trouble, listed, shortened, text_of

NAMES: dict[str, tuple[str, ...]] = {
    "question": ("question", "problem", "prompt", "instruction", "query", "input", "text"),
    "answer": ("answer", "final_answer", "solution", "target", "label", "output", "response"),
    "solution": ("solution", "rationale", "reasoning", "explanation", "cot"),
    "choices": ("choices", "options"),
    "skill": ("skill", "subject", "topic", "category", "type"),
    "level": ("level", "difficulty"),
    "schema": ("schema",),
    "rubric": ("rubric",),
    "tests": ("tests",),
    "function": ("function",),
    "asserts": ("asserts",),
}
"""Columns that are looked for, in this order; case and spaces around do not count."""

LONGEST_QUESTION = 20_000
"""Characters; longer ones are reported and passed over."""


LOOKED_AT = 20
"""Rows whose fields are the columns: those of JSON need not all have the same."""


@dataclass(frozen=True, slots=True)
class SeedRow:
    """A row as it was understood."""

    place: str
    question: str
    answer: str | None
    """None where the set gives none: the Teacher labels it."""
    solution: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Choices, skill, level, and what else a checker needs, where there is any."""


def named_in(rows: Iterable[Placed]) -> list[str]:
    """The fields of some rows, in the order in which they come."""
    return list(dict.fromkeys(str(name) for _, row in rows for name in row))


def mapped(columns: Sequence[str], told: Mapping[str, str]) -> dict[str, str]:
    """For each of our names the column that says it.

    Args:
        columns: names of the set's columns.
        told: what the user says, our name to theirs.
    Raises:
        ConfigError: a name that was told is not there, or no column holds the question.
    """
    for name, column in told.items():
        if name not in NAMES:
            raise ConfigError(f"--map {name}={column}: {name!r} is none of {', '.join(NAMES)}")
        if column not in columns:
            raise ConfigError(f"--map {name}={column}: no such column; there are: {listed(columns)}")
    if "question" in told and told["question"] == told.get("answer"):
        column = told["question"]
        raise ConfigError(
            f"--map answer={column}: the question is read from {column!r} already; name another"
        )
    found = dict(told)
    plain = {column.strip().casefold(): column for column in reversed(columns)}
    for name, known in NAMES.items():
        free = [plain[alias] for alias in known if alias in plain and plain[alias] not in found.values()]
        if name not in found and free:
            found[name] = free[0]
    if "question" not in found:
        there = listed(columns)
        raise ConfigError(f"no column for the question; there are: {there}. Name it: --map question=COLUMN")
    return found


def seed_rows(rows: Iterable[Placed], columns: Mapping[str, str], trouble: Trouble) -> Iterable[SeedRow]:
    """Rows with their question and answer taken out; what has no usable question is reported."""
    for place, row in rows:
        try:
            understood = _understood(place, row, columns)
        except SeedError as error:
            trouble(error)
        except RecursionError:
            trouble(SeedError(f"{place}: nested too deep; leave it out, or write it flat"))
        else:
            yield understood


def _understood(place: str, row: Row, columns: Mapping[str, str]) -> SeedRow:
    text = _text(row, columns, "question")
    if not text:
        column = shortened(columns["question"])
        raise SeedError(f"{place}: {column!r} is empty; fill it in, or remove the row")
    if len(text) > LONGEST_QUESTION:
        raise SeedError(f"{place}: a question of {len(text):,} characters; at most {LONGEST_QUESTION:,}")
    answer, solution = _answer(row, columns)
    given = {name: row[columns[name]] for name in _BESIDE if _there(row, columns, name)}
    return SeedRow(place, text, answer, solution, given)


FOR_CHECKERS = ("choices", "schema", "rubric", "tests", "function", "asserts")
"""What a checker is given beside the answer."""

IN_PLACE = ("schema", "tests", "asserts")
"""Those that may stand in place of an answer."""

_BESIDE = ("skill", "level", *FOR_CHECKERS)


def _there(row: Row, columns: Mapping[str, str], name: str) -> bool:
    return name in columns and row.get(columns[name]) not in (None, "")


def _answer(row: Row, columns: Mapping[str, str]) -> tuple[str | None, str]:
    """(the final answer, the worked solution): GSM8K and MATH keep the one at the end of the other."""
    answer, solution = _text(row, columns, "answer"), _text(row, columns, "solution")
    if MARK in answer:
        return answer.rpartition(MARK)[2].strip() or None, solution or answer
    inside = boxed(answer) if "\\" in answer else None
    if inside is not None:
        return inside[1].strip() or None, solution or answer
    return answer or None, solution


def _text(row: Row, columns: Mapping[str, str], name: str) -> str:
    return text_of(row.get(columns[name])).strip() if name in columns else ""
