"""Near copies among a million texts without comparing all: hashes that near vectors are likely to share.

A random hyperplane parts two vectors at an angle θ with chance θ/π. The signs of `bits` hyperplanes are a
key; two vectors share the key of a table with chance (1 − θ/π)^bits, and that of none of `tables` tables
with chance (1 − (1 − θ/π)^bits)^tables. What shares a key is sifted once more by the signs of 256 other
hyperplanes, and what is left is compared as it is: a hash can miss a copy, never make one.

Source: Charikar 2002, Similarity estimation techniques from rounding algorithms, section 3. Differs: none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Vectors = np.ndarray[Any, np.dtype[np.float32]]
Words = np.ndarray[Any, np.dtype[np.uint64]]

TABLES = 20
"""Keys of one text, at most: each is a row on disk."""
BITS = 40
"""Of one key, at most."""
MISSED = 0.02
"""Chance at most that a copy of exactly the cosine that is looked for shares no key; of a nearer one it is
less, and the same text is found without hashes."""
SIFTED = 256
"""Bits of the signature that sifts what shares a key."""
_SURE = 4.0
"""Standard deviations of the signature's differing bits that a copy is allowed above their mean."""


def parted(cosine: float) -> float:
    """Chance that a random hyperplane parts two vectors of this cosine similarity."""
    return math.acos(max(-1.0, min(1.0, cosine))) / math.pi


def missed(cosine: float, bits: int, tables: int) -> float:
    """Chance that two vectors of this cosine similarity share no key."""
    return float((1 - (1 - parted(cosine)) ** bits) ** tables)


def bits_for(cosine: float, tables: int = TABLES, most: float = MISSED) -> int:
    """The most bits of a key with which vectors of this similarity are missed with chance `most` at most:
    the more bits, the fewer others share a key by chance. At least 1, whatever is missed then."""
    return max((bits for bits in range(1, BITS + 1) if missed(cosine, bits, tables) <= most), default=1)


@dataclass(frozen=True)
class Hashes:
    """Keys and signatures of vectors; the same for the same size and cosine in every process.

    Args:
        size: of the vectors.
        cosine: similarity from which two count as copies.
    """

    size: int
    cosine: float

    def __post_init__(self) -> None:
        drawn = np.random.default_rng(20_021_219)
        planes = drawn.standard_normal((self.size, SIFTED + TABLES * BITS), dtype=np.float32)
        object.__setattr__(self, "_planes", planes[:, : SIFTED + TABLES * self.bits])

    @property
    def bits(self) -> int:
        return bits_for(self.cosine)

    @property
    def most_apart(self) -> int:
        """Bits of two signatures that may differ in copies."""
        chance = parted(self.cosine)
        return math.ceil(SIFTED * chance + _SURE * math.sqrt(SIFTED * chance * (1 - chance)))

    def of(self, vectors: Vectors) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Words]:
        """(texts, TABLES) keys, each with its table in it, and (texts, SIFTED / 64) signatures."""
        signs = vectors @ self._planes >= 0  # type: ignore[attr-defined]
        words = np.packbits(signs[:, :SIFTED], axis=1).view(np.uint64)
        spelt = signs[:, SIFTED:].reshape(len(vectors), TABLES, self.bits).astype(np.int64)
        keys = spelt @ (1 << np.arange(self.bits, dtype=np.int64))
        return keys + (np.arange(TABLES, dtype=np.int64) << BITS), words


def apart(one: Words, other: Words) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(rows,) bits in which the signatures of two lists differ, row by row."""
    differ: np.ndarray[Any, np.dtype[np.int64]] = np.bitwise_count(one ^ other).sum(axis=1, dtype=np.int64)
    return differ
