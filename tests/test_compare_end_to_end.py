"""A grid on real parts: vLLM and TRL, two tiny runs, killed once; nothing replaced."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from maieutic.memory.run import RunFolder
from maieutic.records import Call, Comparison, Rollout

pytestmark = pytest.mark.slow

TINY = [
    "pocket.examples=9600", "pocket.seed=7", "sets.per_cell=2", "curriculum.questions=96",
    "curriculum.new=64", "training.least_pairs=1", "generator.proposals=12", "rollouts.n=4",
]  # fmt: skip
BUDGET = 700


def command(runs: Path, *more: str) -> list[str]:
    given = [part for setting in TINY for part in ("--set", setting)]
    line = [sys.executable, "-m", "maieutic", "compare", "--name", "tiny", "--runs-dir", str(runs)]
    line += ["--vary", "curriculum.policy=socratic,uniform", "--seeds", "1"]
    return [*line, "--budget", f"rollouts={BUDGET}", *given, *more]


def wait_for(there: object, process: subprocess.Popen[str], within: float = 400) -> None:
    deadline = time.monotonic() + within
    while not there():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_server_plays_both_runs_and_a_killed_grid_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the second run's training; the first run, and its own part so far, are not done again."""
    folder = tmp_path / "tiny"
    process = subprocess.Popen(
        command(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    first, second = (RunFolder(folder / f"{policy}-s0") for policy in ("socratic", "uniform"))
    wait_for(lambda: list(second.jobs.glob("solver-*.json")), process)
    # Two runs have been served and trained, and one server was started.
    log = folder / "logs" / "vllm.log"
    assert log.read_text().count("Started server process") == 1
    assert not (first.logs / "vllm.log").exists()
    done = json.loads(first.report.read_text())
    assert done["status"] == "budget"
    assert done["rounds"][-1]["swap_seconds"] < 1
    names = [call.checkpoint for call in second.read(1, "calls/rollouts-attempt", Call)]
    assert set(names) == {"base"}
    rollouts = second.read(1, "rollouts/attempt", Rollout)
    assert rollouts
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 6  # the server and the process that forks, each under a guard, and the job
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert not psutil.wait_procs(below, timeout=40)[1]

    before = first.report.read_bytes()
    again = subprocess.run(
        [sys.executable, "-m", "maieutic", "compare", "--resume", "tiny", "--runs-dir", str(tmp_path)],
        capture_output=True, text=True, timeout=700, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    assert "run 2 of 2: uniform, seed 0" in again.stdout
    assert "run 1 of 2" not in again.stdout
    assert first.report.read_bytes() == before
    assert second.read(1, "rollouts/attempt", Rollout) == rollouts
    assert log.read_text().count("Started server process") == 2
    found = Comparison.model_validate_json((folder / "comparison.json").read_text())
    assert [cell.status for cell in found.cells] == ["done", "done"]
    assert all(BUDGET - 4 < cell.points[-1].rollouts <= BUDGET for cell in found.cells)
    assert found.cells[0].points[0].heldout == found.cells[1].points[0].heldout
    # The base model answered the fixed sets once, for both.
    asked = [{call.id for call in run.read(0, "calls/rollouts-heldout", Call)} for run in (first, second)]
    assert asked[0] == asked[1]
    page, text = ((folder / name).read_text() for name in ("compare.html", "compare.md"))
    assert "Held-out accuracy against rollouts" in page
    assert re.search(r"\| socratic \| 1 \|", text)
    assert str(tmp_path) not in text
