"""Rows of other people's files, one at a time: JSON Lines, JSON, CSV, TSV, Parquet.

Every trouble names the file and the place. A row costs memory only while it is looked at.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import RunError, SeedError

Row = dict[str, Any]
Placed = tuple[str, Row]
"""Where a row stands, such as `seeds.csv line 3`, and the row."""

LONGEST_LINE = 10_000_000
"""Bytes of a line; a longer one is no row of text."""

LARGEST_JSON = 50_000_000
"""Bytes of a JSON file, which has to be read whole; JSON Lines has no such limit."""

_SNIFFED = 65_536
_BATCH = 64
"""Rows of Parquet that are looked at together: a small file may hold large rows."""

_LARGEST_BATCH = 256_000_000


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
    if path.exists() and not path.is_file():
        raise SeedError(f"{path}: is no file")
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
        lines = csv.DictReader(_short_lines(file, path), delimiter=delimiter, strict=True)
        try:
            _distinct(list(lines.fieldnames or []), path)
            for row in lines:
                place = f"{path} line {lines.line_num}"
                if None not in row:
                    yield place, {str(name): value for name, value in row.items()}
                else:
                    wanted = f"quote those that hold {delimiter!r}"
                    trouble(SeedError(f"{place}: has more fields than the header; {wanted}"))
        except csv.Error as error:
            raise SeedError(f"{path} line {lines.line_num}: not CSV ({error})") from error


def _short_lines(file: TextIO, path: Path) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise SeedError(f"{path}: a line of more than {LONGEST_LINE:,} characters; is it CSV?")
        yield line


def _distinct(names: Sequence[str], path: Path) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SeedError(f"{path}: two columns are named {twice[0]!r}; rename one")


def _delimiter(text: str) -> str:
    """Of comma, semicolon and tab, the one that the header has most of; quoted parts do not count."""
    header = text.split("\n", 1)[0]
    bare = "".join(header.split('"')[::2])
    return max(",;\t", key=bare.count)


def _parquet(path: Path, trouble: Trouble) -> Iterator[Placed]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            _distinct(file.schema_arrow.names, path)
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH):
                if batch.nbytes > _LARGEST_BATCH:
                    raise SeedError(f"{path} row {number + 1}: rows of megabytes are no questions")
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path} row {number}", row
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise SeedError(
            f"{path}: not a Parquet file that can be read ({str(error).splitlines()[0][:200]})"
        ) from error


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
    if path.is_dir():
        raise RunError(f"{path}: is a folder; name a file")
    try:
        return kind(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror})") from error


class _Beside:
    """A file beside its place, renamed into it at the end."""

    def __init__(self, path: Path) -> None:
        self.path, self.beside = path, path.with_name(f".{path.name}.{os.getpid()}")
        self.columns: list[str] = []
        self.file = self.beside.open("wb")

    def write(self, rows: Sequence[Row]) -> None:
        """Raises RunError where the disk is full, or a row does not fit the ones before it."""
        try:
            self._write(rows)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written ({error.strerror})") from error
        except (pa.ArrowException, OverflowError, TypeError) as error:
            problem = str(error).splitlines()[0][:200]
            raise RunError(f"{self.path}: its rows are of several kinds ({problem}); write .jsonl") from error

    def _write(self, rows: Sequence[Row]) -> None:
        raise NotImplementedError

    def _same_columns(self, rows: Sequence[Row]) -> None:
        """A table has the columns of its first row."""
        self.columns = self.columns or list(rows[0])
        for row in rows:
            new = [name for name in row if name not in self.columns]
            if new:
                raise RunError(f"{self.path}: column {new[0]!r} is not in the first row; write .jsonl")

    def finish(self) -> None:
        try:
            self._end()
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            self.beside.replace(self.path)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written ({error.strerror})") from error

    def _end(self) -> None:
        return

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError, pa.ArrowException):
            self._end()
        with contextlib.suppress(OSError, ValueError):
            self.file.close()
        self.beside.unlink(missing_ok=True)


class _Lines(_Beside):
    def _write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            # Half a character, as a cut emoji leaves it, can be written as an escape only.
            try:
                line = json.dumps(row, ensure_ascii=False, default=str).encode()
            except UnicodeEncodeError:
                line = json.dumps(row, default=str).encode()
            self.file.write(line + b"\n")


class _Csv(_Beside):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.text = io.TextIOWrapper(
            self.file, encoding="utf-8", errors="replace", newline="", write_through=True
        )

    def _write(self, rows: Sequence[Row]) -> None:
        first = not self.columns
        self._same_columns(rows)
        delimiter = "\t" if self.path.suffix.lower() == ".tsv" else ","
        table = csv.DictWriter(self.text, self.columns, delimiter=delimiter)
        if first:
            table.writeheader()
        table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: object) -> object:
    """Lists and objects as JSON, which is how they are read again."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else value


class _Parquet(_Beside):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.parquet: pq.ParquetWriter | None = None

    def _write(self, rows: Sequence[Row]) -> None:
        self._same_columns(rows)
        whole = [{name: _whole(value) for name, value in row.items()} for row in rows]
        if self.parquet is None:
            # A column that is empty so far holds text, if anything.
            found = pa.Table.from_pylist(whole).schema
            texts = [pa.field(f.name, pa.string()) if pa.types.is_null(f.type) else f for f in found]
            self.parquet = pq.ParquetWriter(self.file, pa.schema(texts), compression="zstd")
        self.parquet.write_table(pa.Table.from_pylist(whole, schema=self.parquet.schema))

    def _end(self) -> None:
        if self.parquet is not None:
            self.parquet.close()


def _whole(value: object) -> object:
    """Text without halves of characters."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
