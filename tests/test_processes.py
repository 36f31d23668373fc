"""The guard: nothing outlives its owner, whatever ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from maieutic import scratch
from maieutic.processes import Local, end_all, guarded, last_lines, tree
from maieutic.serving.fleet import end_leftover

# A child that starts a grandchild in the same session; both write their ids.
FAMILY = """
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "grandchild" not in sys.argv:
    subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "grandchild"])
open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
time.sleep(600)
"""


def start(folder: Path, command: list[str] | None = None, stubborn: bool = False) -> subprocess.Popen[bytes]:
    script = folder / "family.py"
    script.write_text(FAMILY)
    pids = folder / "pids"
    pids.mkdir()
    process = subprocess.Popen(
        guarded(command or [sys.executable, str(script), str(pids), *["stubborn"] * stubborn]),
        stdin=subprocess.PIPE,
        env=os.environ | {"MAIEUTIC_GRACE_SECONDS": "1"},
    )
    return process


def family(folder: Path) -> list[int]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = [int(entry.name) for entry in (folder / "pids").iterdir()]
        if len(found) == 2:
            return found
        time.sleep(0.05)
    raise AssertionError("the family did not start")


def gone(pids: list[int], within: float = 25) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not any(lives(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it may go between two looks
        return False


@pytest.mark.slow
@pytest.mark.parametrize("how", ["pipe closed", "SIGTERM", "leader killed"])
def test_the_whole_family_ends(tmp_path: Path, how: str) -> None:
    guard = start(tmp_path, stubborn=how == "pipe closed")
    pids = family(tmp_path)
    if how == "pipe closed":
        assert guard.stdin is not None
        guard.stdin.close()
    elif how == "SIGTERM":
        guard.terminate()
    else:
        leader = next(p for p in pids if psutil.Process(p).ppid() == guard.pid)
        os.kill(leader, signal.SIGKILL)
    assert gone(pids)
    guard.wait(20)


@pytest.mark.parametrize("told", [signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT])
def test_the_owner_killed_hard_takes_the_family_along(tmp_path: Path, told: int) -> None:
    """Also when its whole process group is told, as by a terminal that closes."""
    script = tmp_path / "family.py"
    script.write_text(FAMILY)
    (tmp_path / "pids").mkdir()
    owner = subprocess.Popen(
        [sys.executable, "-c", (
            "import signal, subprocess, time\n"
            # Whatever started these tests may have had them ignored, as nohup does.
            "for told in (signal.SIGHUP, signal.SIGQUIT): signal.signal(told, signal.SIG_DFL)\n"
            f"p = subprocess.Popen({guarded([sys.executable, str(script), str(tmp_path / 'pids')])!r},"
            " stdin=subprocess.PIPE, start_new_session=True)\ntime.sleep(600)"
        )], start_new_session=True,
    )  # fmt: skip
    pids = family(tmp_path)
    os.killpg(owner.pid, told)
    owner.wait(20)
    assert gone(pids)


def said_under_guard(temporary: Path, code: str) -> tuple[str, int]:
    """What Python code prints under a guard, and the guard's exit code."""
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(
        guarded([sys.executable, "-c", code]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as guard:
        assert guard.stdout is not None
        said = guard.stdout.read().decode().strip()
        return said, guard.wait(20)


@pytest.mark.parametrize(("ends", "code"), [("", 0), ("os.kill(os.getpid(), 9)", 137)])
def test_a_child_s_temporary_files_go_with_it(ends: str, code: int) -> None:
    program = f"import os, tempfile; print(tempfile.mkstemp()[1], flush=True); {ends}"
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        written, ended = said_under_guard(Path(short), program)
        assert Path(written).parent.parent == Path(short) and ended == code
        assert not list(Path(short).iterdir())


def test_where_sockets_names_would_be_too_long_the_temporary_folder_stays(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    assert said_under_guard(deep, "import tempfile; print(tempfile.gettempdir())") == (str(deep), 0)
    assert not list(deep.iterdir())


def test_what_killed_processes_left_goes_and_what_the_living_have_stays(tmp_path: Path) -> None:
    """Nor is a link followed, and what is new may be about to be locked."""
    tempdir, tempfile.tempdir = tempfile.tempdir, str(tmp_path)
    try:
        mine = scratch.make()
        (mine / "socket").touch()
        left, new, other = (
            tmp_path / f"maieutic-{name}" for name in ("scratch-left", "scratch-new", "notes")
        )
        for folder in (left, new, other):
            folder.mkdir()
            (folder / "socket").touch()
        (tmp_path / "maieutic-scratch-link").symlink_to(other)
        for path in (mine, left, other):
            os.utime(path, (1, 1))
        os.utime(tmp_path / "maieutic-scratch-link", (1, 1), follow_symlinks=False)
        scratch.remove(scratch.make())
        assert {path for path in tmp_path.iterdir() if not path.is_symlink()} == {mine, new, other}
        assert (other / "socket").exists() and (mine / "socket").exists()
        scratch.remove(mine)
        assert not mine.exists()
    finally:
        tempfile.tempdir = tempdir


@pytest.mark.slow
def test_a_guard_killed_hard_has_its_child_told(tmp_path: Path) -> None:
    guard = start(tmp_path)
    pids = family(tmp_path)
    leader = next(p for p in pids if psutil.Process(p).ppid() == guard.pid)
    guard.kill()
    guard.wait(20)
    assert gone([leader])
    for pid in pids:
        end_all(tree(pid))


@pytest.mark.slow
def test_what_a_killed_guard_left_is_ended_by_the_next_run(tmp_path: Path) -> None:
    guard = start(tmp_path, stubborn=True)
    pids = family(tmp_path)
    noted = Local(guard).noted()  # type: ignore[arg-type]  # a process with an id, as asyncio's is
    (tmp_path / "server.json").write_text(json.dumps(noted))
    guard.kill()
    guard.wait(20)
    assert not gone(pids, within=0.5)
    end_leftover(tmp_path / "server.json")
    assert gone(pids)
    assert not (tmp_path / "server.json").exists()


@pytest.mark.parametrize("noted", ["", "{}", "[1]", '[{"pid": 1}]', '[{"pid": 1, "started": 5.0}]'])
def test_a_note_that_names_no_server_of_ours_ends_nothing(tmp_path: Path, noted: str) -> None:
    (tmp_path / "server.json").write_text(noted)
    end_leftover(tmp_path / "server.json")
    assert psutil.pid_exists(1)
    assert not (tmp_path / "server.json").exists()


@pytest.mark.parametrize(("code", "expected"), [("raise SystemExit(7)", 7), ("", 0)])
def test_the_exit_code_is_passed_on(tmp_path: Path, code: str, expected: int) -> None:
    guard = start(tmp_path, [sys.executable, "-c", code])
    assert guard.wait(30) == expected


def test_ending_what_is_gone_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(20)
    assert tree(process.pid) == [] or end_all(tree(process.pid)) is None


def test_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log) == "(no log was written)"
    log.write_bytes(b"\n\n")
    assert last_lines(log) == "(the log is empty)"
    log.write_bytes(b"x\xff\n" * 50_000 + b"last\n")
    assert last_lines(log, 2).splitlines()[-1] == "last"
