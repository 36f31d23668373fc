"""A run's records in a DuckDB file of their own, so that a page needs no walk through thousands of parts.

It holds what the Parquet parts hold and nothing else, in the tables of `database.VIEWS`; it lies in the
user's cache, not in the run folder, and may be deleted at any time. Parts that came since are taken in by
`sync`; those that are there are written once, so that a folder which did not change is not looked into.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import platformdirs

from ..errors import RunError, printable
from ..memory.run import RunFolder, schema_of
from .database import VIEWS, columns_of, literal, measured, parts_as

_MOST_MEMORY = "512MB"
_BATCH = 256
"""Parts that are taken in together."""
_SLOTS = 8
"""Inspectors of one run that may each have an index."""
_FORMAT = "1"
"""Of the index itself; its columns are those of the records."""
_SETTLED_NS = 2_000_000_000
"""A folder that changed so lately may change again without its time showing it."""
_Key = tuple[str, int, str]
"""View, round and name of a part."""
_OF_KIND: dict[str, list[str]] = {}
"""Views by the folder that their parts lie in."""
for _view, _told in VIEWS.items():
    _OF_KIND.setdefault(_told.parts.partition("/")[0], []).append(_view)


def cache_folder() -> Path:
    return Path(platformdirs.user_cache_dir("maieutic")) / "inspector"


def forget_gone(cache: Path) -> None:
    """Delete the indexes of runs that are no longer there."""
    for noted in cache.glob("*/run.txt"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if not Path(noted.read_text(encoding="utf-8")).exists():
                shutil.rmtree(noted.parent, ignore_errors=True)


class Index:
    """The tables of one run; safe to ask from several threads while another takes in what is new.

    Raises:
        RunError: nothing can be written where caches are kept.
    """

    def __init__(self, folder: RunFolder, cache: Path | None = None) -> None:
        self._run = folder
        name = hashlib.sha256(str(folder.path.resolve()).encode()).hexdigest()[:16]
        self._folder = (cache or cache_folder()) / name
        self._lock = threading.Lock()
        self._seen: dict[Path, int] = {}
        """Folders of parts with the time of their last change when they were last taken in."""
        self._there: set[Path] = set()
        """Folders of parts as they were last looked for."""
        self._before: set[Path] | None = None
        """The same when what is gone was last left out; None where it never was."""
        self.damaged: dict[str, str] = {}
        """Parts that could not be read, with the reason; a later sync tries them again."""
        self._connection = self._opened(folder)
        known = self._connection.execute("SELECT view, round, name, changed FROM _parts").fetchall()
        self._parts: dict[_Key, int] = {(view, round, name): changed for view, round, name, changed in known}

    def close(self) -> None:
        self._connection.close()

    def rows(self, statement: str, given: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Rows of one statement by the names of their columns. Statements are ours; what users say is given
        as parameters.

        Raises:
            RunError: it fails.
        """
        try:
            with self._connection.cursor() as cursor:
                found = cursor.execute(statement, list(given) or None)
                names = [column[0] for column in found.description or []]
                return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        except duckdb.Error as error:
            raise RunError(f"index: {printable(' '.join(str(error).split()))[:600]}") from error

    def heldout(self, round: int) -> float | None:
        """Held-out accuracy of the Solver that a round came to; None where it was not measured."""
        return measured(self._run, round)

    def sync(self) -> int:
        """Take in the parts that came since, or were written anew; gives how many did."""
        with self._lock, self._connection.cursor() as cursor:
            places = list(self._changed())
            self._forget(cursor, {place for place, _ in places})
            good = set[Path]()
            found = self._new([place for place, _ in places])
            for view, parts in found.items():
                for first in range(0, len(parts), _BATCH):
                    good.update(self._take(cursor, view, parts[first : first + _BATCH]))
            damaged = {part.parent for parts in found.values() for part in parts if part not in good}
            for place, changed in places:
                if place not in damaged and time.time_ns() - changed > _SETTLED_NS:
                    self._seen[place] = changed
            return len(good)

    def _opened(self, folder: RunFolder) -> duckdb.DuckDBPyConnection:
        """The first index that no other process has open."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "run.txt").write_text(str(folder.path.resolve()), encoding="utf-8")
        except OSError as error:
            raise RunError(
                f"{self._folder}: cannot be written ({error.strerror}); the inspector keeps its indexes "
                "there; set XDG_CACHE_HOME to a folder that can"
            ) from error
        for slot in range(_SLOTS):
            try:
                return _begun(self._folder / f"index-{slot}.duckdb")
            except (duckdb.Error, OSError) as error:
                if not _is_held(error):
                    raise RunError(
                        f"{self._folder}: the index cannot be written there ({printable(str(error))[:200]}); "
                        "free some room, or set XDG_CACHE_HOME to a folder that has some"
                    ) from error
        raise RunError(f"{self._folder}: {_SLOTS} inspectors look at this run already; stop one of them")

    def _changed(self) -> Iterator[tuple[Path, int]]:
        """Folders of parts that changed since they were last taken in, the oldest round first."""
        self._there = set()
        for round in self._run.rounds():
            with contextlib.suppress(FileNotFoundError):
                for kind in sorted(self._run.round(round).iterdir()):
                    if kind.is_dir():
                        self._there.add(kind)
                        if (changed := kind.stat().st_mtime_ns) != self._seen.get(kind):
                            yield kind, changed

    def _forget(self, cursor: duckdb.DuckDBPyConnection, changed: set[Path]) -> None:
        """Leave out what is there no more: a run that was played anew under its name, a round that was
        taken away."""
        if changed or self._there != self._before:
            looked = {place: {part.stem for part in place.glob("*.parquet")} for place in changed}
            there = {(int(place.parent.name), place.name): looked.get(place) for place in self._there}
            for key in list(self._parts):
                names = there.get((key[1], _kind(key[0])), set[str]())
                if names is not None and key[2] not in names:
                    _delete(cursor, key)
                    del self._parts[key]
            for place in (self._before or set()) - self._there:
                self._seen.pop(place, None)
            self._before = self._there
        for name in [name for name in self.damaged if not (self._run.path / "rounds" / name).exists()]:
            del self.damaged[name]

    def _new(self, places: Sequence[Path]) -> dict[str, list[Path]]:
        """By view, those parts of the folders that it does not have as they are now, in their order."""
        found: dict[str, list[Path]] = {}
        for place in places:
            for view in _OF_KIND.get(place.name, ()):
                pattern = VIEWS[view].parts.partition("/")[2]
                for part in sorted(place.glob(f"{pattern}.parquet")):
                    if self._parts.get(_key(view, part)) != part.stat().st_mtime_ns:
                        found.setdefault(view, []).append(part)
        return found

    def _take(self, cursor: duckdb.DuckDBPyConnection, view: str, parts: Sequence[Path]) -> Sequence[Path]:
        """Take in parts together, and where that fails one by one, so that a damaged one is left out."""
        try:
            cursor.execute("BEGIN")
            self._insert(cursor, view, parts)
            cursor.execute("COMMIT")
        except (duckdb.Error, OSError) as error:
            with contextlib.suppress(duckdb.Error):  # where it ended the transaction itself
                cursor.execute("ROLLBACK")
            if len(parts) > 1:
                return [good for part in parts for good in self._take(cursor, view, [part])]
            self.damaged[_name(parts[0])] = printable(" ".join(str(error).split()))[:300]
            return []
        for part in parts:
            self._parts[_key(view, part)] = part.stat().st_mtime_ns
            self.damaged.pop(_name(part), None)
        return parts

    def _insert(self, cursor: duckdb.DuckDBPyConnection, view: str, parts: Sequence[Path]) -> None:
        record = VIEWS[view].record
        keys = {_key(view, part): part.stat().st_mtime_ns for part in parts}
        for key in keys.keys() & self._parts.keys():
            _delete(cursor, key)
        names = ", ".join(f'"{name}"' for name in [*schema_of(record).names, "recorded_in", "recorded_as"])
        source = parts_as(record, [literal(part) for part in parts])
        cursor.execute(f"INSERT INTO {view} BY NAME SELECT {names} FROM ({source})")  # noqa: S608
        columns = [[key[1] for key in keys], [key[2] for key in keys], list(keys.values())]
        cursor.execute("INSERT INTO _parts SELECT ?, unnest(?), unnest(?), unnest(?)", [view, *columns])


def _kind(view: str) -> str:
    """The folder that its parts lie in."""
    return VIEWS[view].parts.partition("/")[0]


def _name(part: Path) -> str:
    return "/".join(part.parts[-3:])


def _key(view: str, part: Path) -> _Key:
    return view, int(part.parent.parent.name), part.stem


def _delete(cursor: duckdb.DuckDBPyConnection, key: _Key) -> None:
    view, round, name = key
    cursor.execute(f"DELETE FROM {view} WHERE recorded_in = ? AND recorded_as = ?", [round, name])  # noqa: S608
    cursor.execute("DELETE FROM _parts WHERE view = ? AND round = ? AND name = ?", [view, round, name])


def _is_held(error: Exception) -> bool:
    """Whether another process has the file open."""
    return isinstance(error, duckdb.IOException) and "lock" in str(error)


def _begun(path: Path) -> duckdb.DuckDBPyConnection:
    """An index with its tables; made anew where another version made it, or it is damaged.

    Raises:
        duckdb.IOException: another process has it.
    """
    wanted = _signature()
    try:
        connection = duckdb.connect(str(path))
        with contextlib.suppress(duckdb.Error):
            if connection.execute("SELECT signature FROM _index").fetchone() == (wanted,):
                return _set(connection)
        connection.close()
    except duckdb.IOException as error:
        if _is_held(error):
            raise
    except duckdb.Error:
        pass
    for old in (path, path.with_name(f"{path.name}.wal")):
        old.unlink(missing_ok=True)
    connection = _set(duckdb.connect(str(path)))
    for name, view in VIEWS.items():
        columns = ", ".join(f'"{column}" {kind}' for column, kind in columns_of(view.record))
        connection.execute(f"CREATE TABLE {name} ({columns}, recorded_in BIGINT, recorded_as VARCHAR)")
    connection.execute("CREATE TABLE _parts (view VARCHAR, round BIGINT, name VARCHAR, changed BIGINT)")
    connection.execute("CREATE TABLE _index AS SELECT ? AS signature", [wanted])
    return connection


def _set(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection.execute(f"SET memory_limit = '{_MOST_MEMORY}'")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET preserve_insertion_order = true")
    return connection


def _signature() -> str:
    """Changes with the columns of any record, and with the index itself."""
    columns = [(name, columns_of(view.record)) for name, view in VIEWS.items()]
    return hashlib.sha256(repr((_FORMAT, duckdb.__version__, columns)).encode()).hexdigest()
