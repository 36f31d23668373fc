"""Grading a file of completions: the same rows in the same order, each with its verdict.

Nothing is kept in memory but the rows at hand, and the output appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..errors import RunError, SeedError
from ..records import Question
from .checkers.finding import Checks, Finding
from .columns import FOR_CHECKERS, IN_PLACE
from .rows import Placed, Row, listed, text_of, value_of, weight
from .tables import read_rows
from .writing import write_rows

AT_ONCE = 4096
"""Rows that are read, checked and written together, at most."""

_AT_ONCE_CHARACTERS = 32_000_000
"""Of all values of these rows, about: large rows are taken fewer at a time."""

ADDED = ("verdict", "extracted", "reason")
_FOR_CHECKERS = (*FOR_CHECKERS, "gym")


def grade(
    source: Path,
    checks: Checks,
    name: str,
    out: Path | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Counter[str]:
    """Check every row of a file.

    Args:
        source: JSONL, JSON, CSV, TSV or Parquet with `answer` and `completion`, and with
            `question`, `choices`, `schema`, `rubric`, `tests`, `function`, `asserts` or `gym` where
            the checker wants them.
        checks: decides; stays open, and has a summary of its own afterwards.
        name: the checker's, noted in the questions.
        out: takes the rows with `verdict`, `extracted` and `reason`, in the format of its suffix.
    Returns:
        How many rows were right, wrong, invalid and undecided.
    Raises:
        SeedError: a row cannot be read or lacks a column; the message has its place.
        RunError: the output cannot be written.
    """
    if out is not None and out.exists() and source.exists() and out.samefile(source):
        raise RunError(f"{out}: is the source itself; choose another --out")
    counts: Counter[str] = Counter()
    rows = read_rows(source)
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(contextlib.closing(write_rows(out))) if out else None
        for part in _parts(rows):
            findings = checks.check([_item(placed, name) for placed in part])
            counts.update(finding.outcome for finding in findings)
            if writer is not None:
                writer.write([_graded(row, found) for (_, row), found in zip(part, findings, strict=True)])
            progress(len(part))
        if not counts:
            raise SeedError(f"{source}: no rows; each needs an answer and a completion")
        if writer is not None:
            writer.finish()
    return counts


def _parts(rows: Iterable[Placed]) -> Iterator[list[Placed]]:
    part: list[Placed] = []
    characters = 0
    for placed in rows:
        part.append(placed)
        characters += weight(placed[1])
        if len(part) == AT_ONCE or characters > _AT_ONCE_CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part


def _item(placed: Placed, checker: str) -> tuple[Question, str]:
    place, row = placed
    for column in ("answer", "completion"):
        if row.get(column) is None and not (column == "answer" and any(map(row.get, IN_PLACE))):
            raise SeedError(f"{place}: no {column!r}; columns here: {listed(list(row))}")
    taken = [column for column in ADDED if column in row]
    if taken:
        raise SeedError(f"{place}: has a column {taken[0]!r} already, which grading adds; rename it")
    given = {column: value_of(row[column]) for column in _FOR_CHECKERS if row.get(column)}
    try:
        if "rubric" in given:
            given["rubric"] = text_of(row["rubric"])  # text, even where it would be JSON
        answer = "" if row.get("answer") is None else text_of(row["answer"])
        question = Question.model_construct(
            id="", text=text_of(row.get("question")), answer=answer, solution="", skill="",
            level=0, origin="seed", checker=checker, data=json.dumps(given, default=str) if given else "",
            parent_id=None, round=0,
        )  # fmt: skip
        return question, text_of(row["completion"])
    except RecursionError:
        raise SeedError(f"{place}: nested too deep; leave it out, or write it flat") from None


def _graded(row: Row, finding: Finding) -> Row:
    return {**row, "verdict": finding.outcome, "extracted": finding.extracted, "reason": finding.reason}
