"""Where training runs, and what the servers do meanwhile: stay, sleep or stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import combinations

from ..config import TRAINED, RunConfig
from .course import Course
from .footprint import TrainingBytes, training_bytes
from .hardware import GIB, Gpu
from .placing import Servers, host
from .planned import Mode, ServerPlan, TrainingPlan, gib
from .shapes import Shape, shape_of
from .workload import sampled_a_second, trained_a_second

ASLEEP = GIB
"""Bytes of a GPU that a sleeping server keeps: CUDA's context, and what its allocator does not give back."""


class Training:
    """Places training jobs beside or in place of servers; they run in turn, each on one device."""

    def __init__(self, config: RunConfig, course: Course, servers: Servers) -> None:
        self.config, self.course, self.servers = config, course, servers
        self.hardware = servers.hardware
        self.problems: list[str] = []
        self.impossible: list[str] = []

    def place(self, servers: Sequence[ServerPlan]) -> tuple[list[TrainingPlan], Mode, list[ServerPlan]]:
        """Where the jobs run, and what the servers do meanwhile."""
        jobs = self._jobs()
        if not jobs:
            return [], "stay", list(servers)
        sizes = {role: self._bytes(role, model) for role, model in jobs}
        heaviest = max(sizes, key=lambda role: sizes[role].total)
        gpu, mode = self._find(heaviest, sizes[heaviest].total, servers)
        place = [] if gpu is None else [gpu.index]
        plans = [
            TrainingPlan(
                role=role,
                model=model,
                method=self.config.training.method,
                gpus=place,
                bytes=sizes[role],
                tokens_per_second=trained_a_second(
                    self._shape(model), self.config, self.hardware, self._compares(role)
                ),
                sampled_per_second=sampled_a_second(self._shape(model), self.hardware, self.course.engine),
                shape=self._shape(model),
            )
            for role, model in jobs
        ]
        return plans, mode, [self._meanwhile(server, place, mode) for server in servers]

    def _meanwhile(self, server: ServerPlan, place: Sequence[int], mode: Mode) -> ServerPlan:
        touched = not self.hardware.gpus or any(set(gpus) & set(place) for gpus in server.replicas)
        return server.model_copy(update={"while_training": mode if touched else "stay"})

    def _jobs(self) -> list[tuple[str, str]]:
        return [(role, self._model(role)) for role in TRAINED if self._is_trained(role)]

    def _is_trained(self, role: str) -> bool:
        return role != "generator" or bool(self.config.generator.most)

    def _model(self, role: str) -> str:
        config = getattr(self.config, role)
        # Elsewhere, the name at the endpoint is no folder: its adapters are trained over the run's model.
        return str((config.model if config.local else "") or self.config.model)

    def _shape(self, model: str) -> Shape:
        return shape_of(model, self.config.pocket)

    def _bytes(self, role: str, model: str, config: RunConfig | None = None) -> TrainingBytes:
        config = config or self.config
        training, solver = config.training, role == "solver"
        batch = training.batch_size if solver else config.generator.batch_size
        sides = 2 if solver and self.course.rows == "pairs" else 1
        return training_bytes(
            self._shape(model),
            training.method,
            training.dtype,
            batch * training.max_length * sides,
            training.gradient_checkpointing,
            training.lora.rank,
            self._compares(role),
            bool(self.hardware.gpus),
        )

    def _compares(self, role: str) -> bool:
        return role == "solver" and self.course.reference

    def _find(self, role: str, need: int, servers: Sequence[ServerPlan]) -> tuple[Gpu | None, Mode]:
        """A place for the heaviest job. `auto` takes the first that fits of stay, sleep, stop."""
        told = self.config.serving.while_training
        modes: tuple[Mode, ...] = ("stay", "sleep", "stop") if told == "auto" else (told,)
        if not self.hardware.gpus:
            return None, self._find_on_host(role, need, modes)
        for mode in modes:
            places = [gpu for gpu in self.hardware.gpus if self._fits(gpu, need, mode, servers)]
            if places:
                return min(
                    places, key=lambda gpu: (self.servers.claimed[gpu.index], -gpu.free, gpu.index)
                ), mode
        best = max(self.hardware.gpus, key=lambda gpu: gpu.free)
        self.problems.append(self._too_much(role, need, best.free, told, "GPU"))
        return best, modes[-1]

    def _fits(self, gpu: Gpu, need: int, mode: Mode, servers: Sequence[ServerPlan]) -> bool:
        if mode == "stay":
            return need + self.servers.claimed[gpu.index] <= gpu.free
        here = [server for server in servers for gpus in server.replicas if gpu.index in gpus]
        if mode == "stop":
            return need <= gpu.free
        asleep = sum(server.bytes.weights * self.config.serving.tensor_parallel for server in here)
        return need + ASLEEP * len(here) <= gpu.free and asleep <= host(self.hardware)

    def _find_on_host(self, role: str, need: int, modes: Sequence[Mode]) -> Mode:
        if modes == ("sleep",):
            problem = "serving.while_training=sleep needs GPUs: vLLM cannot sleep on a CPU; say auto or stop"
            self.problems.append(problem)
            self.impossible.append(problem)
            return "stop"
        if "stay" in modes and need + self.servers.kept <= host(self.hardware):
            return "stay"
        if "stop" in modes and need <= host(self.hardware):
            return "stop"
        there = host(self.hardware) - (self.servers.kept if modes == ("stay",) else 0)
        self.problems.append(self._too_much(role, need, there, modes[-1], "host"))
        return modes[-1]

    def _too_much(self, role: str, need: int, there: int, told: str, place: str) -> str:
        training = self.config.training
        how = "in full" if training.method == "full" else "with an adapter"
        beside = " beside the servers" if told == "stay" else ""
        text = (
            f"training the {role.capitalize()} {how} takes {gib(need)} GiB of one {place}'s memory and "
            f"{gib(there)} are there{beside}: "
        )
        if told != "auto" and place == "GPU" and need <= there:
            return text + "serving.while_training=auto lets the servers make room"
        return text + self._remedy(there)

    def _remedy(self, there: int) -> str:
        """The fewest of the usual steps that make every job fit, the mildest first."""
        for count in range(1, len(_STEPS) + 1):
            for steps in combinations(_STEPS, count):
                config = reduce(lambda changed, name: _STEPS[name](changed), steps, self.config)
                takes = max(self._bytes(role, model, config).total for role, model in self._jobs())
                if takes <= there:
                    return f"{', '.join(steps)} takes {gib(takes)}"
        return "take a smaller model, or a larger GPU; an adapter with batches of 1 is too much, too"


def _with(**update: object) -> Callable[[RunConfig], RunConfig]:
    return lambda config: config.model_copy(update={"training": config.training.model_copy(update=update)})


def _one_by_one(config: RunConfig) -> RunConfig:
    generator = config.generator.model_copy(update={"batch_size": 1})
    return _with(batch_size=1)(config).model_copy(update={"generator": generator})


_STEPS: dict[str, Callable[[RunConfig], RunConfig]] = {
    "training.gradient_checkpointing=true": _with(gradient_checkpointing=True),
    "training.batch_size=1, generator.batch_size=1": _one_by_one,
    "training.method=lora": _with(method="lora"),
    "training.dtype=bfloat16": _with(dtype="bfloat16"),
}
"""Settings that make training smaller, the mildest first. Accumulation makes up for small batches."""
