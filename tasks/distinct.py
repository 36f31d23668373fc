"""Counting texts that were there before, in a bounded amount of memory."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

EXACT = 40_000_000
"""Different texts that are kept, 8 bytes each; beyond, a share of them stands for all."""

_TOGETHER = 4_000_000
"""Texts that are gathered before they are sorted in."""

_HALVINGS = 40


class Repeats:
    """Counts the texts that were there before, by 64 bits of each.

    That two different texts among 40 million share their 64 bits has a chance of 1 in 20,000.
    Where there are more than `most` different ones, only those are kept whose number is divisible
    by 2, then by 4, by 8 and so on, and what is counted among them is multiplied.

    Source: adaptive sampling, Wegman; Flajolet 1990, Computing 43. Differs: repeats are counted
    among those kept, where the source counts different ones: so none are found where there are none.
    The estimate is rough where a few texts make up most of the repeats.
    """

    def __init__(self, most: int = EXACT, together: int = _TOGETHER) -> None:
        self.most, self.together = most, together
        self._halved = 0
        self._kept: NDArray[np.int64] = np.empty(0, np.int64)  # sorted
        self._new = array("q")
        self._counts = [0] * _HALVINGS
        """Repeats among texts whose number is divisible by 1, 2, 4 and so on."""

    def add(self, text: str) -> None:
        # Python's own hash: SipHash, whose key is new in each process; 64 bits.
        number = hash(text)
        if not number & self._mask:
            self._new.append(number)
            if len(self._new) == self.together:
                self._sort_in()

    @property
    def exact(self) -> bool:
        return self._halved == 0

    @property
    def _mask(self) -> int:
        return (1 << self._halved) - 1

    def count(self) -> int:
        """How many texts were there before; an estimate where it is not exact."""
        self._sort_in()
        return self._counts[self._halved] << self._halved

    def _sort_in(self) -> None:
        both = np.concatenate((self._kept, np.frombuffer(self._new, np.int64)))
        self._kept, self._new = both[:0], array("q")
        both.sort()
        first = np.ones(len(both), bool)
        np.not_equal(both[1:], both[:-1], out=first[1:])
        again = both[~first]
        for halved in range(self._halved, _HALVINGS):
            again = again[(again & ((1 << halved) - 1)) == 0]
            self._counts[halved] += len(again)
        self._kept = both[first]
        while len(self._kept) > self.most:
            self._halved += 1
            self._kept = self._kept[(self._kept & self._mask) == 0]
