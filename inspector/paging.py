"""Output that is shown whole: in a pager where it is longer than the screen, and else as it is.

As git does it: PAGER names the pager, `less` is taken where nobody names one, and it is told to end at once
where everything fits, to let colours through and to leave what was read on the screen (FRX).
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from .console import screen

_PIECE = 16_384


@contextmanager
def output(paged: bool = True) -> Iterator[Console]:
    """A console; what is printed on it is shown at the end."""
    console = screen()
    with console.capture() as captured:
        yield console
    text = captured.get()
    if not console.is_terminal:
        # Tables fill their lines with blanks, which a file need not have.
        text = "".join(f"{line.rstrip()}\n" for line in text.removesuffix("\n").split("\n"))
    show(text, paged)


def show(text: str, paged: bool = True) -> None:
    """Show a text on stdout; a reader that goes away, such as `head`, ends the program without a word."""
    command = pager() if paged and _too_long(text) else []
    if not (command and _page(command, text)):
        _write(text)


def pager() -> list[str]:
    """The command of the pager; none where there is none, or none is wanted."""
    named = os.environ.get("PAGER")
    try:
        command = shlex.split("less" if named is None else named)
    except ValueError:
        return []
    if not command or command == ["cat"] or os.environ.get("TERM", "dumb") == "dumb":
        return []
    return command if shutil.which(command[0]) else []


def _too_long(text: str) -> bool:
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        return False
    size = shutil.get_terminal_size()
    # Colours count as signs here: a page too many costs nothing, as less ends where all fits.
    lines = sum(1 + len(line) // max(1, size.columns) for line in text.split("\n"))
    return lines > size.lines


def _page(command: list[str], text: str) -> bool:
    """Whether the pager could be started."""
    environment = {"LESS": "FRX", "LESSCHARSET": "utf-8", **os.environ}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    except OSError:
        return False
    assert process.stdin is not None
    # Ctrl-C is the pager's own: it stops a search there, and q leaves.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.communicate(text.encode("utf-8", "replace"))
    finally:
        signal.signal(signal.SIGINT, before)
    return True


def _write(text: str) -> None:
    try:
        # In pieces: of one large write the end may be lost in a closed pipe without an error.
        for start in range(0, len(text), _PIECE):
            sys.stdout.write(text[start : start + _PIECE])
            sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would be tried once more, and complained of, when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None
