"""Many completions at once, kept in parts as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ..agents.teacher import Ask
from ..config import Sampling
from ..errors import MaieuticError
from ..memory.run import RunFolder
from ..records import Behaviour, Call, Question, Record, Rollout
from ..serving.client import Client, Reply, Request
from .canary import BASE
from .conversations import talk_out, talking, toolbox_of
from .room import Room
from .sending import Sending
from .spending import require_disk

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
    """Send requests, a window of them at a time, and write what they give as parts of `series`.

    Args:
        read: makes records of a reply; without it the calls are all that is kept.
        already: requests of this stage that were answered before, when it was begun.

    Calls are written before what came of them, so that a record's call is always there.
    Any failure writes what has come so far, then stops the rest; so does a budget that is spent.

    Raises:
        Ended: a budget of the run is spent.
    """
    if read is not None:
        requests = _without_parted(room.folder, round, series, requests, read)
    if not requests:
        return
    sending = Sending(room, client, requests, read is None and requests[0].role != "solver")
    index = room.folder.following(round, _kept(series))
    got: list[R] = []
    calls: list[Call] = []

    def take(request: Request, reply: Reply) -> None:
        calls.append(reply.call)
        got.extend(read(request, reply) if read else [])
        room.progress.advance(1, reply.call.completion_tokens)

    try:
        async for request, reply in sending.replies():
            take(request, reply)
            if len(calls) >= part:
                _write(room.folder, round, series, index, calls, got if read else None)
                calls, got, index = [], [], index + 1
                require_disk(room, round)
    except MaieuticError as error:
        if isinstance(error.call, Call):
            calls.append(error.call)
        raise
    finally:
        for request, reply in await sending.close():
            take(request, reply)
        if calls:
            _write(room.folder, round, series, index, calls, got if read else None)
    sending.tell(len(requests) + already)


def _kept(series: str) -> str:
    return f"calls/{series.replace('/', '-')}"


def _without_parted(
    folder: RunFolder,
    round: int,
    series: str,
    requests: Sequence[Request],
    read: Callable[[Request, Reply], list[R]],
) -> list[Request]:
    """The requests that are still to be sent.

    A kill may come between the calls of a part and what came of them: that is made of the calls now, under
    the number of its part. Where it cannot be, since a call keeps no likelihoods, the calls are taken back.
    """
    asked = {request.subject_id: request for request in requests}
    parts = folder.following(round, _kept(series))
    for index in range(parts):
        if folder.has(round, series, index):
            continue
        if any(request.logprobs for request in requests):
            if index == parts - 1:
                folder.withdraw(round, _kept(series), index)
            continue
        calls = folder.part(round, _kept(series), index, Call)
        # A failure that stopped the stage stands for no answer.
        calls = [call for call in calls if call.completions or call.failure == "refused"]
        there = [(asked[call.subject_id], call) for call in calls if call.subject_id in asked]
        got = [one for request, call in there for one in read(request, _replied(call))]
        folder.write(round, series, index, got)
        for request, _ in there:
            del asked[request.subject_id]
    return list(asked.values())


def _replied(call: Call) -> Reply:
    return Reply(call.completions, call.finished, call)


def _write(
    folder: RunFolder, round: int, series: str, index: int, calls: list[Call], got: Sequence[Record] | None
) -> None:
    folder.write(round, _kept(series), index, calls)
    if got is not None:
        folder.write(round, series, index, got)


def asker(room: Room, round: int, stage: str, role: str = "teacher", part: str = "") -> Ask:
    """How a Teacher or Verifier that is a model sends its requests: recorded, and none sent twice.

    Its calls are their own record; a resumed stage reads them and asks for the rest.

    Args:
        part: names a part of the stage whose calls are kept by themselves.
    """
    series = f"{role}-{stage}{part}"

    async def ask(requests: Sequence[Request]) -> dict[str, Call]:
        calls = room.folder.read(round, f"calls/{series}", Call)
        there = {call.subject_id for call in calls if not call.error}
        todo = [request for request in requests if request.subject_id not in there]
        if todo:
            client = await room.serve(role, BASE, round)
            await ask_all(room, client, round, series, todo, None, len(there), PAID_PART)
            calls = room.folder.read(round, f"calls/{series}", Call)
        # One that was cut off may have lost its answer, or show half of it.
        wanted = {request.subject_id for request in requests}
        whole = [call for call in calls if call.completions and all(call.finished) and not call.error]
        return {call.subject_id: call for call in whole if call.subject_id in wanted}

    return talking(room, role, round, f"{stage}{part}", ask)


async def _send_turn(room: Room, round: int, series: str, requests: Sequence[Request], already: int) -> None:
    """One turn of the Solver's conversations with tools."""
    client = await room.serve("solver", requests[0].checkpoint, round)
    await ask_all(room, client, round, series, requests, None, already)


async def roll_out(
    room: Room,
    round: int,
    stage: str,
    questions: Sequence[Question],
    checkpoint: str,
    sampling: Sampling,
    behaviours: Mapping[str, Sequence[Behaviour]] | None = None,
    counts: Mapping[str, int] | None = None,
) -> list[Rollout]:
    """Rollouts of a stage, in the order of the questions; what is there is not done again.

    Args:
        counts: rollouts by the question's id, where they are not those of the sampling.
        behaviours: of the handbook, by the question's id, those that its prompt is to show.
    """
    shown = behaviours or {}
    series = f"rollouts/{stage}"
    there = {rollout.question_id for rollout in room.folder.read(round, series, Rollout)}
    todo = [question for question in questions if question.id not in there]
    toolbox = toolbox_of(room, "solver")

    def counted(name: str) -> Sampling:
        return sampling.model_copy(update={"n": counts[name]}) if counts else sampling

    # How many turns conversations will take is not known.
    room.progress.begin(round, stage, 0 if toolbox else len(questions))
    room.progress.advance(len(questions) - len(todo))
    if todo and toolbox:
        await talk_out(room, round, stage, todo, checkpoint, counted, toolbox, _send_turn, shown)
    elif todo:
        requests = [
            room.solver.request(
                question, round, stage, checkpoint, counted(question.id), shown.get(question.id, ())
            )
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
