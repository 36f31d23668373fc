"""Advantages within a prompt's own completions, through TRL: GRPO, and the losses made of it.

Source: GRPO, arXiv 2402.03300, eq. 3; DAPO, 2503.14476; Dr. GRPO, 2503.20783; CISPO, 2506.13585; GSPO,
2507.18071; SAPO, 2511.20347; LUSPO, 2602.05261; VESPO, 2602.10693; GDPO, 2601.05242. Differs: groups whose
completions all come to the same are not drawn anew (DAPO's dynamic sampling): their advantage is 0.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer

from .jobs import TrainingJob
from .sampled_options import Grpo
from .sampling import Counting, Row, Trained, trained


class Sampler(Counting, GRPOTrainer):  # type: ignore[misc]
    """TRL's GRPO trainer, counted."""


def train(
    job: TrainingJob,
    rows: list[Row],
    tokenizer: PreTrainedTokenizerBase,
    options: Grpo,
    trainer_of: Any = Sampler,
) -> Trained:
    """Train from `job.model` on prompts.

    Args:
        rows: `prompt`, what its checker wants (`question_id`, `text`, `answer`, `checker`, `data`), and
            where there are any `solution`, `hint` and `n`, the rollouts that it should get.
    Returns:
        The trained model and the trainer's figures.
    """
    return trained(trainer_of, GRPOConfig, job, rows, tokenizer, options)
