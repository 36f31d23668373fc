"""A run played as the command line plays it (lock, checkpoints, memory, report), its models and trainers
simulated; and what is compared of two runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import simulated
from maieutic.config import RunConfig, load
from maieutic.graph import run
from maieutic.graph.making import begin
from maieutic.graph.progress import Progress, Quiet
from maieutic.graph.room import Room
from maieutic.memory.run import RunFolder
from maieutic.records import RunReport
from maieutic.tasks.material import gather

CONFIG = [
    "rounds=2", "sets.per_cell=1", "curriculum.questions=40", "curriculum.new=24", "training.least_pairs=1",
    "generator.proposals=8",
]  # fmt: skip

_BY_CHANCE = {"seconds", "tried", "endpoint", "nearest_id", "likeness"}
"""Of the clock; and which question is the nearest to another, an index that is built in another order may
once in thousands of searches find otherwise."""


class Told(Quiet):
    """Progress that remembers what was noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Played:
    """A run in a folder, played as often as it takes.

    Args:
        asked: called with the round and the stage of each request, before it is answered.
    """

    def __init__(self, path: Path, patch: pytest.MonkeyPatch, settings: list[str] = CONFIG) -> None:
        self.config: RunConfig = load(None, settings)
        self.folder = RunFolder(path)
        self.asked: Callable[[int, str], None] = lambda round, stage: None
        self.told = Told()
        self.room: Room | None = None
        patch.setattr(run, "open_room", self._open)
        patch.setattr("maieutic.graph.train.run_job", simulated.pretend_to_train)
        patch.setattr("maieutic.trainers.warm.possible", lambda: False)
        if not self.folder.config.exists():
            begin(self.folder, self.config, gather(self.config))

    async def _open(
        self, config: RunConfig, folder: RunFolder, progress: Progress, kept: object, launcher: object
    ) -> Room:
        room = simulated.room_in(folder, config, tell=self.told.notes.append)
        simulated.same_canary(room.base)
        room.progress = progress
        solver: Any = room.fleet.hosted["solver"]
        before = solver.solver.ask

        async def ask(request: Any) -> Any:
            self.asked(request.round, request.stage)
            return await before(request)

        solver.solver.ask = ask
        self.room = room
        return room

    async def play(self) -> RunReport:
        self.told.notes.clear()
        return await run.play(self.config, self.folder, self.told)


def kept(folder: RunFolder) -> dict[str, list[str]]:
    """What a run has recorded, by kind, but for times; parts count as one."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.path.glob("rounds/[0-9][0-9][0-9][0-9]/*/*.parquet")):
        if file.parent.name == "sets" or "canary" in file.name:
            continue
        name = f"{file.parts[-3]}/{file.parent.name}/{file.stem.rpartition('-')[0]}"
        rows = pq.read_table(file).to_pylist()
        found.setdefault(name, []).extend(
            repr({key: value for key, value in row.items() if key not in _BY_CHANCE}) for row in rows
        )
    return {name: sorted(rows) for name, rows in found.items()}


def unlike(folder: RunFolder, wanted: dict[str, list[str]]) -> list[str]:
    """Where a run's records are not as wanted: a line for each kind that says how, short enough for a log."""
    found, said = kept(folder), []
    for name in sorted(found.keys() | wanted.keys()):
        there, due = Counter(found.get(name, [])), Counter(wanted.get(name, []))
        more, gone = there - due, due - there
        if more or gone:
            said.append(f"{name}: {gone.total()} gone: {_first(gone)}; {more.total()} more: {_first(more)}")
    return said


def _first(rows: Counter[str]) -> str:
    return min(rows, default="")[:600]


def memory(room: Room) -> tuple[Any, ...]:
    """What the memory of a run holds. (Of two entries equally like a text, either may be found first.)"""
    assert room.store is not None
    failures = room.store.collection("failures").get(include=["metadatas", "documents"])
    rows = zip(failures["ids"], failures["documents"] or [], failures["metadatas"] or [], strict=True)
    texts = [question.text for question, _ in room.bank.known()]
    return (
        sorted(room.profile.all(), key=lambda w: (w.skill, w.level)),
        room.bank.known(),
        sorted((key, text, sorted(metadata.items())) for key, text, metadata in rows),
        room.handbook.all(),
        [room.bank.nearest([text])[0][1] > 0.999 for text in texts],
    )
