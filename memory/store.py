"""The Chroma client of a run and what its collections share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chromadb
from chromadb import Collection, Documents, EmbeddingFunction
from chromadb.config import Settings

from ..errors import RunError


class Store:
    """A persistent Chroma database inside a run folder."""

    def __init__(self, folder: Path, embedding: EmbeddingFunction[Documents]) -> None:
        self.embedding, self.folder = embedding, folder
        self.closed: list[Callable[[], None]] = []
        """Called when it is closed: what else has files open in this folder."""
        try:
            self._client = chromadb.PersistentClient(
                path=str(folder), settings=Settings(anonymized_telemetry=False)
            )
        except Exception as error:
            # Chroma raises bare exceptions of several libraries for a damaged folder.
            raise RunError(
                f"{folder}: the memory cannot be opened ({error}); move the folder away, and "
                "`maieutic resume` fills a new one from the records"
            ) from error

    def close(self) -> None:
        """Let go of files and memory: a process may play many runs."""
        for let_go in self.closed:
            let_go()
        self._client.close()  # type: ignore[attr-defined]

    def collection(self, name: str) -> Collection:
        return self._client.get_or_create_collection(
            name,
            embedding_function=self.embedding,  # type: ignore[arg-type]
            metadata={"hnsw:space": "cosine"},
        )


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


_BATCH = 2000
"""Chroma refuses more than some thousands at once."""


def upsert(
    collection: Collection, ids: list[str], documents: list[str], metadatas: list[dict[str, Any]]
) -> None:
    """Add or replace entries, in batches that Chroma accepts."""
    for start in range(0, len(ids), _BATCH):
        part = slice(start, start + _BATCH)
        collection.upsert(
            ids=ids[part],
            documents=documents[part],
            metadatas=metadatas[part],  # type: ignore[arg-type]
        )


def annotate(collection: Collection, ids: list[str], metadatas: list[dict[str, Any]]) -> None:
    """Change metadata of entries that are there."""
    for start in range(0, len(ids), _BATCH):
        part = slice(start, start + _BATCH)
        collection.update(ids=ids[part], metadatas=metadatas[part])  # type: ignore[arg-type]


def delete(collection: Collection, ids: list[str]) -> None:
    """Remove entries; those that are not there are no error."""
    for start in range(0, len(ids), _BATCH):
        collection.delete(ids=ids[start : start + _BATCH])
