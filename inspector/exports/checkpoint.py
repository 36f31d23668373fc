"""A checkpoint as transformers and PEFT load it: safetensors, its tokenizer, and nothing to unpickle."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigError, RunError
from ...graph.canary import BASE
from ...graph.report import heldout_gain
from ...records import Evaluation, Gain
from .source import Source

KEPT, NONE = "kept", "none"

_NAME = re.compile(r"(?:solver|generator)-\d{4,9}", re.ASCII)
_HUB = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_COPIED = (".safetensors", ".json", ".jinja", ".txt", ".model")
_OURS = ("result.json", "canary.json", "training_args.json", "trainer_state.json")
"""Files of a checkpoint that say something of the run, which the card says."""

_OF_THIS_MACHINE = ("_name_or_path", "name_or_path", "is_local", "local_files_only")
"""Keys in the files of a tokenizer or a model that mean nothing elsewhere."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One that is exported."""

    name: str
    role: str
    folder: Path
    model: str
    """The base model as the configuration names it."""
    base: Path | None
    """Its folder, where it is an adapter's and this machine alone has it."""
    kept: bool

    @property
    def adapter(self) -> bool:
        return (self.folder / "adapter_config.json").exists()

    @property
    def round(self) -> int:
        return 0 if self.name == BASE else int(self.name.rpartition("-")[2])

    @property
    def base_name(self) -> str:
        """What to call the base model: its name at the hub, or the last part of a path."""
        return self.model if at_hub(self.model) else Path(self.model).name


def at_hub(model: str) -> bool:
    """Whether a model of the configuration is named as the hub does."""
    return bool(_HUB.fullmatch(model)) and not Path(model).exists()


def find_checkpoint(source: Source, wanted: str) -> Checkpoint | None:
    """
    Args:
        wanted: `kept`, `none`, `base`, or a name such as `solver-0003`.
    Returns:
        None where none is wanted, or where the kept one is a model that this run did not make.
    Raises:
        ConfigError: no checkpoint can have that name.
        RunError: it is not there.
    """
    if wanted == NONE:
        return None
    name = source.kept if wanted == KEPT else wanted
    if name != BASE and not _NAME.fullmatch(name):
        raise ConfigError(
            f"--checkpoint {wanted[:60]!r}: expected kept, none, base, solver-NUMBER or generator-NUMBER"
        )
    role = "solver" if name == BASE else name.partition("-")[0]
    model = source.config.roles[role].model or source.config.model
    folder = source.folder.checkpoint(name)
    if not any(folder.glob("*.safetensors")):
        if wanted == KEPT and name == BASE:
            return None
        there = [path.name for path in source.folder.checkpoint("").glob("*") if _NAME.fullmatch(path.name)]
        raise RunError(
            f"{source.name} has no weights of {name}; there are: {', '.join(sorted(there)) or 'none'}. "
            "--checkpoint none leaves them out"
        )
    base = source.folder.checkpoint(BASE) if model == "pocket" and name != BASE else None
    return Checkpoint(name, role, folder, model, base, name == source.kept)


def copy_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Its weights and its tokenizer; below an adapter of a model that only this machine has, that model."""
    _copy(checkpoint.folder, folder)
    if not checkpoint.adapter:
        return
    config = _read(folder / "adapter_config.json")
    known = at_hub(checkpoint.model)
    if checkpoint.base is not None:
        _copy(checkpoint.base, folder / "base")
    config["base_model_name_or_path"] = checkpoint.model if known else checkpoint.base_name
    _write(folder / "adapter_config.json", config)


def _copy(source: Path, folder: Path) -> None:
    """What a checkpoint has, but links that lead out of its run: a stranger's could name any file of ours.
    Those of a cache of models, whose files lie two folders above, are followed."""
    folder.mkdir()
    within = source.resolve().parent.parent
    for path in sorted(source.iterdir()):
        if path.suffix not in _COPIED or path.name in _OURS or not path.is_file():
            continue
        if not path.resolve().is_relative_to(within):
            continue
        shutil.copyfile(path, folder / path.name)
        if path.suffix == ".json":
            _without_this_machine(folder / path.name)


def _without_this_machine(path: Path) -> None:
    found = _read(path)
    if isinstance(found, dict) and found.keys() & set(_OF_THIS_MACHINE):
        _write(path, {key: value for key, value in found.items() if key not in _OF_THIS_MACHINE})


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path.name} of the checkpoint is damaged ({error}); bring it back") from error


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Figures:
    """Held-out accuracy before and after; of one set."""

    name: str
    before: Evaluation
    after: Evaluation
    gain: Gain


def figures_of(source: Source, checkpoint: Checkpoint) -> list[Figures]:
    """What the held-out sets say of a Solver, the main one first; none of the base model, nor of a
    Generator, which is not measured."""
    if checkpoint.role != "solver" or checkpoint.name == BASE or checkpoint.round not in source.rounds:
        return []
    named = [part.name for part in source.report.further] if source.report else []
    sets = {"held-out": "heldout"} | {name: f"heldout{place}" for place, name in enumerate(named, 2)}
    return [_figures(source, checkpoint.round, *named) for named in sets.items()]


def _figures(source: Source, number: int, name: str, series: str) -> Figures:
    before, after = (
        Evaluation.model_validate(source.folder.read_json(place, series)) for place in (0, number)
    )
    return Figures(name, before, after, heldout_gain(source.folder, number, source.config, series))
