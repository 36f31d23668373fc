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
        with _at_most(_ROOM):
            opened = pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_AT_ONCE)
        with opened as file:
            check_columns(file.schema_arrow.names, str(path))
            batches = file.iter_batches(batch_size=_batch_size(file.metadata), use_threads=False)
            while rows := _next(batches):
                for row, small in rows:
                    number += 1
                    place = f"{path} row {number}"
                    if small or weight(row) <= LONGEST_ROW:
                        yield place, row
                    else:
                        trouble(SeedError(f"{place}: longer than {LONGEST_ROW:,} characters; leave it out"))
    except MemoryError:
        raise SeedError(
            f"{path} row {number + 1}: takes more than {_ROOM >> 30} GiB once unpacked; it is damaged, "
            "or its rows are no questions"
        ) from None
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise SeedError(
            f"{path} row {number + 1}: not a Parquet file that can be read ({brief(error)})"
        ) from error


def _batch_size(about: pq.FileMetaData) -> int:
    groups = [about.row_group(place) for place in range(about.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return max(1, min(_BATCH, int(_BATCH_BYTES / max(1.0, largest))))


def _next(batches: Iterator[pa.RecordBatch]) -> list[tuple[Row, bool]]:
    """The rows of the next batch that has any, and of each whether it is surely small."""
    with _at_most(_ROOM):
        for batch in batches:
            if len(batch):
                flat = not any(map(_deep, batch.schema.types))
                small = flat and batch.nbytes <= LONGEST_ROW
                return [(row, small) for row in batch.to_pylist()]
    return []


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
