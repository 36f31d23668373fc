"""What runs share that are played one after another: servers, a process to fork training jobs from, and
the base model's answers to the fixed sets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config import RunConfig
from ..memory.run import RunFolder, write_whole
from ..processes import Launcher, launch
from ..serving.fleet import Fleet, end_leftover
from ..serving.hosted import Hosted
from ..trainers import warm
from .canary import BASE
from .local import fleet_of

FleetOf = Callable[[RunConfig, Path, Mapping[str, Path], RunFolder], Fleet]

_SERIES = ("calls", "rollouts", "checked", "verdicts")
"""In the order in which a stage leaves them, so that half of them are no more than a stage cut off."""

_NO_PART = {
    "seed", "rounds", "budget", "rollouts", "curriculum", "teacher", "generator", "labels", "training",
    "gate", "memory", "handbook", "review", "report_to", "serving",
}  # fmt: skip
"""Settings that the base model's greedy answers do not depend on."""


class Kept:
    """Holds what the next run may use, too; used as an async context manager.

    Args:
        folder: has the servers' logs, and the note of what is to be ended after a crash of ours.
        fleet_of: makes the servers of a run, which are not started yet.
    """

    def __init__(self, folder: RunFolder, fleet_of: FleetOf = fleet_of) -> None:
        self.folder, self._fleet_of = folder, fleet_of
        self._warm = warm.Warm(folder.logs / "training.log") if warm.possible() else None
        self._fleet: Fleet | None = None
        self._held: list[tuple[Any, Hosted]] = []
        self._last: RunFolder | None = None
        self._measured: list[tuple[RunConfig, RunFolder]] = []

    async def __aenter__(self) -> Kept:
        end_leftover(self.folder.path / "server.json")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._fleet is not None:
            await self._stop(self._held)
            await self._fleet.stop()
        if self._warm is not None:
            await self._warm.stop()

    @property
    def launcher(self) -> Launcher:
        """How training jobs are started."""
        return self._warm or launch

    async def warm_up(self) -> None:
        """Have the libraries of training loaded while the first servers start."""
        if self._warm is not None:
            await self._warm.begin()

    async def fleet(self, config: RunConfig, base: Path, own: Mapping[str, Path], folder: RunFolder) -> Fleet:
        """The servers of a run: those that are there, where they are what it needs."""
        wanted = self._fleet_of(config, base, own, self.folder)
        by_role = {role: (_needs(hosted), hosted) for role, hosted in wanted.hosted.items()}
        there = [(needs, hosted) for needs, hosted in self._held if _usable(hosted)]
        reused = [entry for entry in there if entry[0] in [needs for needs, _ in by_role.values()]]
        await self._stop([entry for entry in self._held if entry not in reused])
        for _, hosted in reused:
            await hosted.hand_over()
        self._held = list(reused)
        for needs, hosted in by_role.values():
            if needs not in [held for held, _ in self._held]:
                self._held.append((needs, hosted))
        chosen = {role: self._of(needs) for role, (needs, _) in by_role.items()}
        if self._last is not None:
            same_solver = any(hosted is chosen.get("solver") for _, hosted in reused)
            _copy_canaries(self._last, folder, same_solver)
        idle = self._fleet.idle if self._fleet is not None and reused else {}
        self._fleet = replace(wanted, hosted=chosen, idle=idle)
        self._last = folder
        return self._fleet

    def _of(self, needs: Any) -> Hosted:
        return next(hosted for held, hosted in self._held if held == needs)

    async def _stop(self, entries: list[tuple[Any, Hosted]]) -> None:
        for _, hosted in entries:
            await hosted.stop()

    def begin(self, config: RunConfig, folder: RunFolder) -> None:
        """Give a run that measures nothing new at its start the answers of one that has measured it."""
        source = next(
            (past for known, past in self._measured if _same_start(known, past, config, folder)), None
        )
        if source is not None:
            copy_baseline(source, folder)

    def ended(self, config: RunConfig, folder: RunFolder) -> None:
        """Note a run whose first measurement later ones may take."""
        if folder.read_json(0, "gate") is not None:
            self._measured.append((config, folder))


def _usable(hosted: Hosted) -> bool:
    return hosted.alive or hosted.resting


def _needs(hosted: Hosted) -> Any:
    """What a model's servers are, whatever run they are for."""
    model = fingerprint(hosted.model)
    return (
        hosted.config,
        hosted.while_training,
        [replace(server.hosting, model=model, log=Path()) for server in hosted.servers],
    )


def fingerprint(model: Path) -> Path:
    """Names a model by its weights where each run has its own copy; by its folder else."""
    if model.parts[-2:] != ("checkpoints", BASE):
        return model
    digest = hashlib.sha256()
    for file in sorted([*model.glob("*.safetensors"), *model.glob("*.json")]):
        if file.name != "result.json":  # says how long its making took
            digest.update(file.read_bytes())
    return Path(digest.hexdigest())


def _copy_canaries(source: RunFolder, target: RunFolder, same_solver: bool) -> None:
    """What a model that nobody trained here said when it was just loaded: a server that has had other
    weights since cannot be asked again."""
    for file in source.path.glob("*-canary.json"):
        copy = target.path / file.name
        if not copy.exists() and (same_solver or file.name != f"{BASE}-canary.json"):
            write_whole(copy, file.read_bytes())


def _same_start(known: RunConfig, past: RunFolder, config: RunConfig, folder: RunFolder) -> bool:
    """Whether the base model of one run answers its fixed sets as that of another does."""
    settings = [
        (one.model_dump(exclude=_NO_PART), one.rollouts.max_tokens, one.serving.dtype, one.verifier.is_model)
        for one in (known, config)
    ]
    return (
        settings[0] == settings[1]
        and not config.verifier.is_model
        and fingerprint(past.checkpoint(BASE)) == fingerprint(folder.checkpoint(BASE))
        and _fixed(past) == _fixed(folder)
    )


def _fixed(folder: RunFolder) -> dict[str, bytes]:
    """The fixed sets and the templates of a run."""
    files = [*(folder.round(0) / "sets").glob("*"), *folder.prompts.glob("*")]
    return {file.name: file.read_bytes() for file in files}


def copy_baseline(source: RunFolder, target: RunFolder) -> None:
    """Copy what the base model said to the fixed sets, where a run has asked it nothing yet.

    The run's first stage then finds it there, as after a resume.
    """
    if (target.round(0) / "rollouts").exists():
        return
    sets = [file.name.rpartition("-")[0] for file in (source.round(0) / "sets").glob("*.parquet")]
    for kind in _SERIES:
        prefix = "rollouts-" if kind == "calls" else ""
        for name in sets:
            for file in sorted((source.round(0) / kind).glob(f"{prefix}{name}-[0-9]*")):
                write_whole(target.round(0) / kind / file.name, file.read_bytes())
