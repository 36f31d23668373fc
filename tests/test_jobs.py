"""Training jobs, the process replaced by a small script: what it says, and when it says nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest
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


def replaced(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "script.py").write_text(script)
    guarded = jobs.guarded
    monkeypatch.setattr(
        jobs, "guarded", lambda command: guarded([sys.executable, str(folder / "script.py"), command[-1]])
    )


async def test_progress_is_passed_on_and_the_rest_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(tmp_path, TALKS, monkeypatch)
    seen: list[tuple[int, int]] = []
    result = await run_job(job(tmp_path), tmp_path, "job", lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2)]
    assert result.steps == 2


@pytest.mark.slow
async def test_a_job_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(tmp_path, "import time; time.sleep(600)", monkeypatch)
    monkeypatch.setattr(jobs, "_STALL_S", 1.0)
    with pytest.raises(TrainingError, match=r"said nothing for .* and was ended; its log is"):
        await run_job(job(tmp_path), tmp_path, "job", lambda done, of: None)
    assert not [p for p in psutil.Process().children(recursive=True) if "script.py" in " ".join(p.cmdline())]
