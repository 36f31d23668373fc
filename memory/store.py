"""The Chroma client of a run and what its collections share."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import chromadb
from chromadb import Collection, Documents, EmbeddingFunction
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings
from chromadb.errors import InternalError, NotFoundError

from ..errors import MaieuticError, MemoryDamaged, RunError

_NAMES = ("questions", "weaknesses", "failures", "behaviours")
"""Collections of a run, the largest first."""

ARCHIVE = "archive.sqlite"
"""Questions that were retired; beside Chroma's files, and made again with them."""
FILLED = "filled"
"""Says that a memory was filled from the records to the end."""

_LOOKED_THROUGH = 256 * 2**20
"""Bytes of a database that is looked through whole when it is opened: about a second's work."""

_ITSELF = 0.02
"""Cosine distance within which a text is found to be itself; an endpoint may embed it a little otherwise."""

_FULL = ("disk is full", "no space left", "code: 13)", "disk quota")
"""What is said where there is no room: the memory is none the worse for it."""

_SCARCE = 16 * 2**20
"""Free bytes below which trouble is taken for want of room: Chroma has other words for it, too, and writes
more at once than it is given."""


class Store:
    """A persistent Chroma database inside a run folder.

    Everything in it can be made again from the run's records, so whatever is damaged is not mended but
    moved aside (`renew`) and made again, by whoever has the records.
    """

    def __init__(self, folder: Path, embedding: EmbeddingFunction[Documents]) -> None:
        self.folder, self.embedding = folder, embedding
        self._open: dict[str, Collection] = {}
        self._client: Any = None
        self.closed: list[Callable[[], None]] = []
        """Called when it is closed: what else has files open in this folder."""
        with told(folder, opening=True):
            self._begin()

    def _begin(self) -> None:
        try:
            self._client = chromadb.PersistentClient(
                path=str(self.folder), settings=Settings(anonymized_telemetry=False)
            )
        except BaseException:
            _forget(self.folder)
            raise

    def close(self) -> None:
        """Let go of files and memory: a process may play many runs."""
        for let_go in self.closed:
            let_go()
        self._open = {}
        if self._client is not None:
            self._client.close()

    def collection(self, name: str) -> Collection:
        """A collection by name, which stays usable when the database is made anew."""
        return cast(Collection, _Shelf(self, name))

    def opened(self, name: str) -> Collection:
        """The collection of that name as it is now."""
        if name not in self._open:
            self._open[name] = self._client.get_or_create_collection(
                name,
                embedding_function=self.embedding,
                metadata={"hnsw:space": "cosine"},
            )
        return self._open[name]

    def examine(self) -> None:
        """Look for damage that would be noticed late, or never: Chroma finds nothing, and says nothing,
        where the files of an index are gone.

        Raises:
            MemoryDamaged: there is some.
        """
        archive = self.folder / ARCHIVE
        if (self.folder / FILLED).exists() and not archive.exists():
            raise MemoryDamaged(f"{archive}: it is gone")
        with told(self.folder):
            _look_through(self.folder / "chroma.sqlite3")
            _look_through(archive)
            for name in _NAMES:
                self._find_the_first(name)

    def _find_the_first(self, name: str) -> None:
        """The entry that was there first must be found by its own text."""
        collection = self.opened(name)
        first = collection.get(limit=1, include=["documents"])
        if not first["ids"] or not any(self.embedding(first["documents"] or [""])[0]):
            return  # a text without anything in it is like no other, itself included
        found = collection.query(query_texts=first["documents"], n_results=1, include=["distances"])
        distances = (found["distances"] or [[]])[0]
        if not distances or abs(distances[0]) > _ITSELF:
            raise MemoryDamaged(f"{self.folder}: the index of {name} has lost what was in it")

    def renew(self) -> Path:
        """Move the database aside, and begin an empty one.

        Returns:
            Where the old one is.
        """
        with contextlib.suppress(Exception):  # it is damaged: what closing it says is of no interest
            self.close()
        self.closed = []
        _forget(self.folder)
        aside = set_aside(self.folder)
        with told(self.folder, opening=True):
            self._begin()
        return aside


def opened(folder: Path, embedding: EmbeddingFunction[Documents], tell: Callable[[str], None]) -> Store:
    """A store without damage; an empty one where there was some.

    Args:
        tell: hears of it.
    """
    there = (folder / "chroma.sqlite3").exists()
    try:
        store = Store(folder, embedding)
    except MemoryDamaged as error:
        tell(f"{error.said}; it is kept as {set_aside(folder).name}")
        return Store(folder, embedding)
    try:
        if there:
            store.examine()
    except MemoryDamaged as error:
        tell(f"{error.said}; it is kept as {store.renew().name}")
    return store


def _look_through(database: Path) -> None:
    if not database.exists() or database.stat().st_size > _LOOKED_THROUGH:
        return
    # A name with ? or # in it would be taken for something else in an address.
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as sqlite:
        found = sqlite.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise MemoryDamaged(f"{database}: {found[:200]}")


class _Shelf:
    """A collection whose every use tells damage from other trouble."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name

    def __getattr__(self, method: str) -> Any:
        def used(*arguments: Any, **named: Any) -> Any:
            with told(self._store.folder):
                return getattr(self._store.opened(self._name), method)(*arguments, **named)

        return used


def _forget(folder: Path) -> None:
    """Have Chroma let go of a folder for good: it keeps what it has open by path, also what could not be
    opened whole, and would give it to the next client of that path."""
    shared = SharedSystemClient
    with shared._refcount_lock:
        shared._identifier_to_refcount.pop(str(folder), None)
        system = shared._identifier_to_system.pop(str(folder), None)
    if system is not None:
        with contextlib.suppress(Exception):
            system.stop()


@contextlib.contextmanager
def told(folder: Path, opening: bool = False) -> Iterator[None]:
    """
    Args:
        opening: whatever goes wrong then is damage: it comes as exceptions of several libraries.

    Raises:
        MemoryDamaged: Chroma, the archive, or what is below them, cannot use its files.
        RunError: the disk is full, or another process has the files.
    """
    try:
        yield
    except BaseException as error:
        # A panic below Chroma is no Exception.
        panic = type(error).__name__ == "PanicException"
        damage = isinstance(error, InternalError | NotFoundError | sqlite3.DatabaseError) or panic
        if isinstance(error, MaieuticError) or not (damage or (opening and isinstance(error, Exception))):
            raise
        said = " ".join(str(error).split())[:300]
        if _is_full(folder, said):
            # What was being written may be there in part: it is filled from the records when there is room.
            with contextlib.suppress(OSError):
                (folder / FILLED).unlink()
            raise RunError(
                f"{folder}: cannot be written ({said}); free some room on this disk, then resume"
            ) from error
        if "is locked" in said:
            raise RunError(f"{folder}: another process has it open ({said}); end it, then resume") from error
        raise MemoryDamaged(f"{folder}: the memory cannot be used ({said})") from error


def _is_full(folder: Path, said: str) -> bool:
    place = next(place for place in (folder, *folder.parents) if place.exists())
    return any(sign in said.lower() for sign in _FULL) or shutil.disk_usage(place).free < _SCARCE


def set_aside(path: Path) -> Path:
    """Rename what is damaged, so that nobody reads it and everybody can look at it.

    Returns:
        Its new name: the old one and `.damaged`, with a number where there is one already.
    """
    aside, count = path.with_name(f"{path.name}.damaged"), 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}.damaged{count}")
    path.rename(aside)
    return aside


TIES = 16
"""Entries that are looked at beyond those that are wanted. Of entries that are equally near, an index gives
whichever it comes upon first, and no two processes come upon them in the same order."""


def nearest_first(distances: Sequence[float], keys: Sequence[str], count: int) -> list[int]:
    """Places of the nearest entries of one query, equally near ones in the order of their keys.

    Args:
        distances: of what a query for `count + TIES` entries found.
        keys: whose these are; not the collection's own ids, which may be given away (see `shelf.py`).
    """
    near = enumerate(zip(distances, keys, strict=True))
    ranked = sorted((round(distance, 5), key, place) for place, (distance, key) in near)
    return [place for _, _, place in ranked[:count]]


_BATCH = 1024
"""Chroma refuses more than some thousands at once."""


def batches(count: int) -> Iterator[slice]:
    """Cut what is given to Chroma at once into parts whose sizes are powers of two.

    Below Chroma, SQLite keeps the last hundred statements prepared, for each connection, and one for a
    thousand entries is another than one for 999: of sizes as they come they held more than
    100 MB after 80 rounds of a thousand questions.
    """
    start = 0
    while start < count:
        size = min(_BATCH, 1 << (count - start).bit_length() - 1)
        yield slice(start, start + size)
        start += size


def upsert(
    collection: Collection, ids: list[str], documents: list[str], metadatas: list[dict[str, Any]]
) -> None:
    """Add or replace entries, in batches that Chroma accepts."""
    for part in batches(len(ids)):
        collection.upsert(
            ids=ids[part],
            documents=documents[part],
            metadatas=metadatas[part],  # type: ignore[arg-type]
        )


def annotate(collection: Collection, ids: list[str], metadatas: list[dict[str, Any]]) -> None:
    """Change metadata of entries that are there."""
    for part in batches(len(ids)):
        collection.update(ids=ids[part], metadatas=metadatas[part])  # type: ignore[arg-type]


def delete(collection: Collection, ids: list[str]) -> None:
    """Remove entries; those that are not there are no error."""
    for part in batches(len(ids)):
        collection.delete(ids=ids[part])
