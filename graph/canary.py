"""After a swap of weights: the server must answer as the checkpoint itself did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ServerError
from ..memory.run import write_whole
from ..serving.client import Request

if TYPE_CHECKING:
    from .room import Room

BASE = "base"
"""Name of the checkpoint that a run starts from."""

_TOKENS = 64
_QUESTIONS = 3


async def check_canary(room: Room, checkpoint: str, round: int) -> None:
    """Compare greedy answers with those that the checkpoint gave where it was trained.

    Raises:
        ServerError: they differ, so the weights were not taken over.
    """
    file = room.weights(checkpoint) / "canary.json"
    if checkpoint == BASE and not file.exists():
        # Nobody trained this model here: what the server says when it has just loaded it counts.
        file = room.folder.path / "base-canary.json"
        if not file.exists():
            await _note_canary(room, file, round)
            return
    canary = json.loads(file.read_text())
    if not canary["items"]:
        raise ServerError(
            f"{file} holds no completion to compare: {checkpoint} says nothing with a clear margin, and "
            "whether a server has its weights cannot be told; lower the learning rate"
        )
    if not canary["distinguishes"]:
        room.progress.note(f"training changed no greedy answer of {checkpoint}: its canary proves little")
    for item in canary["items"]:
        said = await _ask(room, checkpoint, round, item["prompt"], item["max_tokens"])
        if said != [item["expected"]]:
            raise ServerError(
                f"the server does not answer as {checkpoint} does: to {item['prompt']!r} it said "
                f"{said}, the checkpoint says {item['expected']!r}. Its weights "
                f"were not taken over; see {room.server.log}, and resume the run"
            )


async def _note_canary(room: Room, file: Path, round: int) -> None:
    if room.server.swaps:
        raise ServerError(f"{file} is gone, and the server has had other weights since; resume the run")
    items = []
    for question in room.sets.validation[:_QUESTIONS]:
        prompt = room.solver.prompt(question)
        said = await _ask(room, BASE, round, prompt, _TOKENS)
        items += [{"prompt": prompt, "expected": text, "max_tokens": _TOKENS} for text in said]
    write_whole(file, json.dumps({"items": items, "distinguishes": True}))


async def _ask(room: Room, checkpoint: str, round: int, prompt: str, tokens: int) -> list[str]:
    """The greedy completion, its call recorded."""
    reply = await room.client.ask(canary_request(checkpoint, round, prompt, tokens))
    room.folder.write(round, "calls/canary", room.folder.count(round, "calls/canary"), [reply.call])
    return reply.completions


def canary_request(checkpoint: str, round: int, prompt: str, max_tokens: int) -> Request:
    """Greedy, so that the answer follows from the weights alone."""
    return Request(
        subject_id=f"{checkpoint}/{prompt}",
        role="canary",
        checkpoint=checkpoint,
        stage="canary",
        round=round,
        template="",
        messages=[{"role": "user", "content": prompt}],
        n=1,
        temperature=0.0,
        top_p=1.0,
        max_tokens=max_tokens,
        seed=0,
    )
