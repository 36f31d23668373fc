"""Supervised fine-tuning on completions, each with a weight, through TRL.

Loss: Σ_i w_i · (−log p(completion_i | prompt_i)) / Σ_i tokens_i over a batch. With all
weights 1 this is TRL's own loss. With w = the utility of the question that the completion
proposes, it is the Generator's objective.

Source: Socratic-Zero, arXiv 2509.24726, section 3. Differs: normalised by tokens. With `loss: dft` each
token's loss is weighed by its own probability: DFT, arXiv 2508.05629, eq. 9. Differs: none.
"""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from .columns import Columns
from .common import arguments, figures, like_length
from .jobs import TrainingJob
from .models import load
from .options import Sft
from .resuming import fit

Row = dict[str, Any]


class WeightedSFTTrainer(Columns, SFTTrainer):  # type: ignore[misc]
    """TRL's SFT trainer with a `weight` column that scales each example's loss.

    Args:
        confident: weigh each token by its probability, too (DFT).
    """

    def __init__(self, *args: Any, confident: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.confident = confident

    def compute_loss(
        self, model: Any, inputs: Row, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        weights = inputs.pop("weight")
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        logps = outputs.log_probs  # (B, T − 1), zero where a label is ignored
        per_example = -(logps * logps.detach().exp() if self.confident else logps).sum(1)
        tokens = outputs.label_mask.sum() if num_items_in_batch is None else num_items_in_batch
        loss = (per_example * weights).sum() / torch.as_tensor(tokens).clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss


def train(
    job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, options: Sft
) -> tuple[Any, dict[str, float]]:
    """Train from `job.model` on weighted completions.

    Args:
        rows: `prompt` and `completion` texts, `weight` from 0 up.
    Returns:
        The trained model and the trainer's figures.
    """
    lengths = [len(row["prompt"]) + len(row["completion"]) for row in rows]
    rows = like_length(rows, lengths, job.whole_batch, job.seed)
    data = Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "completion": [{"role": "assistant", "content": row["completion"]}],
                "weight": float(row["weight"]),
            }
            for row in rows
        ]
    )
    trainer = WeightedSFTTrainer(
        model=load(job),
        args=SFTConfig(**arguments(job, len(rows)), completion_only_loss=True),
        train_dataset=data,
        processing_class=tokenizer,
        confident=options.loss == "dft",
    )
    fit(trainer)
    return trainer.model, figures(trainer.state.log_history)
