"""docs/extending.md as its reader would use it: every example in a folder and a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parent.parent / "docs" / "extending.md"


def examples() -> dict[str, str]:
    """File name → its text, for each block of Python that begins with its name."""
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return dict(blocks)


def asked(folder: Path, code: str) -> str:
    for name, text in examples().items():
        (folder / name).write_text(text)
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_the_policy(tmp_path: Path) -> None:
    said = asked(
        tmp_path,
        "from maieutic.config import load; from maieutic.curriculum.policies import policy_of\n"
        "from maieutic.curriculum.simulate import simulate\n"
        "policy = policy_of(load(None, ['curriculum.policy=my_policies:Longest']))\n"
        "trace = simulate(policy, 0)\n"
        "print(trace.accuracy[-1] > trace.accuracy[0], policy.metrics()['words'])",
    )
    assert said.split()[0] == "True" and float(said.split()[1]) > 1
