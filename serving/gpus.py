"""GPUs, as `nvidia-smi` tells of them: how many there are, and how much of their memory is taken."""

from __future__ import annotations

import subprocess

from .command import has_gpu

_SECONDS = 20.0


def memory_used() -> dict[int, int]:
    """Bytes in use of each GPU by its index, whoever uses them; none where there is no GPU."""
    return dict(enumerate(_asked("memory.used")))


def _asked(field: str) -> list[int]:
    """A field in MiB of every GPU, in bytes."""
    if not has_gpu():
        return []
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout
        return [int(line) * 2**20 for line in said.split()]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
