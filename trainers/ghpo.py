"""Prompts that no completion solves are sampled again with a hint, and trained on with it.

Source: GHPO, arXiv 2507.10628 (a prefix of the ground-truth solution, hint_ratio ½; loss bnpo). Differs: a
hint of the Teacher's comes before the prefix, where there is one; a try is given up only where the group
still fails.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from .grpo import Sampler
from .grpo import train as by_groups
from .jobs import TrainingJob
from .sampled_options import Ghpo
from .sampling import Row, Trained

_BEGINNING = (
    "{prompt}\n\nThe following text is the beginning part of the answer, which you can refer to for "
    "solving the problem:\n\n{beginning}"
)
_HINT = "{prompt}\n\nHint: {hint}"


def hints(row: Row, shares: Sequence[float]) -> list[str]:
    """A row's prompt with a hint, one for each try."""
    prompt = row["prompt"][-1]["content"]
    found = [_HINT.format(prompt=prompt, hint=row["hint"])] if row["hint"] else []
    if row["solution"]:
        for share in shares:
            beginning = row["solution"][: max(1, int(share * len(row["solution"])))]
            found.append(_BEGINNING.format(prompt=prompt, beginning=beginning))
    return found


class Hinting(Sampler):
    """GRPO's trainer that tries failed groups again."""

    def __init__(self, *args: Any, shares: Sequence[float], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shares = shares
        self.hinted = 0

    def _generate(self, prompts: list[Any]) -> Any:
        made = list(super()._generate(prompts))
        tries = [hints(row, self.shares) for row in self.rows]
        for number in range(max(map(len, tries), default=0)):
            places = [
                place
                for group in self.failed(made[3], made[1])
                for place in group
                if number < len(tries[place])
            ]
            if not places:
                break
            self.hinted += len(places)
            shown = [[{"role": "user", "content": tries[place][number]}] for place in places]
            for part, new in zip(made, super()._generate(shown), strict=True):
                if isinstance(part, list) and part:
                    for place, one in zip(places, new, strict=True):
                        part[place] = one
        return tuple(made)


def train(job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, options: Ghpo) -> Trained:
    """Train from `job.model` on prompts, as `grpo.train`."""
    trainer_of = functools.partial(Hinting, shares=options.shares)
    return by_groups(job, rows, tokenizer, options, trainer_of)
