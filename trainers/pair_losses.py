"""Losses of preference pairs, one value a pair, so that each pair can have a weight.

TRL 1.16 averages over a batch inside its trainer: these are its formulas, and tests hold them against it.
cΔ and rΔ are the log-probabilities gained over the reference, chosen and rejected; z = β·cΔ − β₋·rΔ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_EXO = 1e-3
"""EXO's ε, where a pair says none: it must not be 0."""

_DISCOPOP_TAU = 0.05


@dataclass(frozen=True, slots=True)
class Pairs:
    """A batch of pairs; all tensors are (pairs,)."""

    chosen: Tensor
    """Log-probability of the whole completion; summed over its tokens."""
    rejected: Tensor
    ref_chosen: Tensor
    ref_rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor
    smoothing: Tensor
    """Chance that the preference is the wrong way round, 0 to ½."""
    beta: float
    beta_rejected: float

    @property
    def gained(self) -> tuple[Tensor, Tensor]:
        return self.chosen - self.ref_chosen, self.rejected - self.ref_rejected

    @property
    def z(self) -> Tensor:
        chosen, rejected = self.gained
        return self.beta * chosen - self.beta_rejected * rejected

    @property
    def normed(self) -> Tensor:
        """Difference of the two gains, each for a token."""
        chosen, rejected = self.gained
        return chosen / self.chosen_tokens - rejected / self.rejected_tokens


def cdpo(p: Pairs) -> Tensor:
    """(1 − ε)·−log σ(z) + ε·−log σ(−z); with ε = 0 DPO's own (arXiv 2305.18290, eq. 7; section 4 of
    "A note on DPO with noisy preferences" for ε)."""
    return -(1 - p.smoothing) * F.logsigmoid(p.z) - p.smoothing * F.logsigmoid(-p.z)


def robust(p: Pairs) -> Tensor:
    """rDPO, arXiv 2403.00409, eq. 10: unbiased where ε of the preferences are flipped."""
    right, flipped = -F.logsigmoid(p.z), -F.logsigmoid(-p.z)
    return ((1 - p.smoothing) * right - p.smoothing * flipped) / (1 - 2 * p.smoothing)


def hinge(p: Pairs) -> Tensor:
    """SLiC, arXiv 2305.10425."""
    return torch.relu(1 - p.z)


def ipo(p: Pairs) -> Tensor:
    """IPO, arXiv 2310.12036, eq. 17; each gain for a token, as TRL has it."""
    return (p.normed - 1 / (2 * p.beta)) ** 2


def exo_pair(p: Pairs) -> Tensor:
    """EXO, arXiv 2402.00856, eq. 16."""
    eps = p.smoothing.clamp(min=_EXO)
    won, lost = F.logsigmoid(p.z), F.logsigmoid(-p.z)
    return won.exp() * (won - torch.log1p(-eps)) + lost.exp() * (lost - eps.log())


def nca_pair(p: Pairs) -> Tensor:
    """NCA, arXiv 2402.05369."""
    good, bad = (p.beta * gain for gain in p.gained)
    return -F.logsigmoid(good) - 0.5 * F.logsigmoid(-good) - 0.5 * F.logsigmoid(-bad)


def bco_pair(p: Pairs) -> Tensor:
    """BCO, arXiv 2404.04656, without its shift."""
    good, bad = (p.beta * gain for gain in p.gained)
    return -F.logsigmoid(good) - F.logsigmoid(-bad)


def sppo_hard(p: Pairs) -> Tensor:
    """SPPO, arXiv 2405.00675, eq. 4.7 with probabilities 1 and 0."""
    good, bad = p.gained
    return (good - 0.5 / p.beta) ** 2 + (bad + 0.5 / p.beta) ** 2


def _ordered(difference: Tensor, p: Pairs) -> Tensor:
    won, lost = F.logsigmoid(p.beta * difference), F.logsigmoid(-p.beta * difference)
    eps = p.smoothing.mean()
    return -(1 - eps) * won - eps * lost


def aot(p: Pairs) -> Tensor:
    """AOT, arXiv 2406.05882, of sorted margins: a batch's, not a pair's, so that weights do not apply."""
    now, then = p.chosen - p.rejected, p.ref_chosen - p.ref_rejected
    return _ordered(now.sort()[0] - then.sort()[0], p)


def aot_unpaired(p: Pairs) -> Tensor:
    """AOT of sorted gains."""
    good, bad = p.gained
    return _ordered(good.sort()[0] - bad.sort()[0], p)


def apo_zero(p: Pairs) -> Tensor:
    """APO, arXiv 2408.06266, eq. 7."""
    good, bad = p.gained
    return 1 - torch.sigmoid(p.beta * good) + torch.sigmoid(p.beta * bad)


def apo_down(p: Pairs) -> Tensor:
    """APO, arXiv 2408.06266, eq. 8."""
    good, bad = p.gained
    return torch.sigmoid(p.beta * good) + 1 - torch.sigmoid(p.beta * (good - bad))


def discopop(p: Pairs) -> Tensor:
    """DiscoPOP, arXiv 2406.08414, eq. 5."""
    mixed = torch.sigmoid(p.z / _DISCOPOP_TAU)
    return -F.logsigmoid(p.z) * (1 - mixed) + torch.exp(-p.z) * mixed


def sigmoid_norm(p: Pairs) -> Tensor:
    """DPO of gains for a token: Tülu 3, arXiv 2411.15124."""
    return -F.logsigmoid(p.beta * p.normed)


def sft(p: Pairs) -> Tensor:
    """−log-likelihood of the chosen; its mean is that over all chosen tokens of the batch, as TRL's."""
    return -p.chosen * len(p.chosen) / p.chosen_tokens.sum()


def redi(p: Pairs, alpha: float) -> Tensor:
    """−log π(chosen)/|chosen| + α·log π(rejected)/|rejected|: REDI, arXiv 2505.24850. Differs: none."""
    return -p.chosen / p.chosen_tokens + alpha * p.rejected / p.rejected_tokens


LOSSES: dict[str, Callable[[Pairs], Tensor]] = {
    "sigmoid": cdpo,
    "cdpo": cdpo,
    "robust": robust,
    "hinge": hinge,
    "ipo": ipo,
    "exo_pair": exo_pair,
    "nca_pair": nca_pair,
    "bco_pair": bco_pair,
    "sppo_hard": sppo_hard,
    "aot": aot,
    "aot_unpaired": aot_unpaired,
    "apo_zero": apo_zero,
    "apo_down": apo_down,
    "discopop": discopop,
    "sft": sft,
    "sigmoid_norm": sigmoid_norm,
}

UNWEIGHED = frozenset({"aot", "aot_unpaired"})
