"""The room a run is played in: everything the nodes work with, wired once."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random

from ..agents.generator import Generator
from ..agents.solver import Solver
from ..agents.teacher import Teacher
from ..agents.verifier import Verifier
from ..config import RunConfig
from ..curriculum.policy import Policy
from ..errors import RunError
from ..memory.bank import QuestionBank
from ..memory.handbook import Handbook
from ..memory.profile import WeaknessProfile
from ..memory.run import RunFolder
from ..serving.client import Client, Completions
from ..serving.server import VllmServer, end_leftover, remember
from ..tasks.families.family import Family
from ..tasks.sets import FixedSets
from .apart import KeptApart
from .canary import BASE, check_canary
from .progress import Progress, Quiet

BEYOND = 5
"""Levels above the family's that a Teacher may climb to, where it is a model."""

_CHECKPOINT = re.compile(r"(solver|generator)-\d{4,}")


@dataclass
class Room:
    """One run's parts, and the checkpoint that its server has: what every node is given."""

    config: RunConfig
    folder: RunFolder
    base: Path
    """Folder of the base model's weights."""
    server: VllmServer
    sets: FixedSets
    family: Family
    policy: Policy
    profile: WeaknessProfile
    bank: QuestionBank
    handbook: Handbook
    teacher: Teacher
    solver: Solver
    generator: Generator
    verifier: Verifier
    remote: dict[str, Client] = field(default_factory=dict)
    """Of the roles whose models are elsewhere."""
    progress: Progress = field(default_factory=Quiet)
    after_round: Callable[[bool], None] = lambda over: None
    """Called when a round is decided, with whether it was the last: reports are made here, and
    no node reads them."""
    serving: str = ""
    """The checkpoint whose weights the server has, once its canary has passed."""
    _serve_seconds: float = 0.0
    _client: Client | None = None

    @cached_property
    def apart(self) -> KeptApart:
        return KeptApart(self.sets, self.bank, self.config.curriculum.near_duplicate)

    @property
    def policy_top(self) -> int:
        """Highest level that is taught; a Teacher that is a model goes beyond the family's."""
        return self.family.top + (BEYOND if self.config.teacher.is_model else 0)

    @property
    def can_label(self) -> bool:
        """Whether the answer to a text that the Generator wrote can be found out."""
        return self.family.reads or self.config.teacher.is_model

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
    def client(self) -> Client:
        if self._client is None:
            raise RuntimeError("serve() comes before the first completion")
        return self._client

    @property
    def lost(self) -> bool:
        """Whether the server was started and is gone: such a room cannot go on."""
        return self.server.starts > 0 and not self.server.alive

    async def serve(self, role: str, checkpoint: str, round: int) -> Client:
        """Have a checkpoint answer for a role, where this run serves it itself.

        Returns:
            Who is to be asked.
        Raises:
            ServerError: the server is gone, or does not answer as the checkpoint does.
        """
        if role in self.remote:
            return self.remote[role]
        started = time.monotonic()
        try:
            await self._serve(checkpoint, round)
        finally:
            self._serve_seconds += time.monotonic() - started
        return self.client

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
        await check_canary(self, checkpoint, round)
        self.serving = checkpoint
        swaps = self.folder.read_json(round, "swaps") or []
        self.folder.write_json(round, "swaps", [*swaps, {"to": checkpoint, "seconds": seconds}])

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
        for client in (self._client, *self.remote.values()):
            if client is not None:
                await client.close()
        self.verifier.close()
        await self.server.stop()
        # Where its guard was killed, what it guarded may still be there.
        await asyncio.to_thread(end_leftover, self.folder.path / "server.json")
