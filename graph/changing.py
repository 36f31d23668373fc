"""Settings that a run may be given anew after it has begun."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import ROLES, RunBudget, RunConfig, WatchConfig, load
from ..curriculum.pairs import builders_of
from ..errors import ConfigError, RunError
from ..memory.run import RunFolder
from ..trainers.objectives import check_objective
from .folders import over
from .lock import locked
from .making import note_config
from .remote import check_role, elsewhere
from .versions import require_ours

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
