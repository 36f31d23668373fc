"""How much questions repeat each other: clusters by BLEU.

scikit-learn and scipy are imported when they are needed: most policies never do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ORDERS = 4
_SMOOTH = 0.1
"""Stands for no match, so that one order without any does not make all 0 (Chen and Cherry 2014, method 1)."""


def bleu(texts: Sequence[str]) -> NDArray[np.float64]:
    """(texts, texts) sentence BLEU-4 of each text (row) with each other as its reference (column), in [0, 1].

    Source: BLEU (Papineni et al. 2002). Words are what white space separates, without their case.
    """
    words = [text.casefold().split() for text in texts]
    lengths = np.array([len(each) for each in words], dtype=float)
    logs = np.zeros((len(texts), len(texts)))
    for order in range(1, _ORDERS + 1):
        matches = _common(words, order)
        possible = np.maximum(1.0, lengths - order + 1)
        logs += np.log(np.maximum(matches, _SMOOTH) / possible[:, None]) / _ORDERS
    safe = np.maximum(1.0, lengths)
    brevity = np.minimum(0.0, 1 - safe[None, :] / safe[:, None])
    alike: NDArray[np.float64] = np.minimum(1.0, np.exp(logs + brevity))
    return alike


def _common(words: Sequence[Sequence[str]], order: int) -> NDArray[np.float64]:
    """(texts, texts) n-grams in common, each as often as the text that has it less often has it.

    The k-th time that an n-gram comes is a feature of its own: then the clipped count is a product.
    """
    from scipy import sparse

    columns: dict[tuple[tuple[str, ...], int], int] = {}
    row_of, column_of = [], []
    for row, each in enumerate(words):
        times: Counter[tuple[str, ...]] = Counter()
        for gram in zip(*(each[shift:] for shift in range(order)), strict=False):
            times[gram] += 1
            row_of.append(row)
            column_of.append(columns.setdefault((gram, times[gram]), len(columns)))
    shape = (len(words), max(1, len(columns)))
    grams = sparse.csr_matrix((np.ones(len(row_of)), (row_of, column_of)), shape=shape)
    return np.asarray((grams @ grams.T).todense())


def cluster_shares(texts: Sequence[str], threshold: float) -> list[float]:
    """For each text, the share of all texts that are in its cluster.

    Agglomerative clusters with average linkage, cut at a distance; 1 − BLEU, the mean of both directions.

    Source: R-Zero, arXiv 2508.05004 (threshold ½). Differs: its code takes one direction.
    """
    if len(texts) < 2:
        return [1.0] * len(texts)
    from sklearn.cluster import AgglomerativeClustering

    alike = bleu(texts)
    distance = 1 - (alike + alike.T) / 2
    np.fill_diagonal(distance, 0.0)
    made: Any = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=threshold
    ).fit(distance)
    sizes = Counter(made.labels_.tolist())
    return [sizes[label] / len(texts) for label in made.labels_.tolist()]
