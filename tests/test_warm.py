"""Jobs that are forked from a process with everything loaded: same output, same end, none left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from maieutic.processes import launch
from maieutic.trainers.forking import run_module
from maieutic.trainers.warm import FORKED, Warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forked on Linux only")

SERVER = """
import os, socket, sys, time
from pathlib import Path
from maieutic.trainers.forking import leave, serve

def do(module, job):
    said = Path(job).read_text()
    print(said, os.environ["TOLD"], os.getcwd(), flush=True)
    print("a complaint", file=sys.stderr, flush=True)
    if said == "fails":
        raise ValueError("as it was told")
    if said == "leaves":
        raise SystemExit(3)
    if said == "hangs":
        time.sleep(600)

with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(sys.argv[1])
    listening.listen(8)
    code = serve(listening, do)
leave(code)
"""


class Forker:
    """A process that forks, without the libraries."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, str(self.socket)])
        deadline = time.monotonic() + 20
        while not self.socket.exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()


@pytest.fixture
def forker() -> Iterator[Forker]:
    with tempfile.TemporaryDirectory(prefix="m-") as folder:  # short, for a socket's path is
        forker = Forker(Path(folder))
        yield forker
        forker.process.kill()
        forker.process.wait(10)


def asking(forker: Forker, job: Path) -> list[str]:
    return [sys.executable, "-m", "maieutic.trainers.asking", str(forker.socket), FORKED[0], str(job)]


async def ended(forker: Forker, tmp_path: Path, said: str) -> tuple[int, str, str]:
    """Exit code, output and log of a job, started as jobs are."""
    job, log = tmp_path / f"{said}.json", tmp_path / f"{said}.log"
    job.write_text(said)
    running = await launch(asking(forker, job), log, os.environ | {"TOLD": f"told {said}"}, piped=True)
    output = b""
    while line := await running.line():
        output += line
    return await running.wait(), output.decode(), log.read_text()


@pytest.mark.slow
async def test_output_environment_and_exit_code_are_the_childs(forker: Forker, tmp_path: Path) -> None:
    for said, expected in (("works", 0), ("fails", 1), ("leaves", 3), ("works", 0)):
        code, output, log = await ended(forker, tmp_path, said)
        assert code == expected
        assert output == f"{said} told {said} {os.getcwd()}\n"
        assert "a complaint" in log
    assert "ValueError: as it was told" in (tmp_path / "fails.log").read_text()
    assert forker.process.poll() is None


async def wait_until(done: object, within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_two_run_beside_each_other_and_one_is_ended_alone(forker: Forker, tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.write_text("hangs")
    both = [await launch(asking(forker, job), tmp_path / "log", os.environ | {"TOLD": "x"}) for _ in "12"]
    await wait_until(lambda: len(forker.children()) == 2)
    await both[0].stop()
    await wait_until(lambda: len([c for c in forker.children() if c.status() != "zombie"]) == 1)
    assert both[1].alive
    assert (await ended(forker, tmp_path, "works"))[0] == 0
    await both[1].stop()
    await wait_until(lambda: not forker.children())


@pytest.mark.slow
async def test_a_guard_that_is_killed_takes_its_job_with_it(forker: Forker, tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.write_text("hangs")
    running = await launch(asking(forker, job), tmp_path / "log", os.environ | {"TOLD": "x"})
    await wait_until(forker.children)
    os.kill(int(running.noted()[0]["pid"]), signal.SIGKILL)
    await wait_until(lambda: not forker.children())
    await running.stop()


def test_where_nobody_listens_the_job_does_itself(tmp_path: Path) -> None:
    job = tmp_path / "no job at all"
    job.write_text("{}")
    asked = [str(tmp_path / "nobody"), FORKED[1], str(job)]
    # What it becomes is the worker, which would load TRL: its command line is looked at instead.
    shown = "import os, sys; os.execv = lambda program, line: print(line) or sys.exit(7)\n" + (
        "from maieutic.trainers.asking import main; main(*sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", shown, *asked], capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
    assert done.stdout.strip() == str([sys.executable, "-m", FORKED[1], str(job)])


@pytest.mark.slow
async def test_a_process_that_forks_and_dies_in_a_job_leaves_it_to_the_asker(
    forker: Forker, tmp_path: Path
) -> None:
    job = tmp_path / "job"
    job.write_text("hangs")
    shown = "import os, sys; os.execv = lambda program, line: sys.exit(7)\n" + (
        "from maieutic.trainers.asking import main; sys.exit(main(*sys.argv[1:]))"
    )
    asker = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", shown, *asking(forker, job)[3:]], env=os.environ | {"TOLD": "x"}
    )
    await wait_until(forker.children)
    child = forker.children()[0]
    forker.process.kill()
    assert asker.wait(20) == 7
    await wait_until(lambda: not child.is_running() or child.status() == "zombie")


@pytest.mark.slow
async def test_one_who_asks_nonsense_is_let_go(forker: Forker, tmp_path: Path) -> None:
    for said in (b"", b"\n", b"\nno json\n", b'\n{"job": 1}\n'):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(forker.socket))
            line.sendall(said)
    assert (await ended(forker, tmp_path, "works"))[0] == 0


async def test_other_commands_are_started_as_they_are(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    async def note(command: list[str], *_: object, **__: object) -> None:
        seen.append(command)

    warm = Warm(tmp_path / "log", note)  # type: ignore[arg-type]
    await warm([sys.executable, "-c", "pass"], tmp_path / "log", {})
    assert seen == [[sys.executable, "-c", "pass"]]
    await warm.stop()


def test_nothing_but_our_training_processes_is_run() -> None:
    with pytest.raises(ValueError, match="no training process of ours"):
        run_module("http.server", "8000")


@pytest.mark.slow
async def test_a_forked_job_gives_what_a_process_of_its_own_gives(tmp_path: Path) -> None:
    """The real worker: the same weights, by either way, and both forked from one process."""
    from maieutic.config import PocketModel
    from maieutic.memory.run import write_table
    from maieutic.trainers.jobs import TrainingJob, run_job

    rows = [{"prompt": f"What is {n} + 1?", "completion": f"#### {n + 1}", "weight": 1.0} for n in range(32)]
    write_table(tmp_path / "rows.parquet", rows)

    def job(name: str) -> TrainingJob:
        return TrainingJob(
            objective="sft", model=str(tmp_path / f"{name}-untrained"), data=str(tmp_path / "rows.parquet"),
            output=str(tmp_path / name), seed=1, learning_rate=1e-3, batch_size=8, pocket=PocketModel(),
        )  # fmt: skip

    await run_job(job("own"), tmp_path, "own", lambda done, of: None)
    async with Warm(tmp_path / "warm.log") as warm:
        await run_job(job("first"), tmp_path, "first", lambda done, of: None, warm)
        assert warm._running is not None
        there = warm._running.noted()
        assert len(there) == 2  # the guard and the one that forks; no job is left
        await run_job(job("second"), tmp_path, "second", lambda done, of: None, warm)
        assert warm._running.noted() == there  # by the very process that had loaded everything
        below = [psutil.Process(int(entry["pid"])) for entry in warm._running.noted()]
        mapped = {Path(file.path).name for file in below[-1].memory_maps()}
        assert any(name.startswith("libtorch") for name in mapped)
    assert not [process for process in below if process.is_running() and process.status() != "zombie"]
    # Nothing is said of how it ended: what a job that fails says last is what is shown of its log.
    assert "leaked" not in (tmp_path / "second.log").read_text()
    weights = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("own", "first", "second")]
    assert weights[0] == weights[1] == weights[2]
    assert json.loads((tmp_path / "second" / "result.json").read_text())["steps"] == 4
