"""Options of the objectives that sample completions themselves: grpo, rloo and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from .groups import Batches
from .jobs import TrainingJob
from .options import Row, Trained
from .rewards import rewards_of

_COMPANIONS: dict[str, dict[str, Any]] = {
    "grpo": {},
    "dapo": {"epsilon_high": 0.28, "mask_truncated_completions": True},
    "dr_grpo": {"scale_rewards": "none"},
    "bnpo": {},
    "cispo": {"epsilon_high": 5.0, "scale_rewards": "batch", "cast_lm_head_to_fp32": True},
    "gspo": {
        "loss_type": "grpo",
        "importance_sampling_level": "sequence",
        "epsilon": 3e-4,
        "epsilon_high": 4e-4,
        "steps_per_generation": 4,
    },
    "sapo": {"scale_rewards": "group"},
    "luspo": {"importance_sampling_level": "sequence", "epsilon": 2e-3, "epsilon_high": 2.5e-3},
    "vespo": {"vllm_importance_sampling_mode": "token_truncate"},
}
"""TRL's loss types by name, and the settings that each one's paper has beside it (arXiv 2402.03300,
2503.14476, 2503.20783, –, 2506.13585, 2507.18071, 2511.20347, 2602.05261, 2602.10693)."""

Loss = Literal["grpo", "dapo", "dr_grpo", "bnpo", "cispo", "gspo", "sapo", "luspo", "vespo"]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Sampling:
    """How completions are sampled and rewarded."""

    rows: ClassVar[str] = "prompts"

    rollouts: Annotated[int, Field(ge=2, le=1024)] = 8
    """Completions of a prompt, which are compared with each other."""
    rewards: dict[str, float] = field(default_factory=lambda: {"correctness": 1.0})
    """Names of `rewards.py`, with options as in a query (`overlong?cache=64`), and their weights."""
    temperature: Positive = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Annotated[int, Field(ge=0)] = 0
    """Of a completion; 0 for rollouts.max_tokens."""
    prompts: Annotated[int, Field(ge=0)] = 0
    """Prompts of a round that are trained on, drawn by chance; 0 for all."""
    ahead: Annotated[int, Field(ge=0, le=1024)] = 0
    """Batches whose completions are sampled together: faster, and off policy by so many; 0 for the
    batches of one step, or what the loss's paper has."""
    iterations: Annotated[int, Field(ge=1)] = 1
    """Times that each batch of completions is trained on."""
    vllm: Literal["off", "colocate", "server"] = "off"
    """Sample with transformers; by a vLLM engine in the training process; or by a vLLM server that
    takes weights over NCCL, on a GPU of its own."""
    vllm_url: str = ""
    """The server's."""
    vllm_memory: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the GPU for an engine in the training process."""

    def __post_init__(self) -> None:
        rewards_of(self.rewards)
        if self.vllm == "server" and not self.vllm_url:
            raise ValueError("vllm: server needs vllm_url, where a vLLM server with weight transfer answers")

    @property
    def reference(self) -> bool:
        """Whether the round's start is held beside, as the measure of a divergence."""
        return bool(getattr(self, "beta", 0.0))

    def check(self, batch: int, accumulation: int) -> None:
        """
        Raises:
            ValueError: what is sampled together are not whole groups.
        """
        together = self.batches(batch, accumulation, 1).generation
        if together % self.rollouts:
            raise ValueError(
                f"{together} completions are sampled together (training.batch_size {batch}, times "
                f"training.accumulation or training.options.ahead), no multiple of the {self.rollouts} "
                "rollouts of a prompt; change one of them or training.options.rollouts"
            )

    def batches(self, batch: int, accumulation: int, epochs: float) -> Batches:
        """The sizes that a training with these settings samples by."""
        return Batches(
            rollouts=self.rollouts,
            batch=batch,
            accumulation=accumulation,
            per_generation=self.settings.get("steps_per_generation", accumulation),
            iterations=self.iterations,
            epochs=epochs,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What TRL's configuration is told beside what all training jobs have."""
        return (
            {
                "num_generations": self.rollouts,
                "temperature": self.temperature,
                "top_p": self.top_p,
                "num_iterations": self.iterations,
                "reward_weights": list(self.rewards.values()),
            }
            | self._vllm()
            | self._ahead()
        )

    def _ahead(self) -> dict[str, Any]:
        return {"steps_per_generation": self.ahead} if self.ahead else {}

    def _vllm(self) -> dict[str, Any]:
        if self.vllm == "off":
            return {}
        there = {"vllm_server_base_url": self.vllm_url} if self.vllm == "server" else {}
        return {
            "use_vllm": True,
            "vllm_mode": self.vllm,
            "vllm_gpu_memory_utilization": self.vllm_memory,
        } | there


@dataclass(frozen=True)
class Grpo(Sampling):
    """Advantages within a prompt's own completions; see `grpo.py`."""

    loss: Loss = "dapo"
    beta: Annotated[float, Field(ge=0)] = 0.0
    """Of the KL to the round's start; 0 needs no reference."""
    epsilon: Positive | None = None
    epsilon_high: Positive | None = None
    scale: Literal["group", "batch", "none"] | None = None
    """What advantages are divided by the spread of."""
    mask_truncated: bool | None = None
    """Whether completions that were cut off train nothing. This and the three before: the loss's own,
    where it is not said."""
    aggregate: Literal["sum_then_normalize", "normalize_then_sum"] = "sum_then_normalize"
    """Of several rewards; the second is GDPO's."""
    entropy: float = 0.0
    """Weight of an entropy bonus."""

    @property
    def settings(self) -> dict[str, Any]:
        given = {
            "epsilon": self.epsilon,
            "epsilon_high": self.epsilon_high,
            "scale_rewards": self.scale,
            "mask_truncated_completions": self.mask_truncated,
        }
        return (
            super().settings
            | {"loss_type": self.loss, "beta": self.beta, "entropy_coef": self.entropy}
            | {"multi_objective_aggregation": self.aggregate}
            | _COMPANIONS[self.loss]
            | self._ahead()
            | {name: value for name, value in given.items() if value is not None}
        )

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .grpo import train

        return train(job, rows, tokenizer, self)


@dataclass(frozen=True)
class Rloo(Sampling):
    """REINFORCE against the mean of a prompt's other completions; see `rloo.py`."""

    rollouts: Annotated[int, Field(ge=2, le=1024)] = 4
    beta: Annotated[float, Field(ge=0)] = 0.05
    """Of the KL to the round's start, taken off the reward."""
    normalize: bool = False
    """Whether advantages are divided by their spread."""

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {"beta": self.beta, "normalize_advantages": self.normalize}

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .rloo import train

        return train(job, rows, tokenizer, self)


@dataclass(frozen=True)
class WReinforce(Grpo):
    """Right completions a little likelier, wrong ones less likely; see `reinforce.py`."""

    loss: Loss = "dr_grpo"
    right: Annotated[float, Field(ge=0)] = 0.1
    """λ: weight of right completions. 0 is NSR; 1, with `wrong` 0, is PSR."""
    wrong: Annotated[float, Field(ge=0)] = 1.0

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .reinforce import train

        return train(job, rows, tokenizer, self)


@dataclass(frozen=True)
class Ghpo(Grpo):
    """Prompts that no completion solves are tried again with a hint; see `ghpo.py`."""

    loss: Loss = "bnpo"
    rewards: dict[str, float] = field(default_factory=lambda: {"correctness": 1.0, "format": 0.5})
    shares: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1, max_length=8)] = field(
        default_factory=lambda: [0.5]
    )
    """Of the reference that is shown, one try after another; the Teacher's hint comes first where there
    is one."""

    @property
    def tries(self) -> int:
        """How often a prompt may be sampled for, at the very most."""
        return 2 + len(self.shares)

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .ghpo import train

        return train(job, rows, tokenizer, self)


@dataclass(frozen=True)
class Relift(Grpo):
    """What no completion solves is gathered, and learned from its reference; see `relift.py`."""

    scale: Literal["group", "batch", "none"] | None = "none"
    loss: Loss = "grpo"
    buffer: Annotated[int, Field(ge=1)] = 128
    """References that make one step of supervised training."""
    sft_weight: Positive = 1.0

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .relift import train

        return train(job, rows, tokenizer, self)


@dataclass(frozen=True)
class Hpt(Grpo):
    """What no completion solves is learned from its reference in the same step; see `hpt.py`."""

    scale: Literal["group", "batch", "none"] | None = "none"
    loss: Loss = "grpo"
    solved: Annotated[int, Field(ge=0)] = 0
    """γ: prompts with no more right completions than this are learned from their reference."""
    sft_weight: Positive = 1.0

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .hpt import train

        return train(job, rows, tokenizer, self)
