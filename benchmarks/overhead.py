"""Tokens per second of the attempt stage against the bare vLLM server.

    python -m benchmarks.overhead

Both send the same chat requests to the same server with the same number in flight. Bare: a
loop of plain HTTP posts (aiohttp) that reads the token counts and keeps nothing. Ours: the attempt
stage itself, through the OpenAI client, with every call and rollout recorded on disk. They
alternate, and each is measured `--repeats` times after a warm-up. Of the attempt stage it is printed, too,
which share of its time went into writing records: the stage waits while it writes.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from maieutic.config import load
from maieutic.graph.making import create, prepare
from maieutic.graph.progress import Quiet
from maieutic.graph.rollouts import roll_out
from maieutic.graph.room import Room
from maieutic.graph.run import open_room
from maieutic.memory.run import RunFolder
from maieutic.records import Call, Question, Record

from .bare import posted, questions


async def bare(room: Room, asked: list[Question]) -> float:
    """Tokens per second of plain posts."""
    sampling = room.solver.sampling
    requests = [room.solver.request(question, 0, "bare", "base", sampling) for question in asked]
    (server,) = room.fleet.hosted["solver"].servers
    tokens, seconds = await posted(server, requests, room.config.serving.concurrency)
    return tokens / seconds


class Timed(RunFolder):
    """A run folder that knows how long it took to write."""

    seconds = 0.0

    def write(self, number: int, series: str, index: int, records: Sequence[Record]) -> None:
        started = time.monotonic()
        super().write(number, series, index, records)
        self.seconds += time.monotonic() - started


async def ours(room: Room, folder: Timed, asked: list[Question], number: int) -> tuple[float, float]:
    """Tokens per second of the attempt stage, and the share of its time that records took."""
    started, folder.seconds = time.monotonic(), 0.0
    await roll_out(room, number, "attempt", asked, "base", room.solver.sampling)
    seconds = time.monotonic() - started
    calls = folder.read(number, "calls/rollouts-attempt", Call)
    return sum(call.completion_tokens for call in calls) / seconds, folder.seconds / seconds


async def measure(count: int, repeats: int) -> None:
    config = load()
    with tempfile.TemporaryDirectory(prefix="maieutic-overhead-") as runs:
        folder = Timed(create(config, Path(runs), "overhead", prepare(config)).path)
        room = await open_room(config, folder, Quiet())
        try:
            await room.serve("solver", "base", 0)
            asked = questions(count)
            await bare(room, asked[: count // 4])
            pairs, writing = [], []
            for number in range(1, repeats + 1):
                theirs = await bare(room, asked)
                mine, share = await ours(room, folder, asked, number)
                pairs.append((theirs, mine))
                writing.append(share)
                print(
                    f"bare {theirs:,.0f} tokens/s, attempt stage {mine:,.0f}, of which {100 * share:.2f} % "
                    "of the time to write records",
                    flush=True,
                )
        finally:
            await room.close()
    ratios = [mine / theirs for theirs, mine in pairs]
    print(
        f"ratio: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f} "
        f"({repeats} repeats, {count} prompts × {config.rollouts.n}, "
        f"{config.serving.concurrency} in flight)"
    )
    print(
        f"writing records: median {100 * statistics.median(writing):.2f} % of the attempt stage, "
        f"at most {100 * max(writing):.2f} %"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--questions", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    asyncio.run(measure(given.questions, given.repeats))
