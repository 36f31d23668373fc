"""ALP-GMM: ask where the Solver's results change, up or down, over levels as continuous parameters.

A task is a vector: its level in [0, 1] and, for its skill, a 1 among zeros. ALP = |r_new − r_old|, r_old
that of the nearest task of earlier rounds. Mixtures of 2 to 10 Gaussians are fitted to (task, ALP), and the
one with the lowest AIC is kept. A fifth of the draws is uniform; the others choose a Gaussian in proportion
to its mean ALP and draw a task from it.

Source: ALP-GMM, arXiv 1910.07224 (window 250, 500 old tasks, 20 % uniform, full covariance). Differs: the
Solver does not change within a round, so r_old comes from earlier rounds, and the mixture is fitted once a
round; skills, which have no order, are one-hot; a drawn vector becomes the nearest skill and level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..policy import Asked, Cell, Known
from .arms import Arms

Floats = NDArray[np.float64]

_DRAWS = 4000
"""Draws from the mixture that the weights of skills and levels are counted from."""


@dataclass
class ALPGMM(Arms):
    """
    Options:
        window: newest (task, ALP) pairs that the mixture is fitted to.
        buffer: old tasks among which the nearest is looked for.
        random: share of uniform draws.
        most: Gaussians at most.
    """

    window: Annotated[int, Field(ge=20, le=10_000)] = 250
    buffer: Annotated[int, Field(ge=1, le=10_000)] = 500
    random: Annotated[float, Field(ge=0, le=1)] = 0.2
    most: Annotated[int, Field(ge=2, le=50)] = 10
    skills: list[str] = field(default_factory=list, init=False)
    top: int = field(default=1, init=False)
    old: list[tuple[list[float], float]] = field(default_factory=list, init=False)
    """(task, reward) of earlier rounds."""
    progress: list[tuple[list[float], float]] = field(default_factory=list, init=False)
    """(task, ALP), newest last."""

    def _task(self, cell: Cell) -> list[float]:
        return [(cell[1] - 1) / max(1, self.top - 1), *(float(cell[0] == skill) for skill in self.skills)]

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        seen = [(known.cell, known.last.pass_rate) for known in outcomes if known.last]
        if not self.skills:
            cells = [*asked.cells, *(cell for cell, _ in seen)]
            self.skills = sorted({skill for skill, _ in cells})
            self.top = max([asked.top, *(level for _, level in cells)])
        asked.rng.shuffle(seen)
        tried = [(self._task(cell), rate) for cell, rate in seen]
        if self.old and tried:
            # The newest first: of tasks that are equally near, the last result counts.
            tasks, rewards = _columns(self.old[::-1])
            for task, rate in tried[: self.window]:
                nearest = int(((tasks - np.array(task)) ** 2).sum(1).argmin())
                self.progress.append((task, abs(rate - float(rewards[nearest]))))
            self.progress = self.progress[-self.window :]
        self.old = (self.old + tried)[-self.buffer :]

    def weights(self, cells: Sequence[Cell], asked: Asked) -> Mapping[Cell, float]:
        uniform = dict.fromkeys(cells, 1 / max(1, len(cells)))
        if len(self.progress) < 2 * self.most or not cells:
            return uniform
        means, draws = self._mixture(asked.rng.randrange(2**31))
        if means.sum() <= 0:
            return uniform
        places = np.array([self._task(cell) for cell in cells])
        near = ((draws[:, None, :] - places[None, :, :]) ** 2).sum(2).argmin(1)
        counts = Counter(near.tolist())
        return {
            cell: self.random * uniform[cell] + (1 - self.random) * counts[place] / len(draws)
            for place, cell in enumerate(cells)
        }

    def _mixture(self, seed: int) -> tuple[Floats, Floats]:
        """(Gaussians,) mean ALP of each, and (draws, task) tasks drawn in proportion to it."""
        from sklearn.mixture import GaussianMixture

        tasks, progress = _columns(self.progress)
        points = np.column_stack([tasks, progress])
        fits: list[Any] = [
            GaussianMixture(count, covariance_type="full", random_state=seed, reg_covar=1e-4).fit(points)
            for count in range(2, self.most + 1)
        ]
        best = min(fits, key=lambda fit: float(fit.aic(points)))
        means = np.maximum(0.0, best.means_[:, -1])
        source = np.random.default_rng(seed)
        chosen = (
            source.choice(len(means), _DRAWS, p=means / means.sum()) if means.sum() > 0 else np.zeros(0, int)
        )
        drawn = [
            source.multivariate_normal(
                best.means_[which], best.covariances_[which], int((chosen == which).sum())
            )
            for which in range(len(means))
        ]
        return means, np.clip(np.vstack(drawn)[:, :-1], 0.0, 1.0)

    def state_dict(self) -> dict[str, Any]:
        return {"skills": self.skills, "top": self.top, "old": self.old, "progress": self.progress}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.skills, self.top = list(state["skills"]), int(state["top"])
        self.old = [(list(task), float(value)) for task, value in state["old"]]
        self.progress = [(list(task), float(value)) for task, value in state["progress"]]

    def metrics(self) -> dict[str, float]:
        recent = [value for _, value in self.progress]
        return {"progress": sum(recent) / len(recent)} if recent else {}


def _columns(rows: Sequence[tuple[list[float], float]]) -> tuple[Floats, Floats]:
    tasks, values = zip(*rows, strict=True)
    return np.array(tasks, dtype=float), np.array(values, dtype=float)
