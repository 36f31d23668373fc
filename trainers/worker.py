"""The training process: `python -m maieutic.trainers.worker JOB.json`.

Everything is written to a folder beside the output and renamed at the end, so that an
output folder that exists is a finished checkpoint.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import pyarrow.parquet as pq
from transformers import AutoTokenizer

from . import dpo, pocket_model, sft
from .common import write_canary
from .jobs import TrainingJob, TrainingResult
from .models import save

OBJECTIVES = {"dpo": dpo.train, "sft": sft.train}


def run(job: TrainingJob) -> None:
    """Do a job and leave its checkpoint, its result and its canary at `job.output`."""
    output = Path(job.output)
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    if job.pocket is not None:
        shape = job.pocket
        pocket_model.save_untrained(
            Path(job.model), hidden=shape.hidden, layers=shape.layers, heads=shape.heads, seed=shape.seed
        )
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    rows = pq.read_table(job.data).to_pylist()
    started = time.monotonic()
    model, metrics = OBJECTIVES[job.objective](job, rows, tokenizer)
    seconds = time.monotonic() - started
    beside.mkdir(parents=True)
    try:
        save(model, beside)
        tokenizer.save_pretrained(beside)
        write_canary(beside, model, tokenizer, job, [row["prompt"] for row in rows])
        result = TrainingResult(
            objective=job.objective,
            examples=len(rows),
            steps=int(metrics.get("step", 0)),
            seconds=seconds,
            metrics=metrics,
        )
        (beside / "result.json").write_text(result.model_dump_json(indent=1))
        beside.rename(output)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(f"{job.output}.trainer", ignore_errors=True)


if __name__ == "__main__":
    run(TrainingJob.model_validate_json(Path(sys.argv[1]).read_text()))
