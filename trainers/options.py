"""Options of the objectives that train on what is there already: sft, dpo, redi, kto."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from .jobs import TrainingJob

Trained = tuple[Any, dict[str, float]]
Row = dict[str, Any]

TRL_LOSSES = (
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot",
    "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
)  # fmt: skip
"""All that TRL 1.16's DPOTrainer knows."""

PAIR_LOSSES = (*TRL_LOSSES, "cdpo")
"""And ours."""


@dataclass(frozen=True)
class Sft:
    """Weighted likelihood of completions; see `sft.py`."""

    rows: ClassVar[str] = "completions"
    reference: ClassVar[bool] = False

    loss: Literal["nll", "dft"] = "nll"
    """`dft` weighs each token by its own probability, as it is now."""

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .sft import train

        return train(job, rows, tokenizer, self)


@dataclass(frozen=True)
class Dpo:
    """Preference losses on pairs; see `dpo.py`."""

    rows: ClassVar[str] = "pairs"
    stand_in: ClassVar[tuple[str, ...]] = ("beta", "nll_weight")

    beta: Annotated[float, Field(gt=0)] = 0.05
    loss: str | list[str] = "sigmoid"
    """One of `PAIR_LOSSES`, or several, whose sum is minimised."""
    weights: Annotated[list[float], Field(max_length=16)] = ()  # type: ignore[assignment]
    """Of several losses, each one's; all 1 where empty."""
    nll_weight: Annotated[float, Field(ge=0)] = 10.0
    """Of the likelihood of the chosen, where `sft` is not among the losses."""
    beta_rejected: Annotated[float, Field(ge=0)] = 0.0
    """β of the rejected side alone (Flex-DPO); 0 for the same as of the chosen."""
    smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """The least chance that a preference is the wrong way round; a pair may say a higher one."""
    stages: bool = True
    """Train the pairs' stages one after another, each from and against what the one before came to."""

    def __post_init__(self) -> None:
        losses = self.losses
        unknown = [name for name in losses if name not in PAIR_LOSSES]
        if unknown or not losses:
            raise ValueError(f"no loss {str(unknown)[:80]}; there are: {', '.join(PAIR_LOSSES)}")
        if self.weights and len(self.weights) != len(losses):
            raise ValueError(f"{len(self.weights)} weights for {len(losses)} losses; give one for each")
        if self.beta_rejected and not set(losses) <= {"sigmoid", "cdpo", "robust", "hinge", "sft"}:
            raise ValueError("beta_rejected is for the losses sigmoid, cdpo, robust and hinge")

    @property
    def losses(self) -> list[str]:
        return [self.loss] if isinstance(self.loss, str) else list(self.loss)

    @property
    def weighed(self) -> list[tuple[str, float]]:
        """Each loss with its weight; the likelihood is among them."""
        pairs = list(zip(self.losses, self.weights or [1.0] * len(self.losses), strict=True))
        return pairs if "sft" in self.losses else [*pairs, ("sft", self.nll_weight)]

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .dpo import train

        return train(job, rows, tokenizer, self)


@dataclass(frozen=True)
class Redi:
    """Likelihood of the chosen, less that of the rejected, without a reference; see `dpo.py`."""

    rows: ClassVar[str] = "pairs"
    reference: ClassVar[bool] = False

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Weight of the rejected; the paper's runs collapse at 1."""

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .dpo import train_redi

        return train_redi(job, rows, tokenizer, self)


@dataclass(frozen=True)
class Kto:
    """Completions that are good or bad, each by itself; see `kto.py`."""

    rows: ClassVar[str] = "labelled"
    least_batch: ClassVar[int] = 2

    beta: Annotated[float, Field(gt=0)] = 0.1
    loss: Literal["kto", "apo_zero_unpaired"] = "kto"
    desirable: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the good ones; 0 has both sides weigh alike in all, as many as there are of each."""
    undesirable: Annotated[float, Field(gt=0)] = 1.0

    def check(self, batch: int, accumulation: int) -> None:
        if batch < self.least_batch:
            raise ValueError(
                "each completion is compared with others of its batch; set training.batch_size to 2"
            )

    def train(self, job: TrainingJob, rows: list[Row], tokenizer: Any) -> Trained:
        from .kto import train

        return train(job, rows, tokenizer, self)
