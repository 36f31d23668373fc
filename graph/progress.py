"""Whoever watches a run: told what it is doing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Progress(Protocol):
    """Told what a run is doing; draws it, prints it, or ignores it."""

    def begin(self, round: int, stage: str, total: int) -> None: ...

    def advance(self, count: int = 1, tokens: int = 0) -> None: ...

    def done(self, done: int, total: int) -> None: ...

    def note(self, text: str) -> None: ...

    def heldout(self, curve: Sequence[float]) -> None:
        """Held-out accuracy of every round so far, the baseline first."""


class Quiet:
    """Progress for nobody."""

    def begin(self, round: int, stage: str, total: int) -> None:
        return

    def advance(self, count: int = 1, tokens: int = 0) -> None:
        return

    def done(self, done: int, total: int) -> None:
        return

    def note(self, text: str) -> None:
        return

    def heldout(self, curve: Sequence[float]) -> None:
        return
