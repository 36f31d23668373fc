"""The weakness profile: what the Solver gets wrong, by skill and level, with examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ..records import Attempt, Question, Rollout
from .store import Store, upsert

_KEEP_FAILURES = 12
"""Exemplar failures kept for each cell; the newest replace the oldest."""


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
    def worth(self) -> float:
        """How much there is to learn that can be learned now: 1 − p if p > 0, else 0.

        Source: Absolute Zero, arXiv 2505.03335 (learnability). Differs: taken over a
        skill and level, not over one question.
        """
        return 1 - self.pass_rate if self.pass_rate > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A question with a completion that was wrong."""

    question_id: str
    question: str
    completion: str
    skill: str
    level: int
    round: int


class WeaknessProfile:
    """Skills, levels and exemplar failures in Chroma; updated once a round."""

    def __init__(self, store: Store) -> None:
        self._cells = store.collection("weaknesses")
        self._failures = store.collection("failures")

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
            history.append((round, rate, len(group)))
            ids.append(f"{skill}/{level}")
            documents.append(f"{skill} level {level}: {rate:.0%} right in round {round}")
            metadatas.append(
                {
                    "skill": skill,
                    "level": level,
                    "attempts": sum(entry[2] for entry in history),
                    "pass_rate": rate,
                    "history": json.dumps(history),
                    "last_seen": round,
                }
            )
        if ids:
            upsert(self._cells, ids, documents, metadatas)
        self._remember(round, failures)

    def _remember(self, round: int, failures: Sequence[tuple[Question, Rollout]]) -> None:
        """Keep the first failures of each cell in slots that later rounds overwrite."""
        slots: dict[tuple[str, int], int] = {}
        ids, documents, metadatas = [], [], []
        for question, rollout in failures:
            cell = (question.skill, question.level)
            slot = slots.get(cell, 0)
            if slot == _KEEP_FAILURES:
                continue
            slots[cell] = slot + 1
            ids.append(f"{question.skill}/{question.level}/{slot}")
            documents.append(question.text)
            metadatas.append(
                {
                    "question_id": question.id,
                    "completion": rollout.completion,
                    "skill": question.skill,
                    "level": question.level,
                    "round": round,
                }
            )
        if ids:
            upsert(self._failures, ids, documents, metadatas)

    def all(self) -> list[Weakness]:
        """Every skill and level that was ever attempted."""
        found = self._cells.get(include=["metadatas"])
        return [_weakness(metadata) for metadata in found["metadatas"] or []]

    def worst(self, count: int) -> list[Weakness]:
        """What is worst and worth teaching now: greatest worth first."""
        ranked = sorted(self.all(), key=lambda w: (-w.worth, w.level, w.skill))
        return ranked[:count]

    def failures_like(self, texts: Sequence[str], count: int = 3) -> list[list[Failure]]:
        """For each text, the remembered failures on the most similar questions."""
        size = self._failures.count()
        if not texts or not size:
            return [[] for _ in texts]
        found = self._failures.query(
            query_texts=list(texts), n_results=min(count, size), include=["documents", "metadatas"]
        )
        rows = zip(found["documents"] or [], found["metadatas"] or [], strict=True)
        return [
            [_failure(text, metadata) for text, metadata in zip(documents, metadatas, strict=True)]
            for documents, metadatas in rows
        ]


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


def _failure(text: str, metadata: object) -> Failure:
    values = dict(metadata)  # type: ignore[call-overload]
    return Failure(
        question_id=str(values["question_id"]),
        question=text,
        completion=str(values["completion"]),
        skill=str(values["skill"]),
        level=int(values["level"]),
        round=int(values["round"]),
    )
