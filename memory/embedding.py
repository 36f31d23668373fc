"""Text embeddings that need no download."""

from __future__ import annotations

import importlib
import re
import zlib
from functools import lru_cache
from typing import Any, cast

import numpy as np
from chromadb import Documents, EmbeddingFunction, Embeddings
from chromadb.utils.embedding_functions import register_embedding_function

from ..errors import ConfigError

SIZE = 256
_SYMBOL = re.compile(r"\d+|[^\W\d]+|[^\w\s]")


@register_embedding_function
class NgramEmbedding(EmbeddingFunction[Documents]):
    """Hashed 1- to 3-grams of numbers, words and signs, scaled to length 1.

    Near in this space means: many of the same symbols in the same order. That is what
    a check for near copies needs, and it costs no model and no download.
    """

    def __init__(self) -> None:
        pass

    def __call__(self, input: Documents) -> Embeddings:
        return cast(Embeddings, [embed(text) for text in input])

    @staticmethod
    def name() -> str:
        return "maieutic-ngram"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> NgramEmbedding:
        return NgramEmbedding()


@lru_cache(maxsize=8192)
def embed(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(SIZE,) float32 of length 1; all zeros but the first for a text without symbols."""
    symbols = ["^", *_SYMBOL.findall(text.lower())[:512], "$"]
    vector = np.zeros(SIZE, dtype=np.float32)
    for length in (1, 2, 3):
        for start in range(len(symbols) - length + 1):
            # crc32, not hash(): the same in every process.
            code = zlib.crc32(" ".join(symbols[start : start + length]).encode())
            vector[code % SIZE] += 1.0 if code & 0x8000_0000 else -1.0
    norm = float(np.linalg.norm(vector))
    if norm == 0:
        vector[0], norm = 1.0, 1.0
    vector /= norm
    vector.setflags(write=False)  # whoever asks again gets this very one
    return vector


def embedding_function(name: str) -> EmbeddingFunction[Documents]:
    """The configured embedding: `ngram`, or `module:Class` of a Chroma embedding function.

    Raises:
        ConfigError: the module or class cannot be loaded.
    """
    if name == "ngram":
        return NgramEmbedding()
    module, _, attribute = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), attribute)()
        if not isinstance(made, EmbeddingFunction):
            raise TypeError(f"a {type(made).__name__} is no embedding function of Chroma's")
    except Exception as error:
        # Whatever a class of the user raises, the remedy is the same.
        raise ConfigError(
            f"memory.embedding: {name!r} cannot be loaded ({error}); "
            "use ngram, or module:Class of an installed Chroma embedding function"
        ) from error
    return cast("EmbeddingFunction[Documents]", made)
