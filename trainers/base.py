"""The base model of the pocket profile: built once on this machine, then found in the cache."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Collection
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import IO, Any

import platformdirs

from ..config import PocketModel
from ..errors import ConfigError, TrainingError
from ..memory.run import write_table
from ..prompts import OURS as PROMPTS
from ..prompts import Prompts
from ..tasks import arithmetic, drawing
from .jobs import Progress, TrainingJob, run_job, stopped_at

LEVELS = (1, 2)
"""Levels of the worked examples: what the base model has seen. All others it must be taught."""

_DRAWS = 1000
"""Easy questions drawn in a row before it is said that all are excluded."""

_PATIENCE_S = 1800.0
"""Waiting for another run's build: fifteen times what one takes on two cores."""

WRITTEN = 0.1
"""Share of the examples that write a question in place of solving one."""

_BUILT_BY = ("pocket_model.py", "sft.py", "common.py", "base.py", "jobs.py", "worker.py", "models.py")
_DRAWN_BY = ("arithmetic.py", "drawing.py")


def cache_folder() -> Path:
    return Path(platformdirs.user_cache_dir("maieutic"))


def key(pocket: PocketModel, excluded: Collection[str]) -> str:
    """Names a base model by everything it depends on: sizes, data, code, libraries."""
    here = Path(__file__).parent
    code = [(here / name).read_text() for name in _BUILT_BY]
    code += [(PROMPTS / f"{name}.jinja").read_text() for name in ("solver", "generator")]
    code += [Path(arithmetic.__file__).with_name(name).read_text() for name in _DRAWN_BY]
    parts = [pocket.model_dump_json(), json.dumps(sorted(excluded)), *code, *_libraries()]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]


def _libraries() -> list[str]:
    return [version(name) for name in ("torch", "transformers", "trl")]


def examples(count: int, seed: int, excluded: Collection[str]) -> list[dict[str, Any]]:
    """Easy arithmetic, worked; and a share of easy questions written. None is in `excluded`,
    which names expressions as `arithmetic.unordered` does.

    What is written has nothing to do with what is shown: a Generator that starts from here
    writes readable questions, and has yet to learn which are worth asking.

    Raises:
        ConfigError: `excluded` holds nearly every easy question.
    """
    rng = Random(seed)

    def question() -> tuple[str, str]:
        for _ in range(_DRAWS):
            expr = drawing.draw(rng.choice(arithmetic.SKILLS), rng.choice(LEVELS), rng)
            if arithmetic.unordered(expr) not in excluded:
                return arithmetic.question_text(expr), arithmetic.worked(expr)
        raise ConfigError("sets.per_cell leaves no easy questions to warm the base model up on; lower it")

    ours, rows = Prompts(), list[dict[str, Any]]()
    for _ in range(count):
        text, worked = question()
        if rng.random() < WRITTEN:
            prompt, completion = ours.render("generator", question=text, attempt=worked), question()[0]
        else:
            prompt, completion = ours.render("solver", question=text), worked
        rows.append({"prompt": prompt, "completion": completion, "weight": 1.0})
    return rows


async def ensure_base(
    pocket: PocketModel,
    excluded: Collection[str],
    progress: Progress,
    note: Callable[[str], None],
    cache: Path | None = None,
) -> Path:
    """The folder of the base model, built now where it is not there yet.

    Args:
        excluded: what it must not be trained on, as `arithmetic.unordered`: both fixed sets.
        note: told when another run is building it and this one waits.
    Raises:
        TrainingError: the build failed, or another run's took longer than `_PATIENCE_S`.
    """
    folder = (cache or cache_folder()) / f"pocket-{key(pocket, excluded)}"
    if (folder / "result.json").exists():
        return folder
    async with _alone(folder.with_name(f".{folder.name}.lock"), note):
        if not (folder / "result.json").exists():
            await _build(folder, pocket, excluded, progress)
    return folder


@contextlib.asynccontextmanager
async def _alone(path: Path, note: Callable[[str], None]) -> AsyncIterator[None]:
    """Two runs may need the same model at once: the second waits for the first, not for ever."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        deadline = time.monotonic() + _PATIENCE_S
        told = False
        while not _taken(file):
            if not told:
                note(f"another run is building the base model; waiting for it ({path})")
                told = True
            if time.monotonic() > deadline:
                raise TrainingError(
                    f"another run has been building the base model for {_PATIENCE_S / 60:g} minutes; "
                    f"end it if it hangs (it holds {path}), then resume"
                )
            await asyncio.sleep(0.5)
        yield


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _build(folder: Path, pocket: PocketModel, excluded: Collection[str], progress: Progress) -> None:
    work = folder.with_name(f".{folder.name}.work")
    rows = await asyncio.to_thread(examples, pocket.examples, pocket.seed, excluded)
    write_table(work / "examples.parquet", rows)
    job = TrainingJob(
        objective="sft",
        model=str(work / "untrained"),
        data=str(work / "examples.parquet"),
        output=str(folder),
        seed=pocket.seed,
        learning_rate=pocket.learning_rate,
        batch_size=pocket.batch_size,
        warmup_steps=100,
        schedule="cosine",
        adam_beta2=0.98,
        checkpoint_s=300,
        pocket=pocket,
    )
    result = await run_job(job, work, "base", progress)
    if result.stopped:
        # What a guard stopped is no base model, and would be taken for the end of every later build.
        shutil.rmtree(stopped_at(folder), ignore_errors=True)
        raise TrainingError(f"the base model could not be built: {result.stopped} (pocket.learning_rate)")
    shutil.rmtree(work, ignore_errors=True)
