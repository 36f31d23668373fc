"""Why a process of ours is gone: what its exit code says, and what the machine says of its memory."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

_KILLED = (-9, 137)
"""Exit codes of a process that was killed (SIGKILL), by itself and under its guard."""

_COUNTERS = ("/proc/vmstat", "/sys/fs/cgroup/memory.events")
"""Where Linux counts what it has killed for lack of memory: in all, and in our container."""


class Pressure:
    """What there was of memory since this was made: look now and then while something runs."""

    def __init__(self) -> None:
        self._kills = kills()
        self.least = psutil.virtual_memory().available
        """Bytes that were available at the worst moment that was looked at."""

    def look(self) -> None:
        self.least = min(self.least, psutil.virtual_memory().available)

    @property
    def killed(self) -> bool:
        """Whether the system has ended any process for lack of memory since."""
        return kills() > self._kills


def kills() -> int:
    """Processes that the system has ended for lack of memory since it is up; 0 where it does not count."""
    found = 0
    for file in _COUNTERS:
        with contextlib.suppress(OSError, ValueError):
            rows = [line.split() for line in Path(file).read_text().splitlines()]
            found += sum(int(row[1]) for row in rows if row[:1] == ["oom_kill"])
    return found


def how_it_ended(code: int | None, pressure: Pressure, lower: str) -> str:
    """An exit code in words, with the remedy where memory was short.

    Args:
        lower: settings that take memory.
    """
    said = f"exit code {code}"
    if code not in _KILLED:
        return said
    pressure.look()
    total = psutil.virtual_memory().total
    memory = f"{pressure.least / 2**30:.1f} of {total / 2**30:.0f} GiB were free when we last looked"
    if pressure.killed:
        return f"{said}: the system killed it for lack of memory, {memory}; lower {lower}"
    return (
        f"{said}: something killed it, perhaps the system for lack of memory, {memory}; if it happens "
        f"again, lower {lower}"
    )
