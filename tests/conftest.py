"""Settings for all tests, their order, and the run that several files share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from real_run import playing, real_output, real_runs, real_watch

__all__ = ["playing", "real_output", "real_runs", "real_watch"]

# A slow machine is no failure of a property.
settings.register_profile("maieutic", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("maieutic")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads of two jobs that wait for each other on the same cores take many times as long as one each.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_LONGEST = (
    "test_browser.py", "test_end_to_end.py", "test_four_models.py", "test_compare_end_to_end.py",
    "test_own_questions.py", "test_adapters.py", "test_real_restart.py",
)  # fmt: skip
"""Files of minutes: begun first, so that no worker is left with one of them at the end. The browser's before
the loop's: it looks at the run that both share while it is played."""
_TOGETHER = {"test_browser.py": "test_end_to_end.py"}
"""Files that the worker of another file takes on, for a run that they share."""


_HEAVY = (
    "test_tool_training.py",
    "test_angles.py",
    "test_objectives.py",
    "test_guards.py",
    "test_resuming.py",
)
"""Files that import torch and TRL; all of their tests are slow."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nothing is imported for tests that are left out."""
    left_out = "not slow" in config.option.markexpr
    return True if left_out and collection_path.name in _HEAVY else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, all others in their order."""
    rank = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A worker for each file, as `--dist loadfile` has it, but for those that share a run."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Sharing(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            folder, slash, name = super()._split_scope(nodeid).rpartition("/")
            return f"{folder}{slash}{_TOGETHER.get(name, name)}"

    return Sharing(config, log)
