"""Many completions at once, kept in parts as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ..agents.teacher import Ask
from ..config import Sampling
from ..errors import EndpointError, MaieuticError, printable
from ..memory.run import RunFolder
from ..records import Behaviour, Call, Question, Record, Rollout
from ..serving.client import Client, Reply, Request
from ..serving.forgiving import Forgiving, Patience
from .canary import BASE
from .conversations import talk_out, talking, toolbox_of
from .room import Room

PART = 128
"""Requests in a part: what a kill can cost."""

PAID_PART = 16
"""The same of a Teacher or a Verifier that is a model: its calls are slow, and may cost money."""

R = TypeVar("R", bound=Record)


async def ask_all(
    room: Room,
    client: Client,
    round: int,
    series: str,
    requests: Sequence[Request],
    read: Callable[[Request, Reply], list[R]] | None,
    already: int = 0,
    part: int = PART,
) -> None:
    """Send requests, bounded by the client, and write what they give as parts of `series`.

    Args:
        read: makes records of a reply; without it the calls are all that is kept.
        already: requests of this stage that were answered before, when it was begun.

    Calls are written before what came of them, so that a record's call is always there.
    Any failure writes what has come so far, then stops the rest.
    """
    wanted = {request.subject_id: request for request in requests}
    pending = [asyncio.ensure_future(client.ask(request)) for request in requests]
    got: list[R] = []
    calls: list[Call] = []
    refused: list[Call] = []
    try:
        for coming in asyncio.as_completed(pending):
            reply = await coming
            request = wanted[reply.call.subject_id]
            calls.append(reply.call)
            refused += [reply.call] if reply.call.error else []
            got += read(request, reply) if read else []
            room.progress.advance(1, reply.call.completion_tokens)
            if len(calls) == part:
                _write(room.folder, round, series, calls, got if read else None)
                calls, got = [], []
    except MaieuticError as error:
        if isinstance(error.call, Call):
            calls.append(error.call)
        raise
    finally:
        for left in pending:
            left.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        if calls:
            _write(room.folder, round, series, calls, got if read else None)
    role = requests[0].role if requests else ""
    hint = f"{role}.model and {role}.max_tokens" if role in room.remote else "serving.max_model_len"
    _tell_refused(room, refused, len(requests) + already, hint)


_BY_CHANCE = 3
"""Requests that may all be refused for what they say; with more it is the configuration."""


def _tell_refused(room: Room, refused: list[Call], asked: int, hint: str) -> None:
    """A refused request is data; a stage of nothing else is a mistake in the configuration."""
    if refused and len(refused) == asked > _BY_CHANCE:
        raise EndpointError(
            f"the endpoint refused all {asked} requests of this stage: {refused[0].error[:300]}; see {hint}"
        )
    if refused:
        room.progress.note(f"{len(refused)} of {asked} requests were refused: {refused[0].error[:200]}")


def _write(
    folder: RunFolder, round: int, series: str, calls: list[Call], got: Sequence[Record] | None
) -> None:
    kept = f"calls/{series.replace('/', '-')}"
    index = folder.count(round, kept)
    folder.write(round, kept, index, calls)
    if got is not None:
        folder.write(round, series, index, got)


def asker(
    room: Room,
    round: int,
    stage: str,
    role: str = "teacher",
    part: str = "",
    patience: Patience | None = None,
) -> Ask:
    """How a role that is a model, and is not trained here, sends its requests: recorded, none sent twice.

    Its calls are their own record; a resumed stage reads them and asks for the rest.

    Args:
        part: names a part of the stage whose calls are kept by themselves.
        patience: with it, requests that fail are data, and nothing is asked once it is over.
    """
    series = f"{role}-{stage}{part}"

    async def ask(requests: Sequence[Request]) -> dict[str, Call]:
        calls = room.folder.read(round, f"calls/{series}", Call)
        there = {call.subject_id for call in calls if not call.error}
        todo = [request for request in requests if request.subject_id not in there]
        if todo and not (patience and patience.over):
            await _send(room, round, series, role, todo, len(there), patience)
            calls = room.folder.read(round, f"calls/{series}", Call)
        # One that was cut off may have lost its answer, or show half of it.
        wanted = {request.subject_id for request in requests}
        whole = [call for call in calls if call.completions and all(call.finished)]
        return {call.subject_id: call for call in whole if call.subject_id in wanted}

    return talking(room, role, round, f"{stage}{part}", ask)


async def _send_turn(room: Room, round: int, series: str, requests: Sequence[Request], already: int) -> None:
    """One turn of the Solver's conversations with tools."""
    client = await room.serve("solver", requests[0].checkpoint, round)
    await ask_all(room, client, round, series, requests, None, already)


async def _send(
    room: Room,
    round: int,
    series: str,
    role: str,
    requests: Sequence[Request],
    already: int,
    patience: Patience | None,
) -> None:
    client = await room.serve(role, BASE, round)
    if patience is None:
        await ask_all(room, client, round, series, requests, None, already, PAID_PART)
        return
    config = room.config.verifier
    forgiving = Forgiving(client, patience, config.concurrency * max(1, len(config.addresses)))
    try:
        await ask_all(room, forgiving, round, series, requests, None, already, PAID_PART)
    except EndpointError as error:
        rest = "; it is not asked again in this stage" if patience.over else ""
        room.progress.note(printable(f"{role}: {error}{rest}"))


async def roll_out(
    room: Room,
    round: int,
    stage: str,
    questions: Sequence[Question],
    checkpoint: str,
    sampling: Sampling,
    behaviours: Mapping[str, Sequence[Behaviour]] | None = None,
) -> list[Rollout]:
    """Rollouts of a stage, in the order of the questions; what is there is not done again.

    Args:
        behaviours: of the handbook, by the question's id, those that its prompt is to show.
    """
    shown = behaviours or {}
    series = f"rollouts/{stage}"
    there = {rollout.question_id for rollout in room.folder.read(round, series, Rollout)}
    todo = [question for question in questions if question.id not in there]
    toolbox = toolbox_of(room, "solver")
    # How many turns conversations will take is not known.
    room.progress.begin(round, stage, 0 if toolbox else len(questions))
    room.progress.advance(len(questions) - len(todo))
    if todo and toolbox:
        await talk_out(room, round, stage, todo, checkpoint, sampling, toolbox, _send_turn, shown)
    elif todo:
        requests = [
            room.solver.request(question, round, stage, checkpoint, sampling, shown.get(question.id, ()))
            for question in todo
        ]
        there_already = len(questions) - len(todo)
        client = await room.serve("solver", checkpoint, round)
        await ask_all(
            room,
            client,
            round,
            series,
            requests,
            lambda request, reply: room.solver.rollouts(request, reply, shown.get(request.subject_id, ())),
            there_already,
        )
    order = {question.id: place for place, question in enumerate(questions)}
    rollouts = room.folder.read(round, series, Rollout)
    return sorted(rollouts, key=lambda r: (order.get(r.question_id, -1), r.index))
