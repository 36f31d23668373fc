"""One vLLM server: started, watched, given new weights or adapters, and ended by us."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from ..config import ServingConfig
from ..errors import ServerError, ServerGone, ServerWrong
from ..processes import Launcher, Running, last_lines, launch
from .command import HOST, Hosting, command, environment, require_vllm
from .ending import Pressure, how_it_ended

_PORTS_TRIED = 3
"""Ports that others may take from us, between choice and use, before we give up."""

_TAKEN = "address already in use"
"""What the system says of a port that another process has."""

_HEALTHY_S = 5.0
"""Seconds in which a server must say that it is healthy."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class VllmServer:
    """A vLLM process over one model: one set of weights at a time, or adapters over them.

    Either is replaced in place; the process is not restarted between rounds, unless its memory is
    needed for training. Used as an async context manager, it is gone when the block ends.
    """

    def __init__(self, hosting: Hosting, config: ServingConfig, launcher: Launcher = launch) -> None:
        self.hosting, self.config, self._launcher = hosting, config, launcher
        self.name = "maieutic"
        self.key = secrets.token_urlsafe(24)
        self.port = 0
        self.starts = 0
        self.swaps = 0
        self.weights: Path | None = hosting.model
        """What it serves; None while that is being replaced, or where replacing it failed."""
        self.adapters: dict[str, Path] = {}
        self.asleep = False
        self.slow = False
        """Whether the last start was given up because it took too long."""
        self._fate = ""
        """Why we ended it, where it had done nothing to be ended for."""
        self._running: Running | None = None
        self._pressure = Pressure()

    @property
    def log(self) -> Path:
        return self.hosting.log

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def __aenter__(self) -> VllmServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def alive(self) -> bool:
        return self._running is not None and self._running.alive and not self._fate

    async def start(self) -> None:
        """Start the process and wait until it is healthy.

        Raises:
            MissingPart: vLLM is not installed.
            ServerGone: it died or was not healthy within the deadline. A port that was taken meanwhile is
                another one's: the next is tried.
        """
        require_vllm()
        self.starts += 1
        self.weights, self.adapters, self.asleep, self.slow = self.hosting.model, {}, False, False
        for left in reversed(range(_PORTS_TRIED)):
            self.port, self._fate, self._pressure = free_port(), "", Pressure()
            before = self.log.stat().st_size if self.log.exists() else 0
            line = command(self.hosting, self.name, self.port, self.config)
            its = environment(self.hosting, self.key, self.config)
            self._running = await self._launcher(line, self.log, its)
            try:
                await self._wait_healthy()
                return
            except ServerGone:
                if self.slow or not left or _TAKEN not in _since(self.log, before).lower():
                    raise

    async def _wait_healthy(self) -> None:
        deadline = time.monotonic() + self.config.startup_deadline_s
        while time.monotonic() < deadline:
            self.require_alive()
            if await self.healthy() and self._listens():
                return
            await asyncio.sleep(0.25)
        self.slow = True
        await self.stop()
        raise ServerGone(
            f"the vLLM server was not healthy after {self.config.startup_deadline_s:g} s; raise "
            f"serving.startup_deadline_s or read {self.log}. Its last lines:\n{last_lines(self.log)}"
        )

    async def healthy(self) -> bool:
        """Whether whoever listens on the port says that it is well."""
        with contextlib.suppress(httpx.HTTPError):
            async with httpx.AsyncClient(timeout=_HEALTHY_S, trust_env=False) as http:
                return (await http.get(f"{self.url}/health")).status_code == 200
        return False

    def _listens(self) -> bool:
        """Whether it is our own process that has the port, and not one that took it before ours could:
        what we send is for ours alone."""
        noted = self.noted()
        for entry in noted:
            with contextlib.suppress(psutil.NoSuchProcess):
                try:
                    listeners = psutil.Process(int(entry["pid"])).net_connections("tcp")
                except psutil.AccessDenied:
                    return True  # the system does not say
                if any(c.status == psutil.CONN_LISTEN and c.laddr.port == self.port for c in listeners):
                    return True
        return not noted and self.alive

    def require_alive(self, port: int = 0) -> None:
        """Raises ServerGone, with the end of the log, when the process has ended.

        Args:
            port: where it was asked; one that listens elsewhere now is another process.
        """
        if port not in (0, self.port):
            raise ServerGone(f"the vLLM server at port {port} was started again at {self.port}")
        if not self.alive:
            code = self._running.exit_code if self._running else None
            raise ServerGone(
                f"the vLLM server {self._fate or 'ended by itself ' + self._how(code)}; its log is "
                f"{self.log}. Its last lines:\n{last_lines(self.log)}"
            )

    def _how(self, code: int | None) -> str:
        lower = "serving.max_num_seqs, serving.max_model_len or serving.cpu_kv_cache_gib"
        return f"({how_it_ended(code, self._pressure, lower)})"

    def look(self) -> None:
        """Note what there is of memory now, to be told where the system takes it back."""
        self._pressure.look()

    async def end(self, why: str) -> None:
        """End a server that is no use any more; whoever waits for it is told why."""
        self._fate = f"was ended: {why}"
        if self._running is not None:
            await self._running.stop()

    async def swap(self, weights: Path) -> float:
        """Replace the served weights in place; the process goes on.

        Args:
            weights: a folder with safetensors of the same architecture, untied.
        Returns:
            Seconds it took, cache reset included.
        Raises:
            ServerError: the server refused them or is gone.
        """
        if weights == self.weights:
            return 0.0
        self.weights = None
        started = time.monotonic()
        reload = {"method": "reload_weights", "kwargs": {"weights_path": str(weights)}}
        await self._tell("/collective_rpc", f"the weights in {weights}", reload)
        # The prefix cache holds keys and values of the old weights.
        await self._tell("/reset_prefix_cache", f"the weights in {weights}")
        self.weights = weights
        self.swaps += 1
        return time.monotonic() - started

    async def adapt(self, name: str, adapter: Path) -> float:
        """Load an adapter under a name that no other ever had here, so that nothing which the
        prefix cache holds can be taken for its own.

        Returns:
            Seconds it took.
        Raises:
            ServerError: the server refused it or is gone; or the name was another's.
        """
        if self.adapters.get(name) == adapter:
            return 0.0
        if name in self.adapters:
            raise ServerError(
                f"{name} is loaded from {self.adapters[name]}; another adapter needs a new name"
            )
        started = time.monotonic()
        await self._tell(
            "/v1/load_lora_adapter",
            f"the adapter in {adapter}",
            {"lora_name": name, "lora_path": str(adapter)},
        )
        self.adapters[name] = adapter
        self.swaps += 1
        return time.monotonic() - started

    async def drop(self, name: str) -> None:
        """Take an adapter out; its name is not used again."""
        await self._tell("/v1/unload_lora_adapter", f"the end of {name}", {"lora_name": name})
        del self.adapters[name]

    async def sleep(self) -> None:
        """Give the GPU's memory back: weights wait in host memory, the KV cache is forgotten."""
        await self._tell("/sleep?level=1", "the order to sleep")
        self.asleep = True

    async def wake(self) -> None:
        """Take the GPU's memory again, and go on with the weights and adapters that were there."""
        await self._tell("/wake_up", "the order to wake up")
        self.asleep = False

    async def _tell(self, route: str, what: str, body: dict[str, Any] | None = None) -> None:
        self.require_alive()
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            async with httpx.AsyncClient(timeout=120, trust_env=False, headers=headers) as http:
                (await http.post(f"{self.url}{route}", json=body)).raise_for_status()
        except httpx.HTTPError as error:
            self.require_alive()
            kind = ServerWrong if isinstance(error, httpx.HTTPStatusError) else ServerGone
            raise kind(
                f"the vLLM server did not take {what} ({error!r}). Its last lines:\n{last_lines(self.log)}"
            ) from error

    async def stop(self) -> None:
        """End the server and everything it started; safe to call twice."""
        running, self._running = self._running, None
        if running is not None:
            await running.stop()

    def noted(self) -> list[dict[str, float]]:
        """What identifies its processes, for `end_leftover`."""
        return self._running.noted() if self._running else []


def _since(log: Path, place: int) -> str:
    """What was written to a log after a place; not all of it where that is much."""
    try:
        with log.open("rb") as file:
            file.seek(place)
            return file.read(200_000).decode("utf-8", "replace")
    except OSError:
        return ""
