"""What of a run is exported: the records of its finished rounds, a batch at a time.

A part is read in batches, so that memory does not grow with the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ...config import RunConfig
from ...errors import RunError
from ...graph.lock import held
from ...memory.run import RunFolder, damaged, schema_of
from ...records import RunReport
from ..console import forked_line
from ..database import VIEWS
from ..reports import load_report

BATCH = 4096
"""Rows that are in memory together."""

_SET_OUT = ("questions", "heldout", "validation")
"""Tables whose part of round 0 is there when a run begins."""


@dataclass(frozen=True, slots=True)
class Source:
    """A run as it stands; rounds that end meanwhile are not seen."""

    folder: RunFolder
    config: RunConfig
    report: RunReport | None
    """None where nothing has been measured yet."""
    rounds: tuple[int, ...]
    """Those that are over, in their order."""
    left_out: tuple[int, ...]
    """Those that are not."""

    @property
    def name(self) -> str:
        return self.folder.path.resolve().name

    @property
    def forked(self) -> list[str]:
        """Where its first rounds were played. What was set anew is left out: it may name paths and
        addresses of the machine that played it."""
        forked = self.report.forked if self.report else []
        return [forked_line(one.model_copy(update={"settings": []})) for one in forked]

    @property
    def notes(self) -> list[str]:
        """What a person should know of an export of this run."""
        lines = self.forked
        if not self.left_out:
            return lines
        which = ", ".join(map(str, self.left_out))
        why = "is being played" if _held(self.folder) else "has not been played to its end"
        return [*lines, f"{self.name} {why}: what round {which} has so far is left out"]

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """A table of `maieutic query`, batch by batch: the rounds and their parts in their order, every
        batch with all columns; what a part of an older version lacks is null.

        Raises:
            RunError: a part is damaged.
        """
        wanted = schema(table)
        begun = (0,) if table in _SET_OUT and not self.rounds else ()
        for number in (*begun, *self.rounds):
            for part in sorted(self.folder.round(number).glob(f"{VIEWS[table].parts}.parquet"), key=_order):
                for batch in _batches(part):
                    yield _filled(part, batch, wanted, number)

    def bank(self) -> Iterator[pa.RecordBatch]:
        """Every question that may be attempted: seeds that were given an answer later are a table of their
        own."""
        yield from self.batches("questions")
        yield from self.batches("labelled")

    def of(self, number: int) -> Source:
        """The same with one round alone."""
        return replace(self, rounds=(number,))

    @property
    def kept(self) -> str:
        """The checkpoint that the gate keeps."""
        promoted = [n for n in self.rounds if n and (self.folder.read_json(n, "gate") or {}).get("promoted")]
        return f"solver-{promoted[-1]:04d}" if promoted else "base"


def source_of(folder: RunFolder, config: RunConfig) -> Source:
    """
    Raises:
        RunError: the report, or what a gate wrote, is damaged.
    """
    begun = list(folder.rounds())
    over = [number for number in begun if folder.read_json(number, "gate") is not None]
    report = load_report(folder) if folder.report.exists() else None
    left = tuple(number for number in begun if number not in over)
    return Source(folder, config, report, tuple(over), left)


def schema(table: str) -> pa.Schema:
    """The columns of a table of `maieutic query`."""
    columns = schema_of(VIEWS[table].record)
    return columns.append(pa.field("recorded_in", pa.int64())).append(pa.field("recorded_as", pa.string()))


def _held(folder: RunFolder) -> bool:
    try:
        return held(folder)
    except OSError:  # a copy that cannot be written to is played by nobody
        return False


def _order(part: Path) -> tuple[str, int]:
    """Parts by their series and number; from 10,000 on a number is longer than its name's order knows."""
    series, _, number = part.stem.rpartition("-")
    return series, int(number) if re.fullmatch(r"[0-9]{1,12}", number) else 0


def _batches(part: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(part) as file:
            yield from file.iter_batches(BATCH)
    except (pa.ArrowException, OSError) as error:
        raise RunError(damaged(part, error)) from error


def _filled(part: Path, batch: pa.RecordBatch, wanted: pa.Schema, number: int) -> pa.RecordBatch:
    columns, place = [], {"recorded_in": number, "recorded_as": part.stem}
    for field in wanted:
        if field.name in place:
            columns.append(pa.array([place[field.name]] * batch.num_rows, field.type))
        elif field.name in batch.schema.names:
            try:
                columns.append(batch.column(field.name).cast(field.type))
            except pa.ArrowException as error:
                raise RunError(damaged(part, error)) from error
        else:
            columns.append(pa.nulls(batch.num_rows, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=wanted)
