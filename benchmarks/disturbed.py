"""A run with stand-ins for its models, killed at places of a list and gone on with until it ends."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from .playing import TOKEN, Play, Players

SETTINGS = [
    "rounds=2", "sets.per_cell=1", "curriculum.questions=40", "curriculum.new=32", "training.least_pairs=1",
    "generator.proposals=8",
]  # fmt: skip

_ENDS_S = 20.0
"""Seconds in which all that a killed play had started must be gone."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Death at the so-manieth place that looks so."""

    at: int
    place: str = "*"
    tree: bool = False

    def __str__(self) -> str:
        return f"{'tree' if self.tree else 'alone'} at {self.place} {self.at}"


def places(trace: Path) -> list[str]:
    """The places that a traced play passed, in order."""
    return trace.read_text().splitlines()


def one_of_each(passed: list[str]) -> list[int]:
    """The places, counted from 1, at which something is done for the last time: each kind of it once."""
    return sorted({kind_of(place): number for number, place in enumerate(passed, 1)}.values())


def kind_of(place: str) -> str:
    """A place without the numbers of its round and part."""
    words = place.split("/")
    return "/".join(part if not part[:1].isdigit() else "N" for part in words).rstrip("0123456789.parquet")


def disturbed(players: Players, run: Path, settings: list[str], kills: list[Kill]) -> int:
    """Play a run, each play killed at the next place of the list, the last one not.

    Returns:
        How many kills took place: a play may end before its own.
    Raises:
        AssertionError: a play ended in another way than by its kill.
    """
    died = 0
    for kill in kills:
        code = players.play(Play(str(run), settings, kill.at, kill.place, kill.tree))
        if code == 0:
            return died
        assert code == -9, f"{run.name}, to be killed {kill}: exit code {code}"
        died += 1
    code = players.play(Play(str(run), settings))
    assert code == 0, f"{run.name}, after {', '.join(map(str, kills))}: exit code {code}"
    return died


def orphans(token: str, of: int | None = None) -> list[psutil.Process]:
    """Processes that bear a play's mark, but those that a process of ours has below it.

    Args:
        of: the process whose children may live on.
    """
    spared = {os.getpid()}
    if of is not None:
        spared |= {of, *(child.pid for child in psutil.Process(of).children(recursive=True))}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get(TOKEN) == token:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def left_alive(token: str, of: int | None = None) -> list[str]:
    """What a play left behind, once it has had time to end: command lines, with the ports listened on."""
    deadline = time.monotonic() + _ENDS_S
    while (left := orphans(token, of)) and time.monotonic() < deadline:
        time.sleep(0.1)
    said = []
    for process in left:
        try:
            ports = [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            said.append(f"{process.pid} {' '.join(process.cmdline())[:200]} {ports}")
        except psutil.Error:
            continue
    return said


def by_kind(passed: list[str]) -> Counter[str]:
    return Counter(map(kind_of, passed))
