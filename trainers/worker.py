"""The training process: `python -m maieutic.trainers.worker JOB.json`.

Everything is written to a folder beside the output and renamed at the end, so that an
output folder that exists is a finished checkpoint. What a guard stopped goes to `….stopped`.

What is heavy is imported by `run` alone: a checker's worker process imports this module again.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

from .jobs import TrainingJob, TrainingResult, stopped_at
from .trouble import NO_MEMORY, out_of_memory

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


def run(job: TrainingJob) -> None:
    """Do a job and leave its checkpoint, its result and its canary at `job.output`."""
    import pyarrow.parquet as pq
    from transformers import AutoTokenizer

    from .common import write_canary
    from .guards import watching
    from .models import save
    from .objectives import objective_of
    from .tracking import tracked

    if not job.checkpoint_s:
        shutil.rmtree(f"{job.output}.trainer", ignore_errors=True)

    objective = objective_of(job.objective, job.options)
    output = Path(job.output)
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    if job.pocket is not None:
        _make_untrained(job)
    tokenizer = AutoTokenizer.from_pretrained(job.model, trust_remote_code=False)
    rows = pq.read_table(job.data).to_pylist()
    started = time.monotonic()
    with watching(job, rows, tokenizer) as watch, tracked(job) as notes:
        model, metrics = objective.train(job, rows, tokenizer)
        watch.finish(model)
    seconds, kept = time.monotonic() - started, watch.keeping
    if kept is not None:
        seconds += kept.seconds_before
    beside.mkdir(parents=True)
    try:
        save(model, beside)
        tokenizer.save_pretrained(beside)
        if not watch.stopped:
            write_canary(beside, model, tokenizer, job, [row["prompt"] for row in rows])
        result = TrainingResult(
            objective=job.objective,
            examples=len(rows),
            steps=watch.steps or int(metrics.get("step", 0)),
            seconds=seconds,
            rollouts=int(metrics.pop("rollouts", 0)),
            tokens=int(metrics.pop("rollout_tokens", 0)),
            # JSON has no word for the others.
            metrics={k: v for k, v in (metrics | watch.figures).items() if math.isfinite(v)},
            stopped=watch.stopped,
            notes=[*job.notes, *(kept.notes if kept else []), *notes],
        )
        (beside / "result.json").write_text(result.model_dump_json(indent=1))
        beside.rename(stopped_at(output) if watch.stopped else output)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    # Not before: where the disk was too full for the weights, what was trained is not lost.
    shutil.rmtree(f"{job.output}.trainer", ignore_errors=True)


def _make_untrained(job: TrainingJob) -> None:
    from .pocket_model import save_untrained

    shape = job.pocket
    assert shape is not None
    save_untrained(
        Path(job.model), hidden=shape.hidden, layers=shape.layers, heads=shape.heads, seed=shape.seed
    )


def main(file: str) -> None:
    """Do the job of a file; a lack of memory has an exit code of its own, for it is met otherwise."""
    try:
        run(TrainingJob.model_validate_json(Path(file).read_text()))
    except Exception as error:
        if not out_of_memory(error):
            raise
        traceback.print_exc()
        sys.exit(NO_MEMORY)


if __name__ == "__main__":
    main(sys.argv[1])
