"""A value model: the pass rate of a question, learned from its text alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class ValueModel:
    """Linear in a question's embedding and a constant; refitted to each round, held near what it was.

    w ← argmin Σ (x·w − r̄)² + λ‖w − w_before‖², r̄ the pass rate of a question: ridge regression around the
    last weights, so that its state is one vector whatever it has seen.

    Source: value update of PCL, arXiv 2510.01135: min Σ (V(x) − r̄)². Differs: there V is a language model.

    Args:
        stiffness: λ.
    """

    def __init__(self, stiffness: float) -> None:
        self.stiffness = stiffness
        self.weights: Floats | None = None
        self.explained = 0.0
        """Share of the last round's variance of pass rates that the weights before it explained."""

    def values(self, embedded: NDArray[np.float32]) -> Floats:
        """(questions,) pass rates in [0, 1]; ½ of each before anything was learned.

        Args:
            embedded: (questions, size).
        """
        if self.weights is None or len(self.weights) != embedded.shape[1] + 1:
            return np.full(len(embedded), 0.5)
        return np.clip(_with_constant(embedded) @ self.weights, 0.0, 1.0)

    def fit(self, embedded: NDArray[np.float32], rates: Sequence[float]) -> None:
        """Learn the pass rates of a round.

        Args:
            embedded: (questions, size).
            rates: (questions,) in [0, 1].
        """
        if not len(rates):
            return
        wanted = np.asarray(rates, dtype=float)
        spread = float(((wanted - wanted.mean()) ** 2).sum())
        missed = float(((wanted - self.values(embedded)) ** 2).sum())
        self.explained = 1 - missed / spread if spread else 0.0
        rows = _with_constant(embedded)
        before = self.weights
        if before is None or len(before) != rows.shape[1]:
            before = np.zeros(rows.shape[1])
            before[-1] = 0.5
        left = rows.T @ rows + self.stiffness * np.eye(rows.shape[1])
        self.weights = before + np.linalg.solve(left, rows.T @ (wanted - rows @ before))

    def state_dict(self) -> dict[str, Any]:
        return {"weights": None if self.weights is None else [float(w) for w in self.weights]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        weights = state["weights"]
        self.weights = None if weights is None else np.asarray(weights, dtype=float)


def _with_constant(embedded: NDArray[np.float32]) -> Floats:
    return np.hstack([embedded.astype(float), np.ones((len(embedded), 1))])
