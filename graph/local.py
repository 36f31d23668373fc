"""Models that a run serves itself: which roles have one, on which servers, and that they can be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..config import Role, RunConfig
from ..memory.run import RunFolder
from ..serving.command import Hosting
from ..serving.fleet import Fleet
from ..serving.hardware import found
from ..serving.hosted import Hosted
from ..serving.models import check_folder, folder_of
from ..serving.plan import make_plan
from ..serving.planned import ServerPlan
from ..serving.server import VllmServer
from .remote import ROLES

TRAINED = ("solver", "generator")


def served_here(config: RunConfig) -> list[str]:
    """The roles whose models this run serves."""
    roles: dict[str, Role] = {name: getattr(config, name) for name in ROLES}
    return [name for name, role in roles.items() if role.local]


def own_models(config: RunConfig) -> dict[str, str]:
    """By role, the local models that are named for it alone."""
    return {name: model for name in served_here(config) if (model := getattr(config, name).model)}


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
    """The servers of a run, placed as planned; roles that share a model share them."""
    plan = make_plan(config, found())
    hosted: dict[str, Hosted] = {}
    for entry in plan.servers:
        shared = _hosted(config, entry, own.get(entry.roles[0], base), folder)
        hosted |= dict.fromkeys(entry.roles, shared)
    gpus = {gpu for job in plan.training for gpu in job.gpus}
    return Fleet(hosted, folder.path / "server.json", tuple(sorted(gpus)))


def _hosted(config: RunConfig, entry: ServerPlan, model: Path, folder: RunFolder) -> Hosted:
    adapters = config.training.method == "lora" and bool(set(entry.roles) & set(TRAINED))
    name = "vllm" if set(entry.roles) & set(TRAINED) else f"vllm-{entry.roles[0]}"
    servers = [
        VllmServer(
            Hosting(
                model=model,
                log=folder.logs / (f"{name}-{number}.log" if number else f"{name}.log"),
                gpus=tuple(gpus),
                rank=config.training.lora.rank if adapters else 0,
                max_model_len=config.context_of(entry.roles),
                sleeps=entry.while_training == "sleep",
            ),
            config.serving,
        )
        for number, gpus in enumerate(entry.replicas)
    ]
    return Hosted(servers, config.serving, entry.while_training)
