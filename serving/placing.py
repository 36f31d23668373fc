"""Servers placed on GPUs, or in host memory where there are none."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import TRAINED, RunConfig
from .footprint import ServingBytes, serving_bytes
from .hardware import GIB, Gpu, Hardware
from .planned import ServerPlan, gib
from .shapes import Shape, shape_of
from .workload import written_a_second

_HOST_KEPT = 0.3
"""Share of host memory that a plan leaves to others: us, Chroma, the page cache."""
_MOST_OF_A_GPU = 0.92
"""What serving.gpu_memory_utilization can well be."""


def host(hardware: Hardware) -> int:
    """Bytes of host memory that servers and training may have together."""
    return int(hardware.ram * (1 - _HOST_KEPT))


def models_of(config: RunConfig) -> dict[str, list[str]]:
    """The models that this run serves itself, each with its roles."""
    models: dict[str, list[str]] = {}
    for name in config.served_here:
        models.setdefault(config.roles[name].model or config.model, []).append(name)
    return models


class Servers:
    """Places the servers of a run; what does not fit is in `problems`."""

    def __init__(self, config: RunConfig, hardware: Hardware, stated: float) -> None:
        self.config, self.hardware, self.stated = config, hardware, stated
        self.problems: list[str] = []
        self.impossible: list[str] = []
        """Those that follow from no estimate."""
        self.notes: list[str] = []
        self.claimed: dict[int, int] = {gpu.index: 0 for gpu in hardware.gpus}
        """Bytes of each GPU that servers hold."""
        self.kept = 0
        """Bytes of host memory that servers hold, on a CPU."""

    def place(self) -> list[ServerPlan]:
        """The largest model first: it has the fewest places to go."""
        models = models_of(self.config)
        shapes = {model: shape_of(model, self.config.pocket) for model in models}
        for model, shape in shapes.items():
            if shape.rough:
                self.notes.append(f"{model}: {shape.source}")
        ranked = sorted(models, key=lambda model: -shapes[model].parameters())
        return [self._serve(model, models[model], shapes[model]) for model in ranked]

    def _serve(self, model: str, roles: list[str], shape: Shape) -> ServerPlan:
        config = self.config.serving
        trained = [role for role in roles if role in TRAINED]
        lora = self.config.training.method == "lora"
        sequences = min(config.max_num_seqs, self._in_flight(roles))
        needed = serving_bytes(
            shape,
            config.dtype,
            self.config.context_of(roles),
            config.max_num_seqs,
            config.tensor_parallel,
            config.enforce_eager,
            len(trained) if lora else 0,
            self.config.training.lora.rank,
            bool(self.hardware.gpus),
        )
        gpus = config.replicas * config.tensor_parallel if self.hardware.gpus else 0
        self._check_shape(model, shape, trained)
        places = [self._place(model, needed) for _ in range(config.replicas)]
        share = self._share(places, needed)
        room = max(0, share - needed.fixed) // max(1, needed.kv_least) * config.replicas
        if share >= needed.least and room < sequences:
            self.notes.append(
                f"{model}: the cache holds {room} completions of {self.config.context_of(roles)} tokens at "
                f"once and {sequences} may be in flight; shorter ones share it, the others wait"
            )
        return ServerPlan(
            model=model,
            roles=roles,
            replicas=[[gpu.index for gpu in place] for place in places],
            bytes=needed,
            share=share,
            full_length=room,
            wanted=sequences,
            tokens_per_second=written_a_second(shape, self.hardware, gpus, self.stated),
            shape=shape,
        )

    def _in_flight(self, roles: Sequence[str]) -> int:
        """Completions, at most: a request of the Solver has several."""
        asked = {name: self.config.asked_as([name]).concurrency for name in roles}
        several = {"solver": self.config.rollouts.n}
        return max(count * several.get(name, 1) for name, count in asked.items())

    def _check_shape(self, model: str, shape: Shape, trained: Sequence[str]) -> None:
        parallel = self.config.serving.tensor_parallel
        if shape.heads % parallel:
            self._cannot(
                f"serving.tensor_parallel {parallel} does not divide the {shape.heads} attention heads of "
                f"{model}; take one that does"
            )
        if trained and shape.tied and self.config.training.method == "full":
            self._cannot(
                f"{model} ties its output head to its embeddings, and a running server cannot be given such "
                "weights anew: training.method=lora"
            )

    def _place(self, model: str, needed: ServingBytes) -> list[Gpu]:
        """The emptiest GPUs; a plan that does not fit says so and takes none."""
        if not self.hardware.gpus:
            return self._place_on_host(model, needed)
        config, count = self.config.serving, self.config.serving.tensor_parallel
        ranked = sorted(self.hardware.gpus, key=lambda gpu: (self.claimed[gpu.index], -gpu.free, gpu.index))
        there = [gpu for gpu in ranked if self._claim(gpu) <= gpu.free - self.claimed[gpu.index]]
        if len(there) < count:
            self._cannot(
                f"serving {model} wants {config.gpu_memory_utilization:g} of {count} GPU(s) for each of "
                f"{config.replicas} server(s), and {len(there)} have so much left: lower "
                "serving.gpu_memory_utilization, serving.replicas or serving.tensor_parallel, give a role "
                "another endpoint, or add GPUs"
            )
            return []
        enough = [gpu for gpu in there if self._claim(gpu) >= needed.least][:count]
        if len(enough) < count:
            self.problems.append(self._too_small(model, needed, there[0]))
            return []
        for gpu in enough:
            self.claimed[gpu.index] += self._claim(gpu)
        return enough

    def _cannot(self, problem: str) -> None:
        self.problems.append(problem)
        self.impossible.append(problem)

    def _claim(self, gpu: Gpu) -> int:
        return int(gpu.total * self.config.serving.gpu_memory_utilization)

    def _too_small(self, model: str, needed: ServingBytes, gpu: Gpu) -> str:
        config = self.config.serving
        share = f"{gib(self._claim(gpu))} are there ({config.gpu_memory_utilization:g} of {gib(gpu.total)})"
        text = (
            f"serving {model} takes {gib(needed.least)} GiB a GPU (weights {gib(needed.weights)}, one "
            f"completion of {needed.kv_least // needed.kv_token} tokens {gib(needed.kv_least)}, the rest "
            f"{gib(needed.adapters + needed.overhead)}) and {share}: "
        )
        if needed.least <= gpu.total * _MOST_OF_A_GPU:
            return text + f"serving.gpu_memory_utilization={needed.least / gpu.total + 0.03:.2f} would do"
        if config.dtype == "float32":
            return text + "serving.dtype=bfloat16 halves the weights"
        if needed.fixed < self._claim(gpu):
            room = (self._claim(gpu) - needed.fixed) // needed.kv_token
            return text + f"serving.max_model_len={room} is what its cache has room for"
        return text + "raise serving.tensor_parallel where there are more GPUs, or take a smaller model"

    def _place_on_host(self, model: str, needed: ServingBytes) -> list[Gpu]:
        config = self.config.serving
        cache = config.cpu_kv_cache_gib * GIB
        if needed.kv_least > cache:
            self.problems.append(
                f"serving {model}: one completion of {needed.kv_least // needed.kv_token} tokens takes "
                f"{gib(needed.kv_least)} GiB of cache: serving.cpu_kv_cache_gib={-(-needed.kv_least // GIB)}"
            )
        if config.tensor_parallel > 1:
            self._cannot("serving.tensor_parallel needs GPUs, and there are none: set it to 1")
        self.kept += needed.fixed + cache
        if self.kept > host(self.hardware):
            self.problems.append(
                f"serving {model} on the CPU takes {gib(self.kept)} GiB of host memory with what is served "
                f"beside it, and {gib(host(self.hardware))} can be had: take a smaller model, or a GPU"
            )
        return []

    def _share(self, places: Sequence[Sequence[Gpu]], needed: ServingBytes) -> int:
        if not self.hardware.gpus:
            return needed.fixed + self.config.serving.cpu_kv_cache_gib * GIB
        return min((self._claim(gpu) for place in places for gpu in place), default=0)
