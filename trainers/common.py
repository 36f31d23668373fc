"""What every objective shares: settings, batches of like length, rendering, figures, the canary."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import torch
from transformers import PreTrainedTokenizerBase

from .jobs import PROJECT, TrainingJob
from .models import before

T = TypeVar("T")


def arguments(job: TrainingJob, rows: int) -> dict[str, Any]:
    """Keyword arguments that TRL's configs have in common; with `max_length` those on rows that are there.

    Args:
        rows: examples of one epoch.
    """
    return shared(job, steps_of(job, rows)) | {"max_length": job.max_length}


def shared(job: TrainingJob, steps: int) -> dict[str, Any]:
    """Keyword arguments that TRL's configs have in common."""
    schedule: dict[str, Any] = {"lr_scheduler_type": job.schedule}
    if job.schedule == "cosine" and job.final_rate:
        schedule = {
            "lr_scheduler_type": "cosine_with_min_lr",
            "lr_scheduler_kwargs": {"min_lr_rate": job.final_rate},
        }
    return schedule | {
        "output_dir": f"{job.output}.trainer",
        "per_device_train_batch_size": job.batch_size,
        "gradient_accumulation_steps": job.accumulation,
        "max_steps": steps,
        "learning_rate": job.learning_rate,
        "warmup_steps": min(job.warmup_steps, steps),
        "adam_beta2": job.adam_beta2,
        "max_grad_norm": 1.0,
        "seed": job.seed,
        "use_cpu": not torch.cuda.is_available(),
        "bf16": job.dtype == "bfloat16" and torch.cuda.is_available(),
        "train_sampling_strategy": "sequential",
        "dataloader_drop_last": False,
        "gradient_checkpointing": job.gradient_checkpointing,
        "use_liger_kernel": _liger(job),
        "logging_steps": max(1, steps // 10),
        # Else what is not finite is left out of the log, where the guards look for it.
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        **_told(job),
        "disable_tqdm": True,
    }


def _told(job: TrainingJob) -> dict[str, Any]:
    """To whom the figures are reported, and under what name; see `tracking.py`."""
    if job.tracking is None:
        return {"report_to": []}
    name = f"{job.tracking.run}-{job.tracking.name}"
    return {"report_to": job.tracking.to, "project": PROJECT, "run_name": name}


def _liger(job: TrainingJob) -> bool:
    """Its kernels are Triton's: they need a GPU."""
    if job.liger != "auto":
        return job.liger == "on"
    return torch.cuda.is_available() and importlib.util.find_spec("liger_kernel") is not None


def steps_of(job: TrainingJob, rows: int) -> int:
    return max(1, math.ceil(job.epochs * math.ceil(rows / (job.batch_size * job.accumulation))))


def like_length(rows: Sequence[T], lengths: Sequence[int], batch: int, seed: int) -> list[T]:
    """Rows in random order, but with rows of like length in one batch.

    Padding costs as much as text: batches of like length halve the time on short
    worked solutions. Sorting happens within windows of 32 batches; the order of the
    batches is random.
    """
    rng = Random(seed)
    order = list(range(len(rows)))
    rng.shuffle(order)
    batches = []
    for start in range(0, len(order), 32 * batch):
        window = sorted(order[start : start + 32 * batch], key=lambda i: lengths[i])
        batches += [window[i : i + batch] for i in range(0, len(window), batch)]
    # A short batch stays last: the sampler cuts the sequence into equal batches.
    full = [b for b in batches if len(b) == batch]
    rng.shuffle(full)
    short = [i for b in batches if len(b) < batch for i in b]
    return [rows[i] for b in full for i in b] + [rows[i] for i in short]


def rendered(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> tuple[list[int], list[int]]:
    """Tokens of a prompt as the server shows it, and of a completion with the end of its turn."""

    def ids(messages: list[dict[str, str]], ask: bool) -> list[int]:
        made = tokenizer.apply_chat_template(messages, add_generation_prompt=ask, return_dict=True)
        return list(made["input_ids"])

    asked = [{"role": "user", "content": prompt}]
    shown = ids(asked, True)
    whole = ids([*asked, {"role": "assistant", "content": completion}], False)
    if whole[: len(shown)] == shown:
        return shown, whole[len(shown) :]
    # A template that renders a question differently once it is answered.
    said = tokenizer(completion, add_special_tokens=False)["input_ids"]
    return shown, [*said, tokenizer.eos_token_id]


def cut_short(trainer: Any) -> bool:
    """Whether something stopped a trainer before its last step."""
    return bool(trainer.state.global_step < trainer.state.max_steps)


def figures(history: Sequence[dict[str, Any]]) -> dict[str, float]:
    """First and last logged figures of a trainer."""
    logged = [
        {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
        for row in history
        if "loss" in row
    ]
    if not logged:
        return {}
    return {f"first/{k}": v for k, v in logged[0].items()} | logged[-1]


_CLEAR = {"float32": 0.02, "bfloat16": 1.0}
"""Least margin (logits) of a canary's tokens: rounding differs by less between engines. With the
eight bits of bfloat16, logits of about 20 are 0.125 apart, and every layer adds to that."""


def write_canary(
    folder: Path,
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    job: TrainingJob,
    prompts: Sequence[str],
) -> None:
    """Write `canary.json`: prompts with the greedy completions of this very checkpoint.

    A server that got these weights must give the same text. Prompts are chosen that
    the checkpoint before answered otherwise, so that old weights are noticed. A
    completion ends before the first token that won by no clear margin, so that
    rounding is not.
    """
    candidates = list(dict.fromkeys(prompts))[:24]
    clear = _CLEAR[job.dtype]
    new = greedy(model, tokenizer, candidates, job.canary_tokens, clear)
    with before(job, model) as earlier:
        old = greedy(earlier, tokenizer, candidates, job.canary_tokens, clear)
    differs = [not was.text.startswith(now.text) for now, was in zip(new, old, strict=True)]
    usable = [i for i in range(len(candidates)) if new[i].tokens]
    ranked = sorted(usable, key=lambda i: (differs[i], new[i].tokens, new[i].margin), reverse=True)[:3]
    canary = {
        "distinguishes": any(differs[i] for i in ranked),
        "items": [
            {"prompt": candidates[i], "expected": new[i].text, "max_tokens": new[i].tokens} for i in ranked
        ],
    }
    (folder / "canary.json").write_text(json.dumps(canary, indent=1))


@dataclass(frozen=True, slots=True)
class Greedy:
    """A greedy completion as far as every token won by a clear margin."""

    text: str
    tokens: int
    """What to ask a server for: all that were allowed where the whole completion is clear."""
    margin: float
    """Logits between the closest of its tokens and the runner-up."""


@torch.no_grad()  # type: ignore[untyped-decorator]
def greedy(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], tokens: int, clear: float
) -> list[Greedy]:
    """Greedy completion of each prompt, cut before the first token whose margin is not clear."""
    model.eval()
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    tokenizer.padding_side = "left"
    inputs = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    ).to(model.device)
    out = model.generate(
        **{k: inputs[k] for k in ("input_ids", "attention_mask")},
        do_sample=False,
        max_new_tokens=tokens,
        output_logits=True,
        return_dict_in_generate=True,
    )
    texts = out.sequences[:, inputs["input_ids"].shape[1] :]  # (prompts, tokens)
    top = torch.stack(out.logits, 1).topk(2).values  # (prompts, tokens, 2)
    margins = top[..., 0] - top[..., 1]
    margins = margins.masked_fill(texts == tokenizer.pad_token_id, float("inf"))
    found = []
    for row, margin in zip(texts, margins, strict=True):
        unclear = (margin < clear).nonzero()
        kept = int(unclear[0]) if len(unclear) else len(row)
        text = tokenizer.decode(row[:kept], skip_special_tokens=True)
        closest = float(margin[:kept].min()) if kept else 0.0
        found.append(Greedy(text, kept if len(unclear) else tokens, closest))
    return found
