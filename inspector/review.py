"""New questions read by a person at the terminal: accept, edit, refuse, or go on another day."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sys
import tempfile
import termios
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console

from ..errors import printable
from ..graph.review import Asked, Desk, Faulty

_MENU = "[a]ccept  [e]dit  [r]efuse  [A]ccept the rest  [R]efuse the rest  [s]top > "
_FIELDS = ("question", "answer", "solution")
_LONGEST_LINE = 65_536
_EDITOR_S = 3.0
"""Seconds that an editor has to end when the run is stopped."""

Draft = dict[str, str]
"""Question, answer and solution as a person has left them."""


def at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


class AtTerminal:
    """
    Args:
        aside: keeps a live display out of the way while the person reads.
    """

    def __init__(self, console: Console, aside: Callable[[], AbstractContextManager[None]]) -> None:
        self.console, self.aside = console, aside

    async def __call__(self, desk: Desk) -> None:
        """Show what waits, one by one; every decision is kept as it is made."""
        with self.aside():
            # What was typed while nobody asked decides nothing.
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
            waiting = desk.waiting()
            for place, asked in enumerate(waiting):
                self._show(asked, place + 1, len(waiting))
                if not await self._decided(desk, asked, waiting[place:]):
                    return

    def _show(self, asked: Asked, place: int, total: int) -> None:
        question, proposal = asked.question, asked.proposal
        self._say(f"\nround {proposal.round}, question {place} of {total}, {proposal.id}")
        parent = f"{asked.parent.text} = {asked.parent.answer}" if asked.parent else "none"
        for name, text in (
            ("question", question.text),
            ("answer", question.answer),
            ("solution", question.solution),
            ("skill", f"{question.skill}, level {question.level}"),
            ("parent", parent),
            ("from", f"{proposal.author}, {proposal.move}"),
            ("label", f"{question.label}, confidence {question.confidence:.2f}"),
        ):
            self._say(f"  {name:9} {text}".replace("\n", "\n            "))

    def _say(self, text: str, end: str = "\n") -> None:
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True, end=end)

    async def _decided(self, desk: Desk, asked: Asked, rest: list[Asked]) -> bool:
        """Ask until there is a decision; False where the person wants to go on another day, or
        nothing is left."""
        while True:
            said = await self._line(_MENU)
            if said is None or said == "s":
                return False
            if said == "a":
                desk.decide([asked], "accepted")
                return True
            if said in ("r", "R"):
                reason = await self._line("why? > ")
                if reason is not None:
                    desk.decide([asked] if said == "r" else rest, "refused", printable(reason)[:500])
                    return said == "r"
            elif said == "A":
                desk.decide(rest, "accepted")
                return False
            elif said == "e" and await self._edit(desk, asked):
                return True

    async def _edit(self, desk: Desk, asked: Asked) -> bool:
        given = _draft(asked)
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        left = await self._in_editor(editor, given) if editor else await self._line_by_line(given)
        if left is None or left == given:
            self._say("nothing was changed")
            return False
        try:
            desk.edit(asked, left["question"], left["answer"], left["solution"])
        except Faulty as error:
            self._say(f"not taken: {error}")
            return False
        return True

    async def _in_editor(self, editor: str, given: Draft) -> Draft | None:
        """What the person leaves in a file; None where the editor fails, or its marks are gone."""
        with tempfile.TemporaryDirectory(prefix="maieutic-") as folder:
            file = Path(folder) / "question.txt"
            file.write_text(written(given), encoding="utf-8")
            try:
                process = await asyncio.create_subprocess_exec(*shlex.split(editor), str(file))
            except (OSError, ValueError) as error:
                self._say(f"EDITOR {editor!r} cannot be started ({error})")
                return None
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await _end(process)
                raise
            return read_back(file.read_text(encoding="utf-8", errors="replace"), given) if code == 0 else None

    async def _line_by_line(self, given: Draft) -> Draft | None:
        self._say("EDITOR is not set; Enter keeps what is there, a single - empties it")
        left = {}
        for name in _FIELDS:
            said = await self._line(f"{name} > ")
            if said is None:
                return None
            left[name] = {"": given[name], "-": ""}.get(said, said)
        return left

    async def _line(self, prompt: str) -> str | None:
        """A line that the person types; None at the end of the input.

        Waited for by the event loop, so that Ctrl-C and SIGTERM stop the run as at any other time.
        """
        self._say(prompt, end="")
        self.console.file.flush()
        loop, typed = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(sys.stdin.fileno(), typed.set)
        try:
            await typed.wait()
        finally:
            loop.remove_reader(sys.stdin.fileno())
        try:
            data = os.read(sys.stdin.fileno(), _LONGEST_LINE)
        except OSError:
            return None  # the terminal is gone
        return data.decode(errors="replace").strip() if data else None


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask an editor to end; one that will not is killed."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _EDITOR_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _draft(asked: Asked) -> Draft:
    texts = (asked.question.text, asked.question.answer, asked.question.solution)
    return {name: printable(text).strip() for name, text in zip(_FIELDS, texts, strict=True)}


def _marks(given: Draft) -> dict[str, str]:
    """Lines that stand above the parts of the file, and in none of them."""
    bar = "==="
    while any(bar in text for text in given.values()):
        bar += "="
    return {name: f"{bar} {name} {bar}" for name in (*_FIELDS, "end")}


def written(given: Draft) -> str:
    """The file to edit. Its first and last lines are ours: some editors obey those of a file."""
    marks = _marks(given)
    head = (
        "Change what stands below the marks, and leave the marks.",
        "The solution should end in #### and the answer; an empty one is left out.",
        "Save and leave to have the question taken in place of the one proposed.",
        "Leave it as it is to change nothing.",
        "",
    )
    body = (line for name in _FIELDS for line in (marks[name], given[name]))
    return "\n".join([*head, *body, marks["end"], "", "", "", "", "", ""])


def read_back(text: str, given: Draft) -> Draft | None:
    """The parts of an edited file; None where a mark is gone or stands twice."""
    marks, left, rest = _marks(given), {}, text
    if any(text.count(mark) != 1 for mark in marks.values()):
        return None
    _, _, rest = rest.partition(marks["question"])
    for name, following in (("question", "answer"), ("answer", "solution"), ("solution", "end")):
        part, mark, rest = rest.partition(marks[following])
        if not mark:
            return None
        left[name] = part.strip()
    return left
