"""A list of objects in a .json file, an entry at a time: a file of any size takes little memory.

The text is read in pieces. An entry that does not end in the piece at hand is tried again with
twice as much, up to the longest row, so every character is looked at about twice at most.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ..errors import SeedError
from .rows import LONGEST_ROW, Placed, Trouble, shortened

_PIECE = 65_536
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()

UNDECODED = re.compile(r"[\udc80-\udcff]")
"""Bytes that are not UTF-8, where a file was read with `surrogateescape`."""


def json_rows(path: Path, trouble: Trouble) -> Iterator[Placed]:
    """The entries of `[{…}, {…}]`, or of the one list of objects in `{"data": [{…}]}`."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        text = _Text(file, path)
        first = text.next()
        if first == "[":
            yield from _entries(text, trouble)
        elif first == "{":
            yield from _one_list(text, trouble)
        elif first:
            raise _no_list(path)
        if first and text.next():
            raise SeedError(f"{path}: goes on after its end; {_LINES}")


_LINES = "where it holds one object a line, name it .jsonl"


def _no_list(path: Path) -> SeedError:
    return SeedError(f"{path}: holds no list of objects; write [{{...}}, {{...}}]; {_LINES}")


def _entries(text: _Text, trouble: Trouble) -> Iterator[Placed]:
    """Entries of a list whose bracket comes next."""
    for number in text.between("[", "]"):
        place = f"{text.path} entry {number}"
        entry, whole = text.value(place)
        if not whole:
            trouble(SeedError(f"{place}: is not UTF-8; save the file as UTF-8"))
        elif isinstance(entry, dict):
            yield place, entry
        else:
            trouble(SeedError(f"{place}: a {type(entry).__name__}, where an object is expected"))


def _one_list(text: _Text, trouble: Trouble) -> Iterator[Placed]:
    """Entries of the one list of objects among the values of an object that comes next."""
    found: str | None = None
    for number in text.between("{", "}"):
        name, _ = text.value(f"{text.path} name {number}")
        text.take(":")
        if text.next() != "[":
            text.value(f"{text.path} {shortened(str(name))!r}")
        elif not text.objects():
            for entry in text.between("[", "]"):
                text.value(f"{text.path} {shortened(str(name))!r} entry {entry}")
        elif found is not None:
            raise SeedError(
                f"{text.path}: two lists of objects, {found!r} and {shortened(str(name))!r}; "
                "write one of them as .jsonl"
            )
        else:
            found = shortened(str(name))
            yield from _entries(text, trouble)
    if found is None:
        raise _no_list(text.path)


class _Text:
    """JSON text of which a piece is held at a time."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self.file, self.path = file, path
        self.piece, self.at, self.ended = "", 0, False

    def next(self) -> str:
        """The character that comes after spaces, not taken; empty at the end."""
        while True:
            self.at = _SPACE.match(self.piece, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.piece) or not self._more(_PIECE):
                return self.piece[self.at : self.at + 1]

    def _more(self, characters: int) -> bool:
        """Read on, and let go of what is behind us; False at the end."""
        read = self.file.read(characters)
        self.piece, self.at, self.ended = self.piece[self.at :] + read, 0, not read
        return bool(read)

    def take(self, sign: str) -> None:
        if (found := self.next()) != sign:
            there = f"{found!r}" if found else "the end"
            raise SeedError(f"{self.path}: not JSON ({sign!r} expected, {there} found); is it cut off?")
        self.at += 1

    def between(self, opening: str, closing: str) -> Iterator[int]:
        """Numbers from 1 while there is a value before the closing bracket; the caller takes it."""
        self.take(opening)
        number = 0
        while self.next() != closing:
            if number:
                self.take(",")
            number += 1
            yield number
        self.take(closing)

    def objects(self) -> bool:
        """Whether the list whose bracket comes next begins with an object."""
        self.next()
        while len(self.piece) - self.at < _PIECE and self._more(_PIECE):
            continue
        return self.piece[self.at + 1 : self.at + _PIECE].lstrip()[:1] == "{"

    def value(self, place: str) -> tuple[Any, bool]:
        """The value that comes next, and whether all of it was UTF-8."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.piece, self.at)
            except (ValueError, RecursionError) as error:
                self._longer(place, error)
                continue
            # A number may go on in the next piece.
            if end == len(self.piece) and self._more(_PIECE):
                continue
            whole = UNDECODED.search(self.piece, self.at, end) is None
            self.at = end
            return value, whole

    def _longer(self, place: str, error: Exception) -> None:
        """Read on after a value that does not end here, or say that it is broken."""
        held = len(self.piece) - self.at
        if held > LONGEST_ROW:
            raise SeedError(f"{place}: broken, or longer than {LONGEST_ROW:,} characters") from None
        if (
            isinstance(error, RecursionError)
            or _too_long_a_number(error)
            or not self._more(max(held, _PIECE))
        ):
            raise SeedError(f"{place}: {json_trouble(error)}") from None


def _too_long_a_number(error: Exception) -> bool:
    return "integer string conversion" in str(error)


def json_trouble(error: Exception, remedy: str = "is it cut off, or edited by hand?", at: str = "") -> str:
    """What is wrong with a text that is no JSON, and what to do."""
    if isinstance(error, RecursionError):
        return "not JSON (nested too deep); leave it out, or write it flat"
    if _too_long_a_number(error):
        return "not JSON (a number of more than 4,300 digits); write it as text"
    said = str(getattr(error, "msg", error)).removesuffix(" at")
    return f"not JSON ({said}{at}); {remedy}"
