"""How far the chances that somebody gives can be believed: measured where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence

BINS = 10
"""Bins of equal width in the calibration error."""


def brier(chances: Sequence[float], truths: Sequence[bool]) -> float:
    """Mean of (chance − truth)², truth being 1 or 0: 0 is perfect, always saying ½ gives ¼.

    Args:
        chances: (cases,), in [0, 1], of the event.
        truths: (cases,), whether it was so.
    Raises:
        ValueError: there are none, or the two cannot be paired, or a chance is none.
    Source: Brier 1950. Differs: one event in place of the sum over it and its contrary, which is
        twice as much.
    """
    _check(chances, truths)
    return sum((chance - truth) ** 2 for chance, truth in zip(chances, truths, strict=True)) / len(truths)


def calibration_error(chances: Sequence[float], truths: Sequence[bool], bins: int = BINS) -> float:
    """Expected calibration error: Σ over bins of n_bin/n · |share that was so − mean chance|.

    In [0, 1]; 0 where, in every bin, what was given a chance of p came true in a share of p.
    Bins are [0, 1/bins), …, [1 − 1/bins, 1]. Chance adds to it: one who is
    calibrated perfectly still gets about 0.06 (always 0.1 or 0.9) to 0.17 (any chance) on 32 cases.

    Args:
        chances: (cases,), in [0, 1], of the event.
        truths: (cases,), whether it was so.
    Raises:
        ValueError: there are none, or the two cannot be paired, or a chance is none.
    Source: Naeini, Cooper and Hauskrecht 2015; Guo et al., arXiv 1706.04599, eq. 3. Differs: of the
        chance of one event, as in the first, not of the confidence in the likelier class.
    """
    _check(chances, truths)
    held: dict[int, list[tuple[float, bool]]] = {}
    for chance, truth in zip(chances, truths, strict=True):
        held.setdefault(min(int(chance * bins), bins - 1), []).append((chance, truth))
    apart = (abs(sum(truth - chance for chance, truth in part)) for part in held.values())
    return min(1.0, sum(apart) / len(truths))


def _check(chances: Sequence[float], truths: Sequence[bool]) -> None:
    if len(chances) != len(truths) or not chances:
        raise ValueError(f"cannot pair {len(chances)} chances with {len(truths)} truths")
    if not all(0 <= chance <= 1 for chance in chances):
        raise ValueError("a chance is not within 0 and 1")
