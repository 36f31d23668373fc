"""What a policy wants measured of questions by the model itself: described in a file, done in a process.

This module imports nothing heavy; `trainers/angles.py` is the process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..config import LoraConfig
from ..errors import TrainingError
from ..memory.run import write_whole
from ..processes import Launcher, last_lines, launch, visible

MEASURES = ("", "angles")
"""What `Policy.measures` may name."""

_DEADLINE_S = 3600.0


class Measured(BaseModel):
    """A question as the model is shown it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    prompt: str
    """The user's message."""
    text: str
    """The question within it."""


class MeasuringJob(BaseModel):
    """What one measuring process is to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Folder of the checkpoint that measures."""
    base: str = ""
    """Folder of the model that an adapter lies over."""
    lora: LoraConfig | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    max_length: int = 512
    questions: list[Measured]
    output: str
    """JSON file: the question's id → what was measured."""


async def run_measuring(
    job: MeasuringJob, folder: Path, name: str, gpus: Sequence[int] = (), launcher: Launcher = launch
) -> dict[str, float]:
    """Run a job to its end, or take its result where it has ended before.

    Args:
        folder: takes `<name>.json` (the job) and `<name>.log`.
    Raises:
        TrainingError: the process ended without a result.
    """
    output = Path(job.output)
    if not output.exists():
        file, log = folder / f"{name}.json", folder / f"{name}.log"
        write_whole(file, job.model_dump_json())
        log.unlink(missing_ok=True)
        command = [sys.executable, "-m", "maieutic.trainers.angles", str(file)]
        running = await launcher(command, log, os.environ | visible(gpus[:1]))
        try:
            code = await asyncio.wait_for(running.wait(), _DEADLINE_S)
        except TimeoutError:
            code = -1
        finally:
            await running.stop()
        if code or not output.exists():
            raise TrainingError(
                f"measuring job {name} ended with exit code {code} and no result; its log is {log}. "
                f"Its last lines:\n{last_lines(log)}"
            )
    measured: dict[str, float] = json.loads(output.read_text())
    return measured
