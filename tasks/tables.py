"""Rows of other people's files, one at a time: JSON Lines, JSON, CSV, TSV, Parquet.

Every trouble names the file and the place. A row costs memory only while it is looked at, and
no row may be longer than `LONGEST_ROW`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from ..errors import SeedError
from .json_lists import UNDECODED, json_rows, json_trouble
from .parquet import parquet_rows
from .rows import LONGEST_ROW, Placed, Row, Trouble, brief, check_columns, stop

if TYPE_CHECKING:
    from _csv import Reader

_SNIFFED = 65_536

_FOREIGN = {
    b"\x1f\x8b": "gzip; unpack it",
    b"PK\x03\x04": "a zip archive; unpack it",
    b"BZh": "bzip2; unpack it",
    b"\xfd7zXZ\0": "xz; unpack it",
    b"\x28\xb5\x2f\xfd": "zstd; unpack it",
    b"PAR1": "Parquet; name it .parquet",
    b"PARE": "encrypted Parquet; write it without encryption",
}
"""How files begin that are something else than their suffix says."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_PARQUET = "a Parquet file"


def read_rows(path: Path, trouble: Trouble = stop) -> Iterator[Placed]:
    """The rows of a file, each with its place.

    Raises:
        SeedError: there is no such file, its format is unknown, or it is broken throughout; and
            whatever `trouble` makes of a single row.
    """
    format = _FORMATS.get(path.suffix.lower())
    if format is None:
        raise SeedError(f"{path}: {path.suffix or 'no suffix'} is none of {', '.join(_FORMATS)}")
    name, reader = format
    try:
        if path.exists() and not path.is_file():
            raise SeedError(f"{path}: is no file but a folder, a pipe or a device; name a file")
        _check_beginning(path, name)
        yield from reader(path, trouble)
    except FileNotFoundError:
        raise SeedError(f"{path}: no such file") from None
    except OSError as error:
        raise SeedError(f"{path}: cannot be read ({error.strerror or brief(error)})") from error


def _check_beginning(path: Path, name: str) -> None:
    with path.open("rb") as file:
        beginning = file.read(_SNIFFED)
    found = next((said for mark, said in _FOREIGN.items() if beginning.startswith(mark)), None)
    if found is not None and not (name == _PARQUET and beginning.startswith(b"PAR1")):
        raise SeedError(f"{path}: is not {name} but {found}")
    zeros = 4 * beginning.count(0) > len(beginning) > 0
    if name != _PARQUET and (zeros or beginning.startswith(_UTF_16)):
        raise SeedError(f"{path}: is not UTF-8 but UTF-16, or no text at all; save it as UTF-8")


def _json_lines(path: Path, trouble: Trouble) -> Iterator[Placed]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_ROW + 1):
            number += 1
            try:
                if len(line) > LONGEST_ROW:
                    _skip_line(file)
                    raise SeedError(
                        f"{path} line {number}: longer than {LONGEST_ROW:,} bytes; is it JSON Lines?"
                    )
                row = _line_row(line, f"{path} line {number}", first=number == 1)
            except SeedError as error:
                trouble(error)
                continue
            if row is not None:
                yield f"{path} line {number}", row


def _skip_line(file: BinaryIO) -> None:
    """Read on to the end of a line, however long, without keeping it."""
    while (part := file.readline(LONGEST_ROW)) and not part.endswith(b"\n"):
        continue


def _line_row(line: bytes, place: str, first: bool) -> Row | None:
    """The object on a line; None where the line is empty."""
    try:
        text = line.decode("utf-8-sig" if first else "utf-8").strip()
    except UnicodeDecodeError as error:
        raise SeedError(
            f"{place}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    if not text:
        return None
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        at = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        remedy = "end lines with \\n, not \\r" if "\r" in text else "put one object on each line"
        raise SeedError(f"{place}: {json_trouble(error, remedy, at)}") from None
    if not isinstance(value, dict):
        raise SeedError(f"{place}: a {type(value).__name__}, where an object with named fields is expected")
    return value


def _csv(path: Path, trouble: Trouble) -> Iterator[Placed]:
    csv.field_size_limit(LONGEST_ROW)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(file.read(_SNIFFED))
        file.seek(0)
        # Reading from the beginning again drops the byte order mark again.
        lines = _Lines(file, path)
        table = csv.reader(lines, delimiter=delimiter, strict=True)
        header: list[str] = []
        while (fields := _fields(table, lines, header, trouble)) is not None:
            if header and fields:
                yield f"{path} line {table.line_num}", dict(zip_longest(header, fields))
            elif fields:
                check_columns(fields, str(path))
                header = fields


class _Lines:
    """Lines of a file, counted together while they make one row: a quote may span many."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self.file, self.path = file, path
        self.number, self.begun, self.length, self.decoded = 0, 1, 0, True

    def begin(self) -> None:
        self.begun, self.length, self.decoded = self.number + 1, 0, True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST_ROW + 1 - self.length)
        if not line:
            raise StopIteration
        self.number += 1
        self.length += len(line)
        if self.length > LONGEST_ROW:
            found = f"{self.path} line {self.begun}: begins a row of more than {LONGEST_ROW:,} characters"
            raise SeedError(f"{found}; is it CSV, and is every quote closed?")
        self.decoded = self.decoded and (line.isascii() or UNDECODED.search(line) is None)
        return line


def _fields(table: Reader, lines: _Lines, header: list[str], trouble: Trouble) -> list[str] | None:
    """The fields of the next row, none where it is in trouble or empty; None at the end."""
    lines.begin()
    try:
        fields = next(table, None)
        found = None if lines.decoded else "is not UTF-8; save the file as UTF-8"
        if header and fields and len(fields) > len(header):
            found = found or "has more fields than the header; quote those that hold the delimiter"
    except csv.Error as error:
        fields, found = [], f"not CSV ({_said(error)}); close each quote, and double those inside"
    if found is None:
        return fields
    (trouble if header else stop)(SeedError(f"{lines.path} line {table.line_num}: {found}"))
    return []


def _said(error: csv.Error) -> str:
    return str(error).replace("\t", "tab")


def _delimiter(text: str) -> str:
    """Of comma, semicolon and tab, the one that the header has most of; quoted parts do not count."""
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    bare = "".join(header.split('"')[::2])
    return max(",;\t", key=bare.count)


_FORMATS: dict[str, tuple[str, Callable[[Path, Trouble], Iterator[Placed]]]] = {
    ".jsonl": ("JSON Lines", _json_lines),
    ".ndjson": ("JSON Lines", _json_lines),
    ".json": ("JSON", json_rows),
    ".csv": ("CSV", _csv),
    ".tsv": ("TSV", _csv),
    ".parquet": (_PARQUET, parquet_rows),
}
