"""What runs in the sandbox around the program under test: standard library only.

Read as text by `running.py` and given to the sandbox's Python with -c, so nothing of the host's
has to be visible there. It takes one task as JSON on its standard input, gives up what rights it
has, limits itself, says that it is ready, and then runs the program in this same interpreter.
Whatever the program does to it can change what is sent back, but expected values never come here.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import types
from typing import Any

READY = b"maieutic ready\n"
"""The first bytes on standard output; without them the sandbox itself has failed."""


def main() -> None:
    """Do the task that stands on standard input."""
    task = json.loads(sys.stdin.buffer.read())
    _drop_rights(task["uid"])
    _limit(task["limits"])
    os.write(1, READY)
    {"program": _program, "call": _call, "asserts": _asserts}[task["mode"]](task)


def _drop_rights(wanted: int) -> None:
    """From root to a user of its own, so that the limit of processes counts these alone."""
    if os.getuid() != 0:
        return
    for uid in (wanted, 65534):  # a container may not know the first
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        except OSError:
            continue
        return
    raise SystemExit("cannot give up root's rights")


def _limit(limits: dict[str, int]) -> None:
    for name, most in limits.items():
        # The soft limit of the processor time comes first: its signal tells it from other deaths.
        soft = most if name != "CPU" else most - 1
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (soft, most))


def _program(task: dict[str, Any]) -> None:
    """As a script with a standard input; what it prints is the answer."""
    with open("/tmp/.stdin", "w+b") as file:  # nosec B108  # noqa: S108 - the sandbox's own
        file.write(task["stdin"].encode("utf-8", "surrogatepass"))
        file.seek(0)
        os.dup2(file.fileno(), 0)
    os.unlink("/tmp/.stdin")  # nosec B108  # noqa: S108
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    _load(task["code"], "__main__")


def _call(task: dict[str, Any]) -> None:
    """One function of the program, called once; its value goes back, what it prints does not."""
    channel = _quiet()
    found: Any = _load(task["code"], "program")
    for part in task["function"].split("."):
        found = getattr(found() if isinstance(found, type) else found, part)
    _answer(channel, {"value": encoded(found(*task["args"], **task["kwargs"]))})


def _asserts(task: dict[str, Any]) -> None:
    """Statements after the program, in its names; `_report` takes what is compared outside."""
    channel = _quiet()
    module = _load(task["code"], "program")
    reports: list[Any] = []
    module.__dict__["_report"] = lambda place, value: reports.append([place, encoded(value)])
    exec(compile(task["asserts"], "asserts", "exec"), module.__dict__)  # nosec B102  # noqa: S102
    _answer(channel, {"nonce": task["nonce"], "reports": reports})


def _load(code: str, name: str) -> types.ModuleType:
    import site

    site.setquit()  # -S leaves out exit(), which programs use
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(code, "program.py", "exec"), module.__dict__)  # nosec B102  # noqa: S102 - what all this is for
    return module


def _quiet() -> int:
    """Standard output for us alone: what the program prints, and reads, is nothing."""
    channel = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    return channel


def _answer(channel: int, value: object) -> None:
    data = json.dumps(value).encode()
    while data:
        data = data[os.write(channel, data) :]
    os._exit(0)


def encoded(value: Any) -> Any:
    """A value as JSON that keeps what JSON does not tell apart; the other end is `values.py`."""
    from decimal import Decimal
    from fractions import Fraction

    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return ["int", hex(value)]
    if isinstance(value, float):
        return ["float", float.hex(value)]
    if isinstance(value, complex):
        return ["complex", value.real.hex(), value.imag.hex()]
    if isinstance(value, Decimal | Fraction):
        return ["ratio", *map(hex, value.as_integer_ratio())]
    if isinstance(value, bytes | bytearray):
        return ["bytes", value.hex()]
    if isinstance(value, dict):
        return ["dict", [[encoded(key), encoded(kept)] for key, kept in dict.items(value)]]
    kinds: tuple[Any, ...] = (list, tuple, set, frozenset)
    for kind in kinds:
        if isinstance(value, kind):
            return [kind.__name__, [encoded(one) for one in kind.__iter__(value)]]
    return ["other", type(value).__name__]


if __name__ == "__main__":
    main()
