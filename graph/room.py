"""The room a run is played in: everything the nodes work with, wired once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from ..agents.generator import Generator
from ..agents.solver import Solver
from ..agents.teacher import Teacher
from ..agents.verifier import Verifier
from ..config import RunConfig
from ..curriculum.policy import Policy
from ..errors import RunError, ServerError
from ..memory.bank import QuestionBank
from ..memory.profile import WeaknessProfile
from ..memory.run import RunFolder, write_whole
from ..serving.client import Completions, Request
from ..serving.server import VllmServer, end_leftover, remember
from ..tasks.sets import FixedSets


class Progress(Protocol):
    """Told what a run is doing; draws it, prints it, or ignores it."""

    def begin(self, round: int, stage: str, total: int) -> None: ...

    def advance(self, count: int = 1, tokens: int = 0) -> None: ...

    def done(self, done: int, total: int) -> None: ...

    def note(self, text: str) -> None: ...

    def heldout(self, curve: Sequence[float]) -> None:
        """Held-out accuracy of every round so far, the baseline first."""


class Quiet:
    """Progress for nobody."""

    def begin(self, round: int, stage: str, total: int) -> None:
        return

    def advance(self, count: int = 1, tokens: int = 0) -> None:
        return

    def done(self, done: int, total: int) -> None:
        return

    def note(self, text: str) -> None:
        return

    def heldout(self, curve: Sequence[float]) -> None:
        return


BASE = "base"
"""Name of the checkpoint that a run starts from."""

CANARY_TOKENS = 64
_CHECKPOINT = re.compile(r"(solver|generator)-\d{4,}")


@dataclass
class Room:
    config: RunConfig
    folder: RunFolder
    base: Path
    """Folder of the base model's weights."""
    server: VllmServer
    sets: FixedSets
    policy: Policy
    profile: WeaknessProfile
    bank: QuestionBank
    teacher: Teacher
    solver: Solver
    generator: Generator
    verifier: Verifier
    progress: Progress = field(default_factory=Quiet)
    after_round: Callable[[bool], None] = lambda over: None
    """Called when a round is decided, with whether it was the last: reports are made here, and
    no node reads them."""
    serving: str = ""
    """The checkpoint whose weights the server has, once its canary has passed."""
    _serve_seconds: float = 0.0
    _client: Completions | None = None

    def weights(self, checkpoint: str) -> Path:
        """The folder of a checkpoint.

        Raises:
            RunError: no checkpoint can have that name; state may come from LangGraph's own tools.
        """
        if checkpoint == BASE:
            return self.base
        if not _CHECKPOINT.fullmatch(checkpoint):
            raise RunError(f"{checkpoint[:60]!r} names no checkpoint; it is base, solver-N or generator-N")
        return self.folder.checkpoint(checkpoint)

    def rng(self, round: int, stage: str) -> Random:
        """Random numbers for one stage of one round, the same after a resume."""
        return Random(f"{self.config.seed}/{round}/{stage}")

    @property
    def client(self) -> Completions:
        if self._client is None:
            raise RuntimeError("serve() comes before the first completion")
        return self._client

    async def serve(self, checkpoint: str, round: int) -> None:
        """Have the server answer with a checkpoint's weights.

        Raises:
            ServerError: the server is gone, or does not answer as the checkpoint does.
        """
        started = time.monotonic()
        try:
            await self._serve(checkpoint, round)
        finally:
            self._serve_seconds += time.monotonic() - started

    async def _serve(self, checkpoint: str, round: int) -> None:
        if not self.server.starts:
            self.progress.begin(round, "serve", 0)
            await self.server.start()
            remember(self.folder.path / "server.json", self.server)
            self._client = Completions(
                self.server.url,
                self.server.key,
                self.server.name,
                self.config.serving,
                self.server.require_alive,
            )
        else:
            self.server.require_alive()
        if self.serving == checkpoint:
            return
        self.serving = ""
        seconds = await self.server.swap(self.weights(checkpoint))
        await self._canary(checkpoint, round)
        self.serving = checkpoint
        swaps = self.folder.read_json(round, "swaps") or []
        self.folder.write_json(round, "swaps", [*swaps, {"to": checkpoint, "seconds": seconds}])

    async def _canary(self, checkpoint: str, round: int) -> None:
        """Compare greedy answers with those the trained checkpoint itself gave."""
        file = self.weights(checkpoint) / "canary.json"
        if checkpoint == BASE and not file.exists():
            # Nobody trained this model here: what the server says when it has just loaded it counts.
            file = self.folder.path / "base-canary.json"
            if not file.exists():
                await self._note_canary(file, round)
                return
        canary = json.loads(file.read_text())
        if not canary["distinguishes"]:
            self.progress.note(f"training changed no greedy answer of {checkpoint}: its canary proves little")
        for item in canary["items"]:
            reply = await self.client.ask(
                canary_request(checkpoint, round, item["prompt"], canary["max_tokens"])
            )
            self.folder.write(round, "calls/canary", self.folder.count(round, "calls/canary"), [reply.call])
            if reply.completions != [item["expected"]]:
                raise ServerError(
                    f"the server does not answer as {checkpoint} does: to {item['prompt']!r} it said "
                    f"{reply.completions}, the checkpoint says {item['expected']!r}. Its weights "
                    f"were not taken over; see {self.server.log}, and resume the run"
                )

    async def _note_canary(self, file: Path, round: int) -> None:
        if self.server.swaps:
            raise ServerError(f"{file} is gone, and the server has had other weights since; resume the run")
        items = []
        for question in self.sets.validation[:3]:
            prompt = self.solver.prompt(question)
            reply = await self.client.ask(canary_request(BASE, round, prompt, CANARY_TOKENS))
            self.folder.write(round, "calls/canary", self.folder.count(round, "calls/canary"), [reply.call])
            items += [{"prompt": prompt, "expected": text} for text in reply.completions]
        canary = {"items": items, "max_tokens": CANARY_TOKENS, "distinguishes": True}
        write_whole(file, json.dumps(canary))

    @contextlib.asynccontextmanager
    async def timed(self, round: int, stage: str) -> AsyncIterator[None]:
        """Add the time of a stage to the round's account, also when it is cut short.

        Starting the server and giving it weights is kept apart, as `serve`.
        """
        started, self._serve_seconds = time.monotonic(), 0.0
        try:
            yield
        finally:
            serving = self._serve_seconds
            account = self.folder.read_json(round, "seconds") or {}
            for name, spent in ((stage, time.monotonic() - started - serving), ("serve", serving)):
                account[name] = float(f"{account.get(name, 0.0) + spent:.3f}")
            self.folder.write_json(round, "seconds", account)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
        await self.server.stop()
        # Where its guard was killed, what it guarded may still be there.
        await asyncio.to_thread(end_leftover, self.folder.path / "server.json")


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
