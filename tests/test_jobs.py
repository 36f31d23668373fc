"""Training jobs, the process replaced by a small script: what it says, and when it says nothing."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from launching import running
from maieutic.errors import TrainingError
from maieutic.trainers import jobs
from maieutic.trainers.jobs import TrainingJob, run_job

TALKS = """
import json, sys
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
