"""LangGraph's checkpoints of a run: opened, waited for, and made again where they are damaged or lost.

They are a convenience and no record: where a run stands follows from what its gates decided. So a file that
cannot be read is moved aside, and the run goes on after the last round that is over (`rebuilt.py`). Of the
round after it every stage begins again, and skips what is there.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from ..errors import RunError
from ..memory.run import RunFolder
from ..memory.store import set_aside
from .plain import only_plain

_LOCKED_S = 30.0
"""Seconds that we wait for another process that has the file, such as a database tool."""


@contextlib.asynccontextmanager
async def saver_of(folder: RunFolder) -> AsyncIterator[AsyncSqliteSaver]:
    """The saver of a run, as long as the block lasts; its file is sound when the block begins.

    Raises:
        RunError: another process has the file, and keeps it.
    """
    try:
        async with aiosqlite.connect(folder.graph, timeout=_LOCKED_S) as connection:
            saver = AsyncSqliteSaver(connection)
            saver.serde = only_plain()
            await saver.setup()
            yield saver
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise RunError(
            f"{folder.graph} is locked by another process, and was for {_LOCKED_S:g} s; close what has it "
            "open (a database tool?), then resume"
        ) from error


def sound(file: Path) -> bool:
    """Whether a database can be read whole; one that is not there, or locked, is no damaged one."""
    if not file.exists():
        return True
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=_LOCKED_S)) as database:
            said = database.execute("PRAGMA quick_check(1)").fetchone()
            return bool(said and said[0] == "ok")
    except sqlite3.OperationalError:
        return True  # whoever opens it to write says what is the matter
    except sqlite3.DatabaseError:
        return False


def put_aside(folder: RunFolder) -> Path | None:
    """Move a run's checkpoints out of the way, where there are any; what SQLite keeps beside them goes."""
    for beside in ("-wal", "-shm", "-journal"):
        folder.graph.with_name(folder.graph.name + beside).unlink(missing_ok=True)
    return set_aside(folder.graph) if folder.graph.exists() else None
