"""A client for which an endpoint that fails is data, until it fails too often in a row."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ..errors import EndpointError
from ..records import Call
from .client import Client, Reply, Request


@dataclass(slots=True)
class Patience:
    """How many requests may fail in a row, each with all its retries, before nothing more is asked."""

    most: int = 16
    failed: int = 0

    @property
    def over(self) -> bool:
        return self.failed >= self.most


class Forgiving:
    """
    Args:
        client: who is asked; it is not closed with this one.
        at_once: requests in flight; those that wait are not sent any more once patience is over.
    """

    def __init__(self, client: Client, patience: Patience, at_once: int) -> None:
        self.client, self.patience = client, patience
        self._slots = asyncio.Semaphore(at_once)

    async def ask(self, request: Request) -> Reply:
        """Complete one request; one that fails has no completions, and its record holds the error.

        Raises:
            EndpointError: too many have failed in a row.
        """
        async with self._slots:
            if self.patience.over:
                raise EndpointError(f"{self.patience.failed} requests in a row have failed")
            try:
                reply = await self.client.ask(request)
            except EndpointError as error:
                self.patience.failed += 1
                if self.patience.over or not isinstance(error.call, Call):
                    raise
                return Reply([], [], error.call)
            self.patience.failed = 0
            return reply

    async def close(self) -> None:
        return
