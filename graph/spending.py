"""What a run has spent of its budgets: counted from its records, so that a resume counts the same.

`budget.rollouts` is planned ahead, and is in budget.py. The others end a run where they are spent: before
a node, between the parts of a stage, and of hours while whatever else is running.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import RunConfig
from ..errors import Ended
from ..memory.run import RunFolder
from ..records import Ending
from .accounts import Accounts

if TYPE_CHECKING:
    from .room import Room

GB = 1e9
ASKED = ("tokens", "calls", "money")
"""Budgets that requests spend."""
_SAID = {
    "hours": "{:.4g} hours were played",
    "tokens": "{:,.0f} tokens were read and written",
    "calls": "{:,.0f} requests were sent",
    "money": "calls cost {:.4g}",
    "disk_gb": "the run takes {:.4g} GB",
}


def require_disk(room: Room, round: int) -> None:
    """Between two parts of a stage.

    Raises:
        Ended: budget.disk_gb is spent.
    """
    if room.config.budget.disk_gb:
        room.spending.require(round)


class Spending:
    """Of one run. What earlier rounds spent does not change, and is read once."""

    def __init__(self, config: RunConfig, folder: RunFolder, accounts: Accounts) -> None:
        self._config, self._folder, self._accounts = config, folder, accounts
        self._seconds: dict[int, float] = {}
        self._bytes: dict[Path, int] = {}
        self._amounts: dict[str, Callable[[int], float]] = {
            "hours": lambda round: self.seconds(round) / 3600,
            **{name: lambda _, name=name: accounts.asked(config, name) for name in ASKED},  # type: ignore[misc]
            "disk_gb": lambda round: self.bytes(round) / GB,
        }

    def reached(self, round: int, coming: int = 0) -> Ending | None:
        """The first budget that is spent; None where all have something left.

        Args:
            coming: bytes that are about to be written.
        """
        for name, amount in self._amounts.items():
            limit = getattr(self._config.budget, name)
            if not limit:
                continue
            spent = amount(round)
            if spent >= limit or (name == "disk_gb" and spent + coming / GB > limit):
                return ended_by(name, limit, spent, coming / GB if spent < limit else 0.0)
        return None

    def require(self, round: int, coming: int = 0) -> None:
        """
        Raises:
            Ended: a budget is spent.
        """
        if reached := self.reached(round, coming):
            raise Ended(reached.said, reached)

    @contextlib.asynccontextmanager
    async def limited(self, round: int, coming: int = 0) -> AsyncIterator[None]:
        """Let something run while there is something left of every budget; when the hours are over, it is
        cancelled, as by Ctrl-C.

        Raises:
            Ended: a budget is spent.
        """
        self.require(round, coming)
        hours = self._config.budget.hours
        before, started = self.seconds(round) if hours else 0.0, time.monotonic()
        try:
            async with asyncio.timeout(hours * 3600 - before if hours else None) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            played = (before + time.monotonic() - started) / 3600
            ending = ended_by("hours", hours, played)
            raise Ended(ending.said, ending) from None

    def tokens_left(self, training: str) -> float | None:
        """Of their budget before a training of the Solver; None where there is none.

        Args:
            training: its checkpoint. What it sampled counts as not spent yet: a kill may have come after it.
        """
        limit = self._config.budget.tokens
        its = self._accounts.trained().get(training, 0)
        return max(0.0, limit - self._accounts.asked(self._config, "tokens") + its) if limit else None

    def seconds(self, round: int) -> float:
        """Played so far, up to this round."""
        total = 0.0
        for number in self._folder.rounds():
            spent = self._seconds.get(number)
            if spent is None:
                spent = sum((self._folder.read_json(number, "seconds") or {}).values())
            if number < round:
                self._seconds[number] = spent
            total += spent
        return total

    def bytes(self, round: int) -> int:
        """That the run folder takes; what belongs to earlier rounds is looked at once."""
        total = 0
        for place in self._places():
            size = self._bytes.get(place)
            if size is None:
                size = _size(place)
            if _settled(place, round):
                self._bytes[place] = size
            total += size
        return total

    def _places(self) -> list[Path]:
        root = self._folder.path
        apart = ("rounds", "checkpoints")
        inner = [Path(entry) for name in apart for entry in _entries(root / name)]
        return inner + [Path(entry) for entry in _entries(root) if entry.name not in apart]


def asked_up(config: RunConfig, accounts: Accounts, more: Mapping[str, float] | None = None) -> Ending | None:
    """The first budget of requests that is spent; None where one more may be sent.

    Args:
        more: what is on its way and not counted yet, by the budget's name.
    """
    for name in ASKED:
        limit = getattr(config.budget, name)
        if limit and (spent := accounts.asked(config, name)) + (more or {}).get(name, 0.0) >= limit:
            return ended_by(name, limit, spent)
    return None


def ended_by(name: str, limit: float, spent: float, coming: float = 0.0) -> Ending:
    """That a budget is spent."""
    said = f"budget.{name} = {limit:g} is spent: {_SAID[name].format(spent)}"
    if coming:
        said = (
            f"budget.{name} = {limit:g} is spent but for {limit - spent:.4g}: {_SAID[name].format(spent)}, "
            f"and what comes next takes {coming:.4g}"
        )
    return Ending(status="budget", by=f"budget.{name}", limit=limit, spent=round(spent, 6), said=said)


def _settled(place: Path, round: int) -> bool:
    """Whether a folder belongs to an earlier round, and changes no more."""
    number = place.name.removesuffix(".stopped").rpartition("-")[2]
    return place.parent.name in ("rounds", "checkpoints") and number.isdecimal() and int(number) < round


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:  # not there, or gone meanwhile
        return []


def _size(place: Path) -> int:
    """Bytes of a file or a whole folder; links are not followed."""
    total, left = 0, [place]
    while left:
        here = left.pop()
        try:
            found = here.stat(follow_symlinks=False)
        except OSError:  # a part that was renamed just now
            continue
        if stat.S_ISDIR(found.st_mode):
            left += [Path(entry) for entry in _entries(here)]
        else:
            total += found.st_size
    return total


def weights_size(place: Path) -> int:
    """Bytes of the weights in a folder, about what the next checkpoint takes; links, of which the cache of
    the hub is made, count as what they lead to."""
    return sum(file.stat().st_size for file in place.glob("*.safetensors"))
