"""What is longer than the screen goes through a pager, and only there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

SHOW = "from maieutic.inspector.paging import show; show({text!r}, {paged})"


def on_a_terminal(text: str, paged: bool = True, **environment: str) -> str:
    """What a terminal of ten lines shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 80, 0, 0))
    outside = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW.format(text=text, paged=paged)],
        stdin=theirs, stdout=theirs, stderr=theirs,
        env=outside | {"TERM": "xterm", "PAGER": "cat -n"} | environment,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        said += part
    os.close(ours)
    assert process.wait() == 0
    return said.decode().replace("\r\n", "\n")


def test_a_long_text_goes_through_the_pager_that_is_named() -> None:
    assert on_a_terminal("line\n" * 30).count("\tline") == 30


def test_a_line_that_is_wrapped_counts_as_many() -> None:
    assert "\tx" in on_a_terminal("x" * 2000 + "\n")


@pytest.mark.parametrize(
    ("text", "paged", "environment"),
    [
        ("line\n" * 5, True, {}),
        ("line\n" * 30, False, {}),
        ("line\n" * 30, True, {"PAGER": ""}),
        ("line\n" * 30, True, {"PAGER": "cat"}),
        ("line\n" * 30, True, {"PAGER": "no-such-pager"}),
        ("line\n" * 30, True, {"PAGER": "less '"}),
        ("line\n" * 30, True, {"TERM": "dumb"}),
    ],
)
def test_what_is_short_or_cannot_be_paged_is_shown_as_it_is(
    text: str, paged: bool, environment: dict[str, str]
) -> None:
    assert on_a_terminal(text, paged, **environment) == text


def test_a_pager_that_is_left_early_is_no_error() -> None:
    assert on_a_terminal("line\n" * 20_000, PAGER="head -2") == "line\nline\n"


def test_no_pager_where_the_output_goes_elsewhere() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW.format(text="line\n" * 99, paged=True)],
        capture_output=True, text=True, check=True, env={**os.environ, "PAGER": "false", "TERM": "xterm"},
    )  # fmt: skip
    assert done.stdout == "line\n" * 99


def test_a_reader_that_goes_away_ends_it_as_the_signal_would() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from maieutic.inspector.paging import show; show('line\\n' * 10**6)"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141
