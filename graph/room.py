"""The room a run is played in: everything the nodes work with, wired once."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from random import Random

from ..agents.generator import Generator
from ..agents.solver import Solver
from ..agents.teacher import Teacher
from ..agents.verifier import Verifier
from ..config import RunConfig
from ..curriculum.policy import Policy, Skills
from ..errors import RunError
from ..memory.bank import QuestionBank
from ..memory.handbook import Handbook
from ..memory.profile import WeaknessProfile
from ..memory.run import RunFolder
from ..memory.store import Store
from ..processes import Launcher, launch
from ..records import Ending, Worth
from ..serving.client import Client
from ..serving.fleet import Fleet
from ..tasks.families.family import Family
from ..tasks.sets import FixedSets
from .accounts import Accounts
from .apart import KeptApart
from .canary import BASE, check_canary, compare
from .designs import designs_of
from .progress import Progress, Quiet
from .remote import adapt, client_of
from .replay import Replayable
from .spending import Spending
from .sums import Newest

HEARTBEAT_S = 10.0
"""Seconds between two notes of the time that a stage takes: what a kill can take from an account."""

BEYOND = 5
"""Levels above the family's that a Teacher may climb to, where it is a model."""

_CHECKPOINT = re.compile(r"(solver|generator)-\d{4,}")


@dataclass
class Room:
    """One run's parts, and the checkpoint that its server has: what every node is given."""

    config: RunConfig
    folder: RunFolder
    base: Path
    """Folder of the base model's weights: the Solver's, and the Generator's where it has no other."""
    own: dict[str, Path]
    """Folders of the models of roles that have another than that."""
    fleet: Fleet
    """The models that this run serves itself."""
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
    idle: bool = False
    """Whether a person is asked, and nothing else is to be waited for."""
    own_fleet: bool = True
    """Whether its servers end with it; not where the next run has them, too."""
    launcher: Launcher = launch
    """How training jobs are started."""
    store: Store | None = None
    """The memory that profile, bank and handbook are in, where it ends with the room."""
    remote: dict[str, Client] = field(default_factory=dict)
    """Of the roles whose models are elsewhere, and of the adapters that they were given, by name."""
    progress: Progress = field(default_factory=Quiet)
    after_round: Callable[[Ending | None], None] = lambda over: None
    """Called when a round is decided, with why it was the last where it was: reports are made here, and
    no node reads them."""
    heldout: dict[int, float] = field(default_factory=dict)
    """Held-out accuracy by round, as far as it was read: to be shown, and never to decide."""
    skills: dict[str, Skills] = field(default_factory=dict)
    """What was read of the skills that the Teacher named, by the question's id."""
    measured: dict[str, float] = field(default_factory=dict)
    """What was read of what the policy has measured, by the question's id."""
    promoted: dict[int, float] = field(default_factory=dict)
    """Validation accuracy by round, of what the gate kept, as far as it was read."""
    read_up_to: Counter[str] = field(default_factory=Counter)
    """The last round that such things were read of, by their name."""
    _serve_seconds: float = 0.0

    @cached_property
    def replayable(self) -> Replayable:
        return Replayable(self.config.seed)

    @cached_property
    def designs(self) -> Newest[Worth]:
        return designs_of(self.folder)

    def unread(self, name: str, round: int) -> range:
        """The rounds before this one of which something was not read yet; from now on it was."""
        first, self.read_up_to[name] = self.read_up_to[name], max(self.read_up_to[name], round)
        return range(first, round)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.folder)

    @cached_property
    def spending(self) -> Spending:
        return Spending(self.config, self.folder, self.accounts)

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

    def base_of(self, role: str) -> Path:
        """The folder of the model that a role begins with."""
        return self.own.get(role, self.base)

    def weights(self, checkpoint: str, role: str = "solver") -> Path:
        """The folder of a checkpoint; what is called base is a role's own.

        Raises:
            RunError: no checkpoint can have that name; state may come from LangGraph's own tools.
        """
        if checkpoint == BASE:
            return self.base_of(role)
        if not _CHECKPOINT.fullmatch(checkpoint):
            raise RunError(f"{checkpoint[:60]!r} names no checkpoint; it is base, solver-N or generator-N")
        return self.folder.checkpoint(checkpoint)

    def rng(self, round: int, stage: str) -> Random:
        """Random numbers for one stage of one round, the same after a resume."""
        return Random(f"{self.config.seed}/{round}/{stage}")

    def tell(self, text: str) -> None:
        """Say what went wrong and was mended, or is waited for; it is kept in logs/faults.log, too."""
        self.progress.note(text)
        self.folder.log(text)

    @property
    def lost(self) -> bool:
        """Whether a server was started and is gone: such a room cannot go on."""
        return self.fleet.lost

    async def serve(self, role: str, checkpoint: str, round: int) -> Client:
        """Have a checkpoint answer for a role, where this run serves it itself.

        Returns:
            Who is to be asked.
        Raises:
            ServerError: the server is gone, or does not answer as the checkpoint does.
        """
        if role in self.remote:
            return await self._elsewhere(role, checkpoint, round)
        started = time.monotonic()
        try:
            return await self._serve(role, checkpoint, round)
        finally:
            self._serve_seconds += time.monotonic() - started

    async def _serve(self, role: str, checkpoint: str, round: int) -> Client:
        hosted = self.fleet.hosted[role]
        if not hosted.started or hosted.resting:
            self.progress.begin(round, "serve", 0)
        await self.fleet.ready(role)
        if checkpoint not in hosted.proven:
            weights = hosted.model if checkpoint == BASE else self.weights(checkpoint)
            check = partial(check_canary, self, hosted, checkpoint, round)
            seconds = await hosted.seat(checkpoint, weights, check)
            swaps = self.folder.read_json(round, "swaps") or []
            self.folder.write_json(round, "swaps", [*swaps, {"to": checkpoint, "seconds": seconds}])
        hosted.prove(checkpoint)
        return hosted.client(checkpoint)

    async def _elsewhere(self, role: str, checkpoint: str, round: int) -> Client:
        """The client of a role whose model is elsewhere, with the adapter of its checkpoint loaded there."""
        if checkpoint == BASE:
            return self.remote[role]
        if checkpoint not in self.remote:
            config = self.config.roles[role]
            weights = self.weights(checkpoint, role)
            name = await adapt(role, config, checkpoint, weights)
            for address in config.addresses:
                one = {"endpoint": [address], "model": name}
                client = client_of(role, config.model_copy(update=one), self.config)
                try:
                    await compare(self, [client], weights / "canary.json", checkpoint, round)
                finally:
                    await client.close()
            named = config.model_copy(update={"model": name})
            self.remote[checkpoint] = client_of(role, named, self.config)
        return self.remote[checkpoint]

    async def rest(self) -> None:
        """Before a job trains: the servers give back what it needs."""
        await self.fleet.rest(self.progress.note)

    @contextlib.asynccontextmanager
    async def timed(self, round: int, stage: str) -> AsyncIterator[None]:
        """Add the time of a stage to the round's account, now and then and also when it is cut short.

        Starting the server and giving it weights is kept apart, as `serve`.
        """
        started, self._serve_seconds = time.monotonic(), 0.0
        noted = {stage: 0.0, "serve": 0.0}

        def note() -> None:
            serving = self._serve_seconds
            so_far = {stage: time.monotonic() - started - serving, "serve": serving}
            account = self.folder.read_json(round, "seconds") or {}
            for name, spent in so_far.items():
                account[name] = float(f"{account.get(name, 0.0) + spent - noted[name]:.3f}")
            self.folder.write_json(round, "seconds", account)
            noted.update(so_far)

        beating = asyncio.ensure_future(_beat(note))
        try:
            yield
        finally:
            beating.cancel()
            note()

    async def close(self) -> None:
        for client in self.remote.values():
            await client.close()
        self.verifier.close()
        if self.store is not None:
            self.store.close()
        if self.own_fleet:
            await self.fleet.stop()


async def _beat(note: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        with contextlib.suppress(RunError):  # the stage itself meets what is wrong, and says so
            note()
