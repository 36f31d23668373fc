"""A client that outlives the servers behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import EndpointError, MaieuticError, ServerGone
from ..records import Call, Failure
from .balance import Balanced
from .requests import Reply, Request

if TYPE_CHECKING:
    from .hosted import Hosted

_OF_THE_SERVER = ("connection", "server_error", "timeout")
"""Failures that say nothing of the request itself."""


class Lasting:
    """Asks a model's servers for a checkpoint; where they are gone it has them started again, with the same
    checkpoint, and asks again what was not answered. What was answered is never asked twice."""

    def __init__(self, hosted: Hosted, checkpoint: str) -> None:
        self._hosted, self._checkpoint = hosted, checkpoint

    @property
    def coming(self) -> int:
        """As of `Balanced`."""
        now = self._hosted.now(self._checkpoint)
        return now.coming if isinstance(now, Balanced) else 0

    @coming.setter
    def coming(self, count: int) -> None:
        now = self._hosted.now(self._checkpoint)
        if isinstance(now, Balanced):
            now.coming = count

    async def ask(self, request: Request) -> Reply:
        """Complete one request; see `Completions.ask`.

        Raises:
            ServerError: the servers were started again too often, or cannot be.
            EndpointError: they are well, and give no answer to this request.
        """
        lost: list[Failure] = []
        with self._hosted.watch.asked():
            while True:
                generation = self._hosted.generation
                try:
                    await self._hosted.fit()
                    reply = await self._hosted.now(self._checkpoint).ask(request)
                except (ServerGone, EndpointError) as error:
                    if not await self._gone(error, generation):
                        raise
                    failure = error.call.failure if isinstance(error.call, Call) else ""
                    lost.append(failure or "connection")
                    await self._hosted.revive(error, generation)
                else:
                    self._hosted.watch.answered()
                    return _noted(reply, lost)

    async def _gone(self, error: MaieuticError, generation: int) -> bool:
        """Whether it is the servers that failed."""
        if isinstance(error, ServerGone) or generation != self._hosted.generation:
            return True
        of_the_server = isinstance(error.call, Call) and error.call.failure in _OF_THE_SERVER
        return of_the_server and not await self._hosted.any_healthy()

    async def close(self) -> None:
        """The servers' clients are closed with them."""


def _noted(reply: Reply, lost: list[Failure]) -> Reply:
    """A reply whose record says how often it was asked for in vain."""
    if not lost:
        return reply
    return replace(reply, call=reply.call.model_copy(update={"tried": [*lost, *reply.call.tried]}))
