"""Commands that read a file to its end: they show that they do, and can be stopped at any time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

_SHOWN_EVERY_S = 0.2
_TOLD_EVERY_S = 30.0
"""Seconds between lines where the output is no terminal."""


class _Told(BaseException):
    """A signal told us to end; like KeyboardInterrupt, nothing but the outermost part catches it."""


@contextmanager
def reading(console: Console, kept: str = "") -> Iterator[Callable[[int], None]]:
    """Show how many rows are read, and leave cleanly where a signal says so.

    Ctrl-C, SIGTERM and SIGHUP unwind what is under way, so that no unfinished file is left.

    Args:
        kept: what to say of the output where we are told to end.
    Yields:
        A function to be told how many more rows were read.
    """
    shown = _Terminal(console) if console.is_terminal else _Lines(console)
    try:
        with _signals(), shown.bars:
            yield shown.advance
    except _Told as told:
        number = int(told.args[0])
        console.print(f"stopped{kept}", markup=False, highlight=False)
        raise SystemExit(128 + number) from None


@contextmanager
def _signals() -> Iterator[None]:
    """Turn the first signal to end into an exception, and ignore those that follow it."""
    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup has it ignored to go on
        wanted.append(signal.SIGHUP)

    def end(number: int, frame: FrameType | None) -> None:
        for each in wanted:
            signal.signal(each, signal.SIG_IGN)
        raise _Told(number)

    before = {each: signal.signal(each, end) for each in wanted}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Counted:
    def __init__(self, console: Console) -> None:
        self.console, self.rows = console, 0
        self.began = self.told = time.monotonic()
        # No thread of its own: it is drawn when rows come.
        self.bars = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True,
            auto_refresh=False, disable=not console.is_terminal,
        )  # fmt: skip

    def due(self, count: int, every: float) -> bool:
        self.rows += count
        now = time.monotonic()
        if now - self.told < every:
            return False
        self.told = now
        return True

    def said(self) -> str:
        return f"{self.rows:,} rows, {self.rows / (self.told - self.began):,.0f} a second"


class _Terminal(_Counted):
    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.task = self.bars.add_task("reading", total=None)

    def advance(self, count: int) -> None:
        if self.due(count, _SHOWN_EVERY_S):
            self.bars.update(self.task, description=self.said(), refresh=True)


class _Lines(_Counted):
    def advance(self, count: int) -> None:
        if self.due(count, _TOLD_EVERY_S):
            self.console.print(self.said(), markup=False, highlight=False)
