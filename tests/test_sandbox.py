"""What the sandbox must stop, tried for real; then that none means that nothing is run."""

from __future__ import annotations

import os
import platform
import pty
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from golden_escapes import BOMBS, HELP, QUICK, X86
from maieutic.errors import ConfigError, MissingPart
from maieutic.tasks.sandbox import find
from maieutic.tasks.sandbox.bubblewrap import Bubblewrap
from maieutic.tasks.sandbox.containers import Container
from maieutic.tasks.sandbox.find import find_sandbox, probe
from maieutic.tasks.sandbox.inside import READY as SAID
from maieutic.tasks.sandbox.running import READY, Limits, Ran, Sandbox, run

needs_bwrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed (apt install bubblewrap)"
)
BRIEF = Limits(seconds=1)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return find_sandbox("bwrap")


class Host:
    """What a program in the sandbox is after, and must leave as it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.canary = folder / "canary"
        self.canary.write_text("SECRET")
        self.victim = subprocess.Popen(["sleep", "600"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.abstract, self.named = f"maieutic-{os.getpid()}", folder / "socket"
        self.boxes = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for box, name in zip(self.boxes, ("\0" + self.abstract, str(self.named)), strict=True):
            box.bind(name)
            box.listen()
        self.before = self.state()

    def state(self) -> object:
        """Files, our processes, and whether the host's settings and shared folders are untouched."""
        return (
            sorted(
                (path.name, path.stat().st_mode, path.stat().st_mtime_ns) for path in self.folder.iterdir()
            ),
            self.canary.read_text(),
            {process.pid for process in psutil.Process().children(recursive=True)},
            self.victim.poll(),
            [Path(place, "maieutic-escape").exists() for place in ("/tmp", "/dev/shm", "/", "/usr", "/dev")],
            Path("/proc/sys/kernel/core_pattern").read_text(),
            socket.gethostname(),
            of_the_sandbox(),
        )

    def close(self) -> None:
        self.victim.kill()
        self.victim.wait()
        for box in (self.listener, *self.boxes):
            box.close()


def of_the_sandbox() -> set[int]:
    """Processes of the user that root's sandboxes of this process run as; as another user, children."""
    wanted = 0x70000000 + os.getpid()
    found = set()
    for process in psutil.process_iter():
        try:
            if process.uids().real == wanted:
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("SECRET_KEY", "SECRET")
    host = Host(tmp_path)
    yield host
    host.close()


def unchanged(host: Host) -> bool:
    """The end of a namespace takes a moment after its first process's."""
    for _ in range(100):
        if host.state() == host.before:
            return True
        time.sleep(0.02)
    return bool(host.state() == host.before)


def program(host: Host, code: str) -> str:
    values = {
        "{CANARY}": repr(str(host.canary)),
        "{CHECKER}": repr(find.__file__),
        "{PORT}": str(host.listener.getsockname()[1]),
        "{ABSTRACT}": repr(host.abstract),
        "{SOCKET}": repr(str(host.named)),
        "{PID}": str(host.victim.pid),
    }
    for name, value in values.items():
        code = code.replace(name, value)
    return f"{HELP}\nCALLS = {X86}\n{code}\nprint('contained')\n"


def ran(sandbox: Sandbox, code: str, limits: Limits = BRIEF, stdin: str = "") -> Ran:
    return run(sandbox, {"mode": "program", "code": code, "stdin": stdin}, limits)


@needs_bwrap
@pytest.mark.parametrize("name", QUICK)
def test_an_escape_is_stopped(sandbox: Sandbox, host: Host, name: str) -> None:
    code = QUICK[name]
    if "CALLS" in code and platform.machine() != "x86_64":
        pytest.skip("the system calls are tried by their numbers on x86_64")
    found = ran(sandbox, program(host, code))
    said = found.stdout.decode()
    assert found.status == "ended", found
    assert "ESCAPED" not in said, said
    assert "contained" in said, found.stderr.decode()
    assert unchanged(host)


@needs_bwrap
@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_and_takes_nobody_with_it(sandbox: Sandbox, host: Host, name: str) -> None:
    code, statuses = BOMBS[name]
    begun = time.monotonic()
    found = ran(sandbox, program(host, code))
    assert found.status in statuses.split(), found
    assert time.monotonic() - begun < BRIEF.wall + 5
    assert len(found.stdout) + len(found.stderr) < 4 << 20
    assert unchanged(host)


@needs_bwrap
@pytest.mark.slow
def test_the_host_goes_on_while_a_fork_bomb_lasts(sandbox: Sandbox, host: Host) -> None:
    most, stop = [0], threading.Event()
    # The sleeping victim, and what earlier tests of this process left, such as a fork server.
    before = len(psutil.Process().children(recursive=True))

    def count() -> None:
        while not stop.is_set():
            most.append(len(psutil.Process().children(recursive=True)))
            # Whoever runs the sandbox can still start processes, and has most of the memory.
            subprocess.run(["true"], check=True)
            time.sleep(0.05)

    counter = threading.Thread(target=count)
    counter.start()
    try:
        ran(sandbox, program(host, BOMBS["fork bomb"][0]))
    finally:
        stop.set()
        counter.join()
    # Two of bubblewrap, `true`, and those that the limit lets be.
    assert 10 < max(most) - before <= BRIEF.processes + 3
    assert unchanged(host)


@needs_bwrap
@pytest.mark.slow
def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "from maieutic.tasks.sandbox.find import find_sandbox\n"
        "from maieutic.tasks.sandbox.running import Limits, run\n"
        "task = {'mode': 'program', 'code': 'import os, time; os.fork(); time.sleep(600)', 'stdin': ''}\n"
        "run(find_sandbox('bwrap'), task, Limits(seconds=60))\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code])
    below: list[psutil.Process] = []
    for _ in range(300):
        below = psutil.Process(owner.pid).children(recursive=True)
        if len(below) == 4:  # two of bubblewrap, the program and its child; the probe has none so long
            break
        time.sleep(0.05)
    assert len(below) == 4
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert psutil.wait_procs(below, timeout=5)[1] == []


@needs_bwrap
@pytest.mark.slow
def test_nothing_is_typed_on_a_terminal(tmp_path: Path) -> None:
    code = HELP + QUICK["types on a terminal"] + "print('contained')"
    (tmp_path / "run.py").write_text(
        "from maieutic.tasks.sandbox.find import find_sandbox\n"
        "from maieutic.tasks.sandbox.running import Limits, run\n"
        f"print(run(find_sandbox('bwrap'), dict(mode='program', code={code!r}, stdin=''), Limits()).stdout)\n"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, str(tmp_path / "run.py")])
    said = b""
    try:
        while data := os.read(terminal, 4096):
            said += data
    except OSError:  # the terminal's other end is closed
        pass
    os.waitpid(child, 0)
    os.close(terminal)
    assert b"contained" in said
    assert b"ESCAPED" not in said


@needs_bwrap
@pytest.mark.parametrize(
    ("code", "stdout"),
    [
        ("print(input()[::-1])", b"olleh\n"),
        ("import sys; sys.stdout.buffer.write(bytes(range(256)))", bytes(range(256))),
        ("print('\\0\\ud83d'.encode('utf-8', 'surrogatepass'))", b"b'\\x00\\xed\\xa0\\xbd'\n"),
        ("print('ünï', end='')", "ünï".encode()),
        ("if __name__ == '__main__': print('main')", b"main\n"),
        ("print('a'); exit()", b"a\n"),
        ("import threading, multiprocessing, json, re, math, collections, decimal; print(1)", b"1\n"),
        ("import tempfile; print(len(tempfile.mkdtemp()) > 4)", b"True\n"),
        ("from dataclasses import dataclass\n@dataclass\nclass A: a: int\nprint(A(1))", b"A(a=1)\n"),
    ],
)
def test_ordinary_programs_work(sandbox: Sandbox, code: str, stdout: bytes) -> None:
    found = ran(sandbox, code, stdin="hello\n")
    assert (found.status, found.code, found.stdout) == ("ended", 0, stdout), found.stderr.decode()


@needs_bwrap
def test_a_large_input_and_a_large_output(sandbox: Sandbox) -> None:
    text = "9" * 500_000
    assert ran(sandbox, "print(input())", stdin=text).stdout == text.encode() + b"\n"


@needs_bwrap
def test_a_program_that_does_not_read_its_input(sandbox: Sandbox) -> None:
    assert ran(sandbox, "print(1)", stdin="x" * 2_000_000).stdout == b"1\n"


@needs_bwrap
def test_no_descriptor_of_ours_is_left_open(sandbox: Sandbox) -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        ran(sandbox, "print(1)")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_both_sides_wait_for_the_same_word() -> None:
    assert SAID == READY


# Refusal: none of these needs bubblewrap.


def fake(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name on PATH, which holds nothing else but what scripts need."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return path


def test_without_a_sandbox_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingPart) as caught:
        find_sandbox()
    said = str(caught.value)
    assert "bwrap is not installed; podman is not installed; docker is not installed" in said
    assert "apt install bubblewrap" in said
    assert "\n" not in said
    with pytest.raises(MissingPart, match=r"sandbox to run programs in.*: docker is not installed; install"):
        find_sandbox("docker")
    with pytest.raises(ConfigError, match="there are: bwrap, podman, docker"):
        find_sandbox("firejail")


@pytest.mark.parametrize(
    ("name", "script", "why"),
    [
        (
            "bwrap",
            "echo 'bwrap: No permissions to create new namespace' >&2; exit 1",
            "user namespaces may be off",
        ),
        ("bwrap", "echo 'bwrap: Unknown option --size' >&2; exit 1", "Unknown option --size"),
        ("bwrap", "exit 0", "not ready, status 0"),
        ("bwrap", "printf 'maieutic ready\\nhas a network\\n'", "has a network"),
        ("bwrap", "printf 'maieutic ready\\n'; echo 'SyntaxError: no' >&2; exit 1", "SyntaxError: no"),
        ("docker", "echo 'Cannot connect to the Docker daemon.' >&2; exit 1", "Cannot connect to the Docker"),
        ("podman", "echo 'Error: image not known' >&2; exit 125", "image not known"),
    ],
)
def test_one_that_does_not_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str, why: str
) -> None:
    fake(
        tmp_path / "bin", name, f'[ "$1" = --version ] || [ "$1" = --help ] && exit 0\n{script}', monkeypatch
    )
    with pytest.raises(MissingPart) as caught:
        find_sandbox()
    assert why in str(caught.value)


def test_one_that_lets_everything_through_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bwrap that runs the harness bare: the probe itself is all that ever runs in it."""
    script = (
        'case "$1" in --version|--help) exit 0;; esac\n'
        'while [ "$1" != -I ]; do shift; done\n'
        f'exec {sys.executable} "$@"'
    )
    fake(tmp_path / "bin", "bwrap", script, monkeypatch)
    with pytest.raises(MissingPart, match="bwrap does not work: "):
        find_sandbox("bwrap")


def test_a_container_gets_every_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    docker = fake(
        tmp_path / "bin",
        "docker",
        f'echo "$@" > {asked}\nprintf "maieutic ready\\ncontained\\n"',
        monkeypatch,
    )
    assert find_sandbox().name == "docker with python:3.11-slim"
    said = asked.read_text()
    for option in (
        "run --rm --interactive --pull never", "--network none", "--read-only", "--cap-drop ALL",
        "--user 65534:65534", "--security-opt no-new-privileges", "--pids-limit 17", "--log-driver none",
        "--tmpfs /tmp:rw,nosuid,nodev,mode=1777,size=33554432,nr_inodes=10000", "--memory 603979776",
        "--memory-swap 603979776", "--entrypoint timeout python:3.11-slim --signal=KILL 25 python3 -I -S",
    ):  # fmt: skip
        assert option in said
    assert not {"--privileged", "--volume", "-v", "--mount", "--env-file"} & set(said.split())
    assert probe(Container(str(docker), "docker")) == ""


@pytest.mark.slow
def test_a_container_is_ended_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    script = f'echo "$@" >> {asked}\n[ "$1" = run ] || exit 0\nprintf "maieutic ready\\n"\nexec /bin/sleep 60'
    docker = fake(tmp_path / "bin", "docker", script, monkeypatch)
    found = run(Container(str(docker), "docker"), {"mode": "program"}, Limits(seconds=0.2))
    assert found.status == "time"
    words = asked.read_text().split()
    assert words[-2:] == ["kill", words[words.index("--name") + 1]]


def test_bubblewrap_shows_nothing_but_python() -> None:
    words = Bubblewrap("bwrap", "").command(Limits())
    bound = {words[at + 1] for at, word in enumerate(words) if word == "--ro-bind"}
    assert not {"--bind", "--dev-bind", "--share-net"} & set(words)
    assert all(Path(place).name.startswith(("lib", "python")) for place in bound)
