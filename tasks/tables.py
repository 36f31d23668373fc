"""Rows of other people's files, one at a time: JSON Lines, JSON, CSV, TSV, Parquet.

Every trouble names the file and the place. A row costs memory only while it is looked at.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import RunError, SeedError

Row = dict[str, Any]
Placed = tuple[str, Row]
"""Where a row stands, such as `seeds.csv line 3`, and the row."""

LONGEST_LINE = 10_000_000
"""Bytes of a line; a longer one is no row of text."""

LARGEST_JSON = 200_000_000
"""Bytes of a JSON file, which has to be read whole; JSON Lines has no such limit."""

_SNIFFED = 65_536
_BATCH = 1024


Trouble = Callable[[SeedError], None]
"""Told of a row that cannot be read, which is then passed over; or raises."""


def stop(error: SeedError) -> None:
    """The trouble of those who need every row."""
    raise error


def read_rows(path: Path, trouble: Trouble = stop) -> Iterator[Placed]:
    """The rows of a file, each with its place.

    Raises:
        SeedError: there is no such file, its format is unknown, or it is broken throughout; and
            whatever `trouble` makes of a single row.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SeedError(f"{path}: {path.suffix or 'no suffix'} is none of {', '.join(_READERS)}")
    try:
        yield from reader(path, trouble)
    except FileNotFoundError:
        raise SeedError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise SeedError(f"{path}: is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except OSError as error:
        raise SeedError(f"{path}: cannot be read ({error.strerror or error})") from error


def _json_lines(path: Path, trouble: Trouble) -> Iterator[Placed]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            place = f"{path} line {number}"
            try:
                if len(line) > LONGEST_LINE:
                    _skip_line(file)
                    raise SeedError(f"{place}: longer than {LONGEST_LINE:,} bytes; is it JSON Lines?")
                text = _decoded(line, place, first=number == 1).strip()
                row = _row(_parsed(text, place), place) if text else None
            except SeedError as error:
                trouble(error)
                continue
            if row is not None:
                yield place, row


def _skip_line(file: BinaryIO) -> None:
    """Read on to the end of a line, however long, without keeping it."""
    while (part := file.readline(LONGEST_LINE)) and not part.endswith(b"\n"):
        continue


def _decoded(line: bytes, place: str, first: bool) -> str:
    try:
        return line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise SeedError(
            f"{place}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SeedError(f"{place}: not JSON ({error}); put one object on each line") from None


def _row(value: Any, place: str) -> Row:
    if not isinstance(value, dict):
        raise SeedError(f"{place}: a {type(value).__name__}, where an object with named fields is expected")
    return value


def _json(path: Path, trouble: Trouble) -> Iterator[Placed]:
    """A list of objects, or an object that holds one such list (`{"data": [...]}`)."""
    if path.stat().st_size > LARGEST_JSON:
        raise SeedError(
            f"{path}: {path.stat().st_size:,} bytes of JSON must be read whole; write it as .jsonl"
        )
    value = _parsed(_decoded(path.read_bytes(), str(path), first=True), str(path))
    if isinstance(value, dict):
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        value = lists[0] if len(lists) == 1 else value
    if not isinstance(value, list):
        raise SeedError(
            f"{path}: holds no list of objects; write [{{...}}, {{...}}], or one object a line as .jsonl"
        )
    for number, entry in enumerate(value, 1):
        place = f"{path} entry {number}"
        if isinstance(entry, dict):
            yield place, entry
        else:
            trouble(SeedError(f"{place}: a {type(entry).__name__}, where an object is expected"))


def _csv(path: Path, trouble: Trouble) -> Iterator[Placed]:
    csv.field_size_limit(LONGEST_LINE)
    with path.open("rb") as raw:
        file = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(file.read(_SNIFFED))
        file.seek(0)
        # Reading from the beginning again drops the byte order mark again.
        lines = csv.DictReader(file, delimiter=delimiter, restkey="", strict=True)
        try:
            for row in lines:
                place = f"{path} line {lines.line_num}"
                if row.pop("", None) is None:
                    yield place, {str(name): value for name, value in row.items()}
                else:
                    wanted = f"quote those that hold {delimiter!r}"
                    trouble(SeedError(f"{place}: has more fields than the header; {wanted}"))
        except csv.Error as error:
            raise SeedError(f"{path} line {lines.line_num}: not CSV ({error})") from error


def _delimiter(text: str) -> str:
    """Of comma, semicolon and tab, the one that the header has most of; quoted parts do not count."""
    header = text.split("\n", 1)[0]
    bare = "".join(header.split('"')[::2])
    return max(",;\t", key=bare.count)


def _parquet(path: Path, trouble: Trouble) -> Iterator[Placed]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path} row {number}", row
    except (pa.ArrowException, pa.ArrowInvalid) as error:
        raise SeedError(f"{path}: not a Parquet file ({str(error).splitlines()[0][:200]})") from error


_READERS: dict[str, Callable[[Path, Trouble], Iterator[Placed]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}


class TableWriter(Protocol):
    """Takes rows as they come; the file appears when `finish` is called, whole or not at all."""

    def write(self, rows: Sequence[Row]) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None:
        """Remove what was not finished."""


def write_rows(path: Path) -> TableWriter:
    """A writer in the format of the path's suffix.

    Raises:
        RunError: the format is unknown, or the folder cannot be written.
    """
    kinds: dict[str, type[_Lines] | type[_Csv] | type[_Parquet]] = {
        ".jsonl": _Lines, ".ndjson": _Lines, ".csv": _Csv, ".tsv": _Csv, ".parquet": _Parquet,
    }  # fmt: skip
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise RunError(f"{path}: {path.suffix or 'no suffix'} is none of {', '.join(kinds)}")
    try:
        return kind(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror})") from error


class _Beside:
    """A file beside its place, renamed into it at the end."""

    def __init__(self, path: Path) -> None:
        self.path, self.beside = path, path.with_name(f".{path.name}.{os.getpid()}")
        self.file = self.beside.open("wb")

    def finish(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self.beside.replace(self.path)

    def close(self) -> None:
        self.file.close()
        self.beside.unlink(missing_ok=True)


class _Lines(_Beside):
    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.file.write(json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")


class _Csv(_Beside):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.text = io.TextIOWrapper(self.file, encoding="utf-8", newline="", write_through=True)
        self.csv: csv.DictWriter[str] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        if self.csv is None:
            delimiter = "\t" if self.path.suffix.lower() == ".tsv" else ","
            self.csv = csv.DictWriter(self.text, list(rows[0]), delimiter=delimiter, extrasaction="ignore")
            self.csv.writeheader()
        self.csv.writerows(rows)


class _Parquet(_Beside):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.parquet: pq.ParquetWriter | None = None

    def write(self, rows: Sequence[Row]) -> None:
        table = pa.Table.from_pylist(list(rows), schema=self.parquet.schema if self.parquet else None)
        if self.parquet is None:
            self.parquet = pq.ParquetWriter(self.file, table.schema, compression="zstd")
        self.parquet.write_table(table)

    def finish(self) -> None:
        if self.parquet is not None:
            self.parquet.close()
        super().finish()

    def close(self) -> None:
        if self.parquet is not None:
            # It would write its footer when it is collected, into a file that is closed by then.
            self.parquet.close()
        super().close()
