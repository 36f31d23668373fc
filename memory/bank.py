"""The question bank: every question with its lineage, near copies refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..records import Attempt, Question, Zone
from .store import TIES, Store, annotate, nearest_first, upsert


class QuestionBank:
    """Questions of a run in Chroma, with how the Solver last did on each."""

    def __init__(self, store: Store) -> None:
        self._embed = store.embedding
        self._questions = store.collection("questions")

    def add(self, questions: Sequence[Question]) -> None:
        """Put questions in; one already there keeps its place and its history."""
        there = self.known_ids([q.id for q in questions])
        fresh = [q for q in questions if q.id not in there]
        if fresh:
            upsert(
                self._questions,
                [q.id for q in fresh],
                [q.text for q in fresh],
                [
                    {"record": q.model_dump_json(), "round": q.round, "origin": q.origin, "last_round": -1}
                    for q in fresh
                ],
            )

    def known_ids(self, ids: Sequence[str]) -> set[str]:
        """Which of these questions are in the bank."""
        return set(self._questions.get(ids=list(dict.fromkeys(ids)), include=[])["ids"]) if ids else set()

    def count(self) -> int:
        """How many questions there are."""
        return self._questions.count()

    def note(self, attempts: Iterable[Attempt]) -> None:
        """Remember how the last attempts at questions went."""
        noted = list(attempts)
        annotate(
            self._questions,
            [a.question_id for a in noted],
            [{"last_round": a.round, "last": a.model_dump_json(), "zone": a.zone} for a in noted],
        )

    def get(self, ids: Sequence[str]) -> list[Question]:
        """Questions by id, in the order asked for.

        Raises:
            KeyError: an id is not in the bank.
        """
        if not ids:
            return []
        found = self._questions.get(ids=list(dict.fromkeys(ids)), include=["metadatas"])
        rows = zip(found["ids"], found["metadatas"] or [], strict=True)
        by_id = {key: _question(metadata) for key, metadata in rows}
        return [by_id[key] for key in ids]

    def known(self) -> list[tuple[Question, Attempt | None]]:
        """Every question with its last attempt, in a stable order."""
        found = self._questions.get(include=["metadatas"])
        rows = [(_question(metadata), _attempt(metadata)) for metadata in found["metadatas"] or []]
        return sorted(rows, key=lambda row: row[0].id)

    def like(self, text: str, count: int, zone: Zone | None = None) -> list[Question]:
        """The questions most similar to a text, nearest first; of one zone where it is named."""
        found = self._questions.query(
            query_embeddings=list(self.embedded([text])),
            n_results=max(1, min(count + TIES, self.count())),
            where={"zone": zone} if zone else None,
            include=["metadatas", "distances"],
        )
        metadatas = (found["metadatas"] or [[]])[0]
        return [_question(metadatas[place]) for place in nearest_first(found, 0, count)]

    def embedded(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(texts, size), each of length 1."""
        vectors = np.asarray(self._embed(list(texts)), dtype=np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def nearest(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """For each text, the id of the most similar question and the cosine similarity.

        Texts are also compared with those before them in the list, under the id
        `text:<index>`, so that a batch cannot bring in the same question twice.
        """
        if not texts:
            return []
        vectors = self.embedded(texts)  # (texts, size)
        best = self._nearest_stored(vectors)
        alike = np.tril(vectors @ vectors.T, -1)  # (texts, texts), earlier ones only
        for row in range(1, len(texts)):
            other = int(alike[row].argmax())
            if alike[row, other] > best[row][1]:
                best[row] = (f"text:{other}", float(alike[row, other]))
        return best

    def _nearest_stored(self, vectors: np.ndarray[Any, np.dtype[np.float32]]) -> list[tuple[str, float]]:
        if not self.count():
            return [("", 0.0)] * len(vectors)
        wanted = min(1 + TIES, self.count())
        found = self._questions.query(query_embeddings=list(vectors), n_results=wanted, include=["distances"])
        best = [nearest_first(found, row, 1) for row in range(len(vectors))]
        rows = zip(best, found["ids"], found["distances"] or [], strict=True)
        return [(ids[at[0]], 1 - distances[at[0]]) if at else ("", 0.0) for at, ids, distances in rows]


def _question(metadata: object) -> Question:
    return Question.model_validate(json.loads(dict(metadata)["record"]))  # type: ignore[call-overload]


def _attempt(metadata: object) -> Attempt | None:
    last = dict(metadata).get("last")  # type: ignore[call-overload]
    return Attempt.model_validate(json.loads(last)) if last else None
