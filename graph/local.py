"""Models that a run serves itself: which roles have one, on which servers, and that they can be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..config import TRAINED, RunConfig
from ..memory.run import RunFolder
from ..serving.command import Hosting, on_cpu
from ..serving.fleet import Fleet
from ..serving.hardware import found
from ..serving.hosted import Hosted
from ..serving.models import check_folder, folder_of
from ..serving.planned import ServerPlan
from ..serving.server import VllmServer
from ..trainers.estimates import plan_of


def own_models(config: RunConfig) -> dict[str, str]:
    """By role, the local models that are named for it alone."""
    return {name: model for name in config.served_here if (model := config.roles[name].model)}


def check_models(config: RunConfig) -> None:
    """
    Raises:
        ConfigError: a model's folder cannot be used as the configuration says.
    """
    named = own_models(config) | ({} if config.model == "pocket" else {"": config.model})
    for role, model in named.items():
        place = f"{role}.model" if role else "model"
        replaced = config.training.method == "full" and role in ("", *TRAINED)
        check_folder(folder_of(model, place), place, replaced)


def fleet_of(config: RunConfig, base: Path, own: Mapping[str, Path], folder: RunFolder) -> Fleet:
    """The servers of a run, placed as planned; roles that share a model share them.

    Raises:
        ConfigError: they cannot be placed at all.
    """
    plan = plan_of(config, found())
    plan.require()
    hosted: dict[str, Hosted] = {}
    for entry in plan.servers:
        shared = _hosted(config, entry, own.get(entry.roles[0], base), folder)
        hosted |= dict.fromkeys(entry.roles, shared)
    gpus = {gpu for job in plan.training for gpu in job.gpus} or ({0} if not on_cpu() else set())
    return Fleet(hosted, folder.path / "server.json", tuple(sorted(gpus)))


def _hosted(config: RunConfig, entry: ServerPlan, model: Path, folder: RunFolder) -> Hosted:
    trained = bool(set(entry.roles) & set(TRAINED))
    name = "vllm" if trained else f"vllm-{entry.roles[0]}"
    # What the plan found no place for may land anywhere, where training is, too.
    placed = on_cpu() or all(entry.replicas)
    mode = entry.while_training if placed else "stop"
    servers = [
        VllmServer(
            Hosting(
                model=model,
                log=folder.logs / (f"{name}-{number}.log" if number else f"{name}.log"),
                gpus=tuple(gpus),
                rank=config.training.lora.rank if trained and config.training.method == "lora" else 0,
                max_model_len=config.context_of(entry.roles),
                trained=trained,
                sleeps=mode == "sleep",
            ),
            config.serving,
        )
        for number, gpus in enumerate(entry.replicas)
    ]
    return Hosted(servers, config.asked_as(entry.roles), mode)
