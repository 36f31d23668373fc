"""An objective that dies in ways of its own: supervised fine-tuning, and trouble at a step."""

from __future__ import annotations

import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

_MIB = 2**20


@dataclass(frozen=True)
class Troubled:
    """Trouble while a batch has more rows than fit, or once, where `once` names a file to remember it by."""

    rows: ClassVar[str] = "completions"
    how: str = ""
    at: int = 3
    """Step before which it happens."""
    fits: int = 1_000_000
    once: str = ""

    def train(self, job: Any, rows: Any, tokenizer: Any) -> Any:
        import transformers.trainer
        from maieutic.trainers import sft
        from maieutic.trainers.options import Sft
        from transformers import TrainerCallback

        def trouble(args: Any, state: Any) -> None:
            if args.per_device_train_batch_size > self.fits:
                getattr(self, f"_{self.how}")(args.per_device_train_batch_size)
            elif self.once and state.global_step >= self.at and not Path(self.once).exists():
                Path(self.once).write_text("")
                getattr(self, f"_{self.how}")(0)

        class Callback(TrainerCallback):  # type: ignore[misc]
            def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                trouble(args, state)

        one = Callback()
        transformers.trainer.DEFAULT_CALLBACKS.append(one)
        try:
            return sft.train(job, rows, tokenizer, Sft())
        finally:
            transformers.trainer.DEFAULT_CALLBACKS.remove(one)

    def _asks(self, batch: int) -> None:
        """More than it can have, of the allocator itself."""
        import torch

        there = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (there + 64 * _MIB, resource.RLIM_INFINITY))
        torch.ones(batch * 64 * _MIB)

    def _says(self, batch: int) -> None:
        """As a GPU's allocator does."""
        import torch

        raise torch.OutOfMemoryError(f"CUDA out of memory with {batch}")

    def _raises(self, batch: int) -> None:
        raise ZeroDivisionError("as it was told")

    def _is_killed(self, batch: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _crashes(self, batch: int) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), signal.SIGSEGV)

    def _waits(self, batch: int) -> None:
        """Until it is told to end; a step takes its time."""
        for _ in range(600):
            time.sleep(0.1)
            if Path(f"{self.once}.told").exists():
                return
