"""What a report says of a round's training, in a line."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import printable
from ..records import TrainingFigures

_WORDS = {
    "guard/chosen": "chosen nats/token",
    "guard/rejected": "rejected nats/token",
    "guard/ranking": "ranked right",
    "guard/entropy": "entropy of the watched rows",
    "guard/kl": "KL to the round's start",
    "frac_reward_zero_std": "groups of one mind",
}
"""Figures by the names of docs/training.md, which the terminal and the pages share."""


def word_of(figure: str) -> str:
    return _WORDS.get(figure, figure)


def training_line(train: TrainingFigures) -> str:
    """The objective, what it was given, how its figures went; and why it was stopped, where it was."""
    if not train.examples:
        return "none"
    pairs = ", ".join(f"{count} {kind}" for kind, count in train.pairs.items())
    figures = ", ".join(
        _change(name, train.metrics) for name in train.metrics if not name.startswith("first/")
    )
    given = f"{train.examples} rows" + (f" ({pairs})" if pairs else "")
    sampled = f", {train.rollouts} completions sampled ({train.tokens} tokens)" if train.rollouts else ""
    stopped = f"STOPPED: {printable(train.stopped)}; " if train.stopped else ""
    notes = "".join(f"; {printable(note)}" for note in train.notes)
    return f"{stopped}{train.objective} on {given}, {train.seconds:.0f} s{sampled}; {figures}{notes}"


def _change(name: str, metrics: Mapping[str, float]) -> str:
    """A figure, from the first steps to the last."""
    word, first = word_of(name), metrics.get(f"first/{name}")
    return f"{word} {metrics[name]:.3g}" if first is None else f"{word} {first:.3g} → {metrics[name]:.3g}"
