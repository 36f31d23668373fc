"""A model of a few thousand parameters, and rows of every kind to train it on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maieutic.trainers import pocket_model
from maieutic.trainers.jobs import TrainingJob
from transformers import AutoTokenizer

ROWS: list[dict[str, Any]] = [
    {
        "prompt": f"What is {i} + 4?",
        "chosen": f"{i} + 4 = {i + 4} #### {i + 4}",
        "rejected": f"#### {i + 5}",
        "weight": 1.0,
        "smoothing": 0.0,
        "stage": 0,
        "kind": "rollouts",
    }
    for i in range(1, 9)
]
COMPLETIONS: list[dict[str, Any]] = [
    {"prompt": row["prompt"], "completion": row["chosen"], "weight": 1.0} for row in ROWS
]
LABELLED: list[dict[str, Any]] = [
    {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen", "weight": 1.0}
    for place, row in enumerate(ROWS)
    for side in (("chosen", "rejected") if place % 2 else ("chosen",))
]
PROMPTS: list[dict[str, Any]] = [
    {
        "prompt": row["prompt"],
        "question_id": str(place),
        "text": row["prompt"],
        "answer": str(place + 5),
        "checker": "arithmetic",
        "data": "",
        "solution": row["chosen"],
        "hint": "",
        "pass_rate": 0.5,
        "n": 0,
    }
    for place, row in enumerate(ROWS[:4])
]
BY_KIND = {"pairs": ROWS, "completions": COMPLETIONS, "labelled": LABELLED, "prompts": PROMPTS}


def save(folder: Path, seed: int = 0) -> Any:
    """Write it; gives its tokenizer."""
    pocket_model.save_untrained(folder, hidden=32, layers=1, heads=2, seed=seed)
    return AutoTokenizer.from_pretrained(folder)


def job(base: Path, output: Path, **given: Any) -> TrainingJob:
    settings = {
        "objective": "dpo", "data": "", "seed": 1, "learning_rate": 1e-3, "batch_size": 4, "max_tokens": 8,
        "canary_tokens": 4, "base": str(base),
    }  # fmt: skip
    return TrainingJob(model=str(base), output=str(output), **(settings | given))
