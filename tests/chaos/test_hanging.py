"""A play that hangs is a fault that the benchmark tells, and none of its kills."""

from __future__ import annotations

import subprocess
import sys

import pytest
from maieutic.benchmarks import chaos

SLEEPS = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]


@pytest.mark.parametrize(("after", "code"), [(0.0, chaos.HUNG), (0.05, -9)])
def test_a_play_that_hangs_is_told_from_one_that_was_killed(
    after: float, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaos, "_OVER_S", 0.1)
    with subprocess.Popen(SLEEPS, start_new_session=True) as process:
        assert chaos._ended(process, False, after) == code
    assert process.returncode == -9
