"""Objectives by name: what they are given, their options, and who trains by them.

An objective is a dataclass whose fields are its options, with `rows`, the kind of rows it takes, and
`train`, which imports what is heavy only when it is called. This module imports nothing heavy, so that a
name or an option that cannot be is told before anything is loaded. One of yours is named
`module:Class`; see docs/training.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from ..config import RunConfig, SolverTraining
from ..errors import ConfigError
from ..plugins import found, made
from ..serving import hardware
from .jobs import TrainingJob

OBJECTIVES: dict[str, str] = {
    "dpo": ".trainers.options:Dpo",
    "redi": ".trainers.options:Redi",
    "kto": ".trainers.options:Kto",
    "sft": ".trainers.options:Sft",
    "grpo": ".trainers.sampled_options:Grpo",
    "rloo": ".trainers.sampled_options:Rloo",
    "w_reinforce": ".trainers.sampled_options:WReinforce",
    "ghpo": ".trainers.sampled_options:Ghpo",
    "relift": ".trainers.sampled_options:Relift",
    "hpt": ".trainers.sampled_options:Hpt",
}

ROWS = {
    "pairs": "prompt, chosen, rejected, weight, smoothing, stage, kind",
    "labelled": "prompt, completion, label, weight",
    "completions": "prompt, completion, weight",
    "prompts": "prompt, question_id, text, answer, checker, data, solution, hint, times",
}
"""Kinds of rows and their columns."""

_WITH_TOOLS = "pairs"
"""The kind whose rows hold whole conversations."""


class Objective(Protocol):
    """What trains a model from rows."""

    rows: ClassVar[str]
    """One of `ROWS`."""
    # And `reference`, whether the round's start is held beside the trained model, for estimates; else
    # it is taken to be.

    def train(
        self, job: TrainingJob, rows: list[dict[str, Any]], tokenizer: Any
    ) -> tuple[Any, dict[str, float]]:
        """The model trained from `job.model`, and figures of the training.

        Of the figures, `rollouts` and `rollout_tokens` count what was sampled on the way.
        """


def objective_of(name: str, options: Mapping[str, Any]) -> Objective:
    """An objective with its options.

    Raises:
        ConfigError: there is none of that name, it takes no such rows or options, or a value is wrong.
    """
    cls = found("objectives", name, OBJECTIVES, "training.objective")
    if getattr(cls, "rows", None) not in [*ROWS] or not callable(getattr(cls, "train", None)):
        raise ConfigError(
            f"training.objective {name[:100]!r}: needs `rows`, one of {', '.join(ROWS)}, and a method `train`"
        )
    objective: Objective = made(cls, options, "training.options")
    return objective


def options_of(training: SolverTraining) -> dict[str, Any]:
    """The options that were given, with those settings of `training` that stand in for others.

    Raises:
        ConfigError: there is no such objective.
    """
    cls = found("objectives", training.objective, OBJECTIVES, "training.objective")
    stands_in = {name: getattr(training, name) for name in getattr(cls, "stand_in", ())}
    return stands_in | training.options


def rows_of(name: str) -> str:
    """The kind of rows that an objective takes; empty where it is not to be found any more."""
    try:
        return str(getattr(found("objectives", name, OBJECTIVES, "training.objective"), "rows", ""))
    except ConfigError:
        return ""


def configured(training: SolverTraining) -> Objective:
    """The Solver's objective.

    Raises:
        ConfigError: as `objective_of`.
    """
    return objective_of(training.objective, options_of(training))


def check_objective(config: RunConfig, gpus: int | None = None) -> None:
    """
    Args:
        gpus: how many there are to train on; None for those of this machine.
    Raises:
        ConfigError: the objective cannot train by this configuration, or not on this hardware.
    """
    objective, training = configured(config.training), config.training
    if config.solver.tools and objective.rows != _WITH_TOOLS:
        raise ConfigError(
            f"training.objective {training.objective}: it is trained on single completions, and the Solver "
            "has tools; choose dpo, or leave solver.tools out"
        )
    if training.objective == "relift" and training.averaging.kind != "none":
        raise ConfigError(
            "training.averaging: relift's last steps come after the mean is made; set its kind to none"
        )
    check = getattr(objective, "check", None)
    if check is not None:
        try:
            check(training.batch_size, training.accumulation)
        except ValueError as error:
            raise ConfigError(f"training.objective {training.objective}: {error}") from error
    if getattr(objective, "vllm", "off") == "off":
        return
    if not (len(hardware.found().gpus) if gpus is None else gpus):
        raise ConfigError(
            "training.options.vllm: sampling through vLLM needs a GPU, and there is none; set it to off"
        )
