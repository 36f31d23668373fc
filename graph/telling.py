"""Who hears of a round that is over: the report, its page, and trackers.

report.json grows with the rounds, and so does what it takes to write it. It is written after every round of
a run's beginning, later as often as costs little; what a single round came to is told after every one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..config import RunConfig
from ..memory.run import RunFolder
from ..processes import give_memory_back
from ..records import Ending, RunReport
from .progress import Progress
from .report import glance, write_report

EVERY_ROUND = 20
"""Rounds after each of which the report is written."""

SELDOM = 20.0
"""Later it is left for so many times as long as the last writing took: it takes a twentieth at most."""


@dataclass
class Seldom:
    """When the report of a run that goes on is due; times in seconds of one clock."""

    not_before: float = 0.0

    def due(self, round: int, now: float) -> bool:
        return round <= EVERY_ROUND or now >= self.not_before

    def written(self, begun: float, ended: float) -> None:
        self.not_before = ended + SELDOM * (ended - begun)


class Teller:
    """
    Args:
        after_report: called with each report that was written.
        after_round: called after every round with a report that has this round alone.
        progress: hears of alarms.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        after_report: Callable[[RunReport], None],
        after_round: Callable[[RunReport], None],
        progress: Progress,
    ) -> None:
        self._folder, self._config, self._progress = folder, config, progress
        self._after_report, self._after_round = after_report, after_round
        self._seldom = Seldom()

    def decided(self, over: Ending | None) -> None:
        """A round is over, and perhaps the run."""
        last = glance(self._folder, self._config)
        number = last.rounds[-1].round if last.rounds else 0
        for alarm in last.rounds[-1].alarms if last.rounds else ():
            self._progress.note(f"ALARM in round {number}: {alarm.said}")
        begun = time.monotonic()
        if over or self._seldom.due(number, begun):
            self._after_report(write_report(self._folder, self._config, "running"))
            self._seldom.written(begun, time.monotonic())
        self._after_round(last)
        give_memory_back()
