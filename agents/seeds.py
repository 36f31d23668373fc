"""Sampling seeds that depend on what is asked and on nothing else."""

from __future__ import annotations

import zlib


def call_seed(*parts: object) -> int:
    """A seed in [0, 2³¹) from what identifies a call: a resumed run samples the same."""
    return zlib.crc32("\x1f".join(map(str, parts)).encode()) & 0x7FFF_FFFF
