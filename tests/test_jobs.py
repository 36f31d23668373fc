"""Training jobs, the process replaced by a small script: what it says, and when it says nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from launching import running
from maieutic.errors import TrainingError
from maieutic.trainers import jobs
from maieutic.trainers.jobs import TrainingJob, run_job

TALKS = """
import json, sys
import json
import subprocess
import sys
from pathlib import Path
print("x" * 300_000)
print("a library speaks")
print(json.dumps({"step": 1, "of": 2}), flush=True)
job = json.loads(Path(sys.argv[1]).read_text())
Path(job["output"]).mkdir()
Path(job["output"], "result.json").write_text(
    '{"objective": "sft", "examples": 1, "steps": 2, "seconds": 0.1, "metrics": {}}')
"""


def job(folder: Path) -> TrainingJob:
    return TrainingJob(
        objective="sft",
        model="m",
        data="d",
        output=str(folder / "out"),
        seed=0,
        learning_rate=1.0,
        batch_size=1,
    )  # fmt: skip


async def test_progress_is_passed_on_and_the_rest_let_go(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    told = running(TALKS)
    result = await run_job(job(tmp_path), tmp_path, "job", lambda done, of: seen.append((done, of)), told)
    assert seen == [(1, 2)]
    assert result.steps == 2


@pytest.mark.slow
async def test_a_job_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = running("import time; time.sleep(600)  # of a test")
    monkeypatch.setattr(jobs, "_STALL_S", 1.0)
    with pytest.raises(TrainingError, match=r"said nothing for .* and was ended; its log is"):
        await run_job(job(tmp_path), tmp_path, "job", lambda done, of: None, hung)
    assert not [p for p in psutil.Process().children(recursive=True) if "of a test" in " ".join(p.cmdline())]


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


async def test_a_job_that_a_killed_run_left_training_is_ended_before_the_next_begins(tmp_path: Path) -> None:
    """The orchestrator's guard has a while to end it; two that train at once spoil checkpoints."""
    with sleeper() as left:
        noted = [{"pid": left.pid, "started": psutil.Process(left.pid).create_time()}]
        (tmp_path / "job.processes").write_text(json.dumps(noted))
        alive: list[bool] = []

        def seen(done: int, of: int) -> None:
            alive.append(left.poll() is None)
            assert [entry["pid"] for entry in json.loads((tmp_path / "job.processes").read_text())]

        await run_job(job(tmp_path), tmp_path, "job", seen, running(TALKS))
        assert alive == [False]
    assert not (tmp_path / "job.processes").exists()


async def test_what_has_the_number_of_a_job_that_is_gone_is_left_alone(tmp_path: Path) -> None:
    with sleeper() as another:
        (tmp_path / "job.processes").write_text(json.dumps([{"pid": another.pid, "started": 12.0}]))
        await run_job(job(tmp_path), tmp_path, "job", lambda done, of: None, running(TALKS))
        assert another.poll() is None
        another.kill()
