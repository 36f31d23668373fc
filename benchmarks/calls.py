"""So many calls, so many in flight: is memory flat, is any record lost or doubled?

    python -m benchmarks.calls --calls 100000 --in-flight 1000

The endpoint is scripted, in a process of its own. The stage is the attempt stage: every call and every
rollout is written. Memory is this process's resident set, when a tenth is on disk and at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from maieutic.memory.run import RunFolder

from .scripted_server import served
from .stage import asked, attempt, client_for, config_for


async def measure(count: int, in_flight: int) -> bool:
    """Whether every call and rollout is there once."""
    process = psutil.Process()
    with served(f"{in_flight}:0.05") as server, tempfile.TemporaryDirectory() as runs:
        folder = RunFolder(Path(runs))
        config = config_for(server.addresses, in_flight)
        requests = asked(config, count, "calls")
        seen: list[tuple[int, float]] = []

        async def watch() -> None:
            while True:
                done = folder.count(1, "calls/rollouts-calls") * 128
                seen.append((done, process.memory_info().rss / 1e6))
                await asyncio.sleep(0.5)

        watching = asyncio.ensure_future(watch())
        started, spent = time.monotonic(), time.process_time()
        async with client_for(config) as client:
            await attempt(folder.path, config, client, requests)
        seconds, spent = time.monotonic() - started, time.process_time() - spent
        seen.append((count, process.memory_info().rss / 1e6))
        watching.cancel()
        tenth = next(size for done, size in seen if done >= count / 10)
        print(
            f"{count} calls, {in_flight} in flight: {count / seconds:,.0f} calls/s, "
            f"{1e3 * spent / count:.2f} ms of our processor for each"
        )
        print(f"resident: {tenth:.0f} MB at 10 %, {seen[-1][1]:.0f} MB at the end")
        return all([_whole(folder, "calls", count), _whole(folder, "rollouts", count)])


def _whole(folder: RunFolder, kind: str, count: int) -> bool:
    """Whether each id is there once, counted from the files."""
    field = "id" if kind == "calls" else "call_id"
    ids = Counter(row[field] for row in folder.columns(1, kind, [field]))
    lost, doubled = count - len(ids), ids.total() - len(ids)
    print(f"{kind}: {ids.total()} records, {lost} lost, {doubled} doubled")
    return not lost and not doubled


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--in-flight", type=int, default=1000)
    given = parser.parse_args()
    raise SystemExit(0 if asyncio.run(measure(given.calls, given.in_flight)) else 1)
