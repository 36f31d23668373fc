"""What is to be done about a training job that ended without a checkpoint: once more, smaller, or no more.

What a program raised it will raise again: only a process that died by a signal is started again as it is,
once. What ran out of memory is done again with its batches divided: the same rows make a step, and where a
loss is a sum over them, or a mean of equal parts, the same gradient. This module imports nothing heavy.
"""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .jobs import TrainingJob

NO_MEMORY = errno.ENOMEM
"""Exit code of a training process that could not get the memory that it asked for."""

_SAYS_SO = ("can't allocate memory", "out of memory", "not enough memory", "alloc_failed")
"""What allocators say by a RuntimeError: that of a CPU has no class of its own."""


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an exception, or what led to it, was a lack of memory, of the machine or of a GPU."""
    seen = 0
    while error is not None and seen < 8:
        said = str(error).lower()
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        if isinstance(error, RuntimeError) and any(word in said for word in _SAYS_SO):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def signal_of(code: int) -> int:
    """The signal that a process died by, also where its guard says so as a shell does; 0 for none."""
    number = -code if code < 0 else code - 128
    return number if 0 < number < signal.NSIG else 0


def next_try(job: TrainingJob, code: int, deaths: int, kernel: bool) -> TrainingJob | None:
    """How a job that ended so is to be done again; None where it is not.

    Args:
        code: its exit code.
        deaths: how often it had died by a signal before.
        kernel: whether the kernel has killed something for lack of memory meanwhile. Where it does not say
            so, a second SIGKILL is taken for it: not only the kernel ends what takes too much.
    """
    number = signal_of(code)
    if code == NO_MEMORY or (number == signal.SIGKILL and (kernel or deaths)):
        smaller = job.divided()
        return None if smaller is None else _noted(smaller, _divided(job, smaller))
    if number and not deaths:
        return _noted(job, f"its process died by {_name(number)} and was started again")
    return None


def what_happened(job: TrainingJob, code: int) -> str:
    """Of a job that is not tried again, for an error: what it died of and what to do."""
    number = signal_of(code)
    if code == NO_MEMORY or (number == signal.SIGKILL and job.batch_size <= job.least_batch):
        return (
            f"ran out of memory with a batch of {job.batch_size}, which cannot be smaller; set "
            "training.max_length lower, training.gradient_checkpointing=true, training.method=lora or "
            "serving.while_training=stop, and resume"
        )
    if number:
        return f"died by {_name(number)} and left no checkpoint"
    return f"ended with exit code {code} and no checkpoint"


def _divided(job: TrainingJob, smaller: TrainingJob) -> str:
    return (
        f"it ran out of memory with a batch of {job.batch_size}, and was done with {smaller.batch_size} and "
        f"{smaller.accumulation} of them a step (training.batch_size={smaller.batch_size} and "
        f"training.accumulation={smaller.accumulation} begin so)"
    )


def _noted(job: TrainingJob, note: str) -> TrainingJob:
    return job.model_copy(update={"notes": [*job.notes, note]})


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
