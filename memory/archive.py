"""Questions that have left the bank: found again by id and by text; in SQLite, not in memory.

They stay in the records, from which this is made anew where it is lost. What is kept here is what a bank
needs of them: that nobody asks them again as new ones, and that whoever names one is shown it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from ..records import Question
from .store import told

_LAYOUT = """
CREATE TABLE IF NOT EXISTS retired (
    place INTEGER PRIMARY KEY, id TEXT UNIQUE, text INTEGER, record BLOB);
CREATE INDEX IF NOT EXISTS by_text ON retired (text);
"""
_THERE = "SELECT id FROM retired WHERE id IN (SELECT value FROM json_each(?))"
_BY_ID = "SELECT record FROM retired WHERE id IN (SELECT value FROM json_each(?))"
_BY_TEXT = "SELECT record FROM retired WHERE text IN (SELECT value FROM json_each(?))"
_IDS = 500
"""Ids in one statement."""
_CACHE_KB = 8000

T = TypeVar("T")
P = ParamSpec("P")


def _damage_told(method: Callable[Concatenate[Archive, P], T]) -> Callable[Concatenate[Archive, P], T]:
    @wraps(method)
    def used(self: Archive, /, *arguments: P.args, **named: P.kwargs) -> T:
        with told(self.folder):
            return method(self, *arguments, **named)

    return used


class Archive:
    """
    Raises:
        MemoryDamaged: the file is damaged; of every method.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        with told(path.parent):
            # A search of a tool may come from a thread; SQLite itself lets one in at a time.
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
            self._base.executescript(_LAYOUT)

    def close(self) -> None:
        self._base.close()

    @_damage_told
    def count(self) -> int:
        return int(self._base.execute("SELECT count(*) FROM retired").fetchone()[0])

    @_damage_told
    def clear(self) -> None:
        """Forget everything: it is about to be filled anew."""
        self._base.execute("DELETE FROM retired")

    @_damage_told
    def add(self, questions: Sequence[Question]) -> None:
        """Take questions in, all or none; one that is there stays."""
        if not questions:
            return
        rows = [(q.id, _spelt(q.text), zlib.compress(q.model_dump_json().encode())) for q in questions]
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany("INSERT OR IGNORE INTO retired (id, text, record) VALUES (?, ?, ?)", rows)

    @_damage_told
    def known_ids(self, ids: Iterable[str]) -> set[str]:
        """Which of these are here."""
        found: set[str] = set()
        for some in _parts(list(ids), _IDS):
            found |= {name for (name,) in self._base.execute(_THERE, (json.dumps(some),))}
        return found

    @_damage_told
    def get(self, ids: Iterable[str]) -> dict[str, Question]:
        """Those that are here, by id."""
        found: dict[str, Question] = {}
        for some in _parts(list(ids), _IDS):
            read = [_read(record) for (record,) in self._base.execute(_BY_ID, (json.dumps(some),))]
            found |= {question.id: question for question in read}
        return found

    @_damage_told
    def copied(self, texts: Sequence[str]) -> list[str]:
        """For each text, the id of a question here that is the same but for white space and capitals; empty
        where there is none."""
        spelt = [_spelt(text) for text in texts]
        there: dict[str, str] = {}
        for some in _parts(sorted(set(spelt)), _IDS):
            for (record,) in self._base.execute(_BY_TEXT, (json.dumps(some),)):
                question = _read(record)
                there.setdefault(_plain(question.text), question.id)
        return [there.get(_plain(text), "") for text in texts]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _spelt(text: str) -> int:
    """A number for a text, but for white space and capitals; others share it by rare chance."""
    digest = hashlib.blake2b(_plain(text).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _read(record: bytes) -> Question:
    return Question.model_validate_json(zlib.decompress(record))


def _parts(values: list[T], size: int) -> Iterator[list[T]]:
    return (values[start : start + size] for start in range(0, len(values), size))
