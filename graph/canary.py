"""After a swap of weights: the server must answer as the checkpoint itself did."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ServerError, ServerWrong
from ..memory.run import write_whole
from ..records import short_id
from ..serving.client import Client, Request

if TYPE_CHECKING:
    from ..serving.hosted import Hosted
    from .room import Room

BASE = "base"
"""Name of the checkpoint that a run starts from."""

_TOKENS = 64
_QUESTIONS = 3


async def check_canary(room: Room, hosted: Hosted, checkpoint: str, round: int) -> None:
    """Compare greedy answers of every server with those that the checkpoint gave where it was trained.

    Raises:
        ServerError: they differ, so the weights were not taken over.
    """
    weights = hosted.model if checkpoint == BASE else room.weights(checkpoint)
    trained = [room.fleet.hosted.get(role) for role in ("solver", "generator")]
    if checkpoint == BASE and (hosted.adapters or hosted not in trained):
        return  # loaded once, and never replaced
    file = weights / "canary.json"
    if checkpoint == BASE and not file.exists():
        # Nobody trained this model here: what the server says when it has just loaded it counts.
        own = "base" if hosted is room.fleet.hosted.get("solver") else short_id("base", weights)
        file = room.folder.path / f"{own}-canary.json"
        if not file.exists():
            await _note_canary(room, hosted, file, round)
            return
    await compare(room, hosted.clients(checkpoint), file, checkpoint, round)


async def compare(room: Room, clients: Sequence[Client], file: Path, checkpoint: str, round: int) -> None:
    """Have every client answer as a canary's file says."""
    canary = json.loads(file.read_text())
    if not canary["items"]:
        raise ServerError(
            f"{file} holds no completion to compare: {checkpoint} says nothing with a clear margin, and "
            "whether a server has its weights cannot be told; lower the learning rate"
        )
    if not canary["distinguishes"]:
        room.progress.note(f"training changed no greedy answer of {checkpoint}: its canary proves little")
    for client, item in itertools.product(clients, canary["items"]):
        said = await _ask(room, client, checkpoint, round, item["prompt"], item["max_tokens"])
        if said != [item["expected"]]:
            raise ServerWrong(
                f"the server does not answer as {checkpoint} does: to {item['prompt']!r} it said "
                f"{said}, the checkpoint says {item['expected']!r}. Its weights "
                f"were not taken over; see {room.folder.logs}, and resume the run"
            )


async def _note_canary(room: Room, hosted: Hosted, file: Path, round: int) -> None:
    if hosted.swaps:
        raise ServerError(f"{file} is gone, and the server has had other weights since; resume the run")
    items = []
    for question in room.sets.validation[:_QUESTIONS]:
        prompt = room.solver.prompt(question)
        said = await _ask(room, hosted.now(BASE), BASE, round, prompt, _TOKENS)
        items += [{"prompt": prompt, "expected": text, "max_tokens": _TOKENS} for text in said]
    write_whole(file, json.dumps({"items": items, "distinguishes": True}))


async def _ask(
    room: Room, client: Client, checkpoint: str, round: int, prompt: str, tokens: int
) -> list[str]:
    """The greedy completion, its call recorded."""
    account = room.accounts.of("canary")
    reply = await client.ask(canary_request(checkpoint, round, prompt, tokens))
    account.add(reply.call)
    room.folder.write(round, "calls/canary", room.folder.following(round, "calls/canary"), [reply.call])
    return reply.completions


def canary_request(checkpoint: str, round: int, prompt: str, max_tokens: int) -> Request:
    """Greedy, so that the answer follows from the weights alone."""
    subject = f"{checkpoint}/{prompt}"
    return Request.single("canary", subject, round, "canary", "", prompt, 0.0, max_tokens, 0, checkpoint)
