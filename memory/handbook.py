"""The behaviour handbook: recurring moves of right solutions, in Chroma.

What it holds follows from the records alone (`behaviours.kept`), so that a lost memory is filled anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..records import Behaviour, Question
from .behaviours import Counted
from .store import Store, delete, upsert


class Handbook:
    """Behaviours by their likeness to questions."""

    def __init__(self, store: Store) -> None:
        self._embed = store.embedding
        self._behaviours = store.collection("behaviours")

    def hold(self, entries: Sequence[Counted]) -> None:
        """Make these its content; doing it again changes nothing."""
        wanted = {entry.behaviour.id for entry in entries}
        there = self._behaviours.get(include=[])["ids"]
        delete(self._behaviours, [key for key in there if key not in wanted])
        upsert(
            self._behaviours,
            [entry.behaviour.id for entry in entries],
            [_text(entry.behaviour) for entry in entries],
            [{"record": e.behaviour.model_dump_json(), "count": e.count, "last": e.last} for e in entries],
        )

    def all(self) -> list[Counted]:
        """What it holds, in a stable order."""
        found = self._behaviours.get(include=["metadatas"])
        return sorted((_counted(m) for m in found["metadatas"] or []), key=lambda c: c.behaviour.id)

    def like(self, questions: Sequence[Question], k: int) -> dict[str, list[Behaviour]]:
        """For each question's id, the k behaviours that are most like it and its skill, at most."""
        there = self._behaviours.get(include=["metadatas", "embeddings"])
        if not (k and there["ids"] and questions):
            return {}
        known = _unit(there["embeddings"])  # (behaviours, size)
        asked = self._embedded([f"{question.skill} {question.text}" for question in questions])
        # Not a query: of those that are equally like it an index takes whichever it comes upon first.
        alike = np.round(asked @ known.T, 5)  # (questions, behaviours)
        order = [np.lexsort((there["ids"], -row))[:k] for row in alike]
        held = there["metadatas"] or []
        return {
            question.id: [_counted(held[place]).behaviour for place in places]
            for question, places in zip(questions, order, strict=True)
        }

    def repeated(self, found: Sequence[Behaviour], same: float) -> list[str]:
        """For each, the id of one that says the same: of the handbook, or before it in the list;
        empty where it is new. One name is one behaviour, whatever else is said of it."""
        known = [entry.behaviour for entry in self.all()]
        vectors = self._embedded([_text(one) for one in (*known, *found)])  # (known + found, size)
        names = {one.name: one.id for one in known}
        fresh, said = list(range(len(known))), []
        everyone = [*known, *found]
        for place, one in enumerate(found, len(known)):
            alike = vectors[fresh] @ vectors[place] if fresh else np.zeros(0)
            best = int(alike.argmax()) if fresh else -1
            if one.name in names:
                said.append(names[one.name])
            elif fresh and float(alike[best]) >= same:
                said.append(everyone[fresh[best]].id)
            else:
                said.append("")
                fresh.append(place)
                names[one.name] = one.id
        return said

    def _embedded(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        return _unit(self._embed(list(texts)))


def _unit(rows: object) -> np.ndarray[Any, np.dtype[np.float32]]:
    vectors = np.array(rows, dtype=np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors


def _text(behaviour: Behaviour) -> str:
    return f"{behaviour.skill} {behaviour.name.replace('_', ' ')} {behaviour.instruction}"


def _counted(metadata: object) -> Counted:
    values = dict(metadata)  # type: ignore[call-overload]
    return Counted(Behaviour.model_validate(json.loads(values["record"])), values["count"], values["last"])
