"""`maieutic inspect`: the application on a port of this machine, until it is told to stop."""

from __future__ import annotations

import contextlib
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psutil
import uvicorn

from ...errors import RunError
from .app import OURS, application
from .found import home
from .runs import Runs


def serve(
    path: Path, name: str | None, host: str, port: int, browser: bool, told: Callable[[str], None]
) -> None:
    """Serve the runs of a folder until SIGINT or SIGTERM.

    Args:
        name: run whose page is to be opened, one of a comparison as `COMPARISON/RUN`; all if None.
        host: 127.0.0.1, unless others shall see it.
        port: 0 for any that is free.
        browser: open the page, where there is a display.
        told: hears the address, once it may be asked.
    Raises:
        RunError: there is no such run, the port is taken, or the host is none of this machine.
    """
    where = "/"
    if name is not None:
        run = Runs(path).find(name)
        if run is None:
            from ...graph.folders import find  # which imports much

            find(path, name)  # says which there are
            raise RunError(f"no run {name[:60]!r} in {path}")
        where = home(run)
    with _bound(host, port) as bound:
        shown = f"[{host}]" if ":" in host else host
        # Not bound here by us, but asked for by the user, who is told what that means.
        everywhere = host in ("0.0.0.0", "::")  # nosec B104  # noqa: S104
        hosts = _names() if everywhere else [*OURS, shown]
        page = f"http://{'127.0.0.1' if everywhere else shown}:{bound.getsockname()[1]}{where}"
        made = application(path, hosts)
        config = uvicorn.Config(
            made,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
            server_header=False,
        )
        told(f"{page}  (Ctrl-C ends it)")
        if everywhere or shown not in OURS:
            told("whoever reaches this machine can read all runs; leave --host out to keep them to it")
        if browser:
            threading.Timer(0.5, _open, [page]).start()
        with contextlib.suppress(KeyboardInterrupt):  # which it raises again when it has ended well
            _Server(config, made.state.runs).run(sockets=[bound])


def _names() -> list[str]:
    """By what this machine may be asked for where everybody may ask: its addresses and its own name. Any
    other may have been pointed here by a page in somebody's browser (DNS rebinding)."""
    addresses = [entry.address for each in psutil.net_if_addrs().values() for entry in each]
    ours = [address.partition("%")[0] for address in addresses]
    bracketed = [f"[{address}]" if address.count(":") > 1 else address for address in ours]
    return list(dict.fromkeys([*OURS, *bracketed, socket.gethostname(), socket.getfqdn()]))


class _Server(uvicorn.Server):
    """Lets go of open pages when it is told to end: else it waits for them, and complains of them."""

    def __init__(self, config: uvicorn.Config, runs: Runs) -> None:
        super().__init__(config)
        self._runs = runs

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._runs.ending = True
        super().handle_exit(sig, frame)


def _open(page: str) -> None:
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(page)


def _bound(host: str, port: int) -> socket.socket:
    if not host:  # which the system takes for every address of this machine
        raise RunError("--host is empty; leave it out for this machine alone, or name an address")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen()  # who reads the address and asks at once is answered as soon as it can be
    except OSError as error:
        raise RunError(
            f"{host}:{port} cannot be served on ({error.strerror or error}); choose another --port"
        ) from error
    return made
