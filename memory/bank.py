"""The question bank: every question with its lineage, near copies refused.

A bank that may hold so many questions and no more keeps those that are worth asking in Chroma, and retires
the others to an archive, where their text is still found. What Chroma holds is read once: a round
asks for all of it, and reads of a database would cost more than the round.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..records import Attempt, Question, Zone
from .archive import Archive
from .retiring import retired
from .shelf import FREE, Shelf
from .store import ARCHIVE, TIES, Store, batches, nearest_first

Row = tuple[Question, Attempt | None]

_HELD: Any = {"zone": {"$ne": FREE}}
"""What is searched where free entries are nearer than any that is held."""


class QuestionBank:
    """Questions of a run in Chroma, with how the Solver last did on each.

    Args:
        active: questions that it may hold; 0 for any number.
    """

    def __init__(self, store: Store, active: int = 0) -> None:
        self._embed = store.embedding
        self._shelf = Shelf(store.collection("questions"))
        self._questions = self._shelf.collection
        self._active = active
        self.archive = Archive(store.folder / ARCHIVE)
        store.closed.append(self.archive.close)
        self._filling = False

    @cached_property
    def _rows(self) -> dict[str, Row]:
        """What Chroma holds."""
        return {key: _row(metadata) for key, metadata in self._shelf.read()}

    @contextlib.contextmanager
    def filled(self) -> Iterator[None]:
        """Fill it anew from nothing: what is done within is written to Chroma and the archive at the end,
        once, as if it had been done there step by step."""
        self.archive.clear()
        self.__dict__["_rows"], self._filling = {}, True
        try:
            yield
            self._shelf.clear()
            self._filling = False
            self._write(list(self._rows.values()))
        finally:
            self._filling = False

    def add(self, questions: Sequence[Question]) -> None:
        """Put questions in; one already there, or retired, keeps its place and its history."""
        there = self.known_ids([q.id for q in questions])
        fresh = {q.id: (q, None) for q in questions if q.id not in there}
        self._rows.update(fresh)
        self._write(list(fresh.values()))

    def _write(self, rows: Sequence[Row]) -> None:
        if rows and not self._filling:
            self._shelf.put(
                [question.id for question, _ in rows],
                [question.text for question, _ in rows],
                [_metadata(*row) for row in rows],
            )

    def known_ids(self, ids: Sequence[str]) -> set[str]:
        """Which of these questions are in the bank or were retired from it."""
        there = {key for key in ids if key in self._rows}
        return there | self.archive.known_ids([key for key in ids if key not in there])

    def count(self) -> int:
        """How many questions there are, the retired ones not counted."""
        return len(self._rows)

    def note(self, attempts: Iterable[Attempt]) -> None:
        """Remember how the last attempts at questions went; what is retired is left as it is."""
        noted = [a for a in attempts if a.question_id in self._rows]
        for attempt in noted:
            self._rows[attempt.question_id] = (self._rows[attempt.question_id][0], attempt)
        if not self._filling:
            self._shelf.note([a.question_id for a in noted], [_went(attempt) for attempt in noted])

    def retire(self, keep: Collection[str] = ()) -> int:
        """Have what is beyond the bound leave for the archive; see `retiring.retired`.

        Args:
            keep: ids that stay.
        Returns:
            How many left.
        """
        names = retired(self._rows.values(), self._active, keep)
        # A kill between the two leaves a question in both: the round's profile is then done again.
        self.archive.add([self._rows[name][0] for name in names])
        if not self._filling:
            self._shelf.drop(names)
        for name in names:
            del self._rows[name]
        return len(names)

    def get(self, ids: Sequence[str]) -> list[Question]:
        """Questions by id, in the order asked for, retired ones too.

        Raises:
            KeyError: an id was never in the bank.
        """
        gone = self.archive.get([key for key in ids if key not in self._rows])
        return [self._rows[key][0] if key in self._rows else gone[key] for key in ids]

    def known(self) -> list[Row]:
        """Every question that may be asked, with its last attempt, in a stable order."""
        return [self._rows[key] for key in sorted(self._rows)]

    def like(self, text: str, count: int, zone: Zone | None = None) -> list[Question]:
        """The questions most similar to a text, nearest first; of one zone where it is named."""
        found = self._questions.query(
            query_embeddings=list(self.embedded([text])),
            n_results=max(1, min(count + TIES, self.count())),
            where={"zone": zone} if zone else _HELD,
            include=["distances"],
        )
        keys = self._keys(found["ids"][0])
        near = nearest_first((found["distances"] or [[]])[0], keys, len(keys))
        return [self._rows[keys[place]][0] for place in near if keys[place] in self._rows][:count]

    def embedded(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(texts, size), each of length 1."""
        vectors = np.asarray(self._embed(list(texts)), dtype=np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def nearest(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """For each text, the id of the most similar question and the cosine similarity.

        Retired questions count where a text is the same but for white space and capitals. Texts are also
        compared with those before them in the list, under the id `text:<index>`, so that a batch cannot
        bring in the same question twice.
        """
        if not texts:
            return []
        vectors = self.embedded(texts)  # (texts, size)
        best = self._nearest_stored(vectors)
        for row, gone in enumerate(self.archive.copied(texts)):
            if gone:
                best[row] = (gone, 1.0)
        alike = np.tril(vectors @ vectors.T, -1)  # (texts, texts), earlier ones only
        for row in range(1, len(texts)):
            other = int(alike[row].argmax())
            if alike[row, other] > best[row][1]:
                best[row] = (f"text:{other}", float(alike[row, other]))
        return best

    def _nearest_stored(self, vectors: np.ndarray[Any, np.dtype[np.float32]]) -> list[tuple[str, float]]:
        if not self.count():
            return [("", 0.0)] * len(vectors)
        rows = self._searched(vectors)
        hidden = [place for place, (keys, _) in enumerate(rows) if not keys]
        if hidden:  # behind entries that are free; a search for those that are not takes longer
            for place, row in zip(hidden, self._searched(vectors[hidden], _HELD), strict=True):
                rows[place] = row
        best = [nearest_first(distances, keys, 1) for keys, distances in rows]
        return [
            (keys[at[0]], 1 - distances[at[0]]) if at else ("", 0.0)
            for at, (keys, distances) in zip(best, rows, strict=True)
        ]

    def _searched(
        self, vectors: np.ndarray[Any, np.dtype[np.float32]], where: Any = None
    ) -> list[tuple[list[str], list[float]]]:
        """For each vector, the questions nearest to it and their distances, as far as the bank holds them."""
        wanted = min(1 + TIES, self.count())
        held = []
        for part in batches(len(vectors)):
            found = self._questions.query(
                query_embeddings=list(vectors[part]), n_results=wanted, where=where, include=["distances"]
            )
            held += list(map(self._held, found["ids"], found["distances"] or []))
        return held

    def _held(self, entries: Sequence[str], distances: Sequence[float]) -> tuple[list[str], list[float]]:
        """Of what a search found, the questions that the bank holds: entries that are free are not among
        them, whose questions the archive knows."""
        found = zip(self._keys(entries), distances, strict=True)
        held = [(key, distance) for key, distance in found if key in self._rows]
        return [key for key, _ in held], [distance for _, distance in held]

    def _keys(self, entries: Sequence[str]) -> list[str]:
        return [self._shelf.key(entry) for entry in entries]


def _metadata(question: Question, last: Attempt | None) -> dict[str, Any]:
    record = {"record": question.model_dump_json(), "round": question.round, "origin": question.origin}
    never = {"last_round": -1, "last": "", "zone": ""}
    return {**record, **(_went(last) if last else never)}


def _went(attempt: Attempt) -> dict[str, Any]:
    return {"last_round": attempt.round, "last": attempt.model_dump_json(), "zone": attempt.zone}


def _row(metadata: object) -> Row:
    values = dict(metadata)  # type: ignore[call-overload]
    last = values.get("last")
    question = Question.model_validate_json(values["record"])
    return question, Attempt.model_validate_json(last) if last else None
