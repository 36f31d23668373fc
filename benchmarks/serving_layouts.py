"""How Solver and Generator share vLLM: weights swapped in one server, adapters, or one server each.

    python -m benchmarks.serving_layouts

Every layout plays the calls of `--rounds` rounds: the Solver attempts, the Generator proposes.
What is compared: seconds until ready, seconds of a round with its swaps, memory of all server
processes (proportional set size). The layouts take turns in `--repeats` passes, so that a slow
spell of the machine hits all of them; figures are medians, ratios are to the swap.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
from maieutic.agents.generator import Generator
from maieutic.agents.solver import Solver
from maieutic.config import RunConfig, load
from maieutic.graph.folders import read_sets
from maieutic.graph.making import create, prepare
from maieutic.processes import tree
from maieutic.prompts import Prompts
from maieutic.serving.client import Request
from maieutic.serving.command import Hosting
from maieutic.serving.server import VllmServer
from maieutic.trainers.base import ensure_base

from .bare import posted, questions

Play = Callable[[], Awaitable[None]]


class Work:
    """What every layout has to do: the calls of one round, and weights for both roles."""

    def __init__(self, config: RunConfig, base: Path, folder: Path, asked: int, written: int) -> None:
        self.config, self.base, self.folder = config, base, folder
        self.other = folder / "generator"
        shutil.copytree(base, self.other)
        solver, generator = Solver(config.rollouts, 0, Prompts()), Generator(config.generator, 0, Prompts())
        chosen = questions(asked)
        self.attempts = [solver.request(q, 1, "attempt", "base", solver.sampling) for q in chosen]
        self.proposals = [
            generator.request(generator.prompt(q.text, q.solution), q.id, 1, "generate", "generator")
            for q in chosen[:written]
        ]

    def server(self, rank: int = 0) -> VllmServer:
        return VllmServer(Hosting(self.base, self.folder / "vllm.log", rank=rank), self.config.serving)

    async def ask(self, server: VllmServer, requests: list[Request], model: str = "") -> None:
        await posted(server, requests, self.config.serving.concurrency, model)


@asynccontextmanager
async def swapped(work: Work) -> AsyncIterator[Play]:
    async with work.server() as server:
        await server.start()

        async def play() -> None:
            await server.swap(work.base)
            await work.ask(server, work.attempts)
            await server.swap(work.other)
            await work.ask(server, work.proposals)

        yield play


@asynccontextmanager
async def one_each(work: Work) -> AsyncIterator[Play]:
    async with AsyncExitStack() as stack:
        solver = await stack.enter_async_context(work.server())
        generator = await stack.enter_async_context(work.server())
        await solver.start()
        await generator.start()

        async def play() -> None:
            await work.ask(solver, work.attempts)
            await work.ask(generator, work.proposals)

        yield play


@asynccontextmanager
async def adapters(work: Work) -> AsyncIterator[Play]:
    places = {name: work.folder / f"adapter-{name}" for name in ("solver", "writer")}
    await asyncio.to_thread(_make_adapters, work.base, places)
    async with work.server(rank=16) as server:
        await server.start()
        for name, place in places.items():
            await server.adapt(name, place)

        async def play() -> None:
            await work.ask(server, work.attempts, "solver")
            await work.ask(server, work.proposals, "writer")

        yield play


LAYOUTS = {"swap": swapped, "one each": one_each, "adapters": adapters}


def _make_adapters(base: Path, places: dict[str, Path]) -> None:
    """Untrained adapters of rank 16 on every linear layer: speed does not depend on their values."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    for place in places.values():
        if not place.exists():
            model = AutoModelForCausalLM.from_pretrained(base)
            settings = LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
            get_peft_model(model, settings).save_pretrained(place)


def _memory() -> float:
    """GB of everything below us, shared pages counted once."""
    sizes = []
    for process in tree(os.getpid())[1:]:
        try:
            sizes.append(process.memory_full_info().pss)
        except psutil.Error:
            continue
    return sum(sizes) / 1e9


async def one_pass(name: str, work: Work, rounds: int) -> tuple[float, float, float]:
    """Seconds until ready, median seconds of a round, GB."""
    started = time.monotonic()
    async with LAYOUTS[name](work) as play:
        ready = time.monotonic() - started
        await play()
        seconds = []
        for _ in range(rounds):
            began = time.monotonic()
            await play()
            seconds.append(time.monotonic() - began)
        return ready, statistics.median(seconds), _memory()


async def measure(rounds: int, repeats: int, asked: int, written: int) -> None:
    config = load()
    material = prepare(config)
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in LAYOUTS}
    with tempfile.TemporaryDirectory(prefix="maieutic-layouts-") as folder:
        held = read_sets(create(config, Path(folder), "sets", material)).keys()
        base = await ensure_base(config.pocket, held, lambda done, of: None, print)
        work = Work(config, base, Path(folder), asked, written)
        for number in range(repeats):
            for name in LAYOUTS:
                seen[name].append(await one_pass(name, work, rounds))
                ready, played, size = seen[name][-1]
                print(f"pass {number + 1} {name:8}: ready {ready:.1f} s, round {played:.2f} s, {size:.2f} GB")
    best = [statistics.median(values) for values in zip(*seen["swap"], strict=True)]
    for name, passes in seen.items():
        middle = [statistics.median(values) for values in zip(*passes, strict=True)]
        ratios = [mine / swap for mine, swap in zip(middle, best, strict=True)]
        print(f"{name:8} to swap: ready {ratios[0]:.2f}, round {ratios[1]:.2f}, memory {ratios[2]:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--questions", type=int, default=512)
    parser.add_argument("--proposals", type=int, default=192)
    given = parser.parse_args()
    asyncio.run(measure(given.rounds, given.repeats, given.questions, given.proposals))
