"""bubblewrap: namespaces without a daemon, and only those folders that Python itself needs.

Started by an ordinary user it makes a user namespace, in which the kernel counts processes
apart. Root needs none and gets none: there the sandbox runs as a user id of its own that
nothing on the machine belongs to (`inside.py` changes to it before the program is run), since
root in a user namespace is still root to the kernel, whom no limit of processes binds.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .running import INSIDE, Limits
from .seccomp import system_call_filter

_END_S = 10.0
"""Seconds for a killed tree to be gone."""

_TMP, _SHARED = "/tmp", "/dev/shm"  # nosec B108  # noqa: S108 - the sandbox's own
_HOME = "/python"
"""Where the interpreter is in the sandbox, so that its place on the host is not told."""

_SYSTEM = ("/lib", "/lib64", "/lib32")
"""Shared libraries; on most systems links into /usr."""


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """
    Args:
        program: path of bwrap.
        name: for people, with its version.
        options: its help text's options; older ones lack some.
    """

    program: str
    name: str
    options: frozenset[str] = frozenset()

    counts_processes: ClassVar = False

    @contextlib.contextmanager
    def started(self, limits: Limits) -> Iterator[subprocess.Popen[bytes]]:
        """See `Sandbox`; the tree is a process namespace that ends with its first process."""
        with _filter() as descriptor:
            process = subprocess.Popen(
                self.command(limits, descriptor),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=[] if descriptor is None else [descriptor], env={}, bufsize=0,
            )  # fmt: skip
        try:
            yield process
        finally:
            # --die-with-parent passes the end on to the namespace.
            process.kill()
            process.wait(timeout=_END_S)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def command(self, limits: Limits, filter_descriptor: int | None = None) -> list[str]:
        """The command line: what is not bound here is not there."""
        rights = ["--cap-drop", "ALL"]
        if os.geteuid() == 0:
            rights += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        else:
            rights += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
            rights += ["--disable-userns"] if "--disable-userns" in self.options else []
        if filter_descriptor is not None:
            rights += ["--seccomp", str(filter_descriptor)]
        return [
            self.program,
            *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
            *("--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"),
            *rights,
            *_libraries(),
            *("--proc", "/proc", "--dev", "/dev"),
            *("--size", str(limits.disk // 2), "--perms", "1777", "--tmpfs", _SHARED),
            *("--size", str(limits.disk), "--perms", "1777", "--tmpfs", _TMP),
            # The root and /dev are folders in memory, too; nothing is to be written there.
            *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", _TMP),
            *("--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", _TMP, "--setenv", "LANG", "C.UTF-8"),
            *("--setenv", "LD_LIBRARY_PATH", f"{_HOME}/lib"),
            *(f"{_HOME}/bin/python3", "-I", "-S", "-X", "utf8", "-c", INSIDE),
        ]


def _libraries() -> list[str]:
    program, folders = python_here()
    # Folders that a mount makes on its way would be for root alone.
    bound = [word for made in (_HOME, f"{_HOME}/bin", "/usr") for word in ("--perms", "0755", "--dir", made)]
    bound += ["--ro-bind", str(program), f"{_HOME}/bin/python3"]
    for folder in folders:
        bound += ["--ro-bind", str(folder), f"{_HOME}/{folder.name}"]
    for name in _SYSTEM:
        for place in (Path(name), Path("/usr" + name)):
            if place.is_symlink():
                bound += ["--symlink", os.readlink(place), str(place)]
            elif place.is_dir():
                bound += ["--ro-bind", str(place), str(place)]
    return bound


def python_here() -> tuple[Path, list[Path]]:
    """The interpreter of this process, and the folders that hold its library.

    Those of the installation that a virtual environment was made from: what is installed in the
    environment is not there, so that a verdict does not depend on it.
    """
    prefix = Path(sys.base_exec_prefix)
    named = prefix / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    program = named if named.exists() else Path(sys.executable)
    folders = [prefix / name for name in ("lib", "lib64")]
    return program.resolve(), [folder for folder in folders if folder.is_dir()]


@contextlib.contextmanager
def _filter() -> Iterator[int | None]:
    """A descriptor that bubblewrap reads the system call filter from."""
    program = system_call_filter()
    if program is None:
        yield None
        return
    reading, writing = os.pipe()
    try:
        os.write(writing, program)
        os.close(writing)
        yield reading
    finally:
        os.close(reading)
