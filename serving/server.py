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

from ..config import ServingConfig
from ..errors import ServerError
from ..processes import Launcher, Running, last_lines, launch
from .command import HOST, Hosting, command, environment, require_vllm


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
        self._running: Running | None = None

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
        return self._running is not None and self._running.alive

    async def start(self) -> None:
        """Start the process and wait until it is healthy.

        Raises:
            MissingPart: vLLM is not installed.
            ServerError: it died or was not healthy within the deadline.
        """
        require_vllm()
        self.port = free_port()
        self.starts += 1
        line = command(self.hosting, self.name, self.port, self.config)
        self._running = await self._launcher(line, self.log, environment(self.hosting, self.key, self.config))
        self.weights, self.adapters, self.asleep = self.hosting.model, {}, False
        await self._wait_healthy()

    async def _wait_healthy(self) -> None:
        deadline = time.monotonic() + self.config.startup_deadline_s
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            while time.monotonic() < deadline:
                self.require_alive()
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(f"{self.url}/health")).status_code == 200:
                        return
                await asyncio.sleep(0.25)
        await self.stop()
        raise ServerError(
            f"the vLLM server was not healthy after {self.config.startup_deadline_s:g} s; raise "
            f"serving.startup_deadline_s or read {self.log}. Its last lines:\n{last_lines(self.log)}"
        )

    def require_alive(self) -> None:
        """Raises ServerError, with the end of the log, when the process has ended."""
        if not self.alive:
            code = self._running.exit_code if self._running else None
            raise ServerError(
                f"the vLLM server ended by itself (exit code {code}); its log is {self.log}. "
                f"Its last lines:\n{last_lines(self.log)}"
            )

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
            raise ServerError(
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
