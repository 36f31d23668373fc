"""The shape of a model: from its config.json, from a table of published ones, or from its name.

Nothing is ever downloaded for it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..config import PocketModel
from ..errors import ConfigError

_POCKET_VOCABULARY = 201
"""Tokens of the pocket model's tokenizer."""

_LARGEST = 1_000_000
"""Bytes of a config.json."""


class Shape(BaseModel):
    """What a decoder's memory depends on: gated MLP, grouped-query attention, RMS norms."""

    model_config = ConfigDict(frozen=True)

    layers: int = Field(ge=1, le=10_000)
    hidden: int = Field(ge=1, le=10**6)
    heads: int = Field(ge=1, le=10**5)
    kv_heads: int = Field(ge=1, le=10**5)
    head_dim: int = Field(ge=1, le=10**5)
    intermediate: int = Field(ge=1, le=10**7)
    """Of one expert, where there are several."""
    vocabulary: int = Field(ge=1, le=10**8)
    tied: bool = False
    """Whether the output head is the embedding matrix."""
    experts: int = Field(1, ge=1, le=10**5)
    experts_used: int = Field(1, ge=1, le=10**5)
    bias: bool = False
    """Of the q, k and v projections (Qwen2)."""
    query_norm: bool = True
    """Norms of each head's queries and keys (Qwen3)."""
    stated: int = Field(0, ge=0, le=10**14)
    """Parameters, where the name says no more than their number; 0 to count them."""
    source: str = ""
    """Where the values are from, in words."""
    rough: bool = False

    @property
    def query(self) -> int:
        """Width of all queries together."""
        return self.heads * self.head_dim

    @property
    def key(self) -> int:
        """Width of all keys together, and of all values."""
        return self.kv_heads * self.head_dim

    def parameters(self, active: bool = False) -> int:
        """Parameters of the model, or those that one token passes through.

        Formula, a layer: h·q + 2·h·k + q·h attention, 3·h·i for each expert (and h for each to
        route), 2·h norms, 2·d norms of heads, q + 2·k biases; around them v·h embeddings, as much
        for a head that is not tied, and a norm of h.
        """
        if self.stated and self.experts == 1:
            return self.stated
        experts = self.experts_used if active else self.experts
        attention = self.hidden * (2 * self.query + 2 * self.key)
        mlp = experts * 3 * self.hidden * self.intermediate
        router = self.hidden * self.experts if self.experts > 1 else 0
        norms = 2 * self.hidden + (2 * self.head_dim if self.query_norm else 0)
        biases = self.query + 2 * self.key if self.bias else 0
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return self.layers * (attention + mlp + router + norms + biases) + embeddings + self.hidden


def _qwen3(
    layers: int, hidden: int, heads: int, intermediate: int, tied: bool = False, kv_heads: int = 8
) -> Shape:
    return Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=128,
        intermediate=intermediate,
        vocabulary=151_936,
        tied=tied,
    )


def _experts(layers: int, hidden: int, heads: int, intermediate: int) -> Shape:
    dense = _qwen3(layers, hidden, heads, intermediate, kv_heads=4)
    return dense.model_copy(update={"experts": 128, "experts_used": 8})


KNOWN: dict[str, Shape] = {
    "qwen3-0.6b": _qwen3(28, 1024, 16, 3072, tied=True),
    "qwen3-1.7b": _qwen3(28, 2048, 16, 6144, tied=True),
    "qwen3-4b": _qwen3(36, 2560, 32, 9728, tied=True),
    "qwen3-8b": _qwen3(36, 4096, 32, 12_288),
    "qwen3-14b": _qwen3(40, 5120, 40, 17_408),
    "qwen3-32b": _qwen3(64, 5120, 64, 25_600),
    "qwen3-30b-a3b": _experts(48, 2048, 32, 768),
    "qwen3-235b-a22b": _experts(94, 4096, 64, 1536),
}
"""Values of the published config.json of each size; its variants (-Base, -Instruct-2507 …) have the same."""

_VARIANT = re.compile(r"-(base|instruct|thinking|instruct-2507|thinking-2507)$")
_SIZE = re.compile(r"(?<![\w.])(\d{1,4}(?:\.\d{1,3})?)([bm])(?![a-z0-9])", re.IGNORECASE)
_HUB = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def shape_of(model: str, pocket: PocketModel | None = None) -> Shape:
    """The shape of `pocket`, of a folder's model, or of one at the hub.

    Args:
        model: as a configuration names it.
    Raises:
        ConfigError: nothing says how large it is, or its config.json is no decoder's.
    """
    if model == "pocket":
        return _pocket(pocket or PocketModel())
    for file in _files(model):
        return _read(file, model)
    known = KNOWN.get(_VARIANT.sub("", model.rpartition("/")[2].lower()))
    if known is not None:
        return known.model_copy(update={"source": "published config.json (built-in table)"})
    return _by_name(model)


def _pocket(pocket: PocketModel) -> Shape:
    return Shape(
        layers=pocket.layers,
        hidden=pocket.hidden,
        heads=pocket.heads,
        kv_heads=max(1, pocket.heads // 2),
        head_dim=pocket.hidden // pocket.heads,
        intermediate=3 * pocket.hidden,
        vocabulary=_POCKET_VOCABULARY,
        source="its settings",
    )


def _files(model: str) -> Iterator[Path]:
    """config.json of a folder, or of what the hub's cache has of a name."""
    own = Path(model) / "config.json"
    if own.is_file():
        yield own
    if _HUB.fullmatch(model):
        folder = _hub_cache() / f"models--{model.replace('/', '--')}" / "snapshots"
        yield from sorted(folder.glob("*/config.json"))


def _hub_cache() -> Path:
    """Where huggingface_hub keeps models; its own rules, read without importing it."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named)
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(home).expanduser() / "hub"


def _read(file: Path, model: str) -> Shape:
    try:
        with file.open("rb") as opened:
            values = json.loads(opened.read(_LARGEST))
        inner = values.get("text_config", values)
        return _shape(inner, bool(inner.get("tie_word_embeddings", values.get("tie_word_embeddings"))), file)
    except (OSError, ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        said = _first(error) if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"model {model}: {file} does not describe a decoder that can be planned for ({said[:120]}); "
            "name a model with a transformers config.json"
        ) from None


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"


def _shape(values: dict[str, Any], tied: bool, file: Path) -> Shape:
    kind = str(values.get("model_type", ""))
    experts = values.get("num_experts") or values.get("num_local_experts") or 1
    width = values.get("moe_intermediate_size") if experts != 1 else None
    return Shape(
        layers=values["num_hidden_layers"],
        hidden=values["hidden_size"],
        heads=values["num_attention_heads"],
        kv_heads=values.get("num_key_value_heads") or values["num_attention_heads"],
        head_dim=values.get("head_dim") or values["hidden_size"] // values["num_attention_heads"],
        intermediate=width or values["intermediate_size"],
        vocabulary=values["vocab_size"],
        tied=tied,
        experts=experts,
        experts_used=(values.get("num_experts_per_tok") or 1) if experts != 1 else 1,
        bias=kind.startswith("qwen2") or bool(values.get("attention_bias")),
        query_norm=kind.startswith("qwen3"),
        source="its config.json" + (", quantised: counted as if it were not" * _quantised(values)),
        # Layers without keys and values, and quantised weights, are counted as the usual kind.
        rough=_quantised(values) or "linear_attention" in (values.get("layer_types") or ()),
    )


def _quantised(values: dict[str, Any]) -> bool:
    return "quantization_config" in values


def _by_name(model: str) -> Shape:
    """The known shape that is nearest in size, with the number of parameters that the name gives."""
    found = _SIZE.findall(model.rpartition("/")[2])
    count = int(float(found[0][0]) * (10**9 if found[0][1].lower() == "b" else 10**6)) if found else 0
    if not count:
        raise ConfigError(
            f"model {model[:100]}: nothing here says how large it is; name a folder with its config.json, or "
            "download it first, so that the hub's cache has one"
        )
    dense = [shape for shape in KNOWN.values() if shape.experts == 1]
    near = min(dense, key=lambda shape: abs(log(shape.parameters() / count)))
    return near.model_copy(
        update={
            "stated": count,
            "source": f"its name says {found[0][0]}{found[0][1].upper()}; rough",
            "rough": True,
        }
    )
