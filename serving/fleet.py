"""The local models of a run: who answers for which role, and what they do while a job trains."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ServerError
from ..processes import end_noted
from .hardware import found
from .hosted import Hosted
from .making_room import ASLEEP

_BACK_S = 60.0
"""Seconds in which a GPU's memory must be back."""

_SLACK = 2**29


def memory_used() -> dict[int, int]:
    """Bytes in use of each GPU by its index, whoever uses them; none where there is no GPU."""
    return {gpu.index: gpu.used for gpu in found().gpus}


@dataclass
class Fleet:
    """
    Args:
        hosted: by role, the model that answers for it; roles that share one share the object.
        note: a file that names our processes, for `end_leftover` after a crash of ours.
        gpus: those that training uses and servers must give back.
        used: how much of each GPU is taken.
    """

    hosted: Mapping[str, Hosted]
    note: Path
    gpus: tuple[int, ...] = ()
    used: Callable[[], dict[int, int]] = memory_used
    idle: dict[int, int] = field(default_factory=dict)
    """What others used of each GPU before our servers were up."""

    def __post_init__(self) -> None:
        for hosted in self.all():
            hosted.changed = self._noted

    def all(self) -> list[Hosted]:
        """Every model once."""
        return list({id(hosted): hosted for hosted in self.hosted.values()}.values())

    @property
    def lost(self) -> bool:
        """Whether a server was started and is gone: such a fleet cannot go on."""
        return any(h.started and not h.resting and not h.alive for h in self.all())

    @property
    def up(self) -> bool:
        """Whether any server is."""
        return any(hosted.any_alive for hosted in self.all())

    async def ready(self, role: str) -> Hosted:
        """The model that answers for a role, its servers up.

        Raises:
            ServerError: a server does not start, or is gone.
        """
        hosted = self.hosted[role]
        if not hosted.started or hosted.resting or not hosted.alive:
            if not self.up:
                self.idle = await asyncio.to_thread(self.used)
            await hosted.ready()
            self._noted()
        for server in hosted.servers:
            server.require_alive()
        return hosted

    async def rest(self, tell: Callable[[str], None]) -> None:
        """Give the memory that training needs back, and see that it is.

        Raises:
            ServerError: it is not.
        """
        resting = [hosted for hosted in self.all() if hosted.any_alive and hosted.while_training != "stay"]
        if not resting:
            return
        asleep = [hosted for hosted in resting if hosted.while_training == "sleep"]
        await asyncio.gather(*(hosted.rest(hosted in asleep) for hosted in resting))
        left = await self._left(asleep)
        if left and asleep:
            tell(f"asleep, the servers kept {left}; they are ended for training instead")
            await asyncio.gather(*(hosted.rest(sleep=False) for hosted in asleep))
            left = await self._left([])
        self._noted()
        if left:
            raise ServerError(
                f"training has no room: {left} still in use after our servers gave theirs back; see "
                "nvidia-smi for what else runs there, or set serving.while_training to stay"
            )

    async def _left(self, asleep: Sequence[Hosted]) -> str:
        """What is still taken of the GPUs that training uses, in words; empty when they are free."""
        servers = [server.hosting.gpus for hosted in asleep for server in hosted.servers]
        until = time.monotonic() + _BACK_S
        while True:
            used = await asyncio.to_thread(self.used)
            full = {
                gpu: taken
                for gpu, taken in used.items()
                if gpu in self.gpus
                and taken
                > self.idle.get(gpu, 0) + _SLACK + ASLEEP * sum(gpu in on or not on for on in servers)
            }
            if not full or time.monotonic() > until:
                return ", ".join(f"{taken / 1e9:.1f} GB of GPU {gpu}" for gpu, taken in full.items())
            await asyncio.sleep(0.5)

    def _noted(self) -> None:
        from_all = [entry for hosted in self.all() for server in hosted.servers for entry in server.noted()]
        # Whole or not at all: what half a note does not name would not be ended after a kill.
        beside = self.note.with_name(f".{self.note.name}.{os.getpid()}")
        beside.write_text(json.dumps(from_all))
        beside.replace(self.note)

    async def stop(self) -> None:
        """End every server; safe to call twice."""
        await asyncio.gather(*(hosted.stop() for hosted in self.all()))
        # Where its guard was killed, what it guarded may still be there.
        await asyncio.to_thread(end_leftover, self.note)


def end_leftover(path: Path) -> None:
    """End the processes noted in `path`, guards and servers, where those very ones still run."""
    if not path.exists():
        return
    with contextlib.suppress(ValueError, KeyError, TypeError):
        end_noted(json.loads(path.read_text()))
    path.unlink(missing_ok=True)
