"""Looks after the servers of a model for as long as requests wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from ..config import ServingConfig
from ..errors import MaieuticError, ServerGone
from .server import VllmServer

_LOOK_S = 5.0
"""Seconds between two looks, at most."""

_HELD_UP_S = 1.0
"""Seconds that we ourselves come too late, by a slow disk or a machine that slept, from which a look says
nothing of the server."""

_UNWELL = 2
"""Looks in a row at which a server is not healthy, until it is taken to hang."""

_SILENT = 0.75
"""Share of a request's deadline for which a healthy server may answer nothing at all: by then the first
try of every request has been given up (see `failures.Tries`)."""


class Watch:
    """
    Args:
        revive: starts servers again that have ended.
        paused: whether they are being started or given weights, so that no answer can come.
    """

    def __init__(
        self,
        servers: Sequence[VllmServer],
        config: ServingConfig,
        revive: Callable[[ServerGone], Awaitable[None]],
        paused: Callable[[], bool],
    ) -> None:
        self._servers, self._config, self._revive, self._paused = servers, config, revive, paused
        self.waiting = 0
        """Requests that have no answer yet."""
        self.last = time.monotonic()
        """When the last answer came, or when the first of them was sent."""
        self._task: asyncio.Task[None] | None = None
        self._unwell = dict.fromkeys(range(len(servers)), 0)
        self._given_up = False
        """Whether a replica is left as it is: it was started again too often, and others go on."""

    @property
    def quiet(self) -> float:
        """Seconds for which nothing has come, while something is waited for."""
        return time.monotonic() - self.last if self.waiting else 0.0

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """While one request is on its way, its tries after a restart included."""
        if not self.waiting:
            self.answered()
        self.waiting += 1
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._look())
        try:
            yield
        finally:
            self.waiting -= 1

    def answered(self) -> None:
        self.last = time.monotonic()

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            pause, before = min(_LOOK_S, self._config.stall_s / 4), time.monotonic()
            await asyncio.sleep(pause)
            if not self.waiting:
                return  # the next request has another look after it
            if self._paused():
                self.answered()
                continue
            if time.monotonic() - before > pause + _HELD_UP_S:
                continue
            for place, server in enumerate(self._servers):
                await self._examine(place, server)
            if len(self._servers) > 1:
                await self._replace_the_lost()

    async def _examine(self, place: int, server: VllmServer) -> None:
        """End a server that hangs; what waits for it fails then, and is asked again."""
        server.look()
        # Of several, one may hang while the others answer.
        stalled = self.quiet >= self._config.stall_s
        if not server.alive or not (stalled or len(self._servers) > 1):
            self._unwell[place] = 0
            return
        self._unwell[place] = 0 if await server.healthy() else self._unwell[place] + 1
        if self._unwell[place] >= _UNWELL:
            await server.end(
                f"it hung and did not even say that it is healthy ({self.quiet:.0f} s without an answer)"
            )
        elif self.quiet >= max(self._config.stall_s, _SILENT * self._config.request_deadline_s):
            await server.end(
                f"it answered none of {self.waiting} requests for {self.quiet:.0f} s; where that may take so "
                "long, raise serving.request_deadline_s"
            )

    async def _replace_the_lost(self) -> None:
        """Of several servers nobody may notice that one is gone while others go on; nor soon that all are,
        since requests wait for any to come back."""
        gone = [server for server in self._servers if not server.alive]
        if not gone or self._given_up:
            return
        try:
            gone[0].require_alive()
        except ServerGone as error:
            try:
                await self._revive(error)
            except MaieuticError:
                self._given_up = True
