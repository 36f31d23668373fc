"""A stage without progress is told with what it waits for; signals stop a run once, and soon."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from maieutic.cli import _stop_when_told
from maieutic.config import load
from maieutic.graph.accounts import Account
from maieutic.graph.progress import Quiet
from maieutic.graph.watchdog import Noticed, watchdog
from maieutic.memory.run import RunFolder
from maieutic.processes import Local, end_noted, guarded, ticks


def room_of(tmp_path: Path, accounts: dict[str, Account], **settings: object) -> tuple[Any, list[str]]:
    told: list[str] = []
    given = ["serving.stall_s=0.08", *(f"{name}={value}" for name, value in settings.items())]
    server = SimpleNamespace(url="http://127.0.0.1:4711", log=tmp_path / "logs" / "vllm.log")
    hosted = SimpleNamespace(servers=[server])
    room = SimpleNamespace(
        config=load(None, given), folder=RunFolder(tmp_path), tell=told.append, idle=False,
        accounts=SimpleNamespace(all=lambda: accounts),
        fleet=SimpleNamespace(hosted={"solver": hosted}, all=lambda: [hosted]),
    )  # fmt: skip
    return room, told


def silent(room: Any, stage: str, seconds: float = 0.3) -> None:
    noticed = Noticed(Quiet())
    with watchdog(noticed, room):
        noticed.begin(3, stage, 120)
        noticed.advance(31)
        time.sleep(seconds)  # our own code: nothing else of this process runs


def test_a_stage_without_progress_says_what_it_waits_for(tmp_path: Path) -> None:
    room, told = room_of(tmp_path, {"solver": Account(waiting=12), "teacher": Account()})
    silent(room, "attempt")
    assert told[0].startswith("round 3, attempt: nothing has come for 0 s (31 of 120); it waits for ")
    assert told[0].endswith("the solver at http://127.0.0.1:4711: 12 requests without an answer")
    # After 0.08 s, then 0.16: not once for each look.
    assert 1 <= len(told) <= 2


@pytest.mark.parametrize(
    ("stage", "what"),
    [
        ("train_solver", r"the training job solver-0003 (.*jobs/solver-0003.log)"),
        ("serve", r"the vLLM server to start or to take weights (.*logs/vllm.log)"),
        ("vet", r"our own code: tests/test_watchdog.py, line [0-9]+, in silent"),
    ],
)
def test_a_job_a_server_that_starts_and_our_own_code_are_told_apart(
    tmp_path: Path, stage: str, what: str
) -> None:
    import re

    room, told = room_of(tmp_path, {})
    silent(room, stage)
    assert re.search(what.replace("(", r"\(").replace(")", r"\)"), told[0]), told[0]


def test_progress_is_not_complained_of_nor_is_a_person_who_reads(tmp_path: Path) -> None:
    room, told = room_of(tmp_path, {})
    noticed = Noticed(Quiet())
    with watchdog(noticed, room):
        for _ in range(12):
            noticed.done(1, 2)
            time.sleep(0.02)
        room.idle = True
        time.sleep(0.2)
    assert told == []


async def test_a_second_signal_does_not_cut_the_stop_short() -> None:
    ended: list[str] = []

    async def run() -> None:
        _stop_when_told()
        try:
            await asyncio.sleep(60)
        finally:
            for told in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), told)
                await asyncio.sleep(0.02)
            ended.append("in order")

    task = asyncio.ensure_future(run())
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(asyncio.CancelledError):
        await task
    for told in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(told)
    assert ended == ["in order"]


def test_a_process_is_known_again_after_the_clock_was_set() -> None:
    process = subprocess.Popen(guarded([sys.executable, "-c", "import time; time.sleep(600)"]), stdin=-1)
    try:
        noted = Local(process).noted()  # type: ignore[arg-type]  # a process with an id, as asyncio's is
        assert json.loads(json.dumps(noted)) == noted
        if not ticks(process.pid):
            pytest.skip(
                "this system tells when a process began by the wall clock alone, which is what was set"
            )
        end_noted([{**entry, "ticks": entry["ticks"] + 1} for entry in noted])
        assert process.poll() is None  # another one that has the id now
        end_noted([{**entry, "started": entry["started"] + 86_400} for entry in noted])
        process.wait(20)
        assert not psutil.pid_exists(process.pid) or process.returncode is not None
    finally:
        process.kill()
        process.wait(20)
