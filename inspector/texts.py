"""Text from models and files, made fit to be shown in a terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.text import Text

from ..errors import printable

MOST = 2000
"""Signs of one text that a terminal is given; the records, and --json, have all of it."""


def clean(text: str) -> str:
    """Text from models and files, made safe for a terminal: no markup, no control characters."""
    return escape(printable(text))


def cut(text: str, most: int = MOST) -> str:
    """A long text without its middle: it begins with the idea and ends with the answer."""
    if len(text) <= most:
        return text
    head = most // 3
    return f"{text[:head]} [… {len(text) - most:,} signs …] {text[head - most :]}"


def shown(text: str | None, most: int = MOST, style: str = "") -> Text:
    """A text as it is, but for what a terminal would obey and what is too long for it."""
    return Text(printable(cut(text or "", most)), style=style)


def in_line(text: str | None, most: int = MOST, style: str = "") -> Text:
    """The same on one line."""
    return Text(" ".join(printable(cut(text or "", most)).split()), style=style)
