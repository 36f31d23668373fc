"""Questions of a Maieutic run as a taskset of verifiers (`verifiers.v1`), judged by Maieutic's checkers.

This file is the module of the package that `maieutic export --to verifiers` writes, as it stands.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import verifiers.v1 as vf
from verifiers.v1.harnesses.null import NullHarness

try:
    from maieutic.tasks.checking import check
except ImportError as error:
    raise ImportError("Maieutic's checkers are not installed; see the README of this package") from error

__all__ = ["MaieuticHarness", "MaieuticTaskset"]

QUESTIONS = Path(__file__).with_name("questions.jsonl")


class MaieuticData(vf.TaskData):  # type: ignore[misc]
    """One question; `prompt` is what the Solver was shown."""

    text: str
    answer: str
    checker: str
    data: str
    skill: str
    level: int
    origin: str
    round: int


class MaieuticTask(vf.Task[MaieuticData]):  # type: ignore[misc]
    """Right is 1, all else 0; `decided` tells what no checker could judge from what is wrong."""

    @vf.reward(weight=1.0)  # type: ignore[untyped-decorator]
    async def right(self, trace: vf.Trace) -> float:
        asked = self.data.model_dump(include={"id", "text", "answer", "checker", "data"})
        found = await asyncio.to_thread(check, asked, trace.last_reply)
        # Not a metric of its own: that would check the answer once more, and a checker may take seconds.
        trace.record_metric("decided", float(found.outcome != "undecided"))
        return float(found.outcome == "right")


class MaieuticHarness(NullHarness):  # type: ignore[misc]
    """One prompt, one reply, as in the run; what verifiers would take instead is an agent with a shell."""


class MaieuticConfig(vf.TasksetConfig):  # type: ignore[misc]
    """Which questions."""

    seeds: bool = True
    """Those that the run began with, too."""
    skill: str = ""
    """Of this skill alone."""
    least_level: int = 0


class MaieuticTaskset(vf.Taskset[MaieuticTask, MaieuticConfig]):  # type: ignore[misc]
    def load(self) -> Iterator[MaieuticTask]:
        config = self.config
        with QUESTIONS.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                wanted = (config.seeds or row["origin"] != "seed") and config.skill in ("", row["skill"])
                if wanted and row["level"] >= config.least_level:
                    yield MaieuticTask(MaieuticData(**row), config.task)
