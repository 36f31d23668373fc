"""Text of others within a prompt: between two marks that it cannot hold itself."""

from __future__ import annotations

import hashlib


def fenced(text: str) -> str:
    """A text as data: between marks that are made from it, so that it cannot end its own fence.

    A template uses it as a filter: `{{ attempt | fenced }}`. The same text has the same marks, and an
    endpoint's prefix cache works as ever.
    """
    mark = _mark(text)
    while f"data {mark}>" in text:
        mark = _mark(mark + text)
    return f"<data {mark}>\n{text}\n</data {mark}>"


def code_of(*parts: object) -> str:
    """A code for the marks around several texts, from all of them: no text can hold one that depends on
    the text itself, and a resumed run writes the same."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:16]


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def shortened(text: str, most: int) -> str:
    """The beginning of a text, with a mark where it goes on."""
    return text if len(text) <= most else f"{text[:most]}\n[…]"
