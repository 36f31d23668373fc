"""How much a run asks and trains: tokens, hours, disk, price. All of it is assumed beforehand."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from ..config import RunConfig
from .course import Course
from .footprint import BYTES, lora_parameters
from .hardware import GIB, Hardware
from .shapes import Shape

_CELLS = 42
"""Skills × levels of the built-in family, assumed for others."""
_DESIGNS = 1500
"""The Generator is trained on so many of the newest designs, at most."""
_PARTS = 4
"""Smaller questions that one is split into, at most."""
_TOKEN_ON_DISK = 8
"""Bytes: in its rollout and in its call, compressed."""
_QUESTION_ON_DISK = 4096
"""Bytes, with its embedding in Chroma."""

_CLASSES = ((64 * GIB, 3000.0, 100e12), (20 * GIB, 1000.0, 30e12), (0, 400.0, 10e12))
"""Of a GPU with so much memory: tokens a second that it writes with 8 billion parameters, many
completions side by side; and floating-point operations a second that training gets out of it.
Low figures of what is published for H100 and A100, RTX 3090 and 4090, and smaller cards."""
_ON_CPU = (10.0, 0.05e12)
_MOST_WRITTEN, _MOST_WRITTEN_CPU = 10_000.0, 4_000.0
"""Tokens a second, however small the model: the server's own work bounds them."""
_MOST_TRAINED_CPU = 10_000.0
_BY_TRANSFORMERS = 0.25
"""Of what a server writes, what transformers writes in its place: it knows no batches that refill."""


class Lengths(BaseModel):
    """Tokens of what is asked and written, assumed."""

    model_config = ConfigDict(frozen=True)

    prompt: int = 200
    """A question with its instructions."""
    shown: int = 600
    """A prompt that shows a question and an attempt at it."""
    used: float = 1 / 3
    """Share of max_tokens that a completion takes."""


_POCKET = Lengths(prompt=12, shown=40, used=1 / 8)
"""Of the built-in family in the pocket model's own tokens: means over its skills and levels."""


def lengths(config: RunConfig) -> Lengths:
    return _POCKET if config.model == "pocket" else Lengths()


class RoleWork(BaseModel):
    """What one role is asked for in a whole run."""

    model_config = ConfigDict(frozen=True)

    role: str
    prompt: int
    completion: int
    price: float = 0.0
    """In the currency of the endpoint's price; 0 where none is given."""


class Work(BaseModel):
    """A run's tokens."""

    model_config = ConfigDict(frozen=True)

    roles: list[RoleWork]
    solver_trained: int
    """Tokens that pass through training the Solver, epochs counted."""
    generator_trained: int
    solver_sampled: int = 0
    """Tokens that training the Solver writes itself."""

    @property
    def price(self) -> float:
        return sum(role.price for role in self.roles)


def work(config: RunConfig, course: Course) -> Work:
    """Tokens of a whole run, were every round full and no question refused.

    How long prompts and completions are is assumed (`Lengths`). Not counted: what a Verifier is asked
    because a checker could not decide, calls of tools, and turns that mend a reply.
    """
    asked = {
        "solver": _solver(config, course),
        "generator": _generator(config, course.rounds),
        "teacher": _teacher(config, course.rounds),
        "verifier": _verifier(config, course.rounds),
    }
    roles = [_role(config, name, *tokens) for name, tokens in asked.items() if any(tokens)]
    return Work(
        roles=roles,
        solver_trained=_solver_tokens(config, course),
        generator_trained=_design_tokens(config, course.rounds),
        solver_sampled=int(course.sampled * config.rollouts.max_tokens * lengths(config).used),
    )


def _solver_tokens(config: RunConfig, course: Course) -> int:
    training, each = config.training, lengths(config)
    written = min(training.max_length, each.prompt + config.rollouts.max_tokens * each.used)
    if course.rows == "prompts":
        return int(course.sampled * course.uses * written)
    return int(course.questions * _texts(config, course.rows) * written * training.epochs)


def _texts(config: RunConfig, rows: str) -> float:
    """Prompts with a completion that a question gives to train on, at most."""
    training = config.training
    if rows != "pairs":
        return training.pairs_per_question * (2 if rows == "labelled" else 1)
    of_one = training.pairs_per_question * len(config.pairs.builders)
    return 2 * min(of_one, config.pairs.per_question or of_one) * (1 + training.replay)


def _design_tokens(config: RunConfig, rounds: int) -> int:
    generator, each = config.generator, lengths(config)
    designs = min(_DESIGNS, config.curriculum.new) * bool(generator.most)
    written = each.shown + generator.max_tokens * each.used
    return int(rounds * designs * min(config.training.max_length, written) * generator.epochs)


def _solver(config: RunConfig, course: Course) -> tuple[float, float]:
    each = lengths(config)
    measured = (course.rounds + 1) * 2 * config.sets.per_cell * _CELLS
    labelled = course.rounds * config.curriculum.new * (config.teacher.is_model and config.labels.ask_solver)
    groups = course.questions + labelled
    written = (groups * config.rollouts.n + measured) * config.rollouts.max_tokens * each.used
    return (groups + measured) * each.prompt, written


def _generator(config: RunConfig, rounds: int) -> tuple[float, float]:
    generator, each = config.generator, lengths(config)
    calls = rounds * (min(generator.proposals, generator.most) + generator.most) / 2
    return calls * each.shown, calls * generator.max_tokens * each.used


def _teacher(config: RunConfig, rounds: int) -> tuple[float, float]:
    """Where it is a model, it writes each new question, solves it, and audits some; and says what it is
    asked about failures and solutions."""
    if not config.teacher.is_model:
        return 0, 0
    each, teacher = lengths(config), config.teacher
    asked_about = teacher.skills + teacher.hints + teacher.subproblems + config.handbook.per_round
    asked_about += config.pairs.asking * config.pairs.calls
    designs = config.curriculum.new + _PARTS * teacher.subproblems
    solved = designs * config.labels.solves + config.labels.audit
    shown = config.curriculum.new + asked_about
    written = (shown + solved) * teacher.max_tokens * each.used
    return rounds * (shown * each.shown + solved * each.prompt), rounds * written


def _verifier(config: RunConfig, rounds: int) -> tuple[float, float]:
    if not config.verifier.is_model:
        return 0, 0
    each, verifier = lengths(config), config.verifier
    # A judge and a debate's judges are asked in both orders.
    asked = {"vote": verifier.votes, "judge": 2 * verifier.votes}
    asked["debate"] = 2 * verifier.turns + 2 * verifier.votes
    calls = rounds * verifier.calibration * sum(asked[method] for method in verifier.then)
    return calls * each.shown, calls * config.verifier.max_tokens * each.used


def _role(config: RunConfig, name: str, prompt: float, completion: float) -> RoleWork:
    price = getattr(config, name).price
    cost = (prompt * price.prompt + completion * price.completion) / 1e6
    return RoleWork(role=name, prompt=int(prompt), completion=int(completion), price=cost)


def written_a_second(shape: Shape, hardware: Hardware, gpus: int, stated: float = 0.0) -> float:
    """Tokens a second that servers of one model write together.

    Formula: (tokens a second at 8 billion parameters, of the GPU's class) · 8e9 / active parameters,
    no more than a server's own work allows, times GPUs.

    Args:
        stated: tokens a second of one GPU, or of the CPU, where the user knows better.
    """
    if stated:
        return stated * max(1, gpus)
    rate = (_class_of(hardware) if gpus else _ON_CPU)[0] * 8e9 / shape.parameters(active=True)
    return min(rate, _MOST_WRITTEN if gpus else _MOST_WRITTEN_CPU) * max(1, gpus)


def trained_a_second(shape: Shape, config: RunConfig, hardware: Hardware, preference: bool) -> float:
    """Tokens a second that a training job gets through, on one GPU or the CPU.

    Formula: operations a second / (2 · active parameters · passes): forward 1, backward 2, or 1
    where the base is frozen; forward again 1 with checkpointing; DPO's reference 1.
    """
    training = config.training
    passes = 3 - (training.method == "lora") + training.gradient_checkpointing + preference
    rate = (_class_of(hardware) if hardware.gpus else _ON_CPU)[1]
    if training.dtype == "float32":
        rate /= 1 if not hardware.gpus else 4
    tokens = rate / (2 * shape.parameters(active=True) * passes)
    return tokens if hardware.gpus else min(tokens, _MOST_TRAINED_CPU)


def sampled_a_second(shape: Shape, hardware: Hardware, engine: bool) -> float:
    """Tokens a second that a training job writes itself, with its weights or in an engine beside them."""
    share = 1.0 if engine else _BY_TRANSFORMERS
    return share * written_a_second(shape, hardware, min(1, len(hardware.gpus)))


def _class_of(hardware: Hardware) -> tuple[float, float]:
    least = min(gpu.total for gpu in hardware.gpus)
    return next((rate, operations) for size, rate, operations in _CLASSES if least >= size * 0.95)


def checkpoint_bytes(shape: Shape, config: RunConfig) -> int:
    """Of one trained checkpoint: all weights, or an adapter in float32."""
    if config.training.method == "lora":
        return 4 * lora_parameters(shape, config.training.lora.rank)
    return shape.parameters() * BYTES[config.training.dtype]


def record_bytes(config: RunConfig, rounds: int, tokens: Work) -> int:
    """Of rollouts, calls, questions and their embeddings, for a whole run."""
    written = sum(role.prompt + role.completion for role in tokens.roles)
    return written * _TOKEN_ON_DISK + rounds * config.curriculum.new * _QUESTION_ON_DISK
