"""Four endpoints of unequal speed as one, beside what each can do alone; then one of them dies.

    python -m benchmarks.endpoints

Each endpoint has the same slots and answers after its own time, 8:4:2:1 by default. What it can do is
measured alone, by the very stage that then uses all of them, which should reach 90 % of their sum. In
the last part the fastest one's connections are cut in the middle of a stage: only what was in flight
there is asked again. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from maieutic.memory.run import RunFolder
from maieutic.records import Call

from .scripted_server import served
from .stage import asked, attempt, client_for, config_for

_GOAL = 0.9


async def per_second(folder: Path, addresses: list[str], slots: int, count: int, stage: str) -> float:
    """Requests per second of a stage over these endpoints; a short one before it is not counted."""
    config = config_for(addresses, slots)
    async with client_for(config) as client:
        await attempt(folder, config, client, asked(config, 4 * slots * len(addresses), f"warm-{stage}"))
        requests = asked(config, count, stage)
        started = time.monotonic()
        await attempt(folder, config, client, requests)
        return count / (time.monotonic() - started)


async def measure(slots: int, seconds: list[float], count: int) -> bool:
    """Whether the stage reaches 90 % of the endpoints' sum, and a death costs no record."""
    with served(*(f"{slots}:{one}" for one in seconds)) as server, tempfile.TemporaryDirectory() as runs:
        folder, sum_of = Path(runs), 0.0
        for number, (address, one) in enumerate(zip(server.addresses, seconds, strict=True)):
            # As long as the whole stage is to take.
            alone = max(4 * slots, round(count * (1 / one) / sum(1 / other for other in seconds)))
            capacity = await per_second(folder, [address], slots, alone, f"alone{number}")
            print(f"{slots} slots, {one:g} s: {capacity:,.1f} requests/s ({alone} requests)", flush=True)
            sum_of += capacity
        together = await per_second(folder, server.addresses, slots, count, "all")
        share = together / sum_of
        print(f"together: {together:,.1f} of {sum_of:,.1f} requests/s = {share:.3f} ({count} requests)")
        return await dying(folder, server.addresses, slots, count, server.cut) and share >= _GOAL


async def dying(
    folder: Path, addresses: list[str], slots: int, count: int, cut: Callable[[int], None]
) -> bool:
    """The same while the first endpoint is cut off in the middle: whether each record is there once."""
    config = config_for(addresses, slots)
    async with client_for(config) as client:
        stage = asyncio.ensure_future(attempt(folder, config, client, asked(config, count, "dying")))
        kept = RunFolder(folder)
        while kept.count(1, "calls/rollouts-dying") * 128 < count / 3 and not stage.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        cut(0)
        await stage
    calls = kept.read(1, "calls/rollouts-dying", Call)
    again = [call for call in calls if call.tried]
    lost = count - len({call.id for call in calls if call.completions})
    print(
        f"one of them cut off: {len(again)} requests asked again ({slots} slots there), "
        f"{sum(len(call.tried) for call in again)} tries, {lost} lost, {len(calls) - count} doubled"
    )
    return lost == 0 and len(calls) == count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.2, 0.4, 0.8, 1.6])
    given = parser.parse_args()
    raise SystemExit(0 if asyncio.run(measure(given.slots, given.seconds, given.requests)) else 1)
