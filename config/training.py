"""How the Solver and the Generator are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .section import Section


class LoraConfig(Section):
    """A low-rank adapter in place of all weights (2106.09685)."""

    rank: int = Field(16, ge=1, le=512)
    alpha: int = Field(32, ge=1)
    """The adapter counts alpha / rank times."""
    dropout: float = Field(0.0, ge=0, lt=1)


class SolverTraining(Section):
    """DPO of the Solver, from the checkpoint that the round began with."""

    beta: float = Field(0.05, gt=0)
    """DPO's β: how dearly a step away from that checkpoint is paid."""
    nll_weight: float = Field(10.0, ge=0)
    """Weight of the likelihood of chosen completions beside the DPO loss."""
    learning_rate: float = Field(2e-3, gt=0)
    warmup_steps: int = Field(8, ge=0)
    schedule: Literal["constant_with_warmup", "cosine"] = "cosine"
    batch_size: int = Field(16, ge=1)
    epochs: float = Field(2, gt=0, le=10_000)
    pairs_per_question: int = Field(1, ge=1)
    """At most so many of one question."""
    bare_references: bool = True
    """Whether an answer without its working stands in for a reference, where nothing better is known.
    It teaches the answer and not the way: say false for a model that reasons before it answers."""
    replay: float = Field(0.33, ge=0, le=1000)
    """Pairs of earlier rounds, as a share of this round's."""
    least_pairs: int = Field(256, ge=1)
    """With fewer the Solver is not trained in this round: a few steps from a cold optimiser
    cost more than they teach. The pairs can be replayed later."""
    method: Literal["full", "lora"] = "full"
    """Of the Generator, too. All weights, or an adapter over the base model: far less memory, and a
    server that keeps the base loaded and takes a new adapter each round."""
    lora: LoraConfig = LoraConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    accumulation: int = Field(1, ge=1)
    """Batches that make one step: `batch_size` is that of one."""
    gradient_checkpointing: bool = False
    """Compute activations again in place of keeping them: less memory, a third more time."""
    max_length: int = Field(512, ge=32)
    """Tokens of prompt and completion; what is longer is cut."""
