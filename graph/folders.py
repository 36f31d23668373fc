"""Run folders: checked before they are made, made whole, found again, held by one process.

Everything that identifies a run is written into its folder when it is made: settings,
seed questions, both fixed sets, and the pocket model once it is built. A resume reads
nothing else but a model of the user's, so that a seed file that was changed meanwhile
cannot change what is measured.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import itertools
import os
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ..config import ROLES, RunBudget, RunConfig, WatchConfig, dump, load
from ..curriculum.pairs import builders_of
from ..curriculum.policies import policy_of
from ..errors import ConfigError, MissingPart, RunError, RunHeld
from ..memory.embedding import embedding_function
from ..memory.run import GRID, RunFolder, gone, remove, unfinished, write_whole
from ..prompts import Prompts, prompts_of
from ..records import OVER, Question
from ..serving.command import require_vllm
from ..serving.hardware import found
from ..serving.models import folder_of
from ..tasks.families.gym import PREFIX
from ..tasks.material import Material, gather
from ..tasks.sets import FixedSets
from ..tasks.setting_apart import Tell
from ..tasks.sources import HUB
from ..trainers.base import cache_folder
from ..trainers.estimates import plan_of
from ..trainers.objectives import check_objective
from .conversations import check_tools
from .local import check_models, own_models
from .remote import check_role, elsewhere, reach
from .report import versions
from .tracking import check_trackers
from .versions import header, require_ours

ROOM_ON_DISK = 500_000_000
"""Bytes that must be free before a run begins; a pocket run needs about a fifth."""

_NAMES_TRIED = 20
"""Free names that other runs may take from us, between look and grasp, before we ask for one."""

_GRASPS, _GRASP_S = 4, 0.05
"""How often a lock is tried for, and seconds between."""

VALIDATION, HELDOUT = "sets/validation", "sets/heldout"


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


def check_name(name: str) -> None:
    plain = name == Path(name).name and not name.startswith(".") and name.isprintable()
    if not name or not plain or len(name.encode()) > 100:
        raise RunError(f"{name[:60]!r} cannot name a run; use up to 100 letters, digits, - and _")


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


def read_prompts(folder: RunFolder, config: RunConfig) -> Prompts:
    """The templates that a run began with; a run of before there were copies has those of its settings."""
    return Prompts(folder.prompts) if folder.prompts.is_dir() else prompts_of(config.prompts)


def _absolute(source: str) -> str:
    named = source == "builtin" or source.startswith((PREFIX, HUB))
    return source if named else str(Path(source).absolute())


def read_sets(folder: RunFolder) -> FixedSets:
    """Both fixed sets, as they were when the run was made."""
    validation, heldout = (tuple(folder.read(0, series, Question)) for series in (VALIDATION, HELDOUT))
    noted = folder.read_json(0, "sets") or {}
    if not isinstance(noted, dict):
        raise RunError(f"{folder.path}: rounds/0000/sets.json is damaged; bring it back from a copy")
    names = noted.get("further", [])
    further = {
        name: tuple(folder.read(0, f"{HELDOUT}{place}", Question)) for place, name in enumerate(names, 2)
    }
    return FixedSets(validation, heldout, further)


def find(runs: Path, name: str) -> tuple[RunFolder, RunConfig]:
    """An existing run with its configuration.

    Raises:
        RunError: there is none of that name, or it is a comparison; the message lists those there are. Or
            its settings cannot be read, and another version wrote them.
    """
    folder = RunFolder(runs / Path(name).name)
    outside = Path(name).name in ("", "..") or "\0" in name
    if outside or len(os.fsencode(name)) > 100 or not folder.config.exists():
        there = sorted(p.parent.name for p in runs.glob("[!.]*/run.yaml"))
        if (folder.path / GRID).exists():
            raise RunError(
                f"{name[:60]!r} is a comparison: see {folder.path / 'compare.html'}, or one of its runs with "
                f"--runs-dir {folder.path}"
            )
        known = f"there are: {', '.join(there)}" if there else f"{runs} has no runs yet"
        raise RunError(f"no run {name[:60]!r}; {known}")
    if not folder.config.read_bytes().strip():
        raise RunError(f"{folder.config} is empty; bring it back from a copy, or play a new run")
    try:
        return folder, load(folder.config)
    except ConfigError:
        require_ours(folder)  # which says more, where a later version wrote what is not understood
        raise


CHANGEABLE = ("serving", "training", "pairs")
"""Sections that a run may be given anew: how it is done, not what is asked and measured."""

_ALONE = (
    *(f"{role}.{setting}" for role in ("teacher", "verifier") for setting in ("endpoint", "key")),
    *(f"{role}.{setting}" for role in ROLES for setting in ("concurrency", "deadline_s")),
    *(f"{role}.budget.{kind}" for role in ROLES for kind in ("calls", "tokens", "seconds")),
    "review",
    "report_to",
)
"""Settings that may change, too: where a Teacher or a Verifier is reached, not who it is; how roles are
asked, and what they may spend; whether a person reads what is written, and who is told of figures."""

LENGTH = ("rounds", "gate.patience", "gate.plateau", *(f"budget.{name}" for name in RunBudget.model_fields),
          *(f"watch.{name}" for name in WatchConfig.model_fields))  # fmt: skip
"""Settings that say when a run ends. They may change even where it has: it goes on where they let it."""


def change(folder: RunFolder, overrides: Sequence[str]) -> RunConfig:
    """Settings of an existing run, some of them given anew and kept in its folder.

    Raises:
        ConfigError: a setting is unknown, wrong, or not one that may change.
        RunError: the run is over, and this would not have it go on.
        RunHeld: another process is playing the run.
    """
    require_ours(folder)
    names = [override.partition("=")[0] for override in overrides]
    if over(folder) and not any(name in LENGTH for name in names):
        raise RunError(
            f"{folder.path.name} is done: --set changes something only where it has it go on, with one of "
            f"{', '.join(LENGTH)}; or play a new run"
        )
    for override, name in zip(overrides, names, strict=True):
        if name.partition(".")[0] not in CHANGEABLE and name not in (*_ALONE, *LENGTH):
            raise ConfigError(
                f"--set {override}: a run that has begun keeps its settings, but for serving.*, training.*, "
                "pairs.*, review, report_to, rounds, budget.*, watch.*, gate.patience and .plateau, each "
                "role's concurrency, deadline_s and budget.*, and endpoint and key of teacher and verifier; "
                "`maieutic fork` begins a new run from a round of this one, where others may change, too"
            )
    config = load(folder.config, overrides)
    before = load(folder.config)
    trained = list((folder.path / "checkpoints").glob("*-[0-9]*"))
    if trained and (config.training.method, config.training.lora) != (
        before.training.method,
        before.training.lora,
    ):
        raise ConfigError(
            "--set training.method, training.lora: the checkpoints that this run has go on as they were "
            "begun; start a new run"
        )
    if config.teacher.is_model != before.teacher.is_model:
        raise ConfigError("--set teacher.endpoint: who teaches a run that has begun stays; start a new run")
    if config.verifier.is_model != before.verifier.is_model:
        raise ConfigError("--set verifier.endpoint: who judges a run that has begun stays; start a new run")
    builders_of(config)
    for name, role in elsewhere(config).items():
        check_role(name, role)
    check_objective(config)
    with locked(folder):
        note_config(folder, config)
    return config


def over(folder: RunFolder) -> bool:
    """Whether a run says of itself that it has come to an end."""
    if not folder.report.exists():
        return False
    head = folder.report.read_text(errors="replace")[:1000]
    return any(f'"status": "{status}"' in head for status in OVER)


def held(folder: RunFolder) -> bool:
    """Whether a process is playing the run now. Nothing is written: whoever asks may only read."""
    try:
        with (folder.path / "run.lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except OSError:  # it was never played, or cannot be read by us
        return False


def _no_links(folder: Path) -> None:
    """A run writes to its own files, and whoever resumes one of somebody else's must not write to others of
    theirs through it. No run makes links; the folder itself may be one, for its name is the user's.

    Raises:
        RunError: there is a link, whether what it leads to is there or not.
    """
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place) / name
            if path.is_symlink():
                raise RunError(
                    f"{path}: is a link to {os.readlink(path)[:200]!r}, and a run writes to its own files "
                    "alone; put what it leads to in its place, or take it out"
                )


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold a run for this process; the system lets go when the process ends, however it does.

    No child holds it: one that is started does not have the file, one that is forked closes it.

    Raises:
        RunHeld: another process holds it.
        RunError: something in it is a link to elsewhere.
    """
    _no_links(folder.path)
    with (folder.path / "run.lock").open("a+") as file:
        if not _grasped(file):
            file.seek(0)
            raise RunHeld(f"{folder.path.name} is being played by {_owner(file.read())}")
        file.truncate(0)
        file.write(f"{os.getpid()} {socket.gethostname()}")
        file.flush()
        _HELD.add(file.fileno())
        try:
            yield
        finally:
            _HELD.discard(file.fileno())


def _grasped(file: IO[str]) -> bool:
    """Whether the lock is ours. Whoever asks if a run is `held` has it for a moment, too."""
    for left in reversed(range(_GRASPS)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_GRASP_S if left else 0)
    return False


_HELD: set[int] = set()
"""Descriptors of the locks that this process holds."""


def _let_go() -> None:
    """In a forked child: a lock lasts until the last copy of its descriptor is closed, and a child may
    outlive its parent."""
    while _HELD:
        with contextlib.suppress(OSError):
            # Not closed: the number may be another file's when whoever has it as a file closes it.
            nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nothing, _HELD.pop(), inheritable=False)
            os.close(nothing)


os.register_at_fork(after_in_child=_let_go)


def _owner(noted: str) -> str:
    """Who holds a run, as its lock says."""
    pid, _, host = noted.partition(" ")
    if not pid.isdecimal():
        return "another process"
    if host and host != socket.gethostname():
        return f"process {pid} on {host}"
    if gone(int(pid)):
        return f"what process {pid} has left behind: that is gone, and a process that it started holds on"
    return f"process {pid}"
