"""How many bytes a model takes to serve and to train: arithmetic, and nothing else.

Every figure is an estimate of what libraries will take, and says what it counts.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from .hardware import GIB
from .shapes import Shape

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 2}
"""Of one number; `auto` is what the checkpoint has, which is two bytes nearly everywhere."""

_CONTEXT = int(0.7 * GIB)
"""CUDA's own, its libraries and NCCL, in every process that uses a GPU."""
_GRAPHS = int(0.7 * GIB)
"""vLLM's captured CUDA graphs; none with serving.enforce_eager."""
_PREFILLED = 8192
"""Tokens that vLLM computes in one step, at most; fewer on small cards."""
_ON_CPU = int(1.6 * GIB)
"""A vLLM process on a CPU beside weights and cache: the pocket's takes 2.7 GB with 1 GiB of cache."""
_FRAGMENTS = 0.2
"""What torch's allocator takes more than it gives, as a share of what comes and goes: activations."""
_TILE = int(0.3 * GIB)
"""Of the output head, which TRL computes in tiles: logits of all tokens are never there at once."""


def weight_bytes(shape: Shape, dtype: str) -> int:
    """Bytes of the weights. Formula: parameters × bytes of a number."""
    return shape.parameters() * BYTES[dtype]


def kv_bytes(shape: Shape, dtype: str) -> int:
    """Bytes of keys and values of one token. Formula: 2 · layers · kv heads · head dim · bytes."""
    return 2 * shape.layers * shape.key * BYTES[dtype]


def lora_parameters(shape: Shape, rank: int) -> int:
    """Parameters of an adapter on every linear layer but the head.

    Formula: rank · Σ (width in + width out) over q, k, v, o, gate, up, down of each layer.
    Experts have none: PEFT adapts linear layers, and those of experts are one fused tensor.

    Source: LoRA, arXiv 2106.09685. Differs: all linear layers in place of attention alone.
    """
    attention = 2 * (shape.hidden + shape.query) + 2 * (shape.hidden + shape.key)
    mlp = 3 * (shape.hidden + shape.intermediate) if shape.experts == 1 else 0
    return rank * shape.layers * (attention + mlp)


def adamw_bytes(trained: int, number: int) -> int:
    """Bytes of AdamW's two moments, which torch keeps in the parameters' own type.

    Args:
        trained: parameters that are trained.
        number: bytes of one.
    """
    return 2 * trained * number


def activation_bytes(shape: Shape, tokens: int, number: int, checkpointing: bool) -> int:
    """Bytes that the backward pass needs of one batch.

    Formula, a token and layer: 6 values of the hidden width (residuals, and what norms keep), 4 of
    float32 of it where the type is narrower, 3 of queries and output, 4 of keys and values, 4 of
    each used expert's width. With checkpointing, one value of the hidden width, and one layer whole.

    Source: arXiv 2205.05198, section 4. Differs: gated MLP, grouped heads, no attention matrix.
    """
    wide = shape.experts_used * shape.intermediate
    values = 6 * shape.hidden + 3 * shape.query + 4 * shape.key + 4 * wide
    layer = tokens * (values * number + (4 * 4 * shape.hidden if number < 4 else 0))
    if checkpointing:
        return shape.layers * tokens * shape.hidden * number + layer
    return shape.layers * layer


class ServingBytes(BaseModel):
    """What one server takes on each of its GPUs, or of host memory on a CPU."""

    model_config = ConfigDict(frozen=True)

    weights: int
    adapters: int
    overhead: int
    kv_token: int
    """Of one token."""
    kv_least: int
    """Of one completion of full length: with less, vLLM does not start."""

    @property
    def fixed(self) -> int:
        return self.weights + self.adapters + self.overhead

    @property
    def least(self) -> int:
        return self.fixed + self.kv_least


def serving_bytes(
    shape: Shape,
    dtype: str,
    length: int,
    sequences: int,
    parallel: int = 1,
    eager: bool = False,
    adapters: int = 0,
    rank: int = 0,
    gpu: bool = True,
) -> ServingBytes:
    """What a server takes on each of `parallel` GPUs.

    Args:
        length: tokens of prompt and completion, at most.
        sequences: completions computed side by side, at most.
        adapters: LoRA adapters loaded at once, of `rank`.
    """
    number, shared = BYTES[dtype], min(parallel, shape.kv_heads)
    if gpu:
        wide = -(-shape.experts_used * shape.intermediate // parallel)
        step = _PREFILLED * (4 * shape.hidden + 3 * wide) * number
        # Sampling: logits in float32, and a sorted copy.
        sampling = sequences * shape.vocabulary * 4 * 2
        overhead = _CONTEXT + step + sampling + (0 if eager else _GRAPHS)
    else:
        overhead = _ON_CPU
    token = -(-kv_bytes(shape, dtype) // shared)
    return ServingBytes(
        weights=-(-weight_bytes(shape, dtype) // parallel),
        adapters=-(-adapters * lora_parameters(shape, rank) * number // parallel),
        overhead=overhead,
        kv_token=token,
        kv_least=token * length,
    )


class TrainingBytes(BaseModel):
    """What a training job takes of its device."""

    model_config = ConfigDict(frozen=True)

    weights: int
    adapter: int
    gradients: int
    optimiser: int
    reference: int
    """What DPO compares with: all weights once more; with an adapter, its copy."""
    activations: int
    overhead: int

    @property
    def total(self) -> int:
        return sum(self.model_dump().values())


def training_bytes(
    shape: Shape,
    method: str,
    dtype: str,
    tokens: int,
    checkpointing: bool,
    rank: int,
    preference: bool,
    gpu: bool = True,
) -> TrainingBytes:
    """What a job takes on its one GPU, or of host memory.

    Formula: in full, weights + gradients + 2 moments of b bytes each, b more for DPO's reference;
    with an adapter, the base's weights, and weights + gradients + 2 moments of 4 bytes for each of
    the adapter's parameters (PEFT keeps them in float32), 4 more for DPO's copy of it.

    Args:
        tokens: of one batch: of DPO's, chosen and rejected completions with their prompts.
        preference: whether it is DPO, which has a reference, or SFT, which has none.
    """
    number, lora = BYTES[dtype], method == "lora"
    trained = lora_parameters(shape, rank) if lora else shape.parameters()
    each = 4 if lora else number
    activations = activation_bytes(shape, tokens, number, checkpointing)
    return TrainingBytes(
        weights=weight_bytes(shape, dtype),
        adapter=trained * each if lora else 0,
        gradients=trained * each,
        optimiser=adamw_bytes(trained, each),
        reference=trained * each if preference else 0,
        activations=activations,
        overhead=(_CONTEXT + _TILE if gpu else _ON_CPU // 2) + int(_FRAGMENTS * activations),
    )
