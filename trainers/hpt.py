"""What no completion solves is learned from its reference, in the same step as the rest by its rewards.

A failed prompt's completions give way to its reference, with a constant advantage: the gradient is then
that of the reference's likelihood.

Source: HPT, arXiv 2509.04419 (γ = 0: SFT on the demonstration where no rollout is right, else GRPO without
the spread). Differs: both losses are averaged alike, a prompt for a prompt; what lies outside the clip
range is clipped, which on policy is nothing.
"""

from __future__ import annotations

import functools
from typing import Any

from transformers import PreTrainedTokenizerBase

from .common import rendered
from .grpo import Sampler
from .grpo import train as by_groups
from .jobs import TrainingJob
from .sampled_options import Hpt
from .sampling import Row, Trained


class Demonstrating(Sampler):
    """GRPO's trainer with references in the place of completions that failed."""

    def __init__(self, *args: Any, solved: int, sft_weight: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.solved, self.sft_weight = solved, sft_weight

    def _generate(self, prompts: list[Any]) -> Any:
        made = super()._generate(prompts)
        completion_ids, completions, logprobs = made[1], made[3], made[4]
        for group in self.failed(completions, completion_ids, self.solved):
            row = self.rows[group[0]]
            if not row["solution"]:
                continue
            _, ids = rendered(self.processing_class, row["prompt"][-1]["content"], row["solution"])
            for place in group:
                completion_ids[place] = ids[: self.max_completion_length]
                completions[place] = [{"role": "assistant", "content": row["solution"]}]
                if logprobs is not None:
                    logprobs[place] = [float("nan")] * len(completion_ids[place])
                self.scorer.left_out.add(place)
        return made

    def _generate_and_score_completions(self, inputs: list[Row]) -> Any:
        scored = super()._generate_and_score_completions(inputs)
        for place in self.scorer.left_out:
            scored["advantages"][place] = self.sft_weight
        return scored


def train(job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, options: Hpt) -> Trained:
    """Train from `job.model` on prompts, as `grpo.train`."""
    trainer_of = functools.partial(Demonstrating, solved=options.solved, sft_weight=options.sft_weight)
    return by_groups(job, rows, tokenizer, options, trainer_of)
