"""What a plan says: servers, training, disk, tokens, and what does not fit."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..errors import ConfigError
from .footprint import ServingBytes, TrainingBytes
from .hardware import GIB, Hardware
from .shapes import Shape
from .workload import Work

Mode = Literal["stay", "sleep", "stop"]


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True)


class ServerPlan(Entry):
    """The servers of one model."""

    model: str
    roles: list[str]
    replicas: list[list[int]]
    """GPU indices of each server; empty lists on a CPU."""
    bytes: ServingBytes
    """Of each server, on each of its GPUs."""
    share: int
    """Bytes of each of its GPUs that a server claims (serving.gpu_memory_utilization)."""
    full_length: int
    """Completions of full length that its cache holds at once, all servers together."""
    wanted: int
    """Completions that are in flight at most."""
    tokens_per_second: float
    """Of all servers together; assumed."""
    shape: Shape
    while_training: Mode = "stay"
    """What its servers do while a training job runs."""


class TrainingPlan(Entry):
    """One kind of training job; they run in turn, never two at once."""

    role: str
    model: str
    method: str
    gpus: list[int]
    bytes: TrainingBytes
    tokens_per_second: float
    sampled_per_second: float
    """Tokens that it writes itself, where its objective samples; assumed."""
    shape: Shape


class Disk(Entry):
    """Bytes."""

    checkpoints: int
    records: int
    models: int
    """The models that this run loads, where they are kept."""

    @property
    def run(self) -> int:
        """What the run's own folder comes to."""
        return self.checkpoints + self.records


class Plan(Entry):
    """What will run where."""

    hardware: Hardware
    servers: list[ServerPlan]
    training: list[TrainingPlan]
    while_training: Mode
    disk: Disk
    work: Work
    hours_serving: float
    hours_training: float
    problems: list[str]
    """What does not fit, each with what to change."""
    impossible: list[str]
    """Those of them that follow from no estimate."""
    notes: list[str]

    @property
    def fits(self) -> bool:
        return not self.problems

    def require(self) -> None:
        """
        Raises:
            ConfigError: something cannot be, whatever the estimates; the message says what to change.
        """
        if self.impossible:
            more = f" (and {len(self.impossible) - 1} more)" if len(self.impossible) > 1 else ""
            raise ConfigError(self.impossible[0] + more)


def gib(count: int) -> str:
    """Bytes as GiB, as exact as a plan is."""
    value = count / GIB
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
