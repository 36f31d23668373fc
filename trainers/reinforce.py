"""Right completions reinforced with a weight λ, wrong ones with −1: W-REINFORCE, NSR, PSR.

Source: The Surprising Effectiveness of Negative Reinforcement, arXiv 2506.01347, eq. 6. Differs: a
completion is right where its rewards together are more than ½; what no checker decides counts for nothing;
normalised as Dr. GRPO's loss, by the longest completion.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from .grpo import Sampler
from .grpo import train as by_groups
from .jobs import TrainingJob
from .sampled_options import WReinforce
from .sampling import Row, Trained

_RIGHT = 0.5


def signed(rewards: Tensor, right: float, wrong: float) -> Tensor:
    """λ for right, −`wrong` for wrong, 0 for what has no reward (NaN)."""
    advantages = torch.where(rewards > _RIGHT, right, -wrong)
    return advantages.masked_fill(rewards.isnan(), 0.0)


class Reinforce(Sampler):
    """GRPO's trainer with advantages from each completion alone."""

    def __init__(self, *args: Any, right: float, wrong: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.right, self.wrong = right, wrong

    def _calculate_rewards(self, *args: Any) -> Tensor:
        each: Tensor = super()._calculate_rewards(*args)  # (completions, rewards)
        self.total = (each * self.reward_weights.to(each.device)).nansum(1)
        self.total[each.isnan().all(1)] = float("nan")
        return each

    def _generate_and_score_completions(self, inputs: list[Row]) -> Any:
        scored = super()._generate_and_score_completions(inputs)
        scored["advantages"] = signed(self.total, self.right, self.wrong).to(scored["advantages"])
        return scored


def train(
    job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, options: WReinforce
) -> Trained:
    """Train from `job.model` on prompts, as `grpo.train`."""
    trainer_of = functools.partial(Reinforce, right=options.right, wrong=options.wrong)
    return by_groups(job, rows, tokenizer, options, trainer_of)
