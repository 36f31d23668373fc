"""Rows of a Parquet file, with a bound on memory that a file cannot talk its way around.

What a page takes once it is unpacked stands in the page, and a few kilobytes can say gigabytes.
So the system is told how much more this process may hold while a batch is read: an allocation
beyond it fails, and that is an error like any other.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import SeedError
from .rows import LONGEST_ROW, Placed, Row, Trouble, brief, check_columns, weight

_BATCH = 64
"""Rows that are looked at together, at most: a small file may hold large rows."""

_BATCH_BYTES = 16_000_000
"""What the rows of a batch should have together, as far as the file tells."""

_ROOM = 1 << 30
"""Bytes that reading a batch may take."""

_READ_AT_ONCE = 1 << 20
"""Bytes of a column that are read together; without it, Arrow takes all of a row group."""


def parquet_rows(path: Path, trouble: Trouble) -> Iterator[Placed]:
    """The rows of a Parquet file, each with its place; one that is too long is passed over."""
    number = 0
    try:
        with _opened(path) as file:
            check_columns(file.schema_arrow.names, str(path))
            batches = file.iter_batches(batch_size=_batch_size(file.metadata), use_threads=False)
            while rows := _next(batches):
                for row in rows:
                    number += 1
                    place = f"{path} row {number}"
                    if isinstance(row, str):
                        trouble(SeedError(f"{place}: {row}; leave it out"))
                    else:
                        yield place, row
    except (MemoryError, pa.ArrowException, OSError, OverflowError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise _broken(f"{path} row {number + 1}", error) from None


def _opened(path: Path) -> pq.ParquetFile:
    # Arrow's own allocator keeps a gibibyte in hand, which no limit would see; malloc does not.
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        with _at_most(_ROOM):
            return pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_AT_ONCE)
    finally:
        pa.set_memory_pool(before)


def _broken(place: str, error: Exception) -> SeedError:
    if isinstance(error, MemoryError) or "bad_alloc" in str(error):
        return SeedError(
            f"{place}: takes more than {_ROOM >> 30} GiB once unpacked; the file is damaged, or its rows "
            "are no questions"
        )
    return SeedError(f"{place}: not a Parquet file that can be read ({brief(error)}); write it again")


def _batch_size(about: pq.FileMetaData) -> int:
    groups = [about.row_group(place) for place in range(about.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return max(1, min(_BATCH, int(_BATCH_BYTES / max(1.0, largest))))


def _next(batches: Iterator[pa.RecordBatch]) -> list[Row | str]:
    """The rows of the next batch that has any; in place of one that cannot be used, why."""
    with _at_most(_ROOM):
        for batch in batches:
            if len(batch):
                return _rows(batch)
    return []


def _rows(batch: pa.RecordBatch) -> list[Row | str]:
    try:
        rows: list[Row] = batch.to_pylist()
    except (OverflowError, ValueError) as error:  # a date that Python has not, text that is not UTF-8
        if len(batch) == 1:
            return [f"holds what cannot be read ({brief(error)})"]
        return [row for place in range(len(batch)) for row in _rows(batch.slice(place, 1))]
    if batch.nbytes <= LONGEST_ROW and not any(map(_deep, batch.schema.types)):
        return list(rows)
    too_long = f"longer than {LONGEST_ROW:,} characters"
    return [row if weight(row) <= LONGEST_ROW else too_long for row in rows]


def _deep(kind: pa.DataType) -> bool:
    """Whether what it holds may be far larger than its bytes."""
    holds_more = (pa.types.is_nested, pa.types.is_dictionary, pa.types.is_run_end_encoded)
    return isinstance(kind, pa.BaseExtensionType) or any(holds(kind) for holds in holds_more)


@contextlib.contextmanager
def _at_most(more: int) -> Iterator[None]:
    """Let this process hold so many bytes more than now, where the system can bound it (Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack
    except OSError:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = pages * resource.getpagesize() + more
    known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *known]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
