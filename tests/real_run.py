"""One small run with real parts, which the tests of the loop and of the browser look at: vLLM, TRL, Chroma.

Its fixtures are those of `conftest.py`: a run is played once for all files that ask for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from canaries import CANARIES, Watch

SMALL = [
    "rounds=2", "pocket.examples=9600", "pocket.seed=7", "sets.per_cell=2", "curriculum.questions=96",
    "curriculum.new=64", "training.least_pairs=1", "generator.proposals=12",
]  # fmt: skip
NAME = "small"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "maieutic", *arguments]


def settings() -> list[str]:
    return [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture(scope="session")
def real_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def real_watch() -> Watch:
    """What was seen of the run's processes."""
    return Watch()


@pytest.fixture(scope="session")
def playing(real_runs: Path, real_watch: Watch) -> Iterator[subprocess.Popen[str]]:
    """The run, while it may still be going on; with what looks like a secret in every variable for one."""
    process = subprocess.Popen(
        command("run", "--name", NAME, "--runs-dir", str(real_runs), *settings()),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **CANARIES},
    )  # fmt: skip
    real_watch.follow(process.pid)
    yield process
    if process.poll() is None:
        process.terminate()
        process.communicate(timeout=120)


@pytest.fixture(scope="session")
def real_output(playing: subprocess.Popen[str]) -> str:
    """What the run said, when it is done."""
    said, _ = playing.communicate(timeout=700)
    assert playing.returncode == 0, said
    return said
