"""The designs that the Generator is trained on: the newest that were measured and are worth something."""

from __future__ import annotations

from ..memory.run import RunFolder
from ..records import Worth
from .sums import Newest

_MOST = 1500
"""So many of the newest measured designs."""

_LOOKED_BACK = 100
"""Rounds that are looked through for them."""

_LEAST_UTILITY = 0.05
"""Designs worth less are left out: what nobody or everybody solves has utility 0.044."""


def designs_of(folder: RunFolder) -> Newest[Worth]:
    """Those of a run, to be asked for round by round."""
    return Newest(_MOST, _LOOKED_BACK, lambda round: _measured(folder, round))


def _measured(folder: RunFolder, round: int) -> list[Worth]:
    found = folder.read(round, "worths", Worth)
    return [worth for worth in found if worth.prompt and worth.utility > _LEAST_UTILITY]
