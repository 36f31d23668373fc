"""Pairs of earlier rounds that may be trained on again: a fair draw of all of them, of bounded size.

Up to `POOL` of them it is all of them. From then on every pair there ever was is as likely to be in it as
any other, and what it costs does not grow with the rounds.

Source: Vitter 1985, Random sampling with a reservoir, algorithm R. Differs: none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from ..memory.run import RunFolder, schema_of, write_table
from ..records import PreferencePair

POOL = 10_000
"""Pairs that are held: the pocket profile never has as many."""

EVERY = 16
"""Rounds between two files, so that a resume reads no more rounds than these."""


@dataclass
class Replayable:
    """The pairs that may be replayed in the next round; those of round 1 to `round` were drawn from."""

    seed: int
    most: int = POOL
    round: int = 0
    seen: int = 0
    """Pairs that were drawn from."""
    pairs: list[PreferencePair] = field(default_factory=list)

    def before(self, folder: RunFolder, round: int) -> list[PreferencePair]:
        """Those of all rounds before one; what was read once is not read again."""
        if self.round >= round:  # asked about an earlier one than last time
            self.round, self.seen, self.pairs = 0, 0, []
        if self.round < round - EVERY:
            self._recall(folder, round)
        for number in range(self.round + 1, round):
            self._take(folder, number)
            if number % EVERY == 0:
                self._keep(folder)
        return self.pairs

    def _take(self, folder: RunFolder, number: int) -> None:
        rng = Random(f"{self.seed}/{number}/replayable")
        for pair in folder.read(number, "pairs", PreferencePair):
            if pair.replayed:
                continue
            self.seen += 1
            if len(self.pairs) < self.most:
                self.pairs.append(pair)
            elif (place := rng.randrange(self.seen)) < self.most:
                self.pairs[place] = pair
        self.round = number

    def _keep(self, folder: RunFolder) -> None:
        """Beside what else follows from the records; only the last two are kept."""
        schema = schema_of(PreferencePair)
        noted = schema.with_metadata({**(schema.metadata or {}), b"seen": str(self.seen).encode()})
        write_table(_file(folder, self.round), [pair.model_dump() for pair in self.pairs], noted)
        for old in sorted(_file(folder, 0).parent.glob("*.parquet"))[:-2]:
            old.unlink(missing_ok=True)

    def _recall(self, folder: RunFolder, round: int) -> None:
        """Take the newest file before a round that can be read; without one, nothing."""
        for number in range((round - 1) // EVERY * EVERY, self.round, -EVERY):
            try:
                table = pq.read_table(_file(folder, number))
                seen = int((table.schema.metadata or {})[b"seen"])
                pairs = [PreferencePair.model_validate(row) for row in table.to_pylist()]
            except (pa.ArrowException, OSError, KeyError, ValueError, ValidationError):
                continue
            self.round, self.seen, self.pairs = number, seen, pairs
            return


def _file(folder: RunFolder, number: int) -> Path:
    return folder.memory / "replayable" / f"{number:06d}.parquet"
