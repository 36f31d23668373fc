"""Which of a round's pairs are kept, how they weigh, and which earlier ones come back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from ...records import PreferencePair

Group = Callable[[PreferencePair], str | None]


def capped(pairs: Sequence[PreferencePair], group: Group, share: float, rng: Random) -> list[PreferencePair]:
    """The pairs, where no group has more than a share of their number; the rest of it goes by chance.

    Args:
        group: of a pair; what has none is kept.
        share: of all that are left. Where there are too few groups for it, all are as large as the least.
    """
    sizes = Counter(name for pair in pairs if (name := group(pair)) is not None)
    most = _most(list(sizes.values()), len(pairs) - sizes.total(), share)
    kept = set(range(len(pairs)))
    groups: dict[str, list[int]] = {}
    for place, pair in enumerate(pairs):
        if (name := group(pair)) is not None:
            groups.setdefault(name, []).append(place)
    for places in groups.values():
        if len(places) > most:
            kept -= set(rng.sample(places, len(places) - most))
    return [pair for place, pair in enumerate(pairs) if place in kept]


def _most(sizes: Sequence[int], others: int, share: float) -> int:
    """The largest size of a group that is no more than a share of what is then left; where there are too
    few groups for any, that of the smallest, so that all are alike."""
    for most in range(max(sizes, default=0), 0, -1):
        if most <= share * (others + sum(min(most, size) for size in sizes)):
            return most
    return min(sizes, default=0)


def fewer_anchors(pairs: Sequence[PreferencePair], share: float, rng: Random) -> list[PreferencePair]:
    """The pairs, with anchors no more than a share of what is left; none at all at 0."""
    anchors = [place for place, pair in enumerate(pairs) if pair.kind == "anchor"]
    others = len(pairs) - len(anchors)
    most = len(anchors) if share == 1 else min(len(anchors), int(share * others / (1 - share)))
    left_out = set(rng.sample(anchors, len(anchors) - most))
    return [pair for place, pair in enumerate(pairs) if place not in left_out]


def weighed(pairs: Sequence[PreferencePair], group: Group) -> list[PreferencePair]:
    """The pairs, weighted so that every group counts alike as a whole; together they weigh what they did."""
    groups: dict[str | None, float] = {}
    for pair in pairs:
        groups[group(pair)] = groups.get(group(pair), 0.0) + pair.weight
    even = sum(groups.values()) / max(1, len(groups))
    return [pair.model_copy(update={"weight": pair.weight * even / groups[group(pair)]}) for pair in pairs]


def few_of_each(pairs: Sequence[PreferencePair], most: int) -> list[PreferencePair]:
    """Of one question, each pair once, and the first `most`; all of them where that is 0."""
    once: dict[str, PreferencePair] = {}
    for pair in pairs:
        once.setdefault(pair.id, pair)
    return list(once.values())[: most or None]


def replayed(
    earlier: Sequence[PreferencePair], count: int, rng: Random, band: Sequence[float] = ()
) -> list[PreferencePair]:
    """Earlier pairs, drawn by chance, to be trained on once more.

    Args:
        band: two likelihoods a token; only pairs whose chosen side lay above the first, and not above the
            second. What has none known is left out.

    Source: WebRL, arXiv 2411.02337: of earlier successes those with 0.5 < p ≤ 0.95, the perplexity
    between 1/0.95 and 2; up to twice the current data. Differs: whole pairs; p is that of the checkpoint
    that wrote the chosen side, not of the current one; how many is `training.replay`.
    """
    if band:
        low, high = band
        earlier = [p for p in earlier if p.likelihood is not None and low < p.likelihood <= high]
    drawn = rng.sample(earlier, min(len(earlier), count))
    return [old.model_copy(update={"replayed": True}) for old in drawn]
