"""A collection of Chroma whose entries come and go, in a bounded space.

Its index of neighbours (HNSW) keeps the vector of what is deleted: a thousand entries that come and a
thousand that go each round would cost a gigabyte in a thousand rounds, and ever longer searches. So an entry
that goes is marked as free, and the next one that comes overwrites it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chromadb import Collection

from .store import annotate, delete, upsert

FREE = "free"
"""What is searched by `zone` does not find free entries: this is theirs."""
_KEY = "key"
"""Metadata that says whose an entry is. One of an older version has none: it is named by its id."""
_READ = 5000
"""Entries that are read at once."""


class Shelf:
    """
    Args:
        spare: free entries that are kept for those that come; what is beyond them is deleted.
    """

    def __init__(self, collection: Collection, spare: int = 5000) -> None:
        self.collection, self._spare = collection, spare
        self._entry: dict[str, str] = {}
        self._key: dict[str, str] = {}
        self._free: list[str] = []

    def read(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Everything that is there with its metadata, by key; to be read to its end before anything else."""
        self._entry, self._key, self._free = {}, {}, []
        for start in range(0, self.collection.count(), _READ):
            found = self.collection.get(limit=_READ, offset=start, include=["metadatas"])
            for entry, metadata in zip(found["ids"], found["metadatas"] or [], strict=True):
                key = self._key[entry] = str(metadata.get(_KEY, entry))
                if metadata.get("zone") == FREE:
                    self._free.append(entry)
                else:
                    self._entry[key] = entry
                    yield key, metadata

    def clear(self) -> None:
        """Delete everything."""
        delete(self.collection, self.collection.get(include=[])["ids"])
        self._entry, self._key, self._free = {}, {}, []

    def put(
        self, keys: Sequence[str], documents: Sequence[str], metadatas: Sequence[Mapping[str, Any]]
    ) -> None:
        """Add entries, or replace them: of one that is overwritten, metadata that is not given anew stays."""
        for key in keys:
            if key not in self._entry:
                entry = self._free.pop() if self._free else self._unused(key)
                self._entry[key], self._key[entry] = entry, key
        told = [{**metadata, _KEY: key} for key, metadata in zip(keys, metadatas, strict=True)]
        upsert(self.collection, [self._entry[key] for key in keys], list(documents), told)

    def _unused(self, key: str) -> str:
        entry = key
        while entry in self._key:  # named by one that was here before, and another's now
            entry += "+"
        return entry

    def note(self, keys: Sequence[str], metadatas: Sequence[Mapping[str, Any]]) -> None:
        """Change metadata of entries that are there."""
        annotate(self.collection, [self._entry[key] for key in keys], [dict(one) for one in metadatas])

    def drop(self, keys: Sequence[str]) -> None:
        """Let entries go; those that are not there are no error."""
        freed = [self._entry.pop(key) for key in keys if key in self._entry]
        annotate(self.collection, freed, [{"zone": FREE}] * len(freed))
        self._free = freed[::-1] + self._free  # those that have been free the longest are taken first
        surplus, self._free = self._free[: -self._spare], self._free[-self._spare :]
        delete(self.collection, surplus)
        for entry in surplus:
            del self._key[entry]

    def key(self, entry: str) -> str:
        """Whose an entry is, as a search found it; of a free one, whose it was."""
        return self._key[entry]
