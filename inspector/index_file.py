"""The DuckDB file that a run's index is kept in: one for each inspector, in the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

import duckdb
import platformdirs

from ..errors import RunError, printable
from .database import VIEWS, columns_of

_MOST_MEMORY, _THREADS = "384MB", 2
"""Of each run that is looked at; several may be."""
_SLOTS = 8
"""Inspectors of one run that may each have an index."""
_FORMAT = "1"
"""Of the index itself; its columns are those of the records."""
_LOCKED = "Could not set lock"
"""What DuckDB says of a file that another process has."""


def cache_folder() -> Path:
    return Path(platformdirs.user_cache_dir("maieutic")) / "inspector"


def forget_gone(cache: Path) -> None:
    """Delete the indexes of runs that are no longer there."""
    for noted in cache.glob("*/run.txt"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if not Path(noted.read_text(encoding="utf-8")).exists():
                shutil.rmtree(noted.parent, ignore_errors=True)


def opened(run: Path, cache: Path) -> duckdb.DuckDBPyConnection:
    """The first index of a run that no other process has open.

    Raises:
        RunError: none can be made there, or all are taken.
    """
    # A link to a run has an index of its own: two that know nothing of each other share no file.
    place = os.path.abspath(run)
    folder = cache / hashlib.sha256(place.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.txt").write_text(place, encoding="utf-8")
        for slot in range(_SLOTS):
            try:
                return _begun(folder / f"index-{slot}.duckdb")
            except duckdb.IOException as error:
                if _LOCKED not in str(error):
                    raise
    except (OSError, duckdb.Error) as error:
        why = printable(" ".join(str(error).split()))[:300]
        raise RunError(
            f"{folder}: cannot be written ({why}); the inspector keeps its indexes "
            "there; set XDG_CACHE_HOME to a folder that can"
        ) from error
    raise RunError(f"{folder}: {_SLOTS} inspectors look at this run already; stop one of them")


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
        if _LOCKED in str(error):
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
    connection.execute(f"SET threads = {_THREADS}")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET preserve_insertion_order = true")
    return connection


def _signature() -> str:
    """Changes with the columns of any record, and with the index itself."""
    columns = [(name, columns_of(view.record)) for name, view in VIEWS.items()]
    return hashlib.sha256(repr((_FORMAT, duckdb.__version__, columns)).encode()).hexdigest()
