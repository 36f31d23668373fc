"""What will run where: made before anything loads, and printed."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import MOST_REPLICAS, RunConfig
from .course import Course
from .footprint import weight_bytes
from .hardware import Hardware
from .making_room import Training
from .placing import Servers
from .planned import Disk, Plan, ServerPlan, TrainingPlan
from .shapes import Shape
from .workload import Work, checkpoint_bytes, record_bytes, work


def make_plan(config: RunConfig, course: Course, hardware: Hardware, tokens_per_second: float = 0.0) -> Plan:
    """Place a run on hardware.

    Args:
        tokens_per_second: what one GPU, or the CPU, writes; assumed by its class where 0.
    Raises:
        ConfigError: the shape of a model cannot be found out.
    """
    placing = Servers(config, hardware, tokens_per_second)
    placed = placing.place()
    jobs = Training(config, course, placing)
    training, mode, servers = jobs.place(placed)
    tokens = work(config, course)
    shapes = {entry.model: entry.shape for entry in servers}
    return Plan(
        hardware=hardware,
        servers=servers,
        training=training,
        while_training=mode,
        disk=_disk(config, course.rounds, training, shapes, tokens),
        work=tokens,
        hours_serving=_serving_hours(servers, tokens),
        hours_training=_training_hours(training, tokens),
        problems=[*placing.problems, *jobs.problems],
        impossible=[*placing.impossible, *jobs.impossible],
        notes=[*placing.notes, *_idle(config, hardware, servers, training)],
    )


def _disk(
    config: RunConfig, rounds: int, training: Sequence[TrainingPlan], shapes: dict[str, Shape], tokens: Work
) -> Disk:
    kept = rounds * sum(checkpoint_bytes(entry.shape, config) for entry in training)
    models = sum(
        weight_bytes(shape, "float32" if name == "pocket" else "bfloat16") for name, shape in shapes.items()
    )
    return Disk(checkpoints=kept, records=record_bytes(config, rounds, tokens), models=models)


def _serving_hours(servers: Sequence[ServerPlan], tokens: Work) -> float:
    """Hours in which servers write; what is asked elsewhere is not counted."""
    written = {role.role: role.completion for role in tokens.roles}
    seconds = (
        sum(written.get(role, 0) for role in server.roles) / server.tokens_per_second for server in servers
    )
    return sum(seconds) / 3600


def _training_hours(training: Sequence[TrainingPlan], tokens: Work) -> float:
    trained = {"solver": tokens.solver_trained, "generator": tokens.generator_trained}
    seconds = sum(trained[entry.role] / entry.tokens_per_second for entry in training)
    sampling = (entry for entry in training if entry.role == "solver")
    seconds += sum(tokens.solver_sampled / entry.sampled_per_second for entry in sampling)
    return seconds / 3600


def _idle(
    config: RunConfig, hardware: Hardware, servers: Sequence[ServerPlan], training: Sequence[TrainingPlan]
) -> list[str]:
    """GPUs that nothing uses are said, with what would use them."""
    used = {gpu for server in servers for gpus in server.replicas for gpu in gpus}
    used |= {gpu for job in training for gpu in job.gpus}
    idle = len(hardware.gpus) - len(used)
    more = idle // (config.serving.tensor_parallel * max(1, len(servers)))
    more = min(more, MOST_REPLICAS - config.serving.replicas)
    if not idle or not servers:
        return []
    remedy = f": serving.replicas={config.serving.replicas + more} would use them" if more else ""
    return [f"{idle} GPU(s) have nothing to do{remedy}"]
