"""Direct preference optimisation with a likelihood term, through TRL.

Loss: −log σ(β(Δchosen − Δrejected)) − λ · mean log-likelihood of chosen tokens, where Δ is
the log-probability gained over the checkpoint that the job starts from.

Source: DPO, arXiv 2305.18290, eq. 7; the likelihood term after Iterative RPO, 2404.19733.
Differs: TRL averages the likelihood over the chosen tokens of a batch, not per sequence.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer

from .common import PrintProgress, arguments, figures, like_length
from .conversations import ConversationDPO, has_conversations, prepared
from .jobs import TrainingJob
from .models import load

Row = dict[str, Any]


def train(
    job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase
) -> tuple[Any, dict[str, float]]:
    """Train from `job.model` on preference pairs.

    Args:
        rows: `prompt`, `chosen`, `rejected` texts; they are wrapped as chat messages. Where the Solver
            was offered tools, also `tools`, `chosen_messages` and `rejected_messages`.
    Returns:
        The trained model and the trainer's figures.
    """
    sides = ("chosen", "rejected")
    lengths = [sum(len(row.get(f"{side}_messages") or row[side]) for side in sides) for row in rows]
    rows = like_length(rows, lengths, job.batch_size, job.seed)
    data = Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "chosen": [{"role": "assistant", "content": row["chosen"]}],
                "rejected": [{"role": "assistant", "content": row["rejected"]}],
            }
            for row in rows
        ]
    )
    trainer_of, collator = DPOTrainer, None
    if has_conversations(rows):
        trainer_of = ConversationDPO
        data, collator = prepared(rows, tokenizer, job.max_length)
    trainer = trainer_of(
        # No reference is given: TRL takes the checkpoint that the round started with.
        model=load(job),
        args=DPOConfig(
            **arguments(job, len(rows)),
            beta=job.beta,
            loss_type=["sigmoid", "sft"],
            loss_weights=[1.0, job.nll_weight],
        ),
        train_dataset=data,
        data_collator=collator,
        processing_class=tokenizer,
        callbacks=[PrintProgress()],
    )
    trainer.train()
    return trainer.model, figures(trainer.state.log_history)
