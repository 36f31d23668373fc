"""DPO on whole conversations: what tools said is read by the model and never trained on.

TRL 1.16's DPOTrainer counts everything after the prompt as the completion, tool messages with it. Here
rows are tokenised before the trainer sees them, with a mask of the model's own tokens, and the collator
takes all others out of TRL's `completion_mask`, which is all that its losses look at.

Source: M-DPO, Building Math Agents with Multi-Turn Iterative Preference Learning, arXiv 2409.02392.
Differs: the losses are TRL's, with the likelihood term of `dpo.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase
from trl import DPOTrainer
from trl.chat_template_utils import get_training_chat_template, supports_tool_calling
from trl.trainer.dpo_trainer import DataCollatorForPreference

Message = dict[str, Any]

_COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids", "chosen_mask", "rejected_mask")
PAIR_COLUMNS = ("weight", "smoothing")
"""What a pair says of itself beside its texts."""

_PROBE: list[Message] = [
    {"role": "user", "content": "one"},
    {
        "role": "assistant",
        "content": "two",
        "tool_calls": [{"type": "function", "function": {"name": "three", "arguments": {"four": "five"}}}],
    },
    {"role": "tool", "content": "six"},
    {"role": "assistant", "content": "seven"},
]


@dataclass(frozen=True, slots=True)
class Masked:
    """A rendered conversation."""

    ids: list[int]
    own: list[int]
    """1 for each token that the model itself writes."""


class Renderer:
    """Renders conversations with a mask of what the model wrote.

    The tokenizer's own template is used as the server uses it, where a turn is rendered the same whatever
    follows: what the model wrote is then what each of its turns adds. Where it is not (Qwen3 takes the
    thinking out of earlier turns), TRL's training form of that template is, which marks the model's words.

    Raises:
        SystemExit: the template cannot show tools, or is of neither kind.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer, self.template = tokenizer, None
        if not supports_tool_calling(tokenizer):
            _refuse("has no place for calls of tools and their results; leave solver.tools out")
        if self._by_turns(_PROBE, None) is None:
            try:
                self.template = get_training_chat_template(tokenizer)
            except ValueError:
                _refuse(
                    "renders a turn differently once others follow, and TRL has no training form of it; "
                    "give the model another chat template, or leave solver.tools out"
                )
            self.marked = True
        else:
            self.marked = False

    def masked(self, messages: list[Message], tools: Any) -> Masked | None:
        """A conversation with its mask; None where this one cannot be rendered."""
        try:
            return self._by_marks(messages, tools) if self.marked else self._by_turns(messages, tools)
        except (TemplateError, TypeError, ValueError):
            return None

    def prompt(self, messages: list[Message], tools: Any) -> list[int]:
        text = self._text(messages, tools, add_generation_prompt=True)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _text(self, messages: list[Message], tools: Any, add_generation_prompt: bool = False) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                messages,
                tools=tools,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                chat_template=self.template,
            )
        )

    def _by_turns(self, messages: list[Message], tools: Any) -> Masked | None:
        """What each turn of the model adds to what it was shown; None where it changes what was there."""
        whole = self._text(messages, tools)
        spans = []
        for place, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            shown = self._text(messages[:place], tools, add_generation_prompt=True)
            said = self._text(messages[: place + 1], tools)
            if not (whole.startswith(said) and said.startswith(shown)):
                return None
            spans.append((len(shown), len(said)))
        tokens = self.tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
        # A token belongs to whoever wrote its first sign.
        own = [int(any(a <= start < b for a, b in spans)) for start, _ in tokens["offset_mapping"]]
        return Masked(list(tokens["input_ids"]), own)

    def _by_marks(self, messages: list[Message], tools: Any) -> Masked:
        tokens = self.tokenizer.apply_chat_template(
            messages,
            tools=tools,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
            chat_template=self.template,
        )
        return Masked(list(tokens["input_ids"]), list(tokens["assistant_masks"]))


def _refuse(why: str) -> None:
    print(f"solver.tools: the model's chat template {why}", file=sys.stderr)
    raise SystemExit(3)


def tokenised(row: dict[str, Any], renderer: Renderer, max_length: int) -> dict[str, list[int]] | None:
    """A row as TRL's collator takes it, with masks beside; None where a side has nothing to train on."""
    tools = json.loads(row["tools"]) if row.get("tools") else None
    prompt: list[Message] = [{"role": "user", "content": row["prompt"]}]
    sides = {}
    for side in ("chosen", "rejected"):
        said = renderer.masked([*prompt, *messages_of(row, side)], tools)
        if said is None or 1 not in said.own[:max_length]:
            return None
        sides[side] = said
    shown = renderer.prompt(prompt, tools)
    # As TRL: the prompt ends where it and what it becomes are no longer the same.
    length = min(_common(shown, said.ids) for said in sides.values())
    return {
        "prompt_ids": shown[:length],
        **{f"{side}_ids": said.ids[length:] for side, said in sides.items()},
        **{f"{side}_mask": said.own[length:] for side, said in sides.items()},
    }


def messages_of(row: dict[str, Any], side: str) -> list[Message]:
    """What follows the prompt, with arguments as the objects that templates take."""
    if not row.get(f"{side}_messages"):
        return [{"role": "assistant", "content": row[side]}]
    messages: list[Message] = json.loads(row[f"{side}_messages"])
    for message in messages:
        for call in message.get("tool_calls", []):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return messages


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    differs = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differs, min(len(one), len(other)))


@dataclass
class OwnTokens(DataCollatorForPreference):  # type: ignore[misc]
    """TRL's collator, with the tokens that others wrote taken out of its completion mask."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(examples)
        kept = torch.zeros_like(batch["completion_mask"])  # (2 × rows, tokens): chosen, then rejected
        masks = [
            (one["prompt_ids"], one[f"{side}_mask"]) for side in ("chosen", "rejected") for one in examples
        ]
        for row, (prompt, mask) in enumerate(masks):
            own = ([0] * len(prompt) + list(mask))[: self.max_length]
            kept[row, : len(own)] = torch.tensor(own)
        batch["completion_mask"] *= kept
        return batch


class ConversationDPO(DPOTrainer):  # type: ignore[misc]
    """DPOTrainer on rows that are tokenised already."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = [*_COLUMNS, *PAIR_COLUMNS]


def has_conversations(rows: Sequence[dict[str, Any]]) -> bool:
    return any(row.get("tools") for row in rows)


def prepared(
    rows: Sequence[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> tuple[Dataset, OwnTokens]:
    """The data set and the collator for `ConversationDPO`.

    Raises:
        SystemExit: not one row can be trained on.
    """
    renderer = Renderer(tokenizer)
    found = [(row, tokenised(row, renderer, max_length)) for row in rows]
    kept = [
        made | {name: row[name] for name in PAIR_COLUMNS if name in row}
        for row, made in found
        if made is not None
    ]
    if len(kept) < len(rows):
        print(
            f"{len(rows) - len(kept)} of {len(rows)} pairs were left out: no token to train on",
            file=sys.stderr,
        )
    if not kept:
        print("no pair has a token to train on: raise training.max_length", file=sys.stderr)
        raise SystemExit(3)
    return Dataset.from_list(kept), OwnTokens(pad_token_id=tokenizer.pad_token_id, max_length=max_length)
