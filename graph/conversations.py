"""Where the roles' tools are wired: what each may call, where its results are kept, and the Solver's
rollouts with tools, each a conversation of its own."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from ..agents.conversing import converse, with_tools
from ..agents.teacher import Ask
from ..agents.tools import About, PythonTool, SearchTool, Tool, Toolbox, working_sandbox
from ..config import RunConfig, Sampling
from ..errors import ConfigError
from ..memory.run import RunFolder
from ..memory.search import Found, MemorySearch
from ..records import Behaviour, Call, Question, Record, ToolResult
from ..serving.client import Request
from ..serving.models import folder_of
from ..tasks.sets import keys_of
from .room import Room

R = TypeVar("R", bound=Record)

_TOGETHER = 64
"""Questions whose conversations are played in step: what a kill can cost is one turn of them."""

Send = Callable[[Room, int, str, Sequence[Request], int], Awaitable[None]]
"""Sends requests of a round and keeps their calls in a series; the last is how many were answered before."""


def check_tools(config: RunConfig) -> None:
    """
    Raises:
        ConfigError: a role that is no model has tools, or the Solver's model cannot be shown any.
        MissingPart: programs are to be run, and no sandbox works here.
    """
    for name, role in (("teacher", config.teacher), ("verifier", config.verifier)):
        if role.tools and not role.is_model:
            raise ConfigError(
                f"{name}.tools: only a model can call tools; set {name}.endpoint, or leave it out"
            )
    if config.solver.tools and config.solver.local:
        _check_template(config.solver.model or config.model)
    if any("python" in role.tools for role in (config.solver, config.teacher, config.verifier)):
        working_sandbox()


def _check_template(model: str) -> None:
    """A template that drops calls or results would have the Solver answer what it was never told."""
    if model == "pocket":
        raise ConfigError(
            "solver.tools: the pocket model knows neither calls of tools nor their results; "
            "name another model, or leave solver.tools out"
        )
    folder = folder_of(model, "model")
    texts = [folder / "chat_template.jinja", folder / "tokenizer_config.json"]
    template = "".join(path.read_text(encoding="utf-8", errors="replace") for path in texts if path.exists())
    if template and not ("tool_calls" in template and "tools" in template):
        raise ConfigError(
            f"solver.tools: the chat template of {model} has no place for calls of tools; "
            "name a model whose template has, or leave solver.tools out"
        )


def toolbox_of(room: Room, role: str) -> Toolbox | None:
    """The tools of a role; None where it has none."""
    wanted = getattr(getattr(room.config, role), "tools", [])
    made: dict[str, Callable[[], Tool]] = {
        "python": lambda: PythonTool(working_sandbox()),
        "search": lambda: SearchTool(_look(room, role)),
    }
    return Toolbox([made[name]() for name in dict.fromkeys(wanted)]) if wanted else None


def _look(room: Room, role: str) -> Callable[[str, About], Sequence[Found]]:
    search = MemorySearch(
        room.bank,
        room.profile,
        room.config.curriculum.near_duplicate,
        room.apart.holds,
        lambda one, other: bool(keys_of(one) & keys_of(other)),
    )
    if role == "solver":
        return lambda query, about: search.for_solver(query, about.question)
    return lambda query, about: search.for_author(query, about.prompt)


class _Growing(Generic[R]):
    """A series that is read again and again while it grows: every part once."""

    def __init__(self, folder: RunFolder, round: int, series: str, model: type[R]) -> None:
        self._folder, self._round, self._series, self._model = folder, round, series, model
        self._read = 0

    def fresh(self) -> Iterator[R]:
        """The records that were written since the last time."""
        there = self._folder.following(self._round, self._series)
        first, self._read = self._read, there
        for index in range(first, there):
            yield from self._folder.part(self._round, self._series, index, self._model)

    def write(self, records: Sequence[R]) -> None:
        self._folder.write(
            self._round, self._series, self._folder.following(self._round, self._series), records
        )


class KeptResults:
    """Results of tools as parts of a round, beside the calls that asked for them."""

    def __init__(self, folder: RunFolder, round: int, series: str) -> None:
        self._series = _Growing(folder, round, f"tools/{series.replace('/', '-')}", ToolResult)
        # What this process itself keeps is in its conversations already.
        self._before = {one.id: one for one in self._series.fresh()}

    def known(self) -> Mapping[str, ToolResult]:
        return self._before

    def keep(self, results: Sequence[ToolResult]) -> None:
        self._series.write(results)


def talking(room: Room, role: str, round: int, stage: str, ask: Ask) -> Ask:
    """How a role asks: in conversations, where it has tools; else as it was."""
    toolbox = toolbox_of(room, role)
    if toolbox is None:
        return ask
    kept = KeptResults(room.folder, round, f"{role}-{stage}")
    return with_tools(ask, toolbox, getattr(room.config, role).most_turns, kept)


async def talk_out(
    room: Room,
    round: int,
    stage: str,
    questions: Sequence[Question],
    checkpoint: str,
    sampling: Callable[[str], Sampling],
    toolbox: Toolbox,
    send: Send,
    shown: Mapping[str, Sequence[Behaviour]],
) -> None:
    """Write the rollouts of questions as conversations, some questions at a time.

    Args:
        sampling: of a question by its id.

    A resume reads the turns that were answered and the results that were kept, and asks for the rest.
    """
    series = f"rollouts/{stage}"
    kept = KeptResults(room.folder, round, series)
    ask = _asking(room, round, series, send)
    turns = room.config.solver.most_turns
    for start in range(0, len(questions), _TOGETHER):
        requests: list[Request] = []
        about: dict[str, Question] = {}
        for question in questions[start : start + _TOGETHER]:
            behaviours = shown.get(question.id, ())
            singles = room.solver.singles(
                question, round, stage, checkpoint, sampling(question.id), behaviours
            )
            requests += singles
            about |= {single.subject_id: question for single in singles}
        talks = await converse(requests, toolbox, turns, ask, kept, about)
        told = [
            room.solver.told(talk, about[name], shown.get(about[name].id, ())) for name, talk in talks.items()
        ]
        rollouts = [rollout for rollout in told if rollout is not None]
        room.folder.write(round, series, room.folder.following(round, series), rollouts)


def _asking(room: Room, round: int, series: str, send: Send) -> Ask:
    """Asks for what no call in the records answers; cut-off replies count: they are rollouts, too."""
    kept = _Growing(room.folder, round, f"calls/{series.replace('/', '-')}", Call)
    answered = {call.subject_id: call for call in kept.fresh() if not call.error}
    count = len(answered)

    async def ask(requests: Sequence[Request]) -> dict[str, Call]:
        wanted = [request.subject_id for request in requests]
        todo = [request for request in requests if request.subject_id not in answered]
        nonlocal count
        if todo:
            # Of the stage, not of this turn: a late turn of which all are too long is no mistake.
            await send(room, round, series, todo, count)
            fresh = {call.subject_id: call for call in kept.fresh() if not call.error}
            answered.update(fresh)
            count += len(fresh)
        return {name: answered.pop(name) for name in wanted if name in answered}

    return ask


def tools_of(room: Room) -> str:
    """The Solver's tools as its trainer renders them, JSON; empty without any."""
    toolbox = toolbox_of(room, "solver")
    return json.dumps(toolbox.specs) if toolbox else ""
