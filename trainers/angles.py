"""Angle concentration: how narrowly the hidden states of a question's tokens point in one direction.

Per question, on the input of the last layer's `mlp.up_proj`: C_intra, mean cosine between its tokens, and
C_inter, mean cosine between its tokens and those before it (the system prompt, or what the chat template
puts there); their sum. One forward pass, no rollouts: `python -m maieutic.trainers.angles JOB.json`.

Source: GAIN-RL, arXiv 2506.02281, from its released code. Differs: the tokens are found by their place in
the text, not by fixed counts; C_inter counts once, as the README says, where the code counts it eight
times; a model without an `up_proj` gives its last hidden states.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ..memory.run import write_whole
from .jobs import TrainingJob
from .measuring import Measured, MeasuringJob
from .models import load

_BATCH = 16


def concentration(states: torch.Tensor, question: torch.Tensor, before: torch.Tensor) -> float:
    """C_intra + C_inter; a part with too few tokens is 0.

    Args:
        states: (tokens, width).
        question, before: (tokens,) masks.
    """
    unit = torch.nn.functional.normalize(states.float(), dim=-1)
    own, others = unit[question], unit[before]
    count = len(own)
    total = 0.0
    if count > 1:
        # All pairs but those of a token with itself.
        total += float(((own @ own.T).sum() - count) / (count * (count - 1)))
    if count and len(others):
        total += float((own @ others.T).mean())
    return total


@torch.no_grad()  # type: ignore[untyped-decorator]
def angles(
    model: Any, tokenizer: PreTrainedTokenizerBase, questions: Sequence[Measured], max_length: int
) -> Iterator[tuple[str, float]]:
    """Each question's id with its concentration."""
    model.eval()
    tokenizer.padding_side = "right"
    seen: dict[str, torch.Tensor] = {}
    layers = [module for name, module in model.named_modules() if name.endswith("mlp.up_proj")]
    if layers:
        layers[-1].register_forward_pre_hook(lambda _, given: seen.update(states=given[0]))
    for begin in range(0, len(questions), _BATCH):
        part = questions[begin : begin + _BATCH]
        texts = [_rendered(tokenizer, each.prompt) for each in part]
        tokens = tokenizer(
            texts, add_special_tokens=False, return_offsets_mapping=True, return_tensors="pt",
            padding=True, truncation=True, max_length=max_length,
        )  # fmt: skip
        spans = tokens.pop("offset_mapping")  # (texts, tokens, 2)
        out = model(**tokens.to(model.device), output_hidden_states=not layers)
        states = seen["states"] if layers else out.hidden_states[-1]  # (texts, tokens, width)
        for row, each in enumerate(part):
            # A template of the user's own may show the question otherwise than it is: then all of it counts.
            shown = each.text if each.text in texts[row] else each.prompt
            start = max(0, texts[row].rfind(shown))
            starts, there = spans[row, :, 0], tokens["attention_mask"][row].bool().cpu()
            inside = there & (starts >= start) & (starts < start + len(shown))
            yield each.id, concentration(states[row].cpu(), inside, there & (starts < start))


def _rendered(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    chat = [{"role": "user", "content": prompt}]
    return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))


def run(job: MeasuringJob) -> None:
    """Measure, and leave the result at `job.output`."""
    checkpoint = TrainingJob(
        objective="sft", model=job.model, base=job.base, lora=job.lora, dtype=job.dtype,
        data="", output="", seed=0, learning_rate=1.0, batch_size=1,
    )  # fmt: skip
    model = load(checkpoint)
    if torch.cuda.is_available():
        model = model.to("cuda")
    tokenizer = AutoTokenizer.from_pretrained(job.base or job.model, trust_remote_code=False)
    found = dict(angles(model, tokenizer, job.questions, job.max_length))
    write_whole(Path(job.output), json.dumps(found))


if __name__ == "__main__":
    run(MeasuringJob.model_validate_json(Path(sys.argv[1]).read_text()))
