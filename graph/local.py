"""Models that a run serves itself: which roles have one, on which servers, and that they can be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..config import Role, RunConfig
from ..memory.run import RunFolder
from ..serving.command import Hosting, on_cpu
from ..serving.fleet import Fleet, While
from ..serving.hosted import Hosted
from ..serving.models import check_folder, folder_of
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
    """The servers of a run; roles that share a model share them."""
    roles = served_here(config)
    models = {role: own.get(role, base) for role in roles}
    hosted: dict[Path, Hosted] = {}
    while_training = _while_training(config)
    for role, model in models.items():
        if model in hosted:
            continue
        trained = [other for other in roles if models[other] == model and other in TRAINED]
        log = "vllm" if model == base else f"vllm-{role}"
        rank = config.training.lora.rank if trained and config.training.method == "lora" else 0
        servers = [
            VllmServer(
                Hosting(
                    model=model,
                    log=folder.logs / (f"{log}-{number}.log" if number else f"{log}.log"),
                    rank=rank,
                    sleeps=while_training == "sleep",
                ),
                config.serving,
            )
            for number in range(config.serving.replicas)
        ]
        hosted[model] = Hosted(servers, config.serving)
    by_role = {role: hosted[model] for role, model in models.items()}
    return Fleet(by_role, folder.path / "server.json", while_training, gpus=(0,))


def _while_training(config: RunConfig) -> While:
    """A CPU's memory is for all; its vLLM cannot sleep."""
    wanted = config.serving.while_training
    if on_cpu():
        return "stay" if wanted == "auto" else "stop" if wanted == "sleep" else wanted
    return "sleep" if wanted == "auto" else wanted
