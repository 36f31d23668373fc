"""How likely a pair is the wrong way round."""

from __future__ import annotations

from ...records import PreferencePair
from .case import Case, Said

MOST = 0.5
"""From here on a preference says nothing."""


def smoothed(pair: PreferencePair, case: Case) -> PreferencePair:
    """The pair with the doubt about its label and its verdicts added to that of its builder.

    Source: the noise rate ε of rDPO, arXiv 2403.00409, and of cDPO. Differs: one for each pair, from what
    is known of it: ε = 1 − c(label) · c(chosen) · c(rejected), the chance that at least one of the three is
    wrong, which is the most that ε can be. With a builder's own ε' both together are ε + ε' − 2εε', the
    chance that exactly one of two independent doubts holds.
    """
    chosen = Said(pair.chosen, pair.chosen_messages)
    rejected = Said(pair.rejected, pair.rejected_messages)
    doubt = min(MOST, 1 - case.question.confidence * case.sure(chosen) * case.sure(rejected))
    both = doubt + pair.smoothing - 2 * doubt * pair.smoothing
    return pair.model_copy(update={"smoothing": min(MOST, max(0.0, both))})
