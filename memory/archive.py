"""Questions that have left the bank: found again by id, by text, and by likeness; in SQLite, not in memory.

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
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from ..records import Question
from .hashing import SIFTED, TABLES, Hashes, Vectors, apart
from .store import told

Embed = Callable[[Sequence[str]], Vectors]
"""Texts → (texts, size), rows of length 1."""

_LAYOUT = """
CREATE TABLE IF NOT EXISTS retired (
    place INTEGER PRIMARY KEY, id TEXT UNIQUE, text INTEGER, record BLOB);
CREATE TABLE IF NOT EXISTS signatures (place INTEGER PRIMARY KEY, signature BLOB);
CREATE INDEX IF NOT EXISTS by_text ON retired (text);
CREATE TABLE IF NOT EXISTS buckets (
    key INTEGER, slot INTEGER, place INTEGER, PRIMARY KEY (key, slot)) WITHOUT ROWID;
"""
_SHARED = """
SELECT asked.key, buckets.place, signatures.signature
FROM json_each(?) AS asked CROSS JOIN buckets ON buckets.key = asked.value
CROSS JOIN signatures ON signatures.place = buckets.place
"""
"""The keys' places in the list that is asked, with what shares them; CROSS keeps the order of the joins."""
_THERE = "SELECT id FROM retired WHERE id IN (SELECT value FROM json_each(?))"
_BY_ID = "SELECT record FROM retired WHERE id IN (SELECT value FROM json_each(?))"
_BY_PLACE = "SELECT place, record FROM retired WHERE place IN (SELECT value FROM json_each(?))"
_SLOTS = 16
"""Questions that a key leads to: beyond them the newest take the place of the oldest, so that a search takes
as long among a million questions of one kind as among a thousand. In such a crowd a near copy is missed more
often; the same text never is."""
_COMPARED = 2
"""Of what shares a key with a text and is not sifted out, so many are compared with it, the nearest by their
signatures first."""
_TOGETHER = 64
"""Texts that are looked up at once: what shares their keys is in memory together."""
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
    Args:
        near: cosine similarity from which a question counts as known already.

    Raises:
        MemoryDamaged: the file is damaged; of every method.
    """

    def __init__(self, path: Path, embed: Embed, near: float) -> None:
        self.folder, self._embed, self._near = path.parent, embed, near
        self._hashes: Hashes | None = None
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
        self._base.executescript("DELETE FROM retired; DELETE FROM signatures; DELETE FROM buckets;")

    @_damage_told
    def add(self, questions: Sequence[Question]) -> None:
        """Take questions in, all or none; one that is there stays."""
        if not questions:
            return
        keys, words = self._hashed([question.text for question in questions])
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")
            rows: list[tuple[int, int, int]] = []
            sifted: list[tuple[int, bytes]] = []
            for question, mine, signature in zip(questions, keys.tolist(), words, strict=True):
                packed = zlib.compress(question.model_dump_json().encode())
                done = self._base.execute(
                    "INSERT OR IGNORE INTO retired (id, text, record) VALUES (?, ?, ?)",
                    (question.id, _spelt(question.text), packed),
                )
                if done.rowcount:
                    place = int(done.lastrowid or 0)
                    rows += [(key, place % _SLOTS, place) for key in mine]
                    sifted.append((place, signature.tobytes()))
            # In their order, so that neighbours on disk are written together.
            self._base.executemany("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)", sorted(rows))
            self._base.executemany("INSERT INTO signatures VALUES (?, ?)", sifted)

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
    def nearest(self, texts: Sequence[str], vectors: Vectors) -> list[tuple[str, float]]:
        """For each text, the id of a question here that it is a copy of and their cosine similarity; an
        empty id and 0 where it is a copy of none.

        Args:
            vectors: of the texts, each of length 1.
        """
        found = [("", 0.0)] * len(texts)
        if not self.count():
            return found
        for start in range(0, len(texts), _TOGETHER):
            part = slice(start, start + _TOGETHER)
            some = self._alike(texts[part], vectors[part])
            for number, text in enumerate(texts[part]):
                same = self._same(text)
                found[start + number] = (same, 1.0) if same else some.get(number, ("", 0.0))
        return found

    def _same(self, text: str) -> str:
        """The id of the question with this text, but for white space and capitals."""
        rows = self._base.execute("SELECT record FROM retired WHERE text = ?", (_spelt(text),))
        there = (_read(record) for (record,) in rows)
        return next((question.id for question in there if _plain(question.text) == _plain(text)), "")

    def _alike(self, texts: Sequence[str], vectors: Vectors) -> dict[int, tuple[str, float]]:
        """By the text's number, the nearest of those that share a key and are near enough."""
        keys, words = self._hashes_of(vectors).of(vectors)
        rows = self._base.execute(_SHARED, (json.dumps(keys.ravel().tolist()),)).fetchall()
        if not rows:
            return {}
        numbers = np.array([row[0] for row in rows]) // TABLES
        signatures = np.frombuffer(b"".join(row[2] for row in rows), np.uint64).reshape(-1, SIFTED // 64)
        differ = apart(words[numbers], signatures)
        close = np.flatnonzero(differ <= self._hashes_of(vectors).most_apart)
        found = sorted({(int(numbers[row]), int(differ[row]), int(rows[row][1])) for row in close})
        each = groupby(found, key=lambda one: one[0])
        pairs = [(number, place) for number, some in each for _, _, place in islice(some, _COMPARED)]
        return self._compared(pairs, vectors) if pairs else {}

    def _compared(self, pairs: Sequence[tuple[int, int]], vectors: Vectors) -> dict[int, tuple[str, float]]:
        """The best of each text, by the embeddings themselves."""
        best: dict[int, tuple[str, float]] = {}
        places = sorted({place for _, place in pairs})
        there: dict[int, Question] = {}
        for some in _parts(places, _IDS):
            rows = self._base.execute(_BY_PLACE, (json.dumps(some),))
            there |= {place: _read(record) for place, record in rows}
        others = dict(zip(places, self._embed([there[place].text for place in places]), strict=True))
        for number, place in pairs:
            like = float(vectors[number] @ others[place])
            if like >= self._near and like > best.get(number, ("", 0.0))[1]:
                best[number] = (there[place].id, like)
        return best

    def _hashed(self, texts: Sequence[str]) -> tuple[Any, Any]:
        vectors = self._embed(texts)
        return self._hashes_of(vectors).of(vectors)

    def _hashes_of(self, vectors: Vectors) -> Hashes:
        if self._hashes is None:
            self._hashes = Hashes(vectors.shape[1], self._near)
        return self._hashes


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
