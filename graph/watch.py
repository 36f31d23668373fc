"""Reward hacking."""

from __future__ import annotations

from ..config import RunConfig
from ..memory.run import RunFolder
from ..records import Alarm


def alarms_of(folder: RunFolder, config: RunConfig, round: int, name: str) -> list[Alarm]:
    return []
