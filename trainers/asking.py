"""A job that another process does: `python -m maieutic.trainers.asking SOCKET MODULE JOB.json`.

Hands its output, environment and job to the process that listens there (`forking.py`), and ends as the
child that was forked for it does. Nobody there: it becomes the training process itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from typing import NoReturn


def main(address: str, module: str, job: str) -> int:
    with socket.socket(socket.AF_UNIX) as line:
        # A guard that ends us waits a moment: in it the child is ended, and we hear of that.
        told: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: _hang_up(line, told, number))
        try:
            line.connect(address)
            asked = {"module": module, "job": job, "environment": dict(os.environ), "folder": os.getcwd()}
            socket.send_fds(line, [b"\n"], [1, 2])
            line.sendall(json.dumps(asked).encode() + b"\n")
            code = line.recv(16)
        except OSError:
            code = b""
    if not code and not told:
        _do_it_here(module, job)
    return int(code or 128 + signal.SIGTERM)


def _hang_up(line: socket.socket, told: list[int], number: int) -> None:
    told.append(number)
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_WR)
        return
    raise SystemExit(128 + number)


def _do_it_here(module: str, job: str) -> NoReturn:
    # Our own interpreter with a module of ours; no shell reads the job's path.
    os.execv(sys.executable, [sys.executable, "-m", module, job])  # nosec B606  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
