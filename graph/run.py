"""A run from beginning to end: made, played, stopped, resumed."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from ..agents.generator import Generator
from ..agents.solver import Solver
from ..agents.teacher import FamilyTeacher
from ..agents.verifier import Verifier
from ..config import RunConfig, dump, load
from ..curriculum.policy import Policy
from ..curriculum.socratic import Socratic
from ..curriculum.uniform import Uniform
from ..errors import ConfigError, MissingPart, RunError
from ..memory.bank import QuestionBank
from ..memory.embedding import embedding_function
from ..memory.profile import WeaknessProfile
from ..memory.run import RunFolder, write_whole
from ..memory.store import Store
from ..records import Question, RunReport
from ..serving.server import VllmServer, end_leftover, require_vllm
from ..tasks import arithmetic
from ..tasks.seeds import load_seeds
from ..tasks.sets import FixedSets, build_sets
from ..trainers.base import ensure_base
from .build import beginning, build
from .report import versions, write_report
from .room import Progress, Quiet, Room
from .state import LoopState

ROOM_ON_DISK = 500_000_000
"""Bytes that must be free before a run begins; a pocket run needs about a fifth."""


def prepare(config: RunConfig) -> list[Question]:
    """Everything that can be found wrong before a folder is made or a model is loaded.

    Returns:
        The seed questions.
    Raises:
        SeedError, ConfigError, MissingPart: see there.
    """
    seeds = load_seeds(config.seeds)
    embedding_function(config.memory.embedding)
    if config.model != "pocket" and not (Path(config.model) / "config.json").exists():
        raise ConfigError(f"model: {config.model!r} is no folder with a model; use pocket or a path")
    require_vllm()
    for package in ("torch", "transformers", "trl"):
        if importlib.util.find_spec(package) is None:
            raise MissingPart(f"{package} is not installed in this Python; run `make setup`")
    return seeds


def create(config: RunConfig, runs: Path, name: str) -> RunFolder:
    """Make the folder of a new run.

    Raises:
        RunError: the name is taken or is no plain folder name, or there is no room.
    """
    if not name or name != Path(name).name or name.startswith(".") or not name.isprintable():
        raise RunError(f"{name!r} cannot name a run; use letters, digits, - and _")
    folder = RunFolder(runs / name)
    if folder.path.exists():
        raise RunError(f"{folder.path} exists already; choose another --name, or `maieutic resume {name}`")
    try:
        runs.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(runs).free
    except OSError as error:
        raise RunError(f"{runs}: cannot be written ({error.strerror}); choose --runs-dir") from error
    if free < ROOM_ON_DISK:
        raise RunError(
            f"{runs}: {free / 1e6:.0f} MB are free and a run needs {ROOM_ON_DISK / 1e6:.0f} MB; "
            "free some room or choose another --runs-dir"
        )
    noted = "".join(f"# {package} {number}\n" for package, number in versions().items())
    write_whole(folder.config, noted + dump(config))
    return folder


def free_name(runs: Path, stem: str) -> str:
    """The first of stem-1, stem-2 … that is not taken."""
    number = 1
    while (runs / f"{stem}-{number}").exists():
        number += 1
    return f"{stem}-{number}"


def find(runs: Path, name: str) -> tuple[RunFolder, RunConfig]:
    """An existing run with its configuration.

    Raises:
        RunError: there is none of that name; the message lists those there are.
    """
    folder = RunFolder(runs / Path(name).name)
    if not folder.config.exists():
        there = sorted(p.parent.name for p in runs.glob("*/run.yaml"))
        known = f"there are: {', '.join(there)}" if there else f"{runs} has no runs yet"
        raise RunError(f"no run {name!r}; {known}")
    return folder, load(folder.config)


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold a run for this process; the system lets go when the process ends, however it does.

    Raises:
        RunError: another process holds it.
    """
    with (folder.path / "run.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "another process"
            raise RunError(f"{folder.path.name} is being played by process {owner}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def policy_of(config: RunConfig) -> Policy:
    if config.curriculum.policy == "uniform":
        return Uniform()
    return Socratic(config.curriculum.mastered, config.curriculum.leap, arithmetic.MAX_LEVEL)


def fixed_sets(config: RunConfig, seeds: list[Question]) -> FixedSets:
    """Both sets, free of the built-in and of this run's seed questions."""
    taken = {question.text for question in (*seeds, *load_seeds("builtin"))}
    return build_sets(config.sets.per_cell, config.sets.seed, taken)


async def open_room(config: RunConfig, folder: RunFolder, seeds: list[Question], progress: Progress) -> Room:
    """Wire a run: base model, memory, agents. The server is started by the first node."""
    sets = fixed_sets(config, seeds)
    if config.model == "pocket":
        progress.begin(0, "base model", 0)
        base = await ensure_base(config.pocket, sets.texts(), progress.done)
    else:
        base = Path(config.model)
    store = Store(folder.memory, embedding_function(config.memory.embedding))
    bank = QuestionBank(store)
    if not folder.has(0, "questions"):
        folder.write(0, "questions", 0, seeds)
    bank.add(seeds)
    return Room(
        config=config,
        folder=folder,
        base=base,
        server=VllmServer(base, folder.logs / "vllm.log", config.serving),
        sets=sets,
        policy=policy_of(config),
        profile=WeaknessProfile(store),
        bank=bank,
        teacher=FamilyTeacher(),
        solver=Solver(config.rollouts, config.seed),
        generator=Generator(config.generator, config.seed),
        verifier=Verifier(),
        progress=progress,
    )


async def play(
    config: RunConfig,
    folder: RunFolder,
    seeds: list[Question],
    progress: Progress | None = None,
    after_round: Callable[[RunReport], None] = lambda report: None,
) -> RunReport:
    """Play a run to its end, or go on with one that was stopped.

    Args:
        after_round: called with the report after every gate, round 0 included.
    Returns:
        The final report. A run that is cut short leaves a report with status `stopped`.
    """
    with locked(folder):
        end_leftover(folder.path / "server.json")
        room = await open_room(config, folder, seeds, progress or Quiet())
        finished = False
        try:
            async with AsyncSqliteSaver.from_conn_string(str(folder.graph)) as saver:
                async for node in _steps(room, saver):
                    if node == "gate":
                        after_round(write_report(folder, config, "running"))
            finished = True
        finally:
            await room.close()
            report = write_report(folder, config, "done" if finished else "stopped")
            after_round(report)
        return report


async def _steps(room: Room, saver: AsyncSqliteSaver) -> AsyncIterator[str]:
    """Run the graph from its last checkpoint; yields the name of each node that ends."""

    async def this_room() -> Room:
        return room

    graph = build(this_room).compile(checkpointer=saver)
    where: Any = {
        "configurable": {"thread_id": room.folder.path.name},
        "recursion_limit": 20 * (room.config.rounds + 1),
    }
    begun = (await graph.aget_state(where)).created_at is not None
    start: LoopState | None = None if begun else beginning(room)
    async for update in graph.astream(start, where, stream_mode="updates", durability="sync"):
        for name in update:
            yield name
