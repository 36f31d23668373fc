"""Looks at a few rows of a training: how likely they are, how sure the model is, how far it has moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from .common import rendered
from .conversations import Renderer, tokenised
from .jobs import TrainingJob

Row = Mapping[str, Any]
Figures = dict[str, float]

_POSITIONS = 128
"""Tokens at which whole distributions are compared: those before training are kept."""

_LOGITS = 2**26
"""Logits that are computed together, at most: 256 MiB."""


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt with one of its completions, in tokens."""

    ids: list[int]
    own: list[int]
    """1 for each token that counts."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model makes of a text: of each token that counts."""

    logps: Tensor
    entropy: Tensor
    whole: Tensor
    """(tokens, vocabulary), log-probabilities; empty where they were not asked for."""


class Probe:
    """The same rows, looked at again and again.

    Args:
        rows: of any kind: what is to be learned is `chosen`, else `completion`, else `solution`.
        count: rows that are drawn from them.
    """

    def __init__(
        self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, job: TrainingJob, count: int
    ) -> None:
        drawn = Random(job.seed).sample(list(rows), min(count, len(rows)))
        self.chosen: list[Text] = []
        self.rejected: list[Text | None] = []
        """Of the same places; None where a row has none."""
        self.bad: list[Text] = []
        """Completions that are bad by themselves."""
        self.collapses = any("chosen" in row or "completion" in row for row in rows[:1])
        """Whether training is to make the chosen likelier: references of prompts need not become so."""
        renderer = Renderer(tokenizer) if any(row.get("tools") for row in drawn) else None
        for row in drawn:
            self._take(row, tokenizer, renderer, job.max_length)
        self.start: Tensor | None = None
        """Distributions before training, at the first positions."""

    def _take(
        self, row: Row, tokenizer: PreTrainedTokenizerBase, renderer: Renderer | None, longest: int
    ) -> None:
        if renderer is not None:
            made = tokenised(dict(row), renderer, longest)
            if made is None:
                return
            sides = [_text(made["prompt_ids"], made[f"{s}_ids"], made[f"{s}_mask"], longest) for s in _SIDES]
            self.chosen.append(sides[0])
            self.rejected.append(sides[1])
            return
        good = row.get("chosen") or row.get("completion") or row.get("solution")
        if not good:
            return
        text = _plain(row["prompt"], good, tokenizer, longest)
        if not row.get("label", True):
            self.bad.append(text)
            return
        self.chosen.append(text)
        other = row.get("rejected")
        self.rejected.append(_plain(row["prompt"], other, tokenizer, longest) if other else None)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def look(self, model: Any) -> Figures:
        """Figures of a model, by name; those that the rows do not allow are left out.

        `guard/chosen` and `guard/rejected`: mean log-probability of a token; `guard/ranking`: share of
        pairs whose chosen side is the likelier; `guard/entropy`: nats a token; `guard/kl`: KL of the
        model to the one of the first look, nats a token, on the first of the chosen tokens.
        """
        training = model.training
        model.eval()
        try:
            return self._look(model)
        finally:
            model.train(training)

    def _look(self, model: Any) -> Figures:
        found: Figures = {}
        good = list(self._seen(model, self.chosen, whole=True))
        if good:
            found["guard/chosen"] = _mean([one.logps for one in good])
            found["guard/entropy"] = _mean([one.entropy for one in good])
            found["guard/kl"] = self._moved(torch.cat([one.whole for one in good]))
        pairs = [(mine, other) for mine, other in zip(good, self.rejected, strict=True) if other]
        worse = list(self._seen(model, [other for _, other in pairs]))
        bad = [*worse, *self._seen(model, self.bad)]
        if bad:
            found["guard/rejected"] = _mean([one.logps for one in bad])
        if worse:
            ranked = [float(a.logps.sum() > b.logps.sum()) for (a, _), b in zip(pairs, worse, strict=True)]
            found["guard/ranking"] = sum(ranked) / len(ranked)
        return found

    def _moved(self, now: Tensor) -> float:
        if self.start is None:
            self.start = now
        return float((now.exp() * (now - self.start)).sum(-1).mean())

    def _seen(self, model: Any, texts: Sequence[Text], whole: bool = False) -> Iterator[Seen]:
        kept = 0
        for part in _parts(texts, model.config.get_text_config().vocab_size):
            width = max(len(text.ids) for text in part)
            ids = torch.tensor([text.ids + [0] * (width - len(text.ids)) for text in part])
            mask = torch.tensor([[1] * len(text.ids) + [0] * (width - len(text.ids)) for text in part])
            logits = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits
            for text, row, line in zip(part, ids, logits, strict=True):
                at = torch.tensor([i - 1 for i, own in enumerate(text.own) if own and i], dtype=torch.long)
                dist = line[at.to(line.device)].float().log_softmax(-1).cpu()  # (tokens, vocabulary)
                logps = dist.gather(1, row[at + 1][:, None])[:, 0]
                wanted = max(0, _POSITIONS - kept) if whole else 0
                kept += len(at)
                yield Seen(logps, -(dist.exp() * dist).sum(-1), dist[:wanted].clone())


_SIDES = ("chosen", "rejected")


def _plain(prompt: str, said: str, tokenizer: PreTrainedTokenizerBase, longest: int) -> Text:
    shown, ids = rendered(tokenizer, prompt, said)
    return _text(shown, ids, [1] * len(ids), longest)


def _text(prompt: Sequence[int], said: Sequence[int], own: Sequence[int], longest: int) -> Text:
    return Text([*prompt, *said][:longest], ([0] * len(prompt) + list(own))[:longest])


def _parts(texts: Sequence[Text], vocabulary: int) -> Iterator[list[Text]]:
    """Texts in their order, so few together that their logits stay small."""
    part: list[Text] = []
    for text in texts:
        width = max([len(text.ids), *(len(other.ids) for other in part)])
        if part and (len(part) + 1) * width * vocabulary > _LOGITS:
            yield part
            part = []
        part.append(text)
    if part:
        yield part


def _mean(parts: Sequence[Tensor]) -> float:
    return float(torch.cat(list(parts)).mean())
