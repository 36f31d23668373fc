"""The weakness profile: what the Solver gets wrong, by skill and level, with examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..records import Attempt, Question, Rollout, Zone
from .forgetting import forgotten
from .shelf import Shelf
from .store import TIES, Store, batches, delete, nearest_first, upsert

HISTORY = 100
"""Rounds of a skill and level that are remembered here; the records have all of them."""


@dataclass(frozen=True, slots=True)
class Weakness:
    """One skill at one level, with its evidence."""

    skill: str
    level: int
    attempts: int
    pass_rate: float
    """Of the last round that attempted it."""
    history: tuple[tuple[int, float, int], ...]
    """(round, pass rate, questions), oldest first."""
    last_seen: int

    @property
    def need(self) -> float:
        """How much there is to learn: the share that fails, in [0, 1].

        What always fails counts fully: the Teacher's references teach it. Whether a lesson
        can reach it is for the curriculum policy to say.
        """
        return 1 - self.pass_rate


@dataclass(frozen=True, slots=True)
class Failure:
    """A question with a completion that was wrong."""

    question_id: str
    question: str
    rollout_id: str
    completion: str
    skill: str
    level: int


class WeaknessProfile:
    """Skills, levels and exemplar failures in Chroma; updated once a round."""

    def __init__(self, store: Store) -> None:
        self._cells = store.collection("weaknesses")
        self._shelf = Shelf(store.collection("failures"), spare=1000)
        self._failures = self._shelf.collection

    def clear(self) -> None:
        """Forget everything: it is about to be filled anew."""
        delete(self._cells, self._cells.get(include=[])["ids"])
        self._shelf.clear()

    def update(
        self, round: int, attempts: Sequence[Attempt], failures: Sequence[tuple[Question, Rollout]]
    ) -> None:
        """Take in a round's outcomes; doing it again for the same round changes nothing."""
        known = {(w.skill, w.level): w for w in self.all()}
        groups: dict[tuple[str, int], list[Attempt]] = {}
        for attempt in attempts:
            groups.setdefault((attempt.skill, attempt.level), []).append(attempt)
        ids, documents, metadatas = [], [], []
        for (skill, level), group in groups.items():
            rate = sum(a.pass_rate for a in group) / len(group)
            before = known.get((skill, level))
            history = [entry for entry in before.history if entry[0] != round] if before else []
            again = sum(entry[2] for entry in before.history if entry[0] == round) if before else 0
            history.append((round, rate, len(group)))
            ids.append(f"{skill}/{level}")
            documents.append(f"{skill} level {level}: {rate:.0%} right in round {round}")
            metadatas.append(
                {
                    "skill": skill,
                    "level": level,
                    "attempts": (before.attempts if before else 0) - again + len(group),
                    "pass_rate": rate,
                    "history": json.dumps(history[-HISTORY:]),
                    "last_seen": round,
                }
            )
        if ids:
            upsert(self._cells, ids, documents, metadatas)
        self._remember(round, {a.question_id: a.zone for a in attempts}, failures)

    def _remember(
        self, round: int, zones: dict[str, Zone], failures: Sequence[tuple[Question, Rollout]]
    ) -> None:
        """One wrong rollout for each question that failed; the oldest of a cell make room."""
        rows = {question.id: (question, rollout) for question, rollout in failures}
        there = {
            key: (str(metadata["cell"]), int(str(metadata["round"]))) for key, metadata in self._shelf.read()
        }
        new = {key: (f"{question.skill}/{question.level}", round) for key, (question, _) in rows.items()}
        gone = forgotten({**there, **new}, zones)
        self._shelf.drop([key for key in gone if key in there])
        rows = {key: row for key, row in rows.items() if key not in set(gone)}
        if rows:
            self._shelf.put(
                list(rows),
                [question.text for question, _ in rows.values()],
                [
                    {
                        "rollout_id": rollout.id,
                        "completion": rollout.completion,
                        "cell": f"{question.skill}/{question.level}",
                        "skill": question.skill,
                        "level": question.level,
                        "zone": zones.get(question.id, "too_hard"),
                        "round": round,
                    }
                    for question, rollout in rows.values()
                ],
            )

    def all(self) -> list[Weakness]:
        """Every skill and level that was ever attempted."""
        found = self._cells.get(include=["metadatas"])
        return [_weakness(metadata) for metadata in found["metadatas"] or []]

    def worst(self, count: int | None = None) -> list[Weakness]:
        """What is worst and worth teaching now: greatest need first; all of it without a count."""
        ranked = sorted(self.all(), key=lambda w: (-w.need, w.level, w.skill))
        return ranked[:count]

    def needs(self) -> dict[tuple[str, int], float]:
        """Need of every skill and level that was ever attempted, worst first."""
        return {(weakness.skill, weakness.level): weakness.need for weakness in self.worst()}

    def failures_like(self, texts: Sequence[str], count: int = 3) -> list[list[Failure]]:
        """For each text, the remembered failures on the most similar questions being learned.

        What no rollout solved is remembered, but set aside here: nothing is made from it.
        """
        learning = {"zone": "learning"}
        size = len(self._failures.get(where=learning, include=[])["ids"])  # type: ignore[arg-type]
        if not texts or not size:
            return [[] for _ in texts]
        like: list[list[Failure]] = []
        for part in batches(len(texts)):
            found = self._failures.query(
                query_texts=list(texts[part]),
                n_results=min(count + TIES, size),
                where=learning,  # type: ignore[arg-type]
                include=["documents", "metadatas", "distances"],
            )
            rows = zip(found["ids"], found["documents"] or [], found["metadatas"] or [], strict=True)
            told = [[_failure(*entry) for entry in zip(*row, strict=True)] for row in rows]
            for row, distances in zip(told, found["distances"] or [], strict=True):
                near = nearest_first(distances, [one.question_id for one in row], count)
                like.append([row[place] for place in near])
        return like


def _weakness(metadata: object) -> Weakness:
    values = dict(metadata)  # type: ignore[call-overload]
    return Weakness(
        skill=str(values["skill"]),
        level=int(values["level"]),
        attempts=int(values["attempts"]),
        pass_rate=float(values["pass_rate"]),
        history=tuple((int(r), float(p), int(n)) for r, p, n in json.loads(values["history"])),
        last_seen=int(values["last_seen"]),
    )


def _failure(entry: Any, text: Any, metadata: object) -> Failure:
    values = dict(metadata)  # type: ignore[call-overload]
    return Failure(
        question_id=values.get("key", entry),
        question=text,
        rollout_id=values["rollout_id"],
        completion=values["completion"],
        skill=values["skill"],
        level=values["level"],
    )
