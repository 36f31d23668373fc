"""A launcher that starts a script of a test in the place of a server or a training job."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from maieutic.processes import Launcher, Running, launch


def running(script: str) -> Launcher:
    """Runs `script` with the last word of the command that it stands for."""

    async def start(
        command: Sequence[str], log: Path, environment: Mapping[str, str], piped: bool = False
    ) -> Running:
        return await launch([sys.executable, "-c", script, command[-1]], log, environment, piped)

    return start
