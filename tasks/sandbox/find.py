"""Which sandbox works here: tried by running a program in it that attempts to get out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from ...errors import ConfigError, MissingPart
from .bubblewrap import Bubblewrap
from .containers import IMAGE, Container
from .running import Limits, Sandbox, run

_ATTEMPTS = """
import os, socket, sys, time
host, = sys.stdin.read().splitlines()
bad = []
if os.getuid() == 0: bad.append("runs as root")
if os.path.exists(host): bad.append("sees the host's files")
if len([p for p in os.listdir("/proc") if p.isdigit()]) > 4: bad.append("sees the host's processes")
if "MAIEUTIC_PROBE" in os.environ: bad.append("has the host's environment")
try: socket.create_connection(("192.0.2.1", 9), timeout=0.2); bad.append("has a network")
except OSError as error:
    if isinstance(error, TimeoutError): bad.append("has a network")
for place in ("/x", "/python/x", "/usr/x", "/etc/x", "/dev/x"):
    try: open(place, "w").close(); bad.append("writes to " + place)
    except OSError: pass
if bad:
    print("; ".join(bad))
    raise SystemExit
try:
    for _ in range(64):
        if os.fork() == 0: time.sleep(5)
    bad.append("starts any number of processes")
except OSError: pass
print("; ".join(bad) or "contained")
"""
"""What it starts ends with the sandbox; where there is none, it starts nothing."""

_INSTALL = (
    "install bubblewrap 0.7 or newer (apt install bubblewrap, dnf install bubblewrap, "
    f"pacman -S bubblewrap), or docker or podman with the image {IMAGE}"
)
_NAMESPACES = (
    "user namespaces may be off: sysctl -w kernel.unprivileged_userns_clone=1 (Debian) or "
    "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); a container needs CAP_SYS_ADMIN"
)
KINDS = ("bwrap", "podman", "docker")


def find_sandbox(wanted: str = "") -> Sandbox:
    """The first of bubblewrap, podman and docker that holds; nothing is ever run without one.

    Args:
        wanted: one of `KINDS`, where no other is to be tried.
    Raises:
        ConfigError: `wanted` is none of them.
        MissingPart: none works here; the message says why and what to install.
    """
    if wanted and wanted not in KINDS:
        raise ConfigError(f"no sandbox {wanted[:60]!r}; there are: {', '.join(KINDS)}")
    failures = []
    for kind in [wanted] if wanted else KINDS:
        program = shutil.which(kind)
        if program is None:
            failures.append(f"{kind} is not installed")
            continue
        try:
            sandbox = _made(kind, program)
        except (OSError, subprocess.SubprocessError) as error:
            failures.append(f"{kind} does not answer ({type(error).__name__})")
            continue
        trouble = probe(sandbox)
        if not trouble:
            return sandbox
        failures.append(f"{kind} does not work: {trouble}")
    raise MissingPart(
        f"no sandbox to run programs in, and none is run without one: {'; '.join(failures)}; {_INSTALL}"
    )


def probe(sandbox: Sandbox) -> str:
    """Why a sandbox cannot be used, in one line; empty where everything it should stop fails."""
    task = {"mode": "program", "code": _ATTEMPTS, "stdin": str(Path(__file__).resolve())}
    ran = run(sandbox, task, Limits(seconds=5))
    if ran.status == "failed":
        return f"{ran.why}; {_NAMESPACES}" if _refused(ran.why) else ran.why
    said = ran.stdout.decode("utf-8", "replace").strip()
    if ran.status == "ended" and ran.code == 0 and said == "contained":
        return ""
    last = ran.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    return (said or " ".join(last) or f"the probe took too much {ran.status}")[:300]


def _refused(why: str) -> bool:
    return re.search("namespace|uid map|Operation not permitted|Permission denied", why) is not None


def _made(kind: str, program: str) -> Sandbox:
    if kind == "bwrap":
        version = _output([program, "--version"]).strip()
        options = frozenset(re.findall(r"--[a-z-]+", _output([program, "--help"])))
        return Bubblewrap(program, version or "bubblewrap", options)
    return Container(program, f"{kind} with {IMAGE}")


def _output(command: list[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False, env={"PATH": os.environ["PATH"]}
    )
    return done.stdout
