"""Training processes that crash, are killed, ask for too much and are told to end: the real ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forked on Linux only"),
]
pytest.importorskip("trl")

import tiny  # noqa: E402
from maieutic.config import GuardsConfig  # noqa: E402
from maieutic.errors import TrainingError  # noqa: E402
from maieutic.memory.run import write_table  # noqa: E402
from maieutic.trainers.jobs import TrainingJob, TrainingResult, result_of, run_job  # noqa: E402
from maieutic.trainers.warm import Warm  # noqa: E402

ROWS = tiny.COMPLETIONS * 4


@pytest.fixture(scope="module")
async def warm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Warm]:
    """Jobs are forked from one process, as those of a run are: each would load TRL for itself, else."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
        async with Warm(tmp_path_factory.mktemp("warm") / "log") as launcher:
            yield launcher


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tiny.save(tmp_path / "base")
    write_table(tmp_path / "rows.parquet", ROWS)
    return tmp_path


def job(base: Path, name: str, **options: Any) -> TrainingJob:
    return tiny.job(
        base / "base", base / name, objective="troubled_objective:Troubled", options=options,
        data=str(base / "rows.parquet"), guards=GuardsConfig(every=1), checkpoint_s=0.001, batch_size=8,
    )  # fmt: skip


async def played(one: TrainingJob, warm: Warm) -> TrainingResult:
    folder = Path(one.output).parent
    return await run_job(one, folder, Path(one.output).name, lambda done, of: None, warm)


def weights(one: TrainingJob) -> bytes:
    return (Path(one.output) / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
async def undisturbed(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights that each of these jobs comes to by itself."""
    folder = tmp_path_factory.mktemp("alone")
    tiny.save(folder / "base")
    write_table(folder / "rows.parquet", ROWS)
    alone = job(folder, "alone")
    assert (await played(alone, warm)).notes == []
    return weights(alone)


async def test_one_that_died_by_a_signal_goes_on_from_its_checkpoint(
    base: Path, warm: Warm, undisturbed: bytes
) -> None:
    one = job(base, "out", how="crashes", once=str(base / "once"))
    result = await played(one, warm)
    assert result.notes[0] == "its process died by SIGSEGV and was started again"
    assert "was cut short, and went on from step" in result.notes[1]
    assert result.steps == 4
    assert weights(one) == undisturbed
    assert not Path(f"{one.output}.trainer").exists()


async def test_an_exception_is_told_at_once_and_the_run_can_go_on_from_the_checkpoint(
    base: Path, warm: Warm, undisturbed: bytes
) -> None:
    one = job(base, "out", how="raises", once=str(base / "once"))
    with pytest.raises(TrainingError, match=r"ended with exit code 1 and no checkpoint[\s\S]*ZeroDiv"):
        await played(one, warm)
    result = await played(one, warm)
    assert "was cut short, and went on from step" in result.notes[0]
    assert weights(one) == undisturbed


@pytest.mark.parametrize("how", ["asks", "says", "is_killed"])
async def test_one_that_has_too_little_memory_is_done_in_smaller_batches(
    base: Path, warm: Warm, how: str
) -> None:
    result = await played(job(base, "out", how=how, fits=4), warm)
    assert result.steps == 4
    assert "ran out of memory with a batch of 8, and was done with 4 and 2 of them a step" in result.notes[-1]
    assert len(result.notes) == (2 if how == "is_killed" else 1)
    log = (base / "out.log").read_text()
    if how != "is_killed":
        assert {"asks": "can't allocate memory", "says": "CUDA out of memory"}[how] in log


async def test_one_that_is_told_to_end_keeps_what_it_did(base: Path, warm: Warm, undisturbed: bytes) -> None:
    """As a run does that is stopped: a scheduler's SIGTERM, Ctrl-C."""
    one = job(base, "out", how="waits", at=1, once=str(base / "once"))
    one = one.model_copy(update={"checkpoint_s": 1000.0})
    doing = asyncio.create_task(played(one, warm))
    while not (base / "once").exists():
        await asyncio.sleep(0.05)
        assert not doing.done()
    assert not list(Path(f"{one.output}.trainer").glob("checkpoint-*"))
    doing.cancel()
    # What it was told reaches it through three processes; then its step goes on, and ends within the grace.
    asyncio.get_running_loop().call_later(2.0, (base / "once.told").write_text, "")
    with contextlib.suppress(asyncio.CancelledError):
        await doing
    (kept,) = Path(f"{one.output}.trainer").glob("checkpoint-*")
    step = json.loads((kept / "trainer_state.json").read_text())["global_step"]
    assert step == 2
    below = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    assert not [line for line in below if "trainers.asking" in line]
    result = await played(one, warm)
    assert result.notes == [f"was cut short, and went on from step {step} of 4"]
    assert weights(one) == undisturbed
    assert result_of(one.output) == result
