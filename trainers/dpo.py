"""Preference optimisation on pairs, with a likelihood term, through TRL.

Loss: −log σ(β(Δchosen − Δrejected)) − λ · mean log-likelihood of chosen tokens, where Δ is
the log-probability gained over the checkpoint that the job starts from; or others of
`pair_losses.py`, each with its weight. Where no pair has a weight or a smoothing of its own,
and nothing of ours is asked for, all of it is TRL's own trainer.

Source: DPO, arXiv 2305.18290, eq. 7; the likelihood term after Iterative RPO, 2404.19733; stages after
Curry-DPO, 2403.07230. Differs: TRL averages the likelihood over the chosen tokens of a batch, not per
sequence; what makes a stage is the pair builder's affair.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer

from .common import arguments, cut_short, figures, like_length
from .conversations import PAIR_COLUMNS, ConversationDPO, has_conversations, prepared
from .jobs import TrainingJob
from .models import load
from .options import TRL_LOSSES, Dpo, Redi
from .pair_losses import LOSSES, UNWEIGHED, Pairs, redi
from .pair_training import ConversationPairs, PairTrainer
from .resuming import fit, hand_on, handed_on

Row = dict[str, Any]
Trained = tuple[Any, dict[str, float]]

_SMOOTHED = {"sigmoid", "cdpo", "robust", "exo_pair", "aot", "aot_unpaired"}


def train(job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, options: Dpo) -> Trained:
    """Train from `job.model` on preference pairs.

    Args:
        rows: `prompt`, `chosen`, `rejected` texts; they are wrapped as chat messages. Where the Solver
            was offered tools, also `tools`, `chosen_messages` and `rejected_messages`. `weight`,
            `smoothing` and `stage` where there are any.
    Returns:
        The trained model and the trainer's figures.
    """
    if _smoothed(rows, options) and not _SMOOTHED & set(options.losses):
        print("training.options.loss: none of these losses looks at smoothing", file=sys.stderr)
    if _plain(rows, options):
        settings: Row = {
            "beta": options.beta,
            "loss_type": [name for name, _ in options.weighed],
            "loss_weights": [weight for _, weight in options.weighed],
        }
        if "exo_pair" in options.losses:
            settings["label_smoothing"] = 1e-3
        make = functools.partial(_trl, settings=settings)
    else:
        betas = (options.beta, options.beta_rejected or options.beta)
        loss = functools.partial(_summed, losses=options.weighed)
        make = functools.partial(_ours, loss=loss, betas=betas, smoothing=options.smoothing)
    return _by_stages(job, rows, tokenizer, make, options.stages)


def train_redi(
    job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, options: Redi
) -> Trained:
    """Train from `job.model` on pairs, without a reference.

    Source: REDI, arXiv 2505.24850 (its second stage). Differs: it follows no stage of SFT here.
    """

    def loss(pairs: Pairs, weight: Tensor) -> Tensor:
        return (redi(pairs, options.alpha) * weight).mean()

    return _by_stages(job, rows, tokenizer, functools.partial(_ours, loss=loss, reference=False), False)


def _smoothed(rows: list[Row], options: Dpo) -> bool:
    return bool(options.smoothing) or any(row.get("smoothing") for row in rows)


def _plain(rows: list[Row], options: Dpo) -> bool:
    """Whether TRL's own trainer does all of it."""
    return (
        set(options.losses) <= set(TRL_LOSSES)
        and not options.beta_rejected
        and not _smoothed(rows, options)
        and all(row.get("weight", 1.0) == 1.0 for row in rows)
    )


def _summed(pairs: Pairs, weight: Tensor, losses: list[tuple[str, float]]) -> Tensor:
    """The sum of losses, each over the pairs by their weights."""
    total = pairs.chosen.new_zeros(())
    for name, share in losses:
        each = LOSSES[name](pairs)
        total = total + share * (each if name in UNWEIGHED else each * weight).mean()
    return total


Make = Callable[..., Any]


def _trl(conversations: bool, settings: Row, args: Row, **given: Any) -> Any:
    trainer_of = ConversationDPO if conversations else DPOTrainer
    return trainer_of(args=DPOConfig(**args, **settings), **given)


def _ours(conversations: bool, args: Row, **given: Any) -> Any:
    trainer_of = ConversationPairs if conversations else PairTrainer
    return trainer_of(args=DPOConfig(**args), **given)


def _by_stages(
    job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, make: Make, staged: bool
) -> Trained:
    """Train the rows' stages in their order; what one comes to is the next one's start and reference."""
    stages = sorted({int(row.get("stage") or 0) for row in rows}) if staged else [0]
    history: list[Row] = []
    start, steps, over = job, 0, False
    while not over:
        stage = stages.pop(0)
        # TRL loads its reference from a folder.
        folder = Path(f"{job.output}.trainer") / f"stage-{stage}"
        done = handed_on(folder) if stages else None
        if done is None:
            part = [row for row in rows if not staged or int(row.get("stage") or 0) == stage]
            trainer = _fitted(start, part, tokenizer, make)
            done = {"history": trainer.state.log_history, "steps": trainer.state.global_step}
            over = cut_short(trainer) or not stages
            if not over:
                hand_on(trainer, folder, done)
        history += done["history"]
        steps += done["steps"]
        start = job.model_copy(update={"model": str(folder)})
    return trainer.model, figures(history) | {"step": float(steps)}


def _fitted(job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, make: Make) -> Any:
    sides = ("chosen", "rejected")
    lengths = [sum(len(row.get(f"{side}_messages") or row[side]) for side in sides) for row in rows]
    rows = like_length(rows, lengths, job.whole_batch, job.seed)
    conversations, collator = has_conversations(rows), None
    if conversations:
        data, collator = prepared(rows, tokenizer, job.max_length)
    else:
        data = Dataset.from_list([_example(row) for row in rows])
    trainer = make(
        conversations,
        args=arguments(job, len(rows)),
        # No reference is given: TRL takes the checkpoint that the job started with.
        model=load(job),
        train_dataset=data,
        data_collator=collator,
        processing_class=tokenizer,
    )
    fit(trainer)
    return trainer


def _example(row: Row) -> Row:
    return {
        "prompt": [{"role": "user", "content": row["prompt"]}],
        "chosen": [{"role": "assistant", "content": row["chosen"]}],
        "rejected": [{"role": "assistant", "content": row["rejected"]}],
    } | {name: float(row[name]) for name in PAIR_COLUMNS if row.get(name) is not None}
