"""The `python` checker: a completion's program, run on tests in a sandbox."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from ...errors import ConfigError
from ...records import Question
from ..sandbox.find import find_sandbox
from ..sandbox.running import Limits, Ran, run
from .finding import LONGEST, Finding
from .programs import Test, program_in, read_tests, short

_SHOWN = 1_000
"""Characters of a program that a finding holds."""

_MOST_WHOLE, _ANYWAY_S = 20, 60.0
"""How many times a test's longest time all tests of a question may take, beside these seconds."""

_BOUNDS = {"seconds": (0.1, 60.0), "memory": (32.0, 1536.0)}


@dataclass
class PythonChecker:
    """Code that passes all tests of its question, each in a sandbox of its own.

    Args:
        seconds: processor time of one test; three times as long by the clock.
        memory: MiB of address space.
        sandbox: bwrap, podman or docker; the first that works here where it is empty.
    Raises:
        MissingPart: no sandbox works here. Nothing is ever run without one.
        ConfigError: a limit out of bounds.
    """

    seconds: float = 5.0
    memory: float = 256.0
    sandbox: str = ""

    needs: ClassVar = ()

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"checker python: {name}={value:g}; it must be from {low:g} to {high:g}")
        self.limits = Limits(seconds=self.seconds, memory=int(self.memory) << 20)
        self.found = find_sandbox(self.sandbox)

    @property
    def whole(self) -> float:
        """Seconds by the clock after which no further test is begun."""
        return _MOST_WHOLE * self.limits.wall + _ANYWAY_S

    @property
    def patience(self) -> float:
        """Seconds by the clock that one check may take; the pool waits that long."""
        return self.whole + self.limits.wall + _ANYWAY_S

    def quick(self, question: Question, completion: str) -> Finding | None:
        if len(completion) > LONGEST:
            return Finding("invalid", None, f"longer than {LONGEST} characters")
        return None

    def slow(self, question: Question, completion: str) -> Finding:
        code = program_in(completion)
        if code is None:
            return Finding("invalid", None, "no code: nothing is fenced, and the whole is no program")
        try:
            tests = read_tests(question.data)
        except ValueError as error:
            return Finding("undecided", code[:_SHOWN], str(error))
        end = time.monotonic() + self.whole
        for place, test in enumerate(tests, 1):
            if time.monotonic() > end:
                reason = f"{place - 1} of {len(tests)} tests took {self.whole:g} s"
                return Finding("undecided", code[:_SHOWN], reason)
            finding = self._tried(test, code, f"test {place} of {len(tests)}: ")
            if finding is not None:
                return finding
        return Finding("right", code[:_SHOWN])

    def _tried(self, test: Test, code: str, where: str) -> Finding | None:
        ran = run(self.found, test.task(code), self.limits)
        if ran.status == "failed":
            return Finding("undecided", code[:_SHOWN], f"{where}the sandbox failed: {ran.why}"[:500])
        trouble = self._trouble(ran) or test.misfit(ran.stdout)
        return Finding("wrong", code[:_SHOWN], where + trouble) if trouble else None

    def _trouble(self, ran: Ran) -> str:
        """What a program did that no result makes up for."""
        exceeded = {
            "time": f"took more than {self.seconds:g} s, or {self.limits.wall:g} s by the clock",
            "memory": f"held more than {2 * self.memory:g} MiB in all its processes",
            "output": f"printed more than {self.limits.output:,} bytes",
            "disk": f"made more than {self.limits.files:,} files",
        }
        if ran.status in exceeded:
            return exceeded[ran.status]
        if ran.code > 128:
            return f"was ended by signal {ran.code - 128}"
        if ran.code:
            last = ran.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            return f"ended with status {ran.code}" + (f": {short(last, 120)}" if last else "")
        return ""
