"""Sums over the rounds that are over, one small file a round: no round reads all those before it anew.

A file holds the sum up to its round. It follows from the records: one that is missing or damaged is worked
out again, from the last one before it that can be read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..errors import RunError
from ..memory.run import RunFolder

T = TypeVar("T")


def sum_up_to(
    folder: RunFolder,
    name: str,
    last: int,
    add: Callable[[T, int], T],
    read: Callable[[Any], T],
    kept: Callable[[T], Any],
    first: int = 1,
) -> T:
    """The sum over the rounds `first` to `last`, all of which are over.

    Args:
        name: of the files, in the rounds' folders.
        add: a round to a sum. It must leave the sum that it is given as it is.
        read: a sum from what JSON gave, or from None for that of no round; raises ValueError, TypeError or
            KeyError for what is none.
        kept: a sum as JSON takes it.
    """
    number = last
    while number >= first and (found := _read(folder, number, name, read)) is None:
        number -= 1
    total = read(None) if number < first or found is None else found
    for later in range(max(first, number + 1), last + 1):
        total = add(total, later)
        folder.write_json(later, name, kept(total))
    return total


def _read(folder: RunFolder, number: int, name: str, read: Callable[[Any], T]) -> T | None:
    try:
        there = folder.read_json(number, name)
        return None if there is None else read(there)
    except (RunError, ValueError, TypeError, KeyError, AttributeError):
        return None


@dataclass
class Newest(Generic[T]):
    """The newest records of a run, of so many rounds at most; each round that is over is read once."""

    most: int
    back: int
    """Rounds that are looked at."""
    read: Callable[[int], list[T]]
    """The records of a round."""
    _parts: dict[int, list[T]] = field(default_factory=dict, init=False)

    def up_to(self, round: int) -> list[T]:
        """In their order; a round that is asked for later may begin anew, so it is not remembered yet."""
        parts: dict[int, list[T]] = {}
        for number in range(round, max(0, round - self.back), -1):
            parts[number] = self._parts[number] if number in self._parts else self.read(number)
            if sum(map(len, parts.values())) >= self.most:
                break
        self._parts = {number: part for number, part in parts.items() if number < round}
        return list(itertools.chain.from_iterable(reversed(parts.values())))[-self.most :]
