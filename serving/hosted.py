"""One local model on its servers, and the checkpoints of it that they have now."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from ..config import ServingConfig
from ..errors import EndpointError, MaieuticError, ServerGone, ServerWrong
from .balance import Balanced
from .client import Client, Completions
from .lasting import Lasting
from .planned import Mode
from .restarts import Restarts, first_line
from .server import VllmServer
from .watch import Watch

LOADED = 4
"""Adapters that are left loaded, so that going back to the last one costs nothing."""


Check = Callable[[], Awaitable[None]]
"""Has the servers show that they answer as a checkpoint does."""


class Hosted:
    """A model that every one of its servers holds alike.

    Servers that end, hang or answer wrongly are started again, with the checkpoint that was asked last, as
    often as `serving.restarts` allows. Checkpoints come as whole weights, of which a server has one set at
    a time, or as adapters over the model, each under the name of its checkpoint.
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
        self.generation = 0
        """How often servers were started again."""
        self.tell: Callable[[str], None] = lambda said: None
        """Hears what went wrong and was mended."""
        self.changed: Callable[[], None] = lambda: None
        """Called when there are other processes than before."""
        self.watch = Watch(servers, config, self._revive_now, lambda: self._mending.locked())
        self._mending = asyncio.Lock()
        self._restarts = Restarts(config.restarts)
        self._seats: dict[str, tuple[Path, Check]] = {}
        """How proven checkpoints came to be there."""
        self._unseated: list[VllmServer] = []
        """Those that were started again and have not shown yet that they have the checkpoint."""
        self._left: list[Completions] = []
        """Clients of servers that are no more; others may still be asked through them."""
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
        async with self._mending:
            down = [s for s in self.servers if not s.alive and (self.resting or not s.starts)]
            if down:
                self.proven = []
                await self._close_clients()
                # One after another: vLLM measures the memory of its GPU while it starts, others' with it.
                for server in down:
                    await self._start(server)
            try:
                for server in self.servers:
                    server.require_alive()
                    if server.asleep:
                        await server.wake()
            except (ServerGone, ServerWrong) as error:
                await self._again(error, isinstance(error, ServerWrong))
            self.resting = False

    async def _start(self, server: VllmServer) -> None:
        """Start one; once more where it took too long: what it reads is then in the system's cache. One
        that ends by itself would end again."""
        try:
            await server.start()
        except ServerGone as error:
            if not server.slow:
                raise
            self.tell(f"{first_line(error)}; it is tried once more")
            await server.start()

    async def seat(self, checkpoint: str, weights: Path, check: Check) -> float:
        """Have a checkpoint on every server, and prove it; servers that do not take it, or do not answer
        as it does, are started again, and then tried once more.

        Returns:
            Seconds that putting it there took.
        Raises:
            ServerError: they answer wrongly after that, too, or were started again too often.
        """
        return await self._seated(checkpoint, weights, check, self._mending)

    async def _seated(
        self,
        checkpoint: str,
        weights: Path,
        check: Check,
        alone: contextlib.AbstractAsyncContextManager[None],
    ) -> float:
        """
        Args:
            alone: is held while servers are started, so that nobody takes one that starts for one that hangs.
        """

        async def again(error: MaieuticError, everyone: bool = False) -> None:
            async with alone:
                if everyone or generation == self.generation:
                    await self._again(error, everyone)

        wrong = False
        while True:
            generation = self.generation
            try:
                with self.watch.asked():
                    seconds = await self.put(checkpoint, weights)
                    await check()
                break
            except ServerWrong as error:
                if wrong:
                    raise
                wrong = True
                await again(error, everyone=True)
            except ServerGone as error:
                await again(error)
            except EndpointError as error:
                if await self.any_healthy():
                    raise
                await again(error)
        self.prove(checkpoint)
        if self._unseated:
            self._unseated = []
            self._leave_clients()
        self._seats = {name: seat for name, seat in self._seats.items() if name in self.proven}
        self._seats[checkpoint] = (weights, check)
        return seconds

    async def any_healthy(self) -> bool:
        """Whether any server is up and says that it is well."""
        return any([server.alive and await server.healthy() for server in self.servers])

    async def revive(self, error: MaieuticError, generation: int) -> None:
        """Start what is gone again, with the checkpoint that was asked last.

        Args:
            error: why that is wanted.
            generation: the one that failed; where there is a newer one, nothing is done.
        Raises:
            ServerError: it was done too often, or does not help.
        """
        async with self._mending:
            if generation != self.generation:
                return
            last = self.proven[-1:]
            await self._again(error)
            for checkpoint in last:
                if checkpoint in self._seats:
                    await self._seated(checkpoint, *self._seats[checkpoint], contextlib.nullcontext())

    async def _revive_now(self, error: ServerGone) -> None:
        await self.revive(error, self.generation)

    async def _again(self, error: MaieuticError, everyone: bool = False) -> None:
        """Start servers again: those that are gone or do not even say that they are well, or all."""
        while True:
            self.tell(self._restarts.count(error))
            down = [s for s in self.servers if everyone or not s.alive or not await s.healthy()]
            self.proven = []
            self._unseated = list({id(server): server for server in (*self._unseated, *down)}.values())
            self._leave_clients()
            self.generation += 1
            try:
                for server in down:
                    await server.stop()
                    await self._start(server)
                # Who was asked meanwhile was asked where the servers were before.
                self._leave_clients()
                self.changed()
                return
            except ServerGone as failed:
                error, everyone = failed, False

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
                Completions(
                    server.url, server.key, name, self.config, partial(server.require_alive, server.port)
                )
                for server in self.servers
            ]
        return self._clients[name]

    def client(self, checkpoint: str) -> Client:
        """The servers as one, which lasts when they are started again."""
        return Lasting(self, checkpoint)

    async def fit(self) -> None:
        """Wait until a server has the checkpoint that is asked for: one that was just started again would
        answer by other weights.

        Raises:
            ServerGone: none has it any more.
        """
        while self._unseated and len(self._unseated) == len(self.servers):
            if not self._mending.locked():
                raise ServerGone("the vLLM server was started again, and did not get its weights back")
            async with self._mending:
                pass

    def now(self, checkpoint: str) -> Client:
        """The servers as one, as they are now."""
        fit = [server not in self._unseated for server in self.servers]
        everyone = self.clients(checkpoint)
        clients = [client for client, seated in zip(everyone, fit, strict=False) if seated] or everyone
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
        await self.watch.close()
        await self._close_clients()
        await asyncio.gather(*(server.stop() for server in self.servers))

    def _leave_clients(self) -> None:
        """Make new clients for the next requests: servers that are started again listen elsewhere."""
        self._left += [client for each in self._clients.values() for client in each]
        self._clients = {}
        for balanced in self._together.values():
            balanced.retire()
        self._together = {}

    async def _close_clients(self) -> None:
        together, self._together = self._together, {}
        for balanced in together.values():
            await balanced.close()
        clients, self._clients = self._clients, {}
        left, self._left = self._left, []
        for client in (*left, *(client for each in clients.values() for client in each)):
            with contextlib.suppress(RuntimeError):  # closed already
                await client.close()
