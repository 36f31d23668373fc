"""The model that a job trains: all of its weights, or an adapter over a base that stays as it is."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from ..serving.models import check_weights
from .jobs import TrainingJob


def load(job: TrainingJob) -> Any:
    """The checkpoint that a job starts from, ready to be trained.

    TRL takes for reference what the adapter is now, of which it makes a copy; and of whole weights
    what `job.model` holds.

    Source: LoRA, arXiv 2106.09685. Differs: on every linear layer but the output head, which vLLM's
    adapters and TRL's log-probabilities leave out.
    """
    if job.lora is None:
        return _whole(job.model, dtype=job.dtype, **_attention(job))
    base = _whole(job.base, dtype=job.dtype, **_attention(job))
    if _is_adapter(job.model):
        check_weights(Path(job.model), "adapter")
        return PeftModel.from_pretrained(base, job.model, is_trainable=True)
    settings = LoraConfig(
        r=job.lora.rank,
        lora_alpha=job.lora.alpha,
        lora_dropout=job.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    # What it begins with is drawn by chance, before any Trainer sets the seed.
    torch.manual_seed(job.seed)
    return get_peft_model(base, settings)


def _whole(folder: str, **given: Any) -> Any:
    """A model's weights, by transformers' own code, and from safetensors alone: a pickle, or a module
    that lies beside them, could do anything."""
    check_weights(Path(folder), "model")
    return AutoModelForCausalLM.from_pretrained(
        folder, use_safetensors=True, trust_remote_code=False, **given
    )


def _attention(job: TrainingJob) -> dict[str, str]:
    """Which attention a model computes with; nothing where transformers' own choice is as good."""
    if job.attention != "auto":
        return {"attn_implementation": job.attention}
    flash = job.dtype == "bfloat16" and torch.cuda.is_available()
    return (
        {"attn_implementation": "flash_attention_2"}
        if flash and importlib.util.find_spec("flash_attn")
        else {}
    )


def save(model: Any, folder: Path) -> None:
    """Write what was trained as safetensors."""
    if isinstance(model, PeftModel):
        # TRL's reference lies beside it under another name.
        model.save_pretrained(str(folder), selected_adapters=["default"])
    else:
        model.save_pretrained(folder, safe_serialization=True)


@torch.no_grad()  # type: ignore[untyped-decorator]
def not_finite(model: Any) -> str:
    """The first trained weight with a figure that is none, as a reason to stop; empty where all are."""
    for name, weight in model.named_parameters():
        if weight.requires_grad and not bool(torch.isfinite(weight).all()):
            return f"{name} is not finite: lower the learning rate"
    return ""


@contextlib.contextmanager
def before(job: TrainingJob, trained: Any) -> Iterator[Any]:
    """The checkpoint that a job started from, for as long as it is looked at."""
    if job.lora is None:
        yield _whole(job.model, dtype=job.dtype).to(trained.device)
    elif _is_adapter(job.model):
        trained.load_adapter(job.model, adapter_name="before")
        trained.set_adapter("before")
        yield trained
        trained.set_adapter("default")
    else:
        with trained.disable_adapter():
            yield trained


def _is_adapter(folder: str) -> bool:
    return (Path(folder) / "adapter_config.json").exists()
