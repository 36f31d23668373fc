"""A training that is cut short and goes on ends with the very weights of one that is left alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
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
from maieutic.trainers.checkpoints import checksum  # noqa: E402
from maieutic.trainers.guards import Watch  # noqa: E402
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
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
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

    return play


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
    "grpo, in its second pass": ("grpo", {"epochs": 2, "options": SAMPLED}, 6, 7),
    "grpo, sampled ahead and used twice": (
        "grpo", {"epochs": 2, "options": SAMPLED | {"ahead": 2, "iterations": 2, "loss": "grpo"}}, 5, 6,
    ),
    "rloo": ("rloo", {"epochs": 1, "options": SAMPLED}, 2, 3),
    "relift": ("relift", {"epochs": 2, "options": SAMPLED | {"buffer": 3}}, 5, 6),
    "hpt": ("hpt", {"epochs": 1, "options": SAMPLED}, 2, 3),
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


def staged(base: Path) -> str:
    rows = [{**row, "stage": place % 2} for place, row in enumerate(tiny.ROWS)]
    write_table(base / "staged.parquet", rows)
    return str(base / "staged.parquet")


@pytest.mark.parametrize(("saved", "died"), [((1, 2), 5), ((1,), 3)], ids=["within the second", "between"])
def test_stages_that_are_through_are_not_trained_again(
    base: Path, cut: Callable[..., None], saved: tuple[int, ...], died: int
) -> None:
    given = {"data": staged(base), "options": {"stages": True}}
    alone, broken = job_of(base, "alone", "dpo", **given), job_of(base, "broken", "dpo", **given)
    cut(alone)
    cut(broken, saved, died)  # each stage has three steps
    kept = Path(f"{broken.output}.trainer")
    assert {path.name for path in kept.iterdir()} >= {"stage-0"}
    assert checkpoints(broken.output) == (["checkpoint-01-00000002"] if died == 5 else [])
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Keeping, "due", lambda self, step: bool(seen.append(step)))
        worker.run(broken)
    assert seen == ([] if died == 5 else [1, 2])  # asked after each step but a stage's last
    same(alone.output, broken.output)


def test_what_is_not_of_this_job_or_not_whole_is_not_taken(base: Path, cut: Callable[..., None]) -> None:
    alone, job = job_of(base, "alone", "sft"), job_of(base, "broken", "sft")
    cut(alone)
    kept = Path(f"{job.output}.trainer")

    def begun(**changes: Any) -> list[str]:
        shutil.rmtree(job.output, ignore_errors=True)
        cut(job.model_copy(update=changes))
        result = result_of(job.output)
        assert result is not None
        return result.notes

    cut(job, (3,), 4)
    (kept / "checkpoint-00-00000003").rename(kept / ".checkpoint-00-00000003")  # half written
    assert begun() == []
    same(alone.output, job.output)
    for damage in ("optimizer.pt", "whole.json"):
        shutil.rmtree(job.output)
        cut(job, (3,), 4)
        file = kept / "checkpoint-00-00000003" / damage
        file.write_bytes(file.read_bytes()[:-7] + b"rubbish" if damage != "whole.json" else b"{")
        (note,) = begun()
        assert "checkpoint-00-00000003 is damaged" in note
        assert "thrown away" in note
        same(alone.output, job.output)
    shutil.rmtree(job.output)
    cut(job, (3,), 4)
    (note,) = begun(learning_rate=5e-4)
    assert "is of other settings, rows or versions, and was thrown away" in note
    shutil.rmtree(job.output)
    cut(job, (3,), 4)
    write_table(Path(job.data), tiny.COMPLETIONS[:-1])
    (note,) = begun()
    assert "is of other settings, rows or versions" in note


def test_a_checkpoint_runs_nothing(base: Path, cut: Callable[..., None]) -> None:
    """Nothing that is written could be more than tensors and plain values."""
    import pickletools
    import zipfile

    mean = AveragingConfig(kind="mean", every=1)
    job = job_of(base, "broken", "grpo", options=SAMPLED, averaging=mean, epochs=1)
    cut(job, (2,), 3)
    folder = Path(f"{job.output}.trainer") / "checkpoint-00-00000002"
    there = {path.name for path in folder.iterdir()}
    assert there == {
        "config.json", "generation_config.json", "model.safetensors", "optimizer.pt", "ours.pt",
        "rng_state.pth", "scheduler.pt", "trainer_state.json", "whole.json",
    }  # fmt: skip
    for name in ("optimizer.pt", "ours.pt", "rng_state.pth", "scheduler.pt"):
        with zipfile.ZipFile(folder / name) as file:
            inside = file.read(next(one for one in file.namelist() if one.endswith("data.pkl")))
        called = {value for code, value, _ in pickletools.genops(inside) if code.name == "GLOBAL"}
        assert {str(one).partition(" ")[0] for one in called} <= {
            "torch", "torch._utils", "collections", "numpy", "numpy._core.multiarray", "_codecs",
        }, (name, called)  # fmt: skip

    class Evil:
        def __reduce__(self) -> Any:
            return (os.system, (f"touch {base}/run",))

    torch.save({"seconds": Evil()}, folder / "ours.pt")
    whole = json.loads((folder / "whole.json").read_text())
    whole["files"]["ours.pt"] = checksum(folder / "ours.pt")
    (folder / "whole.json").write_text(json.dumps(whole))
    cut(job)
    assert not (base / "run").exists()
    result = result_of(job.output)
    assert result is not None and "cannot be read" in result.notes[0]


def test_a_full_disk_ends_no_training(
    base: Path, cut: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    alone, job = job_of(base, "alone", "sft"), job_of(base, "out", "sft")
    cut(alone)
    monkeypatch.setattr("maieutic.trainers.checkpoints.seal", full)
    cut(job, (2, 4))
    result = result_of(job.output)
    assert result is not None
    assert result.notes == [
        "no checkpoint could be written (OSError: [Errno 28] No space left on device); it went on without"
    ]
    same(alone.output, job.output)
    # What a guard stopped is not written at all: it would go on as if nobody had stopped it.
    stopped = job_of(base, "stopped", "sft", guards=GuardsConfig(every=2, divergence=1e-6))
    cut(stopped, (2,))
    result = result_of(stopped.output)
    assert result is not None and "the model moved" in result.stopped and result.notes == []


@pytest.mark.parametrize("averaging", ["none", "mean", "ema"])
def test_weights_that_are_no_numbers_are_no_checkpoint(
    base: Path, cut: Callable[..., None], averaging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody watches, too, and whatever the steps' losses said."""
    monkeypatch.setattr(Watch, "on_log", lambda *_, **__: None)
    settings = {"guards": None, "averaging": AveragingConfig(kind=averaging, every=1)}
    job = job_of(base, "out", "sft", learning_rate=1e30, **settings)
    cut(job, (3,))
    result = result_of(job.output)
    assert result is not None and "is not finite" in result.stopped
    assert result.steps == 3
    assert not Path(job.output).exists() and not Path(f"{job.output}.trainer").exists()
    late = job_of(base, "late", "sft", learning_rate=1e30, **settings)
    cut(late)
    result = result_of(late.output)
    assert result is not None and "is not finite" in result.stopped and result.steps == 6


@pytest.mark.parametrize(
    ("name", "options"),
    [("sft", {}), ("dpo", {"nll_weight": 0.0}), ("grpo", SAMPLED | {"ahead": 2, "loss": "grpo"})],
)
def test_divided_batches_make_the_same_steps(
    base: Path, cut: Callable[..., None], name: str, options: dict[str, Any]
) -> None:
    whole = job_of(base, "whole", name, options=options, epochs=1)
    half = whole.divided()
    assert half is not None and half.divided() is not None
    assert (half.batch_size, half.accumulation, half.parts) == (2, 2, 2)
    divided = half.model_copy(update={"output": str(base / "divided")})
    for job in (whole, divided):
        cut(job)
    mine, theirs = (load_file(Path(job.output) / "model.safetensors") for job in (whole, divided))
    start = load_file(base / "base" / "model.safetensors")
    moved = max(float((mine[name] - start[name]).abs().max()) for name in mine)
    apart = max(float((mine[name] - theirs[name]).abs().max()) for name in mine)
    assert moved > 1e-4
    assert apart < moved / 50
    one, other = result_of(whole.output), result_of(divided.output)
    assert one is not None and other is not None
    assert (one.steps, one.rollouts) == (other.steps, other.rollouts)
