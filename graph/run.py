"""A run from beginning to end: wired, played, stopped, resumed."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import chromadb.errors
from langgraph.types import Command

from ..agents.generator import Generator
from ..agents.model_teacher import ModelTeacher
from ..agents.solver import Solver
from ..agents.teacher import FamilyTeacher, Teacher
from ..agents.verifier import Verifier, examiners_of
from ..config import RunConfig
from ..curriculum.policies import policy_of
from ..errors import Ended, RunError
from ..memory.bank import QuestionBank
from ..memory.embedding import embedding_function
from ..memory.handbook import Handbook
from ..memory.profile import WeaknessProfile
from ..memory.run import RunFolder
from ..memory.store import opened
from ..processes import Launcher, launch
from ..prompts import Prompts
from ..records import Ending, Question, RunReport, Status
from ..serving.fleet import end_leftover
from ..serving.models import folder_of
from ..tasks.families.family import Family
from ..tasks.material import default_sets, family_of
from ..tasks.sets import FixedSets
from ..trainers import warm
from ..trainers.base import ensure_base
from .attempt import restore
from .build import beginning, build
from .canary import BASE
from .checkpoints import put_aside, saver_of, sound
from .curriculum import recall
from .damage import mend
from .ending import ending
from .evaluate import tell_heldout
from .folders import read_prompts, read_sets
from .kept import Kept
from .kept_rounds import last_round
from .local import fleet_of, own_models
from .lock import locked
from .progress import Progress, Quiet
from .rebuilt import state_after
from .remote import client_of, elsewhere
from .report import write_report
from .review import Desk, Reviewer
from .room import Room
from .state import LoopState
from .telling import Teller
from .tracking import tracked
from .versions import began, require_ours
from .watchdog import Noticed, watchdog


def teacher_of(config: RunConfig, family: Family, prompts: Prompts) -> Teacher:
    """The configured Teacher."""
    if config.teacher.is_model:
        return ModelTeacher(config.teacher, config.seed, prompts)
    return FamilyTeacher(family)


async def open_room(
    config: RunConfig,
    folder: RunFolder,
    progress: Progress,
    kept: Kept | None = None,
    launcher: Launcher = launch,
) -> Room:
    """Wire a run: base model, memory, agents. The server is started by the first node.

    Args:
        kept: has the servers that this run shares with others; without it they are its own.
        launcher: starts its training jobs.

    Raises:
        ConfigError: the curriculum policy is not to be had.
        RunError: the memory cannot be opened, or the policy cannot read what it knew.
    """
    policy = policy_of(config)
    sets = read_sets(folder)
    family = family_of(config, folder.read(0, "questions", Question))
    prompts = read_prompts(folder, config)
    teacher = teacher_of(config, family, prompts)
    store = opened(folder.memory, embedding_function(config.memory.embedding), _teller(folder, progress))
    base = await _base(config, folder, sets, progress)
    own = {role: folder_of(model, f"{role}.model") for role, model in own_models(config).items()}
    if kept is not None:
        kept.begin(config, folder)
        fleet = await kept.fleet(config, base, own, folder)
    else:
        fleet = fleet_of(config, base, own, folder)
    room = Room(
        config=config,
        folder=folder,
        base=base,
        own=own,
        fleet=fleet,
        own_fleet=kept is None,
        launcher=launcher,
        sets=sets,
        family=family,
        policy=policy,
        store=store,
        profile=WeaknessProfile(store),
        bank=QuestionBank(store, config.memory.active),
        handbook=Handbook(store),
        teacher=teacher,
        solver=Solver(
            config.rollouts,
            config.seed,
            prompts,
            instructed=(config.solver.model or config.model) != "pocket",
        ),
        generator=Generator(config.generator, config.seed, prompts),
        verifier=Verifier(examiners_of(config.verifier, config.seed, prompts)),
        remote={name: client_of(name, role, config) for name, role in elsewhere(config).items()},
        progress=progress,
    )
    for hosted in fleet.all():
        hosted.tell = room.tell
    restore(room)
    recall(room)
    return room


def _teller(folder: RunFolder, progress: Progress) -> Callable[[str], None]:
    """Says what was mended before there is a room, and keeps it."""

    def tell(text: str) -> None:
        progress.note(text)
        folder.log(text)

    return tell


async def _base(config: RunConfig, folder: RunFolder, sets: FixedSets, progress: Progress) -> Path:
    """The base model; a run keeps to the one that it began with, and keeps the pocket model whole."""
    if config.model != "pocket":
        return folder_of(config.model, "model")
    base = folder.checkpoint(BASE)
    if not base.exists():
        progress.begin(0, "base model", 0)
        started = time.monotonic()
        built = await ensure_base(config.pocket, _excluded(config, sets), progress.done, progress.note)
        folder.write_json(0, "seconds", {"base model": round(time.monotonic() - started, 3)})
        beside = base.with_name(f".{BASE}")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(built, beside)
        beside.rename(base)
    return base


def _excluded(config: RunConfig, sets: FixedSets) -> frozenset[str]:
    """What the pocket model must not be warmed up on; where a run's sets hold no arithmetic, what
    is kept from that of a run without seeds, so that all share one model."""
    return sets.expressions() or default_sets(config).expressions()


async def play(
    config: RunConfig,
    folder: RunFolder,
    progress: Progress | None = None,
    after_round: Callable[[RunReport], None] = lambda report: None,
    reviewer: Reviewer | None = None,
    kept: Kept | None = None,
) -> RunReport:
    """Play a run to its end, or go on with one that was stopped.

    Args:
        after_round: called with the report after every gate, round 0 included; of a long run after some
            of them (see `telling`), and always at its end.
        reviewer: has a person decide about new questions where the configuration says `review: teach`;
            without one, or where the person stops, the run ends waiting, to be resumed.
        kept: what this run shares with others that are played before and after it.
    Returns:
        The final report. A run that is cut short leaves a report with status `stopped`.
    Raises:
        RunError: it is another version's, which this one does not go on with (`versions.py`).
        MaieuticError: it cannot go on; what is done is kept.
    """
    require_ours(folder)
    try:
        with locked(folder):
            return await _play(config, folder, progress or Quiet(), after_round, reviewer, kept)
    except (TimeoutError, ConnectionError) as error:
        raise RunError(
            f"{folder.path}: something it depends on did not answer ({error!r}); see that it is there, then "
            "resume"
        ) from error
    except (OSError, sqlite3.Error, chromadb.errors.ChromaError) as error:
        raise RunError(
            f"{folder.path}: cannot be written or read ({error}); see that there is room on the "
            f"disk, then resume"
        ) from error


async def _play(
    config: RunConfig,
    folder: RunFolder,
    progress: Progress,
    after_round: Callable[[RunReport], None],
    reviewer: Reviewer | None,
    kept: Kept | None,
) -> RunReport:
    end_leftover(folder.path / "server.json")
    folder.sweep()
    mend(folder, _teller(folder, progress))
    status: Status = "stopped"
    ended: Ending | None = None
    async with contextlib.AsyncExitStack() as stack:
        try:
            launcher = kept.launcher if kept is not None else await stack.enter_async_context(_forked(folder))
            noticed = Noticed(progress)
            room = await open_room(config, folder, noticed, kept, launcher)
            stack.enter_context(watchdog(noticed, room))
            # Ended after the servers are: a tracker may take its time.
            tracking = await stack.enter_async_context(tracked(config, folder, progress.note))
            stack.push_async_callback(room.close)
            room.after_round = Teller(folder, config, after_round, tracking.tell, progress).decided
            status, ended = await _through(room, reviewer)
        finally:
            # Before the server is ended: a second Ctrl-C may cut that short.
            report = write_report(folder, config, status, ended)
            after_round(report)
    return report


@contextlib.asynccontextmanager
async def _forked(folder: RunFolder) -> AsyncIterator[Launcher]:
    """How a run by itself starts its training jobs."""
    if not warm.possible():
        yield launch
        return
    async with warm.Warm(folder.logs / "training.log") as launcher:
        yield launcher


async def _through(room: Room, reviewer: Reviewer | None) -> tuple[Status, Ending | None]:
    """Run the graph from its last checkpoint to its end, until a person has to decide, or until a budget
    is spent."""

    async def this_room() -> Room:
        return room

    if not sound(room.folder.graph) and (aside := put_aside(room.folder)):
        room.tell(f"graph.sqlite was damaged; it is kept as {aside.name}")
    async with saver_of(room.folder) as saver:
        graph = build(this_room).compile(checkpointer=saver)
        where: Any = {
            "configurable": {"thread_id": room.folder.path.name},
            "recursion_limit": 24 * (room.config.rounds + 1),
        }
        start = await _start(room, graph, where)
        try:
            await graph.ainvoke(start, where, durability="sync")
            while asked := (await graph.aget_state(where)).interrupts:
                desk = Desk(room, asked[0].value["round"], asked[0].value["turn"])
                write_report(room.folder, room.config, "waiting for review")
                if reviewer is not None:
                    room.idle = True
                    await reviewer(desk)
                    room.idle = False
                if reviewer is None or desk.waiting():
                    return "waiting for review", None
                write_report(room.folder, room.config, "running")
                await graph.ainvoke(Command(resume="reviewed"), where, durability="sync")
        except Ended as spent:
            ended = cast(Ending, spent.ending)
            return ended.status, ended
        _require_over(room, (await graph.aget_state(where)).values)
        over = await _over(room, graph, where)
    return (over.status, over) if over is not None else ("done", None)


async def _start(room: Room, graph: Any, where: Any) -> LoopState | None:
    """What the graph is to be started with: nothing where it goes on.

    Where there are rounds and no state of the graph, as of a run that was forked, it is made of the
    records; and where a run had come to an end that its settings do not name any more, it goes on.
    """
    begun = (await graph.aget_state(where)).created_at is not None
    last = last_round(room.folder)
    if not begun and last is None:
        return beginning(room)
    if not begun and last is not None:
        room.tell(f"where the run stands is taken from its records: it goes on after round {last}")
        await graph.aupdate_state(where, state_after(room, last), as_node="gate")
    tell_heldout(room)
    state = await graph.aget_state(where)
    if state.values.get("over") and await _over(room, graph, where) is None:
        await graph.aupdate_state(where, {**state.values, "over": False}, as_node="gate")
    if last is not None and (await graph.aget_state(where)).next:
        # It may have said that it is over.
        write_report(room.folder, room.config, "running")
    return None


async def _over(room: Room, graph: Any, where: Any) -> Ending | None:
    """Why a run that is over is; None where its settings name no end any more."""
    values = (await graph.aget_state(where)).values
    return ending(room, values["round"] - 1, values["refused"])


def _require_over(room: Room, values: dict[str, Any]) -> None:
    """
    Raises:
        RunError: the graph has stopped at a node that this version does not have, as if it were done.
    """
    if not values.get("over"):
        raise RunError(
            f"{room.folder.path}: the graph stopped before the run was over; it was begun by "
            f"{began(room.folder)}: go on with that version, or play a new run"
        )
