"""Tables for other people: JSON Lines, CSV, TSV, Parquet, each there as a whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import RunError
from .rows import Row, brief


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
            raise RunError(
                f"{self.path}: its rows are of several kinds ({brief(error)}); write .jsonl"
            ) from error
        except RecursionError:
            raise RunError(f"{self.path}: a row is nested too deep to be written; leave it out") from None

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
