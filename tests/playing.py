"""Whole runs as `maieutic run` and `resume` play them, over the simulated models of simulated.py."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import simulated
from maieutic.config import RunConfig, load
from maieutic.graph import changing, making, run, train
from maieutic.graph.progress import Progress, Quiet
from maieutic.memory.run import RunFolder
from maieutic.records import RunReport
from maieutic.tasks.material import gather

SMALL = (
    "rounds=3", "curriculum.questions=60", "curriculum.new=40", "training.least_pairs=1",
    "generator.proposals=6", "sets.per_cell=1",
)  # fmt: skip


def simulate(patch: pytest.MonkeyPatch, model: Any = None) -> None:
    """Have runs played with simulated models and trainings, and `check` find nothing missing."""

    async def open_room(config: RunConfig, folder: RunFolder, *_: Any) -> Any:
        room = simulated.room_in(folder, config, model=model)
        simulated.same_canary(room.base)
        return room

    patch.setattr(run, "open_room", open_room)
    patch.setattr(train, "run_job", simulated.pretend_to_train)
    patch.setattr(making, "require_vllm", lambda: None)


def made(path: Path, *settings: str) -> RunFolder:
    """A run that has not been played."""
    config = load(None, [*SMALL, *settings])
    folder = RunFolder(path)
    making.begin(folder, config, gather(config))
    return folder


async def played(
    folder: RunFolder, changes: Sequence[str] = (), progress: Progress | None = None
) -> RunReport:
    """Play a run, or go on with it, some of its settings changed before."""
    config = changing.change(folder, changes) if changes else load(folder.config)
    return await run.play(config, folder, progress or Quiet())


def fingerprint(folder: RunFolder, rounds: Sequence[int]) -> dict[str, str]:
    """What was asked, admitted, trained on and decided in some rounds: every record but times."""
    found = {}
    for number in rounds:
        for path in sorted(folder.round(number).rglob("*")):
            timed = path.name in ("seconds.json", "swaps.json", "report.json", "calls_so_far.json")
            if path.is_file() and not timed and "trainings" not in path.parts:
                name = str(path.relative_to(folder.path))
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
