"""The pocket base model: a small Qwen3-shaped network and its tokenizer, from nothing.

Character tokens plus a few phrases of the question family, so that a worked
solution is about as many tokens as it has symbols. Imports torch: use it in a
training process only.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from ..config import POCKET_LENGTH

PAD, USER, ASSISTANT, END, UNKNOWN = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>", "<|unk|>"
PHRASES = ("What is ", " #### ", " mod ", " + ", " - ", " * ", " = ", ", ", "Attempt: ", "New question:")
NUMBERS = tuple(str(number) for number in range(10, 100))
"""Two-digit numbers are one token each: a step of arithmetic is then one prediction."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "<|assistant|>{{ message['content'] }}<|end|>"
    "{% else %}<|user|>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A word-level tokenizer over PHRASES and printable ASCII; anything else is UNKNOWN."""
    specials = [PAD, USER, ASSISTANT, END, UNKNOWN]
    characters = [chr(code) for code in range(32, 127)] + ["\n"]
    vocabulary = {token: i for i, token in enumerate([*specials, *PHRASES, *NUMBERS, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    longest_first = sorted(PHRASES, key=len, reverse=True)
    pattern = "|".join([*(re.escape(phrase) for phrase in longest_first), "[1-9][0-9]", r"[\s\S]"])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=POCKET_LENGTH,
    )


def build_model(vocabulary: int, *, hidden: int, layers: int, heads: int, seed: int) -> Qwen3ForCausalLM:
    """An untrained network in float32.

    The output head is not tied to the embeddings: vLLM's in-place weight reload
    leaves a tied head at its old values.
    """
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=max(1, heads // 2),
        head_dim=hidden // heads,
        max_position_embeddings=POCKET_LENGTH,
        tie_word_embeddings=False,
        # The usual 0.02 is for wide networks: at this width it doubles the time to learn.
        initializer_range=hidden**-0.5,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        bos_token_id=None,
        pad_token_id=0,
        eos_token_id=3,
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=3, pad_token_id=0)
    return model


def save_untrained(folder: Path, *, hidden: int, layers: int, heads: int, seed: int) -> None:
    """Write tokenizer and untrained weights to `folder`."""
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(folder)
    model = build_model(len(tokenizer), hidden=hidden, layers=layers, heads=heads, seed=seed)
    model.save_pretrained(folder, safe_serialization=True)
