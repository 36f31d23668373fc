"""GRPO, and now and then a step of supervised training on what no completion solved.

Source: ReLIFT, arXiv 2506.07527 (prompts whose completions all fail go to a buffer; once it is full, one
step of SFT on their demonstrations). Differs: both kinds of step share one optimiser; what is left in the
buffer when the round's training ends makes a last step, at the job's full learning rate, as all of these.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_
from transformers import PreTrainedTokenizerBase, TrainerCallback
from trl import GRPOConfig

from .common import cut_short, rendered
from .grpo import Sampler
from .jobs import TrainingJob
from .resuming import fit
from .sampled_options import Relift
from .sampling import Row, Trained, sampler, told

Reference = tuple[list[int], list[int]]
"""Tokens of a prompt and of its reference."""


class Gathering(Sampler):
    """GRPO's trainer that puts references of failed prompts into a buffer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.buffer: list[Reference] = []
        self.supervised = 0

    def sampled_state(self) -> Row:
        more = {"buffer": self.buffer, "supervised": self.supervised}
        return super().sampled_state() | more

    def load_sampled_state(self, state: Row) -> None:
        super().load_sampled_state(state)
        self.buffer = [(prompt, ids) for prompt, ids in state["buffer"]]
        self.supervised = state["supervised"]

    def _generate(self, prompts: list[Any]) -> Any:
        made = super()._generate(prompts)
        for group in self.failed(made[3], made[1]):
            row = self.rows[group[0]]
            if row["solution"]:
                prompt, ids = rendered(self.processing_class, row["prompt"][-1]["content"], row["solution"])
                self.buffer.append((prompt, ids))
        return made

    def supervise(self, references: list[Reference], weight: float) -> None:
        """One step on references, each token alike."""
        model, optimizer = self.model, self.optimizer
        tokens = sum(len(ids) for _, ids in references)
        size = self.args.per_device_train_batch_size
        optimizer.zero_grad()
        for start in range(0, len(references), size):
            part = references[start : start + size]
            with self.compute_loss_context_manager():
                loss = weight * self._nll(model, part) / tokens
            loss.backward()
        clip_grad_norm_(model.parameters(), self.args.max_grad_norm)
        rates = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = self.args.learning_rate
        optimizer.step()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        optimizer.zero_grad()
        self.supervised += len(references)

    def _nll(self, model: Any, part: list[Reference]) -> Any:
        width = max(len(prompt) + len(ids) for prompt, ids in part)
        pad = self._tokenizer.pad_token_id
        rows, masks, labels = [], [], []
        for prompt, ids in part:
            spare = width - len(prompt) - len(ids)
            rows.append(prompt + ids + [pad] * spare)
            masks.append([1] * (width - spare) + [0] * spare)
            labels.append([-100] * len(prompt) + ids + [-100] * spare)
        inputs, mask, wanted = (torch.tensor(x, device=model.device) for x in (rows, masks, labels))
        outputs = model(
            input_ids=inputs, attention_mask=mask, labels=wanted, use_cache=False, fused_lm_head=True
        )
        # GRPO's head divides by the temperature that it samples at.
        return -outputs.log_probs.sum()


class Alternating(TrainerCallback):  # type: ignore[misc]
    """A step on references wherever there are enough of them."""

    def __init__(self, trainer: Gathering, size: int, weight: float) -> None:
        self.trainer, self.size, self.weight = trainer, size, weight

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        while len(self.trainer.buffer) >= self.size:
            self.empty(self.size)

    def empty(self, count: int) -> None:
        first, self.trainer.buffer = self.trainer.buffer[:count], self.trainer.buffer[count:]
        self.trainer.supervise(first, self.weight)


def train(job: TrainingJob, rows: list[Row], tokenizer: PreTrainedTokenizerBase, options: Relift) -> Trained:
    """Train from `job.model` on prompts, as `grpo.train`."""
    with sampler(Gathering, GRPOConfig, job, rows, tokenizer, options) as trainer:
        alternating = Alternating(trainer, options.buffer, options.sft_weight)
        trainer.add_callback(alternating)
        fit(trainer)
        while trainer.buffer and not cut_short(trainer):
            alternating.empty(options.buffer)
        return trainer.model, told(trainer) | {"supervised": float(trainer.supervised)}
