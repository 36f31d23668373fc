"""A run's records in a DuckDB file of their own, so that a page needs no walk through thousands of parts.

It holds what the Parquet parts hold and nothing else, in the tables of `database.VIEWS`; it lies in the
user's cache, not in the run folder, and may be deleted at any time. Parts that came since are taken in by
`sync`, and those that are gone taken out; those that are there are written once, so that a folder which did
not change is not looked into.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from ..errors import RunError, printable
from ..memory.run import RunFolder, schema_of
from .database import VIEWS, literal, measured, parts_as
from .index_file import cache_folder, opened

_BATCH = 256
"""Parts that are taken in together."""
_SETTLED_NS = 2_000_000_000
"""A folder that changed so lately may change again without its time showing it."""
_AGAIN_S = 0.1
"""What is broken off may have been between two statements: it is told again so often."""
_Key = tuple[str, int, str]
"""View, round and name of a part."""
_OF_KIND: dict[str, list[str]] = {}
"""Views by the folder that their parts lie in."""
for _view, _told in VIEWS.items():
    _OF_KIND.setdefault(_told.parts.partition("/")[0], []).append(_view)
_KIND = {view: kind for kind, views in _OF_KIND.items() for view in views}


class Index:
    """The tables of one run; safe to ask from several threads while another takes in what is new.

    Raises:
        RunError: nothing can be written where caches are kept.
    """

    def __init__(self, folder: RunFolder, cache: Path | None = None) -> None:
        self._run = folder
        self._lock = threading.Lock()
        self._using = threading.Condition()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._closed = False
        self._looked = False
        """Whether what an older index has was compared with what is there."""
        self._seen: dict[Path, int] = {}
        """Folders of parts with the time of their last change when they were last taken in."""
        self.damaged: dict[str, str] = {}
        """Parts that could not be read, with the reason; a later sync tries them again."""
        self._connection = opened(folder.path, cache or cache_folder())
        known = self._connection.execute("SELECT view, round, name, changed FROM _parts").fetchall()
        self._parts: dict[_Key, int] = {(view, round, name): changed for view, round, name, changed in known}

    def close(self) -> None:
        """Whatever is being asked or taken in is broken off."""
        with self._using:
            self._closed = True
            while self._cursors:
                for cursor in self._cursors:
                    cursor.interrupt()
                self._using.wait(_AGAIN_S)
        self._connection.close()

    def rows(self, statement: str, given: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Rows of one statement by the names of their columns. Statements are ours; what users say is given
        as parameters.

        Raises:
            RunError: it fails.
        """
        try:
            with self._cursor() as cursor:
                found = cursor.execute(statement, list(given) or None)
                names = [column[0] for column in found.description or []]
                return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        except duckdb.Error as error:
            raise RunError(f"index: {printable(' '.join(str(error).split()))[:600]}") from error

    def heldout(self, round: int) -> float | None:
        """Held-out accuracy of the Solver that a round came to; None where it was not measured."""
        return measured(self._run, round)

    def sync(self) -> int:
        """Take in the parts that came since, or were written anew; gives how many did.

        Raises:
            RunError: the index cannot be written, or is closed meanwhile.
        """
        try:
            with self._lock, self._cursor() as cursor:
                return self._synced(cursor)
        except duckdb.Error as error:
            raise RunError(f"index: {printable(' '.join(str(error).split()))[:600]}") from error

    def _synced(self, cursor: duckdb.DuckDBPyConnection) -> int:
        there = dict(self._places())
        changed = [place for place, time_ns in there.items() if time_ns != self._seen.get(place)]
        if self._looked and not changed and there.keys() >= self._seen.keys():
            return 0
        self._looked = True
        parts = {_key(view, part): part for place in changed for view, part in _parts_in(place)}
        self._forget(cursor, self._gone(there.keys(), changed, parts.keys()))
        for name in self.damaged.keys() - {_name(part) for part in parts.values()}:
            del self.damaged[name]
        found: dict[str, list[Path]] = {}
        for key, part in parts.items():
            if self._parts.get(key) != part.stat().st_mtime_ns:
                found.setdefault(key[0], []).append(part)
        good = set[Path]()
        for view, new in found.items():
            for first in range(0, len(new), _BATCH):
                good.update(self._take(cursor, view, new[first : first + _BATCH]))
        damaged = {part.parent for new in found.values() for part in new if part not in good}
        settled = time.time_ns() - _SETTLED_NS
        self._seen = {
            place: time_ns if place in changed else self._seen[place]
            for place, time_ns in there.items()
            if place not in changed or (place not in damaged and time_ns < settled)
        }
        return len(good)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of a thread's own, which `close` waits for."""
        with self._using:
            if self._closed:
                raise RunError("index: it was closed")
            cursor = self._connection.cursor()
            self._cursors.append(cursor)
        try:
            with cursor:
                yield cursor
        finally:
            with self._using:
                self._cursors.remove(cursor)
                self._using.notify_all()

    def _places(self) -> Iterator[tuple[Path, int]]:
        """Folders of parts with the time of their last change, the oldest round first."""
        for round in self._run.rounds():
            with contextlib.suppress(FileNotFoundError):
                for kind in sorted(self._run.round(round).iterdir()):
                    if kind.name in _OF_KIND and kind.is_dir():
                        yield kind, kind.stat().st_mtime_ns

    def _gone(self, there: Collection[Path], changed: Sequence[Path], parts: Collection[_Key]) -> list[_Key]:
        """Parts that it has and the run no longer: a run of the same name was begun anew, or a stage."""
        known, looked_into = set(map(_place_of, there)), set(map(_place_of, changed))
        return [
            key
            for key in self._parts
            if (place := (key[1], _KIND[key[0]])) not in known or (place in looked_into and key not in parts)
        ]

    def _forget(self, cursor: duckdb.DuckDBPyConnection, gone: Collection[_Key]) -> None:
        by_view: dict[str, list[_Key]] = {}
        for key in gone:
            by_view.setdefault(key[0], []).append(key)
        for view, keys in by_view.items():
            rounds, names = [key[1] for key in keys], [key[2] for key in keys]
            cursor.execute("BEGIN")
            _delete(cursor, view, rounds, names)
            cursor.execute("COMMIT")
            for key in keys:
                del self._parts[key]

    def _take(self, cursor: duckdb.DuckDBPyConnection, view: str, parts: Sequence[Path]) -> Sequence[Path]:
        """Take in parts together, and where that fails one by one, so that a damaged one is left out."""
        try:
            cursor.execute("BEGIN")
            taken = self._insert(cursor, view, parts)
            cursor.execute("COMMIT")
        except (duckdb.Error, OSError) as error:
            with contextlib.suppress(duckdb.Error):  # where a COMMIT fails there is nothing to take back
                cursor.execute("ROLLBACK")
            if self._closed:
                raise RunError("index: it was closed") from error
            if len(parts) > 1:
                return [good for part in parts for good in self._take(cursor, view, [part])]
            self.damaged[_name(parts[0])] = printable(" ".join(str(error).split()))[:300]
            return []
        self._parts |= taken
        for part in parts:
            self.damaged.pop(_name(part), None)
        return parts

    def _insert(self, cursor: duckdb.DuckDBPyConnection, view: str, parts: Sequence[Path]) -> dict[_Key, int]:
        """The parts with the times that they had before they were read."""
        record = VIEWS[view].record
        keys = {_key(view, part): part.stat().st_mtime_ns for part in parts}
        if known := list(keys.keys() & self._parts.keys()):
            _delete(cursor, view, [key[1] for key in known], [key[2] for key in known])
        names = ", ".join(f'"{name}"' for name in [*schema_of(record).names, "recorded_in", "recorded_as"])
        source = parts_as(record, [literal(part) for part in parts])
        cursor.execute(f"INSERT INTO {view} BY NAME SELECT {names} FROM ({source})")  # noqa: S608
        columns = [[key[1] for key in keys], [key[2] for key in keys], list(keys.values())]
        cursor.execute("INSERT INTO _parts SELECT ?, unnest(?), unnest(?), unnest(?)", [view, *columns])
        return keys


def _delete(
    cursor: duckdb.DuckDBPyConnection, view: str, rounds: Sequence[int], names: Sequence[str]
) -> None:
    """The rows of parts."""
    told = "(SELECT unnest(?::BIGINT[]), unnest(?::VARCHAR[]))"
    cursor.execute(f"DELETE FROM {view} WHERE (recorded_in, recorded_as) IN {told}", [rounds, names])  # noqa: S608
    cursor.execute(f"DELETE FROM _parts WHERE view = ? AND (round, name) IN {told}", [view, rounds, names])  # noqa: S608


def _parts_in(place: Path) -> Iterator[tuple[str, Path]]:
    """Parts of a folder with their views, in their order."""
    for view in _OF_KIND[place.name]:
        pattern = VIEWS[view].parts.partition("/")[2]
        for part in sorted(place.glob(f"{pattern}.parquet")):
            yield view, part


def _place_of(place: Path) -> tuple[int, str]:
    return int(place.parent.name), place.name


def _name(part: Path) -> str:
    return "/".join(part.parts[-3:])


def _key(view: str, part: Path) -> _Key:
    return view, int(part.parent.parent.name), part.stem
