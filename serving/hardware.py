"""What a plan is made for: this machine's GPUs and memory, or imagined ones."""

from __future__ import annotations

import os
import re
import subprocess

import psutil
from pydantic import BaseModel, ConfigDict

from ..errors import ConfigError
from .command import has_gpu, on_cpu

GIB = 2**30

_GROUP = re.compile(r"\s*(\d{1,4})\s*x\s*(\d{1,5}(?:\.\d{1,3})?)\s*(?:G|GB|GiB)?\s*", re.IGNORECASE)

_MOST = 4096
"""GPUs of an imagined machine: 64 servers on 64 each."""

_HOST_OF_IMAGINED = 2
"""Host memory of an imagined machine, in that of its GPUs, where nothing is said of it."""

_LEAST_HOST = 32 * GIB

_QUERY = (
    "nvidia-smi",
    "--query-gpu=index,uuid,name,memory.total,memory.used",
    "--format=csv,noheader,nounits",
)


class Gpu(BaseModel):
    """One GPU."""

    model_config = ConfigDict(frozen=True)

    index: int
    """As nvidia-smi counts, and as CUDA_VISIBLE_DEVICES takes it."""
    name: str
    total: int
    """Bytes of its memory."""
    used: int = 0
    """Bytes that others hold."""

    @property
    def free(self) -> int:
        return max(0, self.total - self.used)


class Hardware(BaseModel):
    """What there is to serve and train on; without GPUs, the CPU and its memory."""

    model_config = ConfigDict(frozen=True)

    gpus: tuple[Gpu, ...] = ()
    ram: int
    """Bytes of host memory."""
    imagined: bool = False


def imagined(text: str, ram_gib: float | None = None) -> Hardware:
    """Hardware from a text such as `1x24GB`, `8x80GB`, `2x24GB,1x80GB`, or `0` for none.

    A maker's GB of GPU memory is a GiB.

    Args:
        ram_gib: GiB of host memory; where left out, twice that of the GPUs, and no less than 32;
            without GPUs, this machine's own.
    Raises:
        ConfigError: it is no such text.
    """
    given = None if ram_gib is None else int(ram_gib * GIB)
    if text.strip() == "0":
        return Hardware(ram=given or psutil.virtual_memory().total, imagined=True)
    sizes: list[int] = []
    for group in text.split(","):
        found = _GROUP.fullmatch(group)
        if found is None or not int(found[1]) or not float(found[2]):
            raise ConfigError(f"--gpus {text[:60]}: expected such as 1x24GB, 8x80GB, or 0 for the CPU alone")
        sizes += [int(float(found[2]) * GIB)] * int(found[1])
        if len(sizes) > _MOST:
            raise ConfigError(f"--gpus {text[:60]}: more than {_MOST} GPUs; a run uses no more")
    gpus = tuple(Gpu(index=i, name=f"{size / GIB:g} GiB", total=size) for i, size in enumerate(sizes))
    return Hardware(gpus=gpus, ram=given or max(_LEAST_HOST, _HOST_OF_IMAGINED * sum(sizes)), imagined=True)


def found() -> Hardware:
    """This machine: the GPUs that CUDA_VISIBLE_DEVICES lets through, where vLLM can use any.

    torch is not asked: importing it takes seconds, and asking CUDA takes memory of every GPU.
    """
    ram = psutil.virtual_memory().total
    if on_cpu() or not has_gpu():
        return Hardware(ram=ram)
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return Hardware(ram=ram)
    return Hardware(gpus=visible(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES")), ram=ram)


def visible(answer: str, variable: str | None) -> tuple[Gpu, ...]:
    """GPUs of nvidia-smi's answer, those and in the order that CUDA_VISIBLE_DEVICES names.

    As CUDA does, the list ends at the first entry that names none.
    """
    rows = [[part.strip() for part in line.split(",")] for line in answer.splitlines()]
    there: dict[str, tuple[str, Gpu]] = {}
    for row in rows:
        # A card that reports no memory ("[N/A]") cannot be planned for.
        if len(row) == 5 and row[0].isdigit() and row[3].isdigit():
            used = int(row[4]) if row[4].isdigit() else 0
            total = int(row[3]) * 2**20
            there[row[0]] = (row[1], Gpu(index=int(row[0]), name=row[2], total=total, used=used * 2**20))
    if variable is None:
        return tuple(gpu for _, gpu in there.values())
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in variable.split(",")):
        named = [
            gpu for key, (uuid, gpu) in there.items() if entry and (entry == key or uuid.startswith(entry))
        ]
        if len(named) != 1:
            break
        chosen += named
    return tuple(chosen)
