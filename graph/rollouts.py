"""Many completions at once, kept in parts as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..agents.teacher import Ask
from ..config import Sampling
from ..errors import EndpointError, MaieuticError
from ..memory.run import RunFolder
from ..records import Call, Question, Record, Rollout, Verdict
from ..serving.client import Completions, Reply, Request
from .room import Room

PART = 128
"""Requests in a part: what a kill can cost."""

PAID_PART = 16
"""The same of a Teacher that is a model: its calls are slow, and may cost money."""

R = TypeVar("R", bound=Record)


async def ask_all(
    room: Room,
    round: int,
    series: str,
    requests: Sequence[Request],
    read: Callable[[Request, Reply], list[R]] | None,
    client: Completions | None = None,
) -> None:
    """Send requests, bounded by the client, and write what they give as parts of `series`.

    Args:
        read: makes records of a reply; without it the calls are all that is kept.
        client: of another endpoint than our server's.

    Calls are written before what came of them, so that a record's call is always there.
    Any failure writes what has come so far, then stops the rest.
    """
    part = PART if client is None else PAID_PART
    wanted = {request.subject_id: request for request in requests}
    endpoint = client or room.client
    pending = [asyncio.ensure_future(endpoint.ask(request)) for request in requests]
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
    hint = "serving.max_model_len" if client is None else "teacher.model and teacher.max_tokens"
    _tell_refused(room, refused, len(requests), hint)


def _tell_refused(room: Room, refused: list[Call], asked: int, hint: str) -> None:
    """A refused request is data; a stage of nothing else is a mistake in the configuration."""
    if refused and len(refused) == asked:
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


def asker(room: Room, round: int, stage: str) -> Ask:
    """How a Teacher that is a model sends its requests: recorded, and none sent twice.

    Its calls are their own record; a resumed stage reads them and asks for the rest.
    """

    async def ask(requests: Sequence[Request]) -> dict[str, str]:
        series = f"teacher-{stage}"
        calls = room.folder.read(round, f"calls/{series}", Call)
        there = {call.subject_id for call in calls if not call.error}
        todo = [request for request in requests if request.subject_id not in there]
        if todo:
            await ask_all(room, round, series, todo, None, room.teacher_endpoint)
            calls = room.folder.read(round, f"calls/{series}", Call)
        return {call.subject_id: call.completions[0] for call in calls if call.completions}

    return ask


async def roll_out(
    room: Room,
    round: int,
    stage: str,
    questions: Sequence[Question],
    checkpoint: str,
    sampling: Sampling,
) -> list[Rollout]:
    """Rollouts of a stage, in the order of the questions; what is there is not done again."""
    series = f"rollouts/{stage}"
    there = {rollout.question_id for rollout in room.folder.read(round, series, Rollout)}
    todo = [question for question in questions if question.id not in there]
    room.progress.begin(round, stage, len(questions))
    room.progress.advance(len(questions) - len(todo))
    if todo:
        requests = [room.solver.request(question, round, stage, checkpoint, sampling) for question in todo]
        await ask_all(room, round, series, requests, room.solver.rollouts)
    order = {question.id: place for place, question in enumerate(questions)}
    rollouts = room.folder.read(round, series, Rollout)
    return sorted(rollouts, key=lambda r: (order.get(r.question_id, -1), r.index))


def verify_all(
    room: Room, round: int, stage: str, questions: Sequence[Question], rollouts: Sequence[Rollout]
) -> list[Verdict]:
    """A verdict for each rollout, written once."""
    series = f"verdicts/{stage}"
    if not room.folder.has(round, series):
        known = {question.id: question for question in questions}
        verdicts = room.verifier.judge([(known[r.question_id], r) for r in rollouts])
        room.folder.write(round, series, 0, verdicts)
    return room.folder.read(round, series, Verdict)
