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

from maieutic.config import load
from maieutic.graph.folders import create, prepare
from maieutic.graph.progress import Quiet
from maieutic.graph.rollouts import roll_out
from maieutic.graph.room import Room
from maieutic.graph.run import open_room
from maieutic.records import Call, Question

from .bare import posted, questions


async def bare(room: Room, asked: list[Question]) -> float:
    """Tokens per second of plain posts."""
    sampling = room.solver.sampling
    requests = [room.solver.request(question, 0, "bare", "base", sampling) for question in asked]
    (server,) = room.fleet.hosted["solver"].servers
    tokens, seconds = await posted(server, requests, room.config.serving.concurrency)
    return tokens / seconds


async def ours(room: Room, asked: list[Question], number: int) -> float:
    """Tokens per second of the attempt stage."""
    started = time.monotonic()
    await roll_out(room, number, "attempt", asked, "base", room.solver.sampling)
    seconds = time.monotonic() - started
    calls = room.folder.read(number, "calls/rollouts-attempt", Call)
    return sum(call.completion_tokens for call in calls) / seconds


async def measure(count: int, repeats: int) -> None:
    config = load()
    with tempfile.TemporaryDirectory(prefix="maieutic-overhead-") as runs:
        folder = create(config, Path(runs), "overhead", prepare(config))
        room = await open_room(config, folder, Quiet())
        try:
            await room.serve("solver", "base", 0)
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
