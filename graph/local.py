"""Models that a run serves itself: which roles have one, on which servers, and that they can be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..config import Role, RunConfig, ServingConfig, TeacherConfig, VerifierConfig
from ..memory.run import RunFolder
from ..serving.command import Hosting, on_cpu
from ..serving.fleet import Fleet
from ..serving.hardware import found
from ..serving.hosted import Hosted
from ..serving.models import check_folder, folder_of
from ..serving.placing import TRAINED
from ..serving.plan import make_plan
from ..serving.planned import ServerPlan
from ..serving.server import VllmServer
from .remote import ROLES


def served_here(config: RunConfig) -> list[str]:
    """The roles whose models this run serves."""
    roles: dict[str, Role] = {name: getattr(config, name) for name in ROLES}
    idle = () if config.generator.most else ("generator",)
    return [name for name, role in roles.items() if role.local and name not in idle]


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
    return Hosted(servers, _asked_as(config, entry), mode)


def _asked_as(config: RunConfig, entry: ServerPlan) -> ServingConfig:
    """How a model is asked: as its role says, where a role that is not trained has it alone."""
    alone = getattr(config, entry.roles[0]) if len(entry.roles) == 1 else None
    if not isinstance(alone, TeacherConfig | VerifierConfig):
        return config.serving
    given = {"concurrency": alone.concurrency, "request_deadline_s": alone.deadline_s}
    return config.serving.model_copy(update=given)
