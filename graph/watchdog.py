"""Notices a stage that makes no progress, and says what it waits for.

In a thread of its own, so that it also speaks while our own code blocks everything else. It ends nothing:
servers that hang are ended by those who can start them again (`serving/watch.py`), and jobs by
`trainers/jobs.py`.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .progress import Progress

if TYPE_CHECKING:
    from .room import Room

_LOOK_S = 5.0
"""Seconds between two looks, at most."""


class Noticed:
    """Progress that is shown as before, and that knows when something last came.

    Args:
        shown: who shows it.
    """

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self.round, self.stage, self.came, self.total = 0, "", 0, 0
        self.last = time.monotonic()

    def begin(self, round: int, stage: str, total: int) -> None:
        self.round, self.stage, self.came, self.total = round, stage, 0, total
        self.last = time.monotonic()
        self._shown.begin(round, stage, total)

    def advance(self, count: int = 1, tokens: int = 0) -> None:
        self.came, self.last = self.came + count, time.monotonic()
        self._shown.advance(count, tokens)

    def done(self, done: int, total: int) -> None:
        self.came, self.total, self.last = done, total, time.monotonic()
        self._shown.done(done, total)

    def note(self, text: str) -> None:
        self._shown.note(text)

    def heldout(self, curve: Sequence[float]) -> None:
        self._shown.heldout(curve)


@contextlib.contextmanager
def watchdog(noticed: Noticed, room: Room) -> Iterator[None]:
    """Look after a run's progress as long as the block lasts."""
    over = threading.Event()
    ours = threading.get_ident()
    thread = threading.Thread(target=_look, args=(noticed, room, ours, over), daemon=True, name="watchdog")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=_LOOK_S)


def _look(noticed: Noticed, room: Room, ours: int, over: threading.Event) -> None:
    stall = room.config.serving.stall_s
    told = (0.0, stall)
    """When the silence began that was spoken of, and after how long it is spoken of next."""
    while not over.wait(min(_LOOK_S, stall / 4)):
        if told[0] != noticed.last or room.idle:
            told = (noticed.last, stall)
        quiet = time.monotonic() - noticed.last
        if quiet >= told[1] and not room.idle:
            # Each time after twice as long: a log of days is not to be filled with it.
            told = (noticed.last, 2 * told[1])
            with contextlib.suppress(Exception):  # what it looks at changes under its eyes
                room.tell(said(noticed, room, ours, quiet))


def said(noticed: Noticed, room: Room, ours: int, quiet: float) -> str:
    """What is said of a stage from which nothing has come for so many seconds."""
    far = f"{noticed.came} of {noticed.total}" if noticed.total else f"{noticed.came} done"
    where = f"round {noticed.round}, {noticed.stage or 'start'}"
    return (
        f"{where}: nothing has come for {quiet:.0f} s ({far}); it waits for {_waits_for(noticed, room, ours)}"
    )


def _waits_for(noticed: Noticed, room: Room, ours: int) -> str:
    stage = noticed.stage
    if stage.startswith("train_"):
        job = f"{stage.removeprefix('train_')}-{noticed.round:04d}"
        return f"the training job {job} ({room.folder.jobs / job}.log)"
    if stage == "base model":
        return "the training of the base model"
    asked = [
        f"the {role} at {_place(room, role)}: {account.waiting} requests without an answer"
        for role, account in room.accounts.all().items()
        if account.waiting
    ]
    if asked:
        return "; ".join(asked)
    if stage == "serve":
        logs = {str(server.log) for hosted in room.fleet.all() for server in hosted.servers}
        return f"the vLLM server to start or to take weights ({', '.join(sorted(logs))})"
    return f"our own code: {_at(ours)}"


def _place(room: Room, role: str) -> str:
    """Where a role is asked."""
    addresses = room.config.roles[role].addresses if role in room.config.roles else []
    hosted = room.fleet.hosted.get(role)
    return ", ".join(addresses or ([server.url for server in hosted.servers] if hosted else ["?"]))


def _at(thread: int) -> str:
    """The line that a thread is at, of those in our own files the innermost."""
    frame = sys._current_frames().get(thread)
    ours = Path(__file__).parent.parent
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(ours) and ".venv" not in file.parts:
            return f"{file.relative_to(ours)}, line {frame.f_lineno}, in {frame.f_code.co_name}"
        frame = frame.f_back
    return "outside of it, or nothing"
