"""vLLM itself, killed and stopped while it answers: the same checkpoint says the same afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest
from maieutic.config import load
from maieutic.serving.command import Hosting
from maieutic.serving.hosted import Hosted
from maieutic.serving.requests import Request
from maieutic.serving.server import VllmServer
from maieutic.trainers.pocket_model import save_untrained

pytestmark = pytest.mark.slow


def request(number: int, tokens: int = 48) -> Request:
    prompt = f"What is {number} + 4?"
    return Request.single("solver", prompt, 1, "attempt", "", prompt, 0.0, tokens, 0, "solver-0001")


def engine(server: VllmServer) -> psutil.Process:
    """The process that computes: the largest of the server's."""
    processes = [psutil.Process(int(entry["pid"])) for entry in server.noted()]
    return max(processes, key=lambda process: process.memory_info().rss)


async def test_killed_in_the_middle_it_goes_on_with_the_same_weights(tmp_path: Path) -> None:
    for seed, name in enumerate(("base", "solver-0001")):
        save_untrained(tmp_path / name, hidden=32, layers=1, heads=1, seed=seed)
    config = load(None, ["serving.stall_s=8", "serving.startup_deadline_s=600"]).serving
    model = Hosted([VllmServer(Hosting(tmp_path / "base", tmp_path / "vllm.log"), config)], config)
    told: list[str] = []
    model.tell = told.append

    async def no_check() -> None:
        return

    try:
        await model.ready()
        base = await model.client("base").ask(request(1))
        await model.seat("solver-0001", tmp_path / "solver-0001", no_check)
        client = model.client("solver-0001")
        before = [(await client.ask(request(number))).completions for number in range(3)]
        assert before[1] != base.completions
        asked = [asyncio.ensure_future(client.ask(request(n % 3, 48 + 400 * (n > 2)))) for n in range(40)]
        await asyncio.sleep(0.3)
        os.kill(engine(model.servers[0]).pid, signal.SIGKILL)
        replies = await asyncio.gather(*asked)
        assert [reply.completions for reply in replies[:3]] == before
        assert len({reply.call.id for reply in replies[:3]}) == 3
        assert len(told) == model.generation == 1
        assert "killed" in told[0]
    finally:
        await model.stop()
