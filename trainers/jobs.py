"""Training jobs: described in a file, run in a process of their own, progress passed up.

This module imports nothing heavy; `trainers/worker.py` is the process.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ..config import AveragingConfig, GuardsConfig, LoraConfig, PocketModel
from ..errors import TrainingError
from ..memory.run import write_whole
from ..processes import Launcher, last_lines, launch, visible
from ..serving.fleet import end_leftover
from . import checkpoints, trouble

_STALL_S = 1800.0
"""A job reports every step; one that is silent for so long, loading included, hangs."""

Progress = Callable[[int, int], None]
"""Called with steps done and steps in all."""


PROJECT = "maieutic"
"""What trackers file a run under."""


class Tracking(BaseModel):
    """Where a job's figures go, beside its log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: list[str]
    """As TRL's `report_to`."""
    run: str
    """Its runs at a tracker stand together under this name."""
    name: str
    """Of the job."""
    folder: str
    """Of the run; takes what trackers write on this machine."""


class TrainingJob(BaseModel):
    """What one training process is to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    objective: str
    """As in `training.objective`: one of ours by name, or `module:Class`."""
    options: dict[str, Any] = {}
    """The objective's own."""
    model: str
    """Folder of the checkpoint to start from; with `pocket`, it is made first."""
    data: str
    """Parquet: rows of the kind that the objective takes (see `objectives.py`)."""
    output: str
    """Folder that holds the new checkpoint once everything is done; not there before."""
    seed: int
    learning_rate: float
    batch_size: int
    epochs: float = 1.0
    warmup_steps: int = 0
    schedule: Literal["constant_with_warmup", "cosine"] = "constant_with_warmup"
    final_rate: float = 0.0
    """Share of the learning rate that a cosine ends at."""
    averaging: AveragingConfig = AveragingConfig()
    guards: GuardsConfig | None = None
    """Without them nothing is watched, and only what is not finite stops the job."""
    adam_beta2: float = 0.999
    max_length: int = 320
    max_tokens: int = 256
    """Of a completion that the training samples itself, where its options do not say."""
    round: int = 1
    canary_tokens: int = 64
    base: str = ""
    """Folder of the model that an adapter lies over."""
    lora: LoraConfig | None = None
    """Train an adapter; without it all weights."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    accumulation: int = 1
    """Batches that make one step."""
    parts: int = 1
    """Batches that one of the configuration's was divided into, since it did not fit into memory:
    `batch_size` and `accumulation` are those after it, and a step takes the same rows as before."""
    least_batch: int = 1
    """Rows that the objective needs in a batch."""
    gradient_checkpointing: bool = False
    liger: Literal["auto", "on", "off"] = "off"
    attention: Literal["auto", "flash_attention_2", "sdpa", "eager"] = "auto"
    tracking: Tracking | None = None
    checkpoint_s: float = 0.0
    """Seconds between two checkpoints of the training itself, to go on from; 0 for none."""
    notes: list[str] = []
    """What happened to it so far, for its result."""
    pocket: PocketModel | None = None
    """Build this untrained model at `model` before training."""

    @property
    def whole_batch(self) -> int:
        """Rows of a batch as the configuration has it, divided or not."""
        return self.batch_size * self.parts

    def divided(self) -> TrainingJob | None:
        """The same steps with batches of half as many rows or fewer; None where there are no smaller ones."""
        for parts in range(2 * self.parts, self.whole_batch // self.least_batch + 1):
            if self.whole_batch % parts == 0:
                smaller = {
                    "batch_size": self.whole_batch // parts,
                    "accumulation": self.accumulation // self.parts * parts,
                    "parts": parts,
                }
                return self.model_copy(update=smaller)
        return None


class TrainingResult(BaseModel):
    """`result.json` beside the new weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    objective: str
    examples: int
    steps: int
    seconds: float
    """Training alone, without imports and loading."""
    metrics: dict[str, float]
    """The trainer's last logged figures; `first/…` are those of its first steps."""
    stopped: str = ""
    """Why a guard stopped it; empty where none did."""
    rollouts: int = 0
    """Completions that the training sampled itself."""
    tokens: int = 0
    """Of these."""
    notes: list[str] = []
    """What a person should know, such as of a tracker that failed."""


def stopped_at(output: str | Path) -> Path:
    """Where the weights of a job that a guard stopped are kept for inspection."""
    return Path(f"{output}.stopped")


def result_of(output: str | Path) -> TrainingResult | None:
    """What a job came to, whether it went through or was stopped; None where it has not ended."""
    for folder in (Path(output), stopped_at(output)):
        if (folder / "result.json").exists():
            return TrainingResult.model_validate_json((folder / "result.json").read_text())
    return None


async def run_job(
    job: TrainingJob,
    folder: Path,
    name: str,
    progress: Progress,
    launcher: Launcher = launch,
    gpus: Sequence[int] = (),
) -> TrainingResult:
    """Run a job to its end, or take its result where it has ended before.

    One that was cut short goes on from its last checkpoint; one whose process died by a signal is started
    again, once, and one that ran out of memory as often as its batches can be divided (`trouble.py`).

    Args:
        gpus: what it may use; the first that is visible where none are given.
        folder: takes `<name>.json` (the job) and `<name>.log`.
    Returns:
        Its result; where a guard stopped it (`stopped`), there is no checkpoint at `job.output`.
    Raises:
        TrainingError: the process ended without a checkpoint.
    """
    # Of a process of ours that was killed: two that train at once would spoil each other's checkpoints.
    await asyncio.to_thread(end_leftover, _noted(folder, name))
    if (result := result_of(job.output)) is not None:
        _sweep(Path(job.output), of_training=True)
        return result
    _sweep(Path(job.output))
    log, deaths = folder / f"{name}.log", 0
    log.unlink(missing_ok=True)
    job = _as_before(job, folder / f"{name}.json")
    while True:
        killed = trouble.killed_by_kernel()
        code = await _ended(job, folder, name, progress, launcher, gpus)
        if (result := result_of(job.output)) is not None:
            return result  # it is there only when it is whole, however the process ended after that
        again = trouble.next_try(job, code, deaths, killed != trouble.killed_by_kernel())
        if again is None:
            raise TrainingError(
                f"training job {name} {trouble.what_happened(job, code)}; its log is {log}. Its last "
                f"lines:\n{last_lines(log)}"
            )
        deaths += trouble.signal_of(code) > 0
        job = again
        _sweep(Path(job.output))


def _as_before(job: TrainingJob, file: Path) -> TrainingJob:
    """The job as it was tried last before a run was cut short, where it is the same one: with its batches
    divided where that was needed, and with its notes."""
    try:
        before = TrainingJob.model_validate_json(file.read_bytes())
    except (OSError, ValueError):
        return job
    if checkpoints.settings(before) != checkpoints.settings(job):
        return job
    as_it_was = ("batch_size", "accumulation", "parts", "notes")
    return job.model_copy(update={field: getattr(before, field) for field in as_it_was})


async def _ended(
    job: TrainingJob, folder: Path, name: str, progress: Progress, launcher: Launcher, gpus: Sequence[int]
) -> int:
    """The exit code of one process that does a job."""
    file, log = folder / f"{name}.json", folder / f"{name}.log"
    write_whole(file, job.model_dump_json(indent=1))
    command = [sys.executable, "-m", "maieutic.trainers.worker", str(file)]
    running = await launcher(command, log, os.environ | _one_device(gpus), piped=True)
    noted = _noted(folder, name)
    write_whole(noted, json.dumps(running.noted()))
    try:
        while line := await asyncio.wait_for(running.line(), _STALL_S):
            _pass_on(line, progress)
        return await asyncio.wait_for(running.wait(), _STALL_S)
    except TimeoutError:
        raise TrainingError(
            f"training job {name} said nothing for {_STALL_S / 60:g} minutes and was ended; its "
            f"log is {log}. Its last lines:\n{last_lines(log)}"
        ) from None
    finally:
        await running.stop()
        noted.unlink(missing_ok=True)


def _noted(folder: Path, name: str) -> Path:
    """Names the processes of a job while it runs."""
    return folder / f"{name}.processes"


def _one_device(gpus: Sequence[int]) -> dict[str, str]:
    """TRL trains on one device in one process; more would need its launcher."""
    first = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}
    return visible(gpus[:1]) or first


def _sweep(output: Path, of_training: bool = False) -> None:
    """Remove what a killed job left beside its output; and what it would go on from, where it is done."""
    for left in output.parent.glob(f".{output.name}.[0-9]*"):
        shutil.rmtree(left, ignore_errors=True)
    if of_training:
        shutil.rmtree(f"{output}.trainer", ignore_errors=True)


def _pass_on(line: bytes, progress: Progress) -> None:
    """Libraries print to stdout, too: what is not a progress line is let go."""
    try:
        message = json.loads(line)
        progress(int(message["step"]), int(message["of"]))
    except (ValueError, TypeError, KeyError):
        return
