"""docker and podman: the same limits in a container, where no bubblewrap works.

The image is never fetched here. A container that is still there when its time is over is ended
by name; should we die first, `timeout` inside it ends it.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from .running import INSIDE, Limits

IMAGE = "python:3.11-slim"
_END_S = 20.0


@dataclass(frozen=True, slots=True)
class Container:
    """
    Args:
        program: path of docker or podman.
        name: for people.
    """

    program: str
    name: str

    counts_processes: ClassVar = True

    @contextlib.contextmanager
    def started(self, limits: Limits) -> Iterator[subprocess.Popen[bytes]]:
        """See `Sandbox`."""
        container = f"maieutic-{secrets.token_hex(8)}"
        process = subprocess.Popen(
            self.command(limits, container),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                subprocess.run(
                    [self.program, "kill", container], capture_output=True, timeout=_END_S, check=False
                )
                process.kill()
            process.wait(timeout=_END_S)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def command(self, limits: Limits, container: str) -> list[str]:
        """The command line of one run."""
        # What stands in /tmp and /dev/shm counts as the container's memory.
        memory = str(2 * limits.memory + 2 * limits.disk)
        return [
            *(self.program, "run", "--rm", "--interactive", "--pull", "never", "--name", container),
            *("--network", "none", "--read-only", "--cap-drop", "ALL", "--user", "65534:65534"),
            *("--security-opt", "no-new-privileges", "--ipc", "private", "--log-driver", "none"),
            *("--memory", memory, "--memory-swap", memory, "--pids-limit", str(limits.processes + 1)),
            # Within the container: the folder of the machine is not seen there.
            *("--tmpfs", f"/tmp:rw,nosuid,nodev,mode=1777,size={limits.disk},nr_inodes={limits.files}"),  # nosec B108  # noqa: S108
            *("--shm-size", str(limits.disk // 2), "--workdir", "/tmp", "--hostname", "sandbox"),  # nosec B108  # noqa: S108
            *("--env", "HOME=/tmp", "--entrypoint", "timeout", IMAGE),
            *("--signal=KILL", str(int(limits.wall) + 10)),
            *("python3", "-I", "-S", "-X", "utf8", "-c", INSIDE),
        ]
