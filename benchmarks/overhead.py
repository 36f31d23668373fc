"""Tokens per second of the attempt stage against the bare vLLM server.

    python -m benchmarks.overhead

Both send the same chat requests to the same server with the same number in flight. Bare: a
loop of plain HTTP posts (aiohttp) that reads the token counts and keeps nothing. Ours: the attempt
stage itself, through the OpenAI client, with every call and rollout recorded on disk. They
alternate, and each is measured `--repeats` times after a warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from random import Random

import aiohttp
from maieutic.config import load
from maieutic.graph.rollouts import roll_out
from maieutic.graph.room import Quiet, Room
from maieutic.graph.run import create, open_room, prepare
from maieutic.records import Call, Question
from maieutic.tasks import arithmetic, drawing
from maieutic.tasks.seeds import family_question


def questions(count: int) -> list[Question]:
    rng = Random(0)
    drawn: dict[str, Question] = {}
    while len(drawn) < count:
        cell = rng.choice([cell for cell in arithmetic.CELLS if cell[1] <= 4])
        question = family_question(arithmetic.question_text(drawing.draw(*cell, rng)))
        drawn[question.id] = question
    return list(drawn.values())


async def bare(room: Room, asked: list[Question]) -> float:
    """Tokens per second of plain posts."""
    bodies = []
    for question in asked:
        request = room.solver.request(question, 0, "bare", "base", room.solver.sampling)
        bodies.append(
            {
                "model": room.server.name,
                "messages": request.messages,
                "n": request.n,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "max_tokens": request.max_tokens,
                "seed": request.seed,
            }
        )
    tokens, slots = 0, asyncio.Semaphore(room.config.serving.concurrency)
    headers = {"Authorization": f"Bearer {room.server.key}"}
    connector = aiohttp.TCPConnector(limit=room.config.serving.concurrency)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as http:

        async def post(body: dict[str, object]) -> None:
            nonlocal tokens
            async with (
                slots,
                http.post(f"{room.server.url}/v1/chat/completions", json=body) as answer,
            ):
                tokens += (await answer.json())["usage"]["completion_tokens"]

        started = time.monotonic()
        await asyncio.gather(*(post(body) for body in bodies))
        return tokens / (time.monotonic() - started)


async def ours(room: Room, asked: list[Question], number: int) -> float:
    """Tokens per second of the attempt stage."""
    started = time.monotonic()
    await roll_out(room, number, "attempt", asked, "base", room.solver.sampling)
    seconds = time.monotonic() - started
    calls = room.folder.read(number, "calls/rollouts-attempt", Call)
    return sum(call.completion_tokens for call in calls) / seconds


async def measure(count: int, repeats: int) -> None:
    config = load()
    folder = create(config, Path(tempfile.mkdtemp(prefix="maieutic-overhead-")), "overhead")
    room = await open_room(config, folder, prepare(config), Quiet())
    try:
        await room.serve("base", 0)
        asked = questions(count)
        await bare(room, asked[: count // 4])
        pairs = []
        for number in range(1, repeats + 1):
            pairs.append((await bare(room, asked), await ours(room, asked, number)))
            print(f"bare {pairs[-1][0]:,.0f} tokens/s, attempt stage {pairs[-1][1]:,.0f}", flush=True)
    finally:
        await room.close()
    ratios = [mine / theirs for theirs, mine in pairs]
    print(
        f"ratio: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f} "
        f"({repeats} repeats, {count} prompts × {config.rollouts.n}, "
        f"{config.serving.concurrency} in flight)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--questions", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    asyncio.run(measure(given.questions, given.repeats))
