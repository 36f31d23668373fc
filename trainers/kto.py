"""Completions that are good or bad, each by itself, through TRL.

Source: KTO, arXiv 2402.01306, eq. 7–8; `apo_zero_unpaired` after APO, 2408.06266. Differs: each completion
may have a weight; without one of its own, the good ones' side weighs as much as the bad ones'.
"""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import KTOConfig, KTOTrainer

from .columns import Columns
from .common import arguments, figures, like_length
from .jobs import TrainingJob
from .models import load
from .options import Kto
from .resuming import fit

Row = dict[str, Any]


class WeightedKTO(Columns, KTOTrainer):  # type: ignore[misc]
    """TRL's KTO trainer with a `weight` column."""

    desirable_weight: Any
    undesirable_weight: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sides = (self.desirable_weight, self.undesirable_weight)

    def _compute_loss(self, model: Any, inputs: Row, return_outputs: bool) -> Any:
        weight = inputs.pop("weight")
        good = torch.as_tensor(inputs["label"], dtype=torch.bool, device=weight.device)
        # TRL multiplies each side's losses with these: a number for each of them works as one for all.
        self.desirable_weight = self.sides[0] * weight[good]
        self.undesirable_weight = self.sides[1] * weight[~good]
        return super()._compute_loss(model, inputs, return_outputs)


def train(
    job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, options: Kto
) -> tuple[Any, dict[str, float]]:
    """Train from `job.model` on completions that are labelled good or bad.

    Args:
        rows: `prompt` and `completion` texts, `label`, `weight` from 0 up.
    Returns:
        The trained model and the trainer's figures.
    """
    lengths = [len(row["prompt"]) + len(row["completion"]) for row in rows]
    rows = like_length(rows, lengths, job.whole_batch, job.seed)
    if len(rows) % job.batch_size == 1:
        rows = rows[:-1]  # a completion alone has no other to be compared with
    data = Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "completion": [{"role": "assistant", "content": row["completion"]}],
                "label": bool(row["label"]),
                "weight": float(row.get("weight", 1.0)),
            }
            for row in rows
        ]
    )
    trainer = WeightedKTO(
        model=load(job),
        args=KTOConfig(
            **arguments(job, len(rows)),
            beta=options.beta,
            loss_type=options.loss,
            desirable_weight=options.desirable or _balance(rows) * options.undesirable,
            undesirable_weight=options.undesirable,
        ),
        train_dataset=data,
        processing_class=tokenizer,
    )
    fit(trainer)
    return trainer.model, figures(trainer.state.log_history)


def _balance(rows: list[Row]) -> float:
    """Weight of a good completion that has both sides weigh alike."""
    good = sum(bool(row["label"]) for row in rows)
    return (len(rows) - good) / good if 0 < good < len(rows) else 1.0
