"""Run folders: what is checked before they are made, and how they are made whole.

Everything that identifies a run is written into its folder when it is made: settings, seed questions, both
fixed sets, and the pocket model once it is built. A resume reads nothing else but a model of the user's, so
that a seed file that was changed meanwhile cannot change what is measured.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config import RunConfig, dump
from ..curriculum.pairs import builders_of
from ..curriculum.policies import policy_of
from ..errors import MissingPart, RunError
from ..memory.embedding import embedding_function
from ..memory.run import RunFolder, remove, unfinished, write_whole
from ..prompts import Prompts, prompts_of
from ..serving.command import require_vllm
from ..serving.hardware import found
from ..serving.models import folder_of
from ..tasks.families.gym import PREFIX
from ..tasks.material import Material, gather
from ..tasks.setting_apart import Tell
from ..tasks.sources import HUB
from ..trainers.base import cache_folder
from ..trainers.estimates import plan_of
from ..trainers.objectives import check_objective
from .conversations import check_tools
from .folders import HELDOUT, VALIDATION, check_name
from .local import check_models, own_models
from .remote import check_role, elsewhere, reach
from .report import versions
from .tracking import check_trackers
from .versions import header

ROOM_ON_DISK = 500_000_000
"""Bytes that must be free before a run begins; a pocket run needs about a fifth."""

_NAMES_TRIED = 20
"""Free names that other runs may take from us, between look and grasp, before we ask for one."""


def prepare(config: RunConfig, tell: Tell = lambda said: None) -> Material:
    """Everything that can be found wrong before a folder is made or a model is loaded.

    Args:
        tell: hears now and then how far a long draw is.
    Returns:
        The seed questions and the fixed sets.
    Raises:
        SeedError: a seed or held-out set cannot be used.
        ConfigError: a prompt template cannot be used, the fixed sets cannot be drawn, or this machine
            cannot have the servers that are asked for; and see `check`.
    """
    prompts_of(config.prompts)
    material = gather(config, tell)
    check(config)
    plan_of(config, found()).require()
    return material


def check(config: RunConfig) -> None:
    """What this machine must have to play a configuration.

    Raises:
        ConfigError: the model, the embedding, the curriculum policy or a pair builder cannot be used.
        RunError: the cache of base models cannot be written.
        MissingPart: a package is not installed.
    """
    policy_of(config)
    embedding_function(config.memory.embedding)
    check_objective(config)
    check_tools(config)
    builders_of(config)
    check_trackers(config.report_to)
    for name, role in elsewhere(config).items():
        check_role(name, role)
        reach(name, role)
    if config.model == "pocket":
        _check_cache(cache_folder())
    check_models(config)
    require_vllm()
    for package in ("torch", "transformers", "trl"):
        if importlib.util.find_spec(package) is None:
            raise MissingPart(f"{package} is not installed in this Python; run `make setup`")


def _check_cache(cache: Path) -> None:
    """The base model is built there, once for all runs."""
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        raise RunError(
            f"{cache}: the base model is kept here, and {place} cannot be written; "
            "set XDG_CACHE_HOME to a folder that can"
        )


def create(config: RunConfig, runs: Path, name: str, material: Material) -> RunFolder:
    """Make the folder of a new run, whole or not at all.

    Raises:
        RunError: the name is taken or is no plain folder name, or there is no room.
    """
    check_name(name)
    folder = RunFolder(runs / name)
    if folder.path.exists():
        whole = f"or `maieutic resume {name}`" if folder.config.exists() else "or remove it"
        raise RunError(f"{folder.path} exists already; choose another --name, {whole}")
    made = [folder for folder in (runs, *runs.parents) if not folder.exists()]
    try:
        runs.mkdir(parents=True, exist_ok=True)
        check_room(runs)
        with made_whole(folder) as beside:
            begin(beside, config, material)
    except OSError as error:
        _remove_empty(made)
        if folder.path.exists():
            raise RunError(f"{folder.path} exists already, made just now; choose another --name") from error
        raise RunError(f"{folder.path}: cannot be made ({error.strerror}); choose --runs-dir") from error
    except BaseException:
        _remove_empty(made)
        raise
    return folder


@contextlib.contextmanager
def made_whole(folder: RunFolder) -> Iterator[RunFolder]:
    """A folder beside the one that is to be, which gets its name when all is there: a kill leaves no half
    of a run under it."""
    runs, name = folder.path.parent, folder.path.name
    remove(path for path in unfinished(runs, deep=False) if path.stem == f".{name}")
    beside = RunFolder(runs / f".{name}.{os.getpid()}")
    try:
        beside.path.mkdir()
        yield beside
        beside.path.rename(folder.path)
    except BaseException:
        shutil.rmtree(beside.path, ignore_errors=True)
        raise


def _remove_empty(made: Sequence[Path]) -> None:
    """Take back folders that were made for nothing, the innermost first."""
    with contextlib.suppress(OSError):
        for folder in made:
            folder.rmdir()


def create_next(config: RunConfig, runs: Path, stem: str, material: Material) -> RunFolder:
    """Make the folder of a new run under the first free name of stem-1, stem-2 …"""
    for _ in range(_NAMES_TRIED):
        name = next(n for n in (f"{stem}-{i}" for i in itertools.count(1)) if not (runs / n).exists())
        try:
            return create(config, runs, name, material)
        except RunError:
            # Another run may have taken the name since we looked.
            if not (runs / name).exists():
                raise
    raise RunError(f"{runs}: other runs took every free name of {stem}-…; choose a --name")


def check_room(runs: Path) -> None:
    """
    Raises:
        RunError: there is too little room for another run.
    """
    free = shutil.disk_usage(runs).free
    if free < ROOM_ON_DISK:
        raise RunError(
            f"{runs}: {free / 1e6:.0f} MB are free and a run needs {ROOM_ON_DISK / 1e6:.0f} MB; "
            "free some room or choose another --runs-dir"
        )


def begin(folder: RunFolder, config: RunConfig, material: Material) -> None:
    """Write what identifies a run; run.yaml comes last, so that a run that has one has the rest."""
    folder.write(0, "questions", 0, [seed for seed in material.seeds if seed.label != "none"])
    folder.write(0, "unlabelled", 0, [seed for seed in material.seeds if seed.label == "none"])
    folder.write(0, VALIDATION, 0, material.sets.validation)
    folder.write(0, HELDOUT, 0, material.sets.heldout)
    for place, questions in enumerate(material.sets.further.values(), 2):
        folder.write(0, f"{HELDOUT}{place}", 0, questions)
    folder.write_json(0, "sets", {"further": list(material.sets.further), "notes": material.notes})
    write_prompts(folder, prompts_of(config.prompts))
    note_config(folder, config)


def write_prompts(folder: RunFolder, prompts: Prompts) -> None:
    """Keep the templates that a run is played with."""
    for name, text in prompts.texts().items():
        write_whole(folder.prompts / f"{name}.jinja", text)


def note_config(folder: RunFolder, config: RunConfig) -> None:
    """Write a run's settings, and the versions that they were written with."""
    write_whole(folder.config, header(versions()) + dump(absolute(config)))


def absolute(config: RunConfig) -> RunConfig:
    """The same settings, valid in any working directory."""
    update: dict[str, object] = {
        "seeds": _absolute(config.seeds),
        "heldout": [_absolute(source) for source in config.heldout],
    }
    if config.model != "pocket":
        # That of a model of the hub names its revision, too.
        update["model"] = str(folder_of(config.model, "model"))
    for role, model in own_models(config).items():
        named = {"model": str(folder_of(model, f"{role}.model"))}
        update[role] = config.roles[role].model_copy(update=named)
    if config.prompts:
        update["prompts"] = str(Path(config.prompts).absolute())
    return config.model_copy(update=update)


def _absolute(source: str) -> str:
    named = source == "builtin" or source.startswith((PREFIX, HUB))
    return source if named else str(Path(source).absolute())
