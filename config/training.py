"""How the Solver and the Generator are trained."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .section import Section


class LoraConfig(Section):
    """A low-rank adapter in place of all weights (2106.09685)."""

    rank: int = Field(16, ge=1, le=512)
    alpha: int = Field(32, ge=1)
    """The adapter counts alpha / rank times."""
    dropout: float = Field(0.0, ge=0, lt=1)


class AveragingConfig(Section):
    """The weights that a training ends with: its last ones, or a mean over its last part."""

    kind: Literal["none", "mean", "ema"] = "none"
    """`mean` of the last snapshots, each alike; `ema` weighs each by `decay` against the one after it."""
    every: int = Field(4, ge=1)
    """Steps between two snapshots."""
    last: int = Field(6, ge=2, le=64)
    """Snapshots that a mean takes in; all are kept in host memory."""
    decay: float = Field(0.8, gt=0, lt=1)
    """Of an ema, for each snapshot."""


class GuardsConfig(Section):
    """What stops a training: always a figure that is not finite, and these limits where they are not 0."""

    every: int = Field(16, ge=1)
    """Steps between two looks at the same few rows of the round."""
    rows: int = Field(16, ge=1, le=1024)
    """Rows that are looked at."""
    chosen_fall: float = Field(1.0, ge=0)
    """Nats for each token by which what is to be learned may become less likely."""
    divergence: float = Field(0.0, ge=0)
    """Nats for each token that the model may move from the checkpoint that the round began with."""


class SolverTraining(Section):
    """How the Solver is trained, from the checkpoint that the round began with."""

    objective: str = Field("dpo", min_length=1, max_length=200)
    """What is minimised: one of docs/training.md by name, or one of yours as `module:Class`."""
    options: dict[str, Any] = {}
    """The objective's own."""
    beta: float = Field(0.05, gt=0)
    """DPO's β, where options do not say: how dearly a step away from that checkpoint is paid."""
    nll_weight: float = Field(10.0, ge=0)
    """Weight of the likelihood of chosen completions beside the DPO loss, where options do not say."""
    learning_rate: float = Field(2e-3, gt=0)
    warmup_steps: int = Field(8, ge=0)
    schedule: Literal["constant_with_warmup", "cosine"] = "cosine"
    final_rate: float = Field(0.0, ge=0, lt=1)
    """Share of the learning rate that a cosine ends at."""
    averaging: AveragingConfig = AveragingConfig()
    guards: GuardsConfig = GuardsConfig()
    """Of the Generator, too."""
    batch_size: int = Field(16, ge=1)
    epochs: float = Field(3, gt=0, le=10_000)
    pairs_per_question: int = Field(1, ge=1)
    """At most so many of one question."""
    references: Literal["last", "first"] = "first"
    """What is learned of a question that some rollout got right: that rollout (`last`), or its worked
    reference where there is one (`first`). An answer can be right by luck, after steps that are not; but a
    reference that was not written in the model's own manner is hard to learn: say `last` for a model that
    reasons in a way of its own. With `solver.tools` it is `last`: references call none."""
    bare_references: bool = True
    """Whether an answer without its working stands in for a reference, where nothing better is known.
    It teaches the answer and not the way: say false for a model that reasons before it answers."""
    replay: float = Field(0.33, ge=0, le=1000)
    """Pairs of earlier rounds, as a share of this round's; only for objectives on pairs."""
    least_pairs: int = Field(256, ge=1)
    """With fewer rows, of whatever kind the objective takes, the Solver is not trained in this round: a
    few steps from a cold optimiser cost more than they teach. Pairs can be replayed later."""
    method: Literal["full", "lora"] = "full"
    """Of the Generator, too. All weights, or an adapter over the base model: far less memory, and a
    server that keeps the base loaded and takes a new adapter each round."""
    lora: LoraConfig = LoraConfig()
    dtype: Literal["float32", "bfloat16"] = "float32"
    accumulation: int = Field(1, ge=1)
    """Batches that make one step: `batch_size` is that of one."""
    gradient_checkpointing: bool = False
    """Compute activations again in place of keeping them: less memory, a third more time."""
    checkpoint_s: float = Field(300.0, ge=0)
    """Seconds between two checkpoints of a training, from which it goes on where it is cut short; further
    apart where writing one takes more than a twentieth of them. 0 for none: it starts over."""
    max_length: int = Field(512, ge=32)
    """Tokens of prompt and completion; what is longer is cut."""
    liger: Literal["auto", "on", "off"] = "auto"
    """Liger's kernels; `auto` where they are installed and there is a GPU."""
    attention: Literal["auto", "flash_attention_2", "sdpa", "eager"] = "auto"
    """`auto` is flash attention where it is installed, there is a GPU, and dtype is bfloat16; else sdpa."""
