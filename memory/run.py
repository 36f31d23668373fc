"""The run folder: records as Parquet parts, everything written whole or not at all.

    runs/<name>/
      run.yaml graph.sqlite report.json report.html
      rounds/0001/<kind>/<series>-<part>.parquet
      checkpoints/solver-0001/  memory/  prompts/  logs/  jobs/

A part is written beside its place and renamed into it, so a part that is there
is complete. A stage that starts again reads what its parts already hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from ..errors import RunError, printable
from ..records import Record

R = TypeVar("R", bound=Record)

SCHEMA = 1
"""Written into each part. It is raised when a column changes its meaning or goes, not when one is added:
parts of an older version are read with the new column's default, or NULL in SQL."""
_NOTED = b"maieutic_schema"

GRID = "grid.json"
"""What the folder of a comparison has, and that of a run has not."""

FORK = "fork.json"
"""What a run has that began with the rounds of another."""


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        RunError: the disk is full or not writable.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise RunError(
            f"{path}: cannot be written ({error.strerror}); free some room or choose another --runs-dir"
        ) from error


_BESIDE = re.compile(r"\..+\.(\d+)")
"""How a file or folder is called until it is whole: hidden, with the process that writes it."""


def unfinished(folder: Path, deep: bool = True) -> list[Path]:
    """What processes that are gone left half written in a folder, and, where `deep`, below it.

    Of one that has our number, too: in a container a process often has that of the one before it.
    """
    found = folder.rglob(".*") if deep else folder.glob(".*")
    return [
        path
        for path in found
        if (named := _BESIDE.fullmatch(path.name)) and (int(named[1]) == os.getpid() or gone(int(named[1])))
    ]


def gone(pid: int) -> bool:
    """Whether no process of this machine has a number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders; what cannot be removed stays."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def write_table(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None) -> None:
    """Write rows as one Parquet file, whole or not at all.

    Raises:
        RunError: the disk is full or not writable.
    """
    sink = pa.BufferOutputStream()
    try:
        table = pa.Table.from_pylist(list(rows), schema=schema)
    except UnicodeEncodeError:
        # Half of a character, as models and JSON may write it: no file can hold it.
        table = pa.Table.from_pylist([without_halves(row) for row in rows], schema=schema)
    pq.write_table(table, sink, compression="zstd")
    write_whole(path, sink.getvalue().to_pybytes())


def without_halves(value: Any) -> Any:
    """A value without halves of characters in its texts."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: without_halves(inner) for key, inner in value.items()}
    return [without_halves(inner) for inner in value] if isinstance(value, list) else value


class RunFolder:
    """Paths and records of one run; knows nothing of models or decisions."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def config(self) -> Path:
        return self.path / "run.yaml"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def prompts(self) -> Path:
        return self.path / "prompts"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    @property
    def memory(self) -> Path:
        return self.path / "memory"

    @property
    def graph(self) -> Path:
        return self.path / "graph.sqlite"

    def sweep(self) -> None:
        """Remove what a killed process left half written; for whoever holds the run."""
        remove(unfinished(self.path, deep=False))
        for kind in ("rounds", "prompts", "jobs", "checkpoints"):
            remove(unfinished(self.path / kind))

    def checkpoint(self, name: str) -> Path:
        return self.path / "checkpoints" / name

    def round(self, number: int) -> Path:
        return self.path / "rounds" / f"{number:04d}"

    def write(self, number: int, series: str, index: int, records: Sequence[Record]) -> None:
        """Write records of one kind as one part of a series such as `rollouts/attempt`.

        An empty part is written too, so that a finished stage shows.
        """
        path = self._part(number, series, index)
        if not records:
            write_whole(path.with_suffix(".empty"), b"")
            return
        write_table(path, [record.model_dump() for record in records], schema_of(type(records[0])))

    def read(self, number: int, series: str, model: type[R]) -> list[R]:
        """All records of a series in a round, in the order of their parts; none is no error.

        Raises:
            RunError: a part is damaged.
        """
        return [row for part in self._parts(number, series, ".parquet") for row in _rows(part, model)]

    def part(self, number: int, series: str, index: int, model: type[R]) -> list[R]:
        """The records of one part; none where it is empty or not there."""
        path = self._part(number, series, index)
        return _rows(path, model) if path.exists() else []

    def columns(self, number: int, kind: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Some fields of all records of a kind, whatever their series, a part at a time; fields that an
        older part does not have are left out.

        Raises:
            RunError: a part is damaged.
        """
        for part in sorted((self.round(number) / kind).glob("*.parquet")):
            try:
                with pq.ParquetFile(part) as file:
                    rows = file.read(columns=list(names)).to_pylist()
            except (pa.ArrowException, OSError) as error:
                raise RunError(damaged(part, error)) from error
            yield from rows

    def has(self, number: int, series: str, index: int = 0) -> bool:
        path = self._part(number, series, index)
        return path.exists() or path.with_suffix(".empty").exists()

    def withdraw(self, number: int, series: str, index: int) -> None:
        """Take back the last part of a series: what it belongs to was never written."""
        self._part(number, series, index).unlink(missing_ok=True)

    def count(self, number: int, series: str) -> int:
        """How many parts a series has."""
        return len(self._parts(number, series, ".*"))

    def following(self, number: int, series: str) -> int:
        """The index of a series' next part: after its last, also where one before it was set aside."""
        parts = self._parts(number, series, ".*")
        return int(parts[-1].stem.rpartition("-")[2]) + 1 if parts else 0

    def _part(self, number: int, series: str, index: int) -> Path:
        kind, _, name = series.partition("/")
        return self.round(number) / kind / f"{name or kind}-{index:04d}.parquet"

    def _parts(self, number: int, series: str, suffix: str) -> list[Path]:
        kind, _, name = series.partition("/")
        folder, stem = self.round(number) / kind, f"{name or kind}-"
        parts = [
            (int(path.stem.removeprefix(stem)), path)
            for path in folder.glob(f"{stem}[0-9]*{suffix}")
            if path.stem.removeprefix(stem).isdecimal()
        ]
        return [path for _, path in sorted(parts)]

    def write_json(self, number: int, name: str, value: object) -> None:
        write_whole(self.round(number) / f"{name}.json", json.dumps(value, indent=1))

    def read_json(self, number: int, name: str) -> Any:
        """A small JSON file of a round, or None where it was not written.

        Raises:
            RunError: it is damaged.
        """
        path = self.round(number) / f"{name}.json"
        try:
            return json.loads(path.read_bytes()) if path.exists() else None
        except (ValueError, RecursionError, OSError) as error:
            raise RunError(damaged(path, error)) from error

    def log(self, text: str) -> None:
        """Add a line with the time to what went wrong and was mended, for whoever looks later."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.suppress(OSError):
            self.logs.mkdir(parents=True, exist_ok=True)
            with (self.logs / "faults.log").open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{now} UTC  {printable(text)}\n")

    def rounds(self) -> Iterable[int]:
        """Numbers of the rounds that have begun, 0 first."""
        folder = self.path / "rounds"
        return sorted(int(entry.name) for entry in folder.glob("[0-9]*") if entry.name.isdecimal())


def _rows(part: Path, model: type[R]) -> list[R]:
    try:
        there = part.stat()
        return list(_parsed(part, model, (there.st_ino, there.st_mtime_ns, there.st_size)))
    except (pa.ArrowException, ValidationError, OSError, OverflowError) as error:
        raise RunError(_newer(part, model) or damaged(part, error)) from error


@lru_cache(maxsize=48)
def _parsed(part: Path, model: type[R], stamp: tuple[int, int, int]) -> tuple[R, ...]:
    """A part's records, which are frozen: the nodes of a round read most of its parts several times.

    Args:
        stamp: of the file that was looked at, so that another in its place is read anew.
    """
    return tuple(model.model_validate(row) for row in pq.read_table(part).to_pylist())


def _newer(part: Path, model: type[Record]) -> str:
    """What is to be said of a part that a later version wrote; empty where none did."""
    try:
        schema = pq.read_schema(part)
        noted = int((schema.metadata or {}).get(_NOTED, b"0"))
    except (pa.ArrowException, OSError, ValueError):
        return ""
    unknown = [name for name in schema.names if name not in model.model_fields]
    more = unknown and model.model_fields.keys() <= set(schema.names)
    if noted <= SCHEMA and not more:
        return ""
    what = f"schema {noted}, and this one reads {SCHEMA}" if noted > SCHEMA else f"columns {unknown[:3]}"
    return (
        f"{part} was written by a later version of maieutic ({what}); the first lines of run.yaml name the "
        "version: install that one. Records are never converted; `maieutic query` reads what it knows of them"
    )


def damaged(path: Path, error: Exception) -> str:
    """What is said of a file of a run that cannot be read."""
    return (
        f"{path} is damaged or of another version of maieutic ({str(error).splitlines()[0][:200]}); "
        "bring it back from a copy, or play a new run"
    )


@cache
def schema_of(model: type[Record]) -> pa.Schema:
    """Column names and types of a record: stable even where every value is None."""
    hints = typing.get_type_hints(model)
    return pa.schema(
        [(name, _column(hints[name])) for name in model.model_fields],
        metadata={_NOTED: str(SCHEMA).encode()},
    )


def _column(hint: Any) -> pa.DataType:
    plain = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    if hint in plain:
        return plain[hint]
    if get_origin(hint) is Literal:
        return pa.string()
    if get_origin(hint) is list:
        return pa.list_(_column(get_args(hint)[0]))
    if get_origin(hint) in (types.UnionType, typing.Union):
        return _column(next(arg for arg in get_args(hint) if arg is not type(None)))
    raise TypeError(f"no Parquet column for {hint}")
