"""A launcher that starts a script of a test in the place of a server or a training job."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maieutic.processes import Launcher, Running, launch


def running(script: str) -> Launcher:
    """Runs `script` with the last word of the command that it stands for."""

    async def start(
        command: Sequence[str], log: Path, environment: Mapping[str, str], piped: bool = False
    ) -> Running:
        return await launch([sys.executable, "-c", script, command[-1]], log, environment, piped)

    return start


def fake_vllm(folder: Path, *plans: dict[str, Any]) -> Launcher:
    """Starts `fake_vllm.py`.

    Args:
        folder: it finds there what is to go wrong, and counts its starts.
        plans: for each start, the first first; those after them go well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(plans))

    async def start(
        command: Sequence[str], log: Path, environment: Mapping[str, str], piped: bool = False
    ) -> Running:
        script = [sys.executable, "-S", str(Path(__file__).with_name("fake_vllm.py")), str(folder)]
        return await launch([*script, *command], log, environment, piped)

    return start
