"""The data set of `--to hf`: questions, preference pairs and judged rollouts as Parquet shards.

What the fixed sets ask is in none of them: no held-out and no validation question, nor a rollout or a
pair of one, by id or by text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...memory.run import schema_of
from ...records import Question, Rollout, Verdict
from .conversations import pair_columns, pair_schema
from .source import Source, schema

SHARD = 1 << 28
"""Bytes of rows, before they are compressed, after which another shard is begun."""

CONFIGS = ("questions", "pairs", "rollouts")

Advance = Callable[[int], None]

_VERDICT = {"outcome": "verdict", "extracted": "extracted", "reason": "reason", "by": "by",
            "confidence": "verdict_confidence"}  # fmt: skip
"""Columns of a verdict, and what they are called beside a rollout's."""


@dataclass(slots=True)
class Written:
    """What came of it."""

    rows: dict[str, int] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    like_fixed: int = 0
    """Questions left out because a fixed set asks the same in other records."""


def write_dataset(source: Source, folder: Path, advance: Advance) -> Written:
    """Write a folder of shards for each configuration that has any rows."""
    apart, same = apart_of(source)
    made = {"questions": _questions, "pairs": _pairs, "rollouts": _rollouts}
    written = Written(like_fixed=same)
    for name in CONFIGS:
        columns, batches = made[name](source, apart)
        written.columns[name] = columns.names
        written.rows[name] = _write(folder / name, columns, batches, advance)
    return written


def apart_of(source: Source) -> tuple[pa.Array, int]:
    """Ids of what the fixed sets ask, and how many questions of the bank ask the same."""
    ids: set[str] = set()
    texts: set[str] = set()
    for table in ("heldout", "validation"):
        for batch in source.batches(table):
            ids.update(batch.column("id").to_pylist())
            texts.update(_plain(text) for text in batch.column("text").to_pylist())
    same = {
        name
        for batch in source.bank()
        for name, text in zip(batch.column("id").to_pylist(), batch.column("text").to_pylist(), strict=True)
        if name in ids or _plain(text) in texts
    }
    return pa.array(sorted(ids | same), pa.string()), len(same)


def _plain(text: str | None) -> str:
    return " ".join((text or "").casefold().split())


def allowed(batch: pa.RecordBatch, column: str, apart: pa.Array) -> pa.RecordBatch:
    """The rows whose id is none of those that are kept apart."""
    return batch.filter(pc.invert(pc.is_in(batch.column(column), value_set=apart)))


def _questions(source: Source, apart: pa.Array) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The bank; `round` says where a question was admitted, 0 for seeds."""
    columns = schema_of(Question)
    found = (allowed(batch, "id", apart) for batch in source.bank())
    return columns, (batch.select(columns.names) for batch in found)


def _pairs(source: Source, apart: pa.Array) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Pairs as TRL reads them, each once: what was replayed is an earlier round's."""
    columns = pair_schema(source.config)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in source.batches("pairs"):
            fresh = batch.filter(pc.invert(pc.fill_null(batch.column("replayed"), False)))
            rows = [pair_columns(row, columns) for row in allowed(fresh, "question_id", apart).to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=columns)

    return columns, batches()


def _rollouts(source: Source, apart: pa.Array) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The attempts of the rounds, each with its verdict; null where it has none."""

    def batches() -> Iterator[pa.RecordBatch]:
        verdicts = Verdicts(source)
        for batch in source.batches("rollouts"):
            tried = batch.filter(pc.equal(batch.column("stage"), "attempt"))
            yield verdicts.joined(allowed(tried, "question_id", apart))

    return JUDGED, batches()


def _judged() -> pa.Schema:
    columns = schema_of(Rollout)
    for name, called in _VERDICT.items():
        columns = columns.append(pa.field(called, schema_of(Verdict).field(name).type))
    return columns


JUDGED = _judged()
"""Columns of a rollout with its verdict."""


class Verdicts:
    """Those of one round at a time: rollouts come round by round."""

    def __init__(self, source: Source) -> None:
        self._source, self._round = source, -1
        self._table, self._places = pa.table({}), dict[str, int]()

    def joined(self, rollouts: pa.RecordBatch) -> pa.RecordBatch:
        """Rollouts of one round with their verdicts, as `JUDGED`."""
        if not rollouts.num_rows:
            return pa.RecordBatch.from_pylist([], schema=JUDGED)
        if (number := rollouts.column("recorded_in")[0].as_py()) != self._round:
            self._read(number)
        own = [name for name in JUDGED.names if name not in _VERDICT.values()]
        places = [self._places.get(name) for name in rollouts.column("id").to_pylist()]
        found = self._table.take(pa.array(places, pa.int64())).combine_chunks()
        said = [_one(found.column(name)) for name in _VERDICT]
        return pa.RecordBatch.from_arrays([*rollouts.select(own).columns, *said], schema=JUDGED)

    def _read(self, number: int) -> None:
        names = ("rollout_id", *_VERDICT)
        parts = [batch.select(names) for batch in self._source.of(number).batches("verdicts")]
        wanted = pa.schema([schema("verdicts").field(name) for name in names])
        self._round, self._table = number, pa.Table.from_batches(parts, schema=wanted)
        ids = self._table.column("rollout_id").to_pylist()
        self._places = {name: place for place, name in enumerate(ids)}


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _write(folder: Path, columns: pa.Schema, batches: Iterable[pa.RecordBatch], advance: Advance) -> int:
    """Shards of about `SHARD` bytes; none where there are no rows, which `load_dataset` cannot read."""
    rows, size, shard, writer = 0, 0, 0, None
    try:
        for batch in batches:
            advance(batch.num_rows)
            if not batch.num_rows:
                continue
            if writer is None:
                folder.mkdir(exist_ok=True)
                path = folder / f"train-{shard:05d}.parquet"
                writer = pq.ParquetWriter(path, columns, compression="zstd")
            writer.write_batch(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if size >= SHARD:
                writer.close()
                writer, size, shard = None, 0, shard + 1
    finally:
        if writer is not None:
            writer.close()
    return rows
