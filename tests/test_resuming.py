"""A training that is cut short and goes on ends with the very weights of one that is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")
pytest.importorskip("trl")

import tiny  # noqa: E402
import transformers.trainer  # noqa: E402
from maieutic.config import AveragingConfig, GuardsConfig, LoraConfig  # noqa: E402
from maieutic.memory.run import write_table  # noqa: E402
from maieutic.trainers import worker  # noqa: E402
from maieutic.trainers.jobs import TrainingJob, result_of  # noqa: E402
from maieutic.trainers.objectives import objective_of  # noqa: E402
from maieutic.trainers.resuming import Keeping  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import TrainerCallback  # noqa: E402


@dataclass(frozen=True)
class Short:
    """A reward that an untrained model can get."""

    def __call__(self, said: Any) -> float:
        return float(len(said.completion) % 2)


class Died(Exception):
    """As a kill, for whoever looks at the folder afterwards."""


class Dying(TrainerCallback):  # type: ignore[misc]
    """Ends a training after so many steps of all its trainers."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise Died


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tiny.save(tmp_path / "base")
    for kind, rows in tiny.BY_KIND.items():
        write_table(tmp_path / f"{kind}.parquet", rows)
    return tmp_path


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Does a job, with checkpoints after some steps, and dies after others."""
    callbacks = transformers.trainer.DEFAULT_CALLBACKS

    def play(job: TrainingJob, saved: tuple[int, ...] = (), died: int | None = None) -> None:
        monkeypatch.setattr(Keeping, "due", lambda self, step: step in saved)
        dying = [] if died is None else [Dying(died)]
        callbacks.extend(dying)
        try:
            if dying:
                with pytest.raises(Died):
                    worker.run(job)
            else:
                worker.run(job)
        finally:
            for one in dying:
                callbacks.remove(one)

    yield play


def job_of(base: Path, output: str, name: str, **given: Any) -> TrainingJob:
    options = given.get("options", {})
    kind = objective_of(name, options).rows
    settings = {
        "objective": name, "data": str(base / f"{kind}.parquet"), "guards": GuardsConfig(every=1),
        "checkpoint_s": 1000.0, "epochs": 3,
    }  # fmt: skip
    return tiny.job(base / "base", base / output, **(settings | given))


def checkpoints(output: str) -> list[str]:
    return sorted(path.name for path in Path(f"{output}.trainer").glob("checkpoint-*"))


def same(one: str, other: str) -> None:
    """The weights to the bit; and the figures, but for what is time."""
    files = sorted(path.name for path in Path(one).glob("*.safetensors"))
    for file in files:
        mine, theirs = load_file(Path(one) / file), load_file(Path(other) / file)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert files
    mine, theirs = result_of(one), result_of(other)
    assert mine is not None and theirs is not None
    assert (mine.steps, mine.rollouts, mine.tokens) == (theirs.steps, theirs.rollouts, theirs.tokens)

    def timeless(figures: dict[str, float]) -> dict[str, float]:
        return {name: value for name, value in figures.items() if "time" not in name}

    assert timeless(mine.metrics) == timeless(theirs.metrics)


SAMPLED = {"rollouts": 4, "rewards": {"correctness": 1, __name__ + ":Short": 1}}
LORA = LoraConfig(rank=4, alpha=8, dropout=0.1)
CASES: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "dpo, within an epoch": ("dpo", {}, 3, 4),
    "dpo, at the end of one": ("dpo", {}, 4, 5),
    "dpo, an adapter with dropout": ("dpo", {"lora": LORA}, 3, 4),
    "redi": ("redi", {}, 3, 5),
    "kto": ("kto", {}, 4, 5),
    "sft, batches together": ("sft", {"batch_size": 2, "accumulation": 2}, 3, 4),
    "sft, mean of the last": ("sft", {"averaging": AveragingConfig(kind="mean", every=1, last=4)}, 4, 5),
    "sft, ema": ("sft", {"averaging": AveragingConfig(kind="ema", every=1)}, 3, 5),
    "grpo": ("grpo", {"options": SAMPLED}, 2, 3),
    "grpo, in its second pass": ("grpo", {"options": SAMPLED}, 6, 7),
    "grpo, sampled ahead and used twice": (
        "grpo", {"options": SAMPLED | {"ahead": 2, "iterations": 2, "loss": "grpo"}}, 5, 6,
    ),
    "rloo": ("rloo", {"options": SAMPLED}, 5, 6),
    "relift": ("relift", {"options": SAMPLED | {"buffer": 3}}, 5, 6),
    "hpt": ("hpt", {"options": SAMPLED}, 5, 6),
    "ghpo": ("ghpo", {"options": SAMPLED}, 5, 6),
    "w_reinforce": ("w_reinforce", {"options": SAMPLED}, 5, 6),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_ends_as_if_it_had_not_been_cut_short(base: Path, cut: Callable[..., None], case: str) -> None:
    name, given, saved, died = CASES[case]
    alone, broken = job_of(base, "alone", name, **given), job_of(base, "broken", name, **given)
    cut(alone)
    cut(broken, (1, saved), died)
    assert checkpoints(broken.output) == [f"checkpoint-00-{saved:08d}"]  # one is kept
    cut(broken)
    same(alone.output, broken.output)
    result = result_of(broken.output)
    assert result is not None
    assert [note for note in result.notes if f"went on from step {saved} of" in note]
    assert not Path(f"{broken.output}.trainer").exists()
