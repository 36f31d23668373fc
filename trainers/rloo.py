"""REINFORCE against the mean of a prompt's other completions, through TRL.

Source: RLOO, arXiv 2402.14740, eq. 8. Differs: TRL clips the ratio to the policy that sampled, as PPO does.
"""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase
from trl import RLOOConfig, RLOOTrainer

from .jobs import TrainingJob
from .sampled_options import Rloo
from .sampling import Counting, Row, Trained, trained


class Sampler(Counting, RLOOTrainer):  # type: ignore[misc]
    """TRL's RLOO trainer, counted."""


def train(job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, options: Rloo) -> Trained:
    """Train from `job.model` on prompts, as `grpo.train`."""
    return trained(Sampler, RLOOConfig, job, rows, tokenizer, options)
