"""A new run from an old round: its rounds so far taken over, and played on from there.

The original is only read, and may be played meanwhile: what belongs to a round that is over does not
change. Records are copied; weights, which are large and never written again, are linked where the file
system can. The state of the graph and the memory are not taken over but made of the records, by the first
play (`rebuilt.py`, `attempt.restore`).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path

from ..config import RunConfig, changed, load
from ..errors import ConfigError, RunError
from ..memory.run import FORK, RunFolder, write_whole
from ..prompts import prompts_of
from ..records import ForkedFrom
from ..serving.hardware import found
from ..trainers.estimates import plan_of
from . import folders, making
from .kept_rounds import kept_round, last_round, solver, writer
from .report import forked_from

_IDENTIFIES = (
    "seeds", "heldout", "columns", "checker", "model", "pocket", "sets", "memory.embedding",
    "curriculum.horizon", "solver.model", "generator.model",
)  # fmt: skip
"""Settings that the records already there were made with: another needs a run of its own."""
_TRAINED = ("training.method", "training.lora")
"""The same, once there is a checkpoint that goes on."""
_CHECKPOINT = re.compile(r"(?:solver|generator)-(\d{4,})(?:\.stopped)?")


def fork(
    runs: Path, name: str, round: int, new: str | None = None, overrides: Sequence[str] = ()
) -> tuple[RunFolder, RunConfig]:
    """Make the folder of a new run that begins after a round of another, whole or not at all.

    Args:
        round: the last that is taken over; 0 for the base model's measurement alone.
        new: the new run's name; a free one is chosen without.
        overrides: settings to play on with, as `key=value`. What the old rounds spent counts, as the run
            that would have been: a fork with no change plays the same next rounds.
    Raises:
        ConfigError: a setting cannot be, or is one that the records were made with.
        RunError: there is no such run, the round is not over, a checkpoint is gone, or the name is taken.
    """
    old, before = folders.find(runs, name)
    last = last_round(old)
    if last is None or round > last:
        there = f"those that are over: 0 to {last}" if last is not None else "none is over yet"
        raise RunError(f"{old.path.name} has no round {round} to go on from; {there}")
    config = _config(before, overrides, trained=bool(_checkpoints(old, round)))
    if config.rounds <= round:
        raise ConfigError(
            f"rounds is {config.rounds}, and round {round} would be the last; say how many rounds the new "
            f"run is to have with --set rounds=…, {round + 1} or more"
        )
    _check_weights(old, round)
    making.check(config)
    plan_of(config, found()).require()
    if new is None:
        stem = f"{old.path.name}-fork"
        new = next(n for n in (f"{stem}-{i}" for i in itertools.count(1)) if not (runs / n).exists())
    folders.check_name(new)
    folder = RunFolder(runs / new)
    if folder.path.exists():
        raise RunError(f"{folder.path} exists already; choose another --name")
    making.check_room(runs)
    with _made_whole(folder) as beside:
        _take_over(old, beside, round)
        if config.prompts != before.prompts:
            making.write_prompts(beside, prompts_of(config.prompts))
        if (config.curriculum.policy, config.curriculum.options) != (
            before.curriculum.policy,
            before.curriculum.options,
        ):
            _forget_policy(beside, round)
        here = ForkedFrom(run=old.path.name, round=round, settings=list(overrides))
        lineage = [one.model_dump() for one in (*forked_from(old), here)]
        write_whole(beside.path / FORK, json.dumps(lineage, indent=1))
        making.note_config(beside, config)
    return folder, load(folder.config)


def _config(before: RunConfig, overrides: Sequence[str], trained: bool) -> RunConfig:
    config = changed(before, overrides)
    for setting in (*_IDENTIFIES, *(_TRAINED if trained else ())):
        if attrgetter(setting)(config) != attrgetter(setting)(before):
            raise ConfigError(
                f"--set {setting}: the rounds that are taken over were played with another; a fork keeps "
                f"{', '.join((*_IDENTIFIES, *_TRAINED))}: begin a new run with `maieutic run`"
            )
    prompts_of(config.prompts)
    return config


def _checkpoints(old: RunFolder, round: int) -> list[Path]:
    """Checkpoints of rounds up to this one, those that a guard stopped among them."""
    paths = sorted((old.path / "checkpoints").glob("*-*"))
    named = [(path, _CHECKPOINT.fullmatch(path.name)) for path in paths]
    return [path for path, match in named if match and int(match[1]) <= round]


def _check_weights(old: RunFolder, round: int) -> None:
    for name in (solver(kept_round(old, round)), writer(old, round)):
        if name != "base" and not (old.checkpoint(name) / "result.json").exists():
            raise RunError(
                f"{old.checkpoint(name)} is gone, and round {round + 1} would be played with it; fork from "
                "another round, or bring it back from a copy"
            )


def _take_over(old: RunFolder, beside: RunFolder, round: int) -> None:
    for number in range(round + 1):
        _copy(old.round(number), beside.round(number))
    _copy(old.prompts, beside.prompts)
    for path in (old.checkpoint("base"), *_checkpoints(old, round)):
        _copy(path, beside.checkpoint(path.name), link=True)
    for path in old.path.glob("*-canary.json"):
        _copy_file(path, beside.path / path.name)


def _copy(source: Path, target: Path, link: bool = False) -> None:
    """A folder with all that is in it; nothing outside it, and nothing half-written.

    Raises:
        RunError: something in it is a link, or no file at all.
    """
    if source.is_symlink():
        raise RunError(f"{source} is a link, and a fork takes over none; put what it leads to in its place")
    if not source.is_dir():
        return
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            _copy(path, target / path.name, link)
        else:
            _copy_file(path, target / path.name, link)


def _copy_file(source: Path, target: Path, link: bool = False) -> None:
    if source.is_symlink() or not source.is_file():
        raise RunError(f"{source} is no plain file, and a fork takes over nothing else; take it away")
    if link:
        with contextlib.suppress(OSError):  # another file system, or one without links
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def _forget_policy(folder: RunFolder, round: int) -> None:
    """Another policy cannot read what the old one knew, and begins anew."""
    kept = folder.read_json(round, "policy")
    if isinstance(kept, dict):
        folder.write_json(round, "policy", {**kept, "state": None})


@contextlib.contextmanager
def _made_whole(folder: RunFolder) -> Iterator[RunFolder]:
    """
    Raises:
        RunError: it cannot be made.
    """
    try:
        with making.made_whole(folder) as beside:
            yield beside
    except OSError as error:
        raise RunError(
            f"{folder.path}: cannot be made ({error.strerror}); see that there is room on the disk, or "
            "choose another --name"
        ) from error
