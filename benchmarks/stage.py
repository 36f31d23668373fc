"""The attempt stage without a run around it: a room of what `ask_all` needs, and requests for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from maieutic.agents.solver import Solver
from maieutic.config import RunConfig, Sampling, load
from maieutic.graph.accounts import Accounts
from maieutic.graph.progress import Quiet
from maieutic.graph.remote import client_of
from maieutic.graph.rollouts import ask_all
from maieutic.memory.run import RunFolder
from maieutic.prompts import Prompts
from maieutic.records import Question
from maieutic.serving.client import Client, Request


def config_for(addresses: Sequence[str], concurrency: int) -> RunConfig:
    """A Solver at scripted endpoints."""
    named = ", ".join(f"{address}/v1" for address in addresses)
    settings = [f"solver.endpoint=[{named}]", "solver.model=m", f"serving.concurrency={concurrency}"]
    return load(None, [*settings, "serving.request_deadline_s=60", "training.method=lora", "model=elsewhere"])


def asked(config: RunConfig, count: int, stage: str) -> list[Request]:
    """Requests for so many questions, no two alike."""
    solver = Solver(config.rollouts, 0, Prompts())
    sampling = Sampling(n=1, max_tokens=64)
    return [solver.request(_question(number), 1, stage, "base", sampling) for number in range(count)]


def _question(number: int) -> Question:
    return Question(
        id=f"q-{number}", text=f"What is {number} + {number}?", answer=str(2 * number), solution="",
        skill="addition", level=1, origin="seed",
    )  # fmt: skip


@contextlib.asynccontextmanager
async def client_for(config: RunConfig) -> AsyncIterator[Client]:
    client = client_of("solver", config.solver, config)
    try:
        yield client
    finally:
        await client.close()


async def attempt(folder: Path, config: RunConfig, client: Client, requests: Sequence[Request]) -> None:
    """The stage as a run plays it: every call and rollout is on disk when it ends."""
    kept = RunFolder(folder)
    room: Any = SimpleNamespace(
        config=config, folder=kept, accounts=Accounts(kept), progress=Quiet(), remote={"solver": client}
    )
    solver = Solver(config.rollouts, 0, Prompts())
    await ask_all(room, client, 1, f"rollouts/{requests[0].stage}", requests, solver.rollouts)
