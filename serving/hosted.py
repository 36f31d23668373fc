"""One local model on its servers, and the checkpoints of it that they have now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from ..config import ServingConfig
from .balance import Balanced
from .client import Client, Completions
from .planned import Mode
from .server import VllmServer

LOADED = 4
"""Adapters that are left loaded, so that going back to the last one costs nothing."""


class Hosted:
    """A model that every one of its servers holds alike.

    Checkpoints come as whole weights, of which a server has one set at a time, or as adapters over
    the model, each under the name of its checkpoint.
    """

    def __init__(
        self, servers: Sequence[VllmServer], config: ServingConfig, while_training: Mode = "stay"
    ) -> None:
        self.servers, self.config, self.while_training = servers, config, while_training
        self.adapters = servers[0].hosting.rank > 0
        self.model = servers[0].hosting.model
        self.proven: list[str] = []
        """Checkpoints that are there and have answered as they should, the last used at the end."""
        self.resting = False
        self._runs = 0
        self._clients: dict[str, list[Completions]] = {}
        self._together: dict[str, Balanced] = {}

    @property
    def started(self) -> bool:
        return all(server.starts > 0 for server in self.servers)

    @property
    def alive(self) -> bool:
        return all(server.alive for server in self.servers)

    @property
    def any_alive(self) -> bool:
        return any(server.alive for server in self.servers)

    @property
    def swaps(self) -> int:
        return max(server.swaps for server in self.servers)

    async def ready(self) -> None:
        """Start the servers, or wake them, where they are not up."""
        # One that was started and has died by itself is not: who asks is told so.
        ended = [server for server in self.servers if not server.alive]
        down = [server for server in ended if self.resting or not server.starts]
        if down:
            self.proven = []
            await self._close_clients()
            # One after another: vLLM measures the memory of its GPU while it starts, others' with it.
            for server in down:
                await server.start()
        for server in self.servers:
            if server.asleep:
                await server.wake()
        self.resting = False

    async def put(self, checkpoint: str, weights: Path) -> float:
        """Have a checkpoint on every server; it counts as there once it is `proven`.

        Args:
            weights: the folder of the whole weights or of the adapter; that of the model itself is
                what adapters lie over, and needs none.
        Returns:
            Seconds, of the slowest server.
        """
        if not self.adapters:
            self.proven = []
            return max(await asyncio.gather(*(server.swap(weights) for server in self.servers)))
        if weights == self.model:
            return 0.0
        loaded = [name for name in self.proven if self._named(name) in self.servers[0].adapters]
        for name in loaded[: max(0, len(loaded) - LOADED + 1)]:
            await asyncio.gather(*(server.drop(self._named(name)) for server in self.servers))
            self.proven.remove(name)
        name = self._named(checkpoint)
        return max(await asyncio.gather(*(server.adapt(name, weights) for server in self.servers)))

    def _named(self, checkpoint: str) -> str:
        """What servers call an adapter: a checkpoint of another run may have had its name here."""
        return f"{checkpoint}-{self._runs}" if self._runs else checkpoint

    async def hand_over(self) -> None:
        """Forget the checkpoints of the run that had this model: the next one's have the same names."""
        self.proven = []
        await self._close_clients()
        for server in self.servers:
            if server.alive and server.adapters and server.asleep:
                await server.wake()
            for name in list(server.adapters) if server.alive else []:
                await server.drop(name)
        self._runs += 1

    def prove(self, checkpoint: str) -> None:
        """Note that a checkpoint is there, and used now."""
        self.proven = [*(name for name in self.proven if name != checkpoint), checkpoint]

    def clients(self, checkpoint: str) -> list[Completions]:
        """A client of each server that asks for a checkpoint."""
        adapter, server = self._named(checkpoint), self.servers[0]
        name = adapter if adapter in server.adapters else server.name
        if name not in self._clients:
            self._clients[name] = [
                Completions(server.url, server.key, name, self.config, server.require_alive)
                for server in self.servers
            ]
        return self._clients[name]

    def client(self, checkpoint: str) -> Client:
        """The servers as one."""
        clients = self.clients(checkpoint)
        if len(clients) == 1:
            return clients[0]
        name = clients[0].model
        if name not in self._together:
            self._together[name] = Balanced(clients)
        return self._together[name]

    async def rest(self, sleep: bool) -> None:
        """Give the memory back: asleep, or ended."""
        self.resting = True
        if sleep:
            await asyncio.gather(*(server.sleep() for server in self.servers if server.alive))
        else:
            await self.stop()

    async def stop(self) -> None:
        self.proven = []
        await self._close_clients()
        await asyncio.gather(*(server.stop() for server in self.servers))

    async def _close_clients(self) -> None:
        together, self._together = self._together, {}
        for balanced in together.values():
            await balanced.close()
        clients, self._clients = self._clients, {}
        for client in (client for each in clients.values() for client in each):
            await client.close()
