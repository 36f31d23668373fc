"""A large run folder made of a real one: its rounds again and again, each time with ids of their own.

Texts, parts, sizes and every kind of record are those of the run that it is made of, so that what reads it
has the work that a run of so many rollouts would give it. No model takes part.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from maieutic.memory.run import RunFolder
from maieutic.records import Question, RoundReport, RunReport

_CHECKPOINTS = ("checkpoint", "start", "candidate", "against", "kept")


def make_large(of: RunFolder, to: RunFolder, rollouts: int) -> int:
    """Write a run folder with at least so many rollouts of attempts; gives how many rounds it has.

    Raises:
        ValueError: `of` has no finished round that attempted anything.
    """
    report = RunReport.model_validate_json(of.report.read_bytes())
    if not any(entry.questions.attempted for entry in report.rounds):
        raise ValueError(f"{of.path}: a finished round with attempts is wanted")
    shutil.copytree(of.round(0), to.round(0))
    for name in ("run.yaml", "graph.sqlite"):
        shutil.copy(of.path / name, to.path / name)
    shutil.copytree(of.prompts, to.prompts)
    kept = {question.id for question in of.read(0, "questions", Question)}
    kept |= {q.id for series in ("validation", "heldout") for q in of.read(0, f"sets/{series}", Question)}
    made, entries, turn = 0, list[RoundReport](), 0
    while made < rollouts:
        ahead = len(entries)
        for entry in report.rounds:
            made += _copied(of, to, entry.round, turn, ahead, kept)
            entries.append(entry.model_copy(update={"round": entry.round + ahead}))
        turn += 1
    large = report.model_copy(update={"name": to.path.name, "rounds": entries})
    to.report.write_text(large.model_dump_json())
    return len(entries)


def _copied(of: RunFolder, to: RunFolder, source: int, turn: int, ahead: int, kept: set[str]) -> int:
    """Copy a round under another number; gives its rollouts of attempts."""
    made, target = 0, to.round(source + ahead)
    for path in sorted(of.round(source).iterdir()):
        if path.suffix == ".json":
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        for part in sorted(path.iterdir()) if path.is_dir() else ():
            place = target / path.name / part.name
            place.parent.mkdir(parents=True, exist_ok=True)
            if part.suffix != ".parquet":
                shutil.copy(part, place)
                continue
            table = _renamed(pq.read_table(part), turn, ahead, kept)
            pq.write_table(table, place, compression="zstd")
            made += table.num_rows * (path.name == "rollouts" and part.name.startswith("attempt-"))
    return made


def _renamed(table: pa.Table, turn: int, ahead: int, kept: set[str]) -> pa.Table:
    """A part as it would be in a later turn: ids but those of round 0, checkpoints and round numbers."""
    training = "steps" in table.column_names

    def again(value: str) -> str:
        return value if value in kept else f"{value}-{turn}"

    def later(value: str) -> str:
        return re.sub(r"-(\d{4})$", lambda found: f"-{int(found[1]) + ahead:04d}", value)

    for place, name in enumerate(table.column_names):
        change: Callable[[str], str] | None = None
        if name in _CHECKPOINTS or (training and name == "id"):
            change = later
        elif name == "id" or name.endswith("_id"):
            change = again
        column = table.column(name)
        if change:
            values = [value if value is None else change(value) for value in column.to_pylist()]
            table = table.set_column(place, name, pa.array(values, pa.string()))
        elif name in ("round", "against_round"):
            values = [value + ahead if value else value for value in column.to_pylist()]
            table = table.set_column(place, name, pa.array(values, pa.int64()))
    return table


def place_for(folder: Path) -> RunFolder:
    """An empty run folder."""
    folder.mkdir(parents=True)
    return RunFolder(folder)
