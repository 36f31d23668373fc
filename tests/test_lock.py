"""One process at a time plays a run: the lock, its owner dead or alive, and what the owner left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from maieutic.errors import RunHeld
from maieutic.graph.lock import held, locked
from maieutic.memory.run import RunFolder

HOLD = "from maieutic.graph.lock import locked; from maieutic.memory.run import RunFolder; import os, sys"


@contextmanager
def holder(folder: RunFolder, then: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that holds the run, does what `then` says, and waits; gives it and its line."""
    script = f"{HOLD}\nfrom pathlib import Path\nwith locked(RunFolder(Path(sys.argv[1]))):\n {then}"
    command = [sys.executable, "-c", script, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def free_again(folder: RunFolder) -> None:
    with locked(folder):
        pass
    assert not held(folder)


def test_whoever_asks_if_a_run_is_held_keeps_nobody_from_it(folder: RunFolder) -> None:
    with locked(folder):
        pass
    with (folder.path / "run.lock").open("rb") as file:  # as `held` does, seen by another in that moment
        fcntl.flock(file, fcntl.LOCK_SH)
        timer = threading.Timer(0.03, fcntl.flock, (file, fcntl.LOCK_UN))
        timer.start()
        with locked(folder):
            assert held(folder)
        timer.join()


@pytest.mark.slow
def test_a_killed_owner_holds_nothing_and_a_living_one_is_named(folder: RunFolder) -> None:
    with holder(folder, "print('held', flush=True); sys.stdin.read(); import time; time.sleep(60)") as (
        it,
        _,
    ):
        with pytest.raises(RunHeld, match=rf"by process {it.pid}$"), locked(folder):
            pass
        it.send_signal(signal.SIGKILL)
        it.wait(10)
        free_again(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "child",
    [
        # Forked, as `multiprocessing` may: it has all that its parent has open.
        "pid = os.fork()\n import time\n if pid == 0: time.sleep(60)\n "
        "print(pid, flush=True); time.sleep(60)",
        # Started, as servers and training jobs are, with whatever can be inherited.
        "import subprocess, time\n child = subprocess.Popen(['sleep', '60'], close_fds=False)\n "
        "print(child.pid, flush=True); time.sleep(60)",
    ],
)
def test_a_child_that_outlives_its_owner_does_not_keep_the_run(folder: RunFolder, child: str) -> None:
    with holder(folder, child) as (owner, said):
        assert held(folder)
        owner.send_signal(signal.SIGKILL)
        owner.wait(10)
        try:
            os.kill(int(said), 0)  # it lives
            free_again(folder)
        finally:
            os.kill(int(said), signal.SIGKILL)


def test_a_lock_that_names_a_dead_process_is_no_lock(folder: RunFolder) -> None:
    for noted in ("999999999", "999999999 some-other-machine", "nobody", "", "1 \x00"):
        (folder.path / "run.lock").write_text(noted)
        assert not held(folder)
        free_again(folder)


def test_who_is_told_of_a_dead_owner_or_of_another_machine(folder: RunFolder) -> None:
    for noted, said in (
        ("999999999", r"what process 999999999 has left behind: that is gone"),
        ("12 elsewhere", r"by process 12 on elsewhere$"),
        ("", r"by another process$"),
    ):
        with locked(folder):
            (folder.path / "run.lock").write_text(noted)
            with pytest.raises(RunHeld, match=said), locked(folder):
                pass


def test_a_fork_leaves_the_lock_with_the_parent(folder: RunFolder) -> None:
    """The child lets go of its copy, and that lets go of nothing else."""
    with locked(folder):
        pid = os.fork()
        if pid == 0:
            time.sleep(0.05)
            os._exit(0)
        os.waitpid(pid, 0)
        assert held(folder)
    assert not held(folder)
