"""The parts of a run's configuration that are neither a role nor training."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from .section import Section

MOST_REPLICAS = 64
POCKET_LENGTH = 512
"""Tokens that the pocket model can take: the positions it has."""


class PocketModel(Section):
    """The base model that a machine builds for itself when `model` is `pocket`."""

    # A shape that learns easy arithmetic in about a minute and has much left to learn.
    hidden: int = Field(96, ge=32, le=256, multiple_of=32)
    layers: int = Field(3, ge=1, le=8)
    heads: int = Field(3, ge=1, le=8)
    examples: int = Field(38_400, ge=64, le=10_000_000)
    """Worked examples it is warmed up on; all of low level."""
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(3e-3, gt=0)
    seed: int = Field(0, ge=0, lt=2**31)
    """Of its first weights and its examples; the run's seed has no part in it."""

    @model_validator(mode="after")
    def _shape_is_possible(self) -> PocketModel:
        if self.hidden % self.heads or self.hidden // self.heads % 2 or self.heads % max(1, self.heads // 2):
            raise ValueError(
                f"hidden {self.hidden} cannot be split among {self.heads} heads: each needs an even width, "
                "and heads must be 1, 2, 3, or even; try 3 heads of 96, or 4 of 128"
            )
        return self


class ServingConfig(Section):
    """The vLLM server, and how it is asked. The first six are vLLM's own options."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    """What trained checkpoints have; with another, the canary after a swap may not agree."""
    enforce_eager: bool = True
    """No graph capture: it takes longer than a small model gains by it."""
    max_model_len: int = Field(512, ge=128)
    """Tokens of prompt and completion together."""
    max_num_seqs: int = Field(256, ge=1)
    """Completions computed side by side."""
    gpu_memory_utilization: float = Field(0.3, gt=0, le=1)
    """On a CPU, too: vLLM otherwise claims nearly all memory at start."""
    replicas: int = Field(1, ge=1, le=MOST_REPLICAS)
    """Servers of each local model, each with its own part of the GPUs; requests go where there is room."""
    tensor_parallel: int = Field(1, ge=1, le=64)
    """GPUs that share the weights of one server."""
    while_training: Literal["auto", "stay", "sleep", "stop"] = "auto"
    """What the servers do while a training job has their GPU; `auto` by what fits (see `maieutic plan`)."""
    tool_parser: str = Field("", pattern=r"^[a-z0-9_]{0,40}$")
    """How vLLM reads calls of tools out of a completion (`hermes` for Qwen3); needed where a role
    that is served here has tools."""
    reasoning_parser: str = Field("", pattern=r"^[a-z0-9_]{0,40}$")
    """How vLLM takes a thinking model's thoughts out of a completion (`qwen3`); none where empty. Not
    for models that are trained: what they learn from has their thoughts, and checkers leave those out."""
    cpu_kv_cache_gib: int = Field(1, ge=1)
    startup_deadline_s: float = Field(300, gt=0)
    """Seconds until it must be healthy."""
    concurrency: int = Field(64, ge=1)
    """Requests in flight, where a role does not say."""
    request_deadline_s: float = Field(240, gt=0)
    """Seconds for one request, its retries and waits included, where a role does not say."""
    restarts: int = Field(3, ge=0, le=1000)
    """How often within an hour a model's servers that ended, hung or answer wrongly are started again;
    then the run stops."""
    stall_s: float = Field(120, gt=0)
    """Seconds without any progress after which it is said what the run waits for. A server that is then
    not even healthy is ended and started again; one that is gets three quarters of `request_deadline_s`."""
    retries: int = Field(4, ge=0)
    """Of one request, with a back-off that doubles; a Retry-After is kept where the deadline allows it."""


class CurriculumConfig(Section):
    """Which questions a round asks, and which new ones it wants."""

    policy: str = Field("socratic", pattern=r"^[\w.:-]{1,200}$")
    """One of docs/policies.md, or one of your own: `module:Class`. `uniform` is the control: every skill
    and level alike, whatever the Solver can do."""
    options: dict[str, Any] = {}
    """Of the policy, in place of its paper's: `{temperature: 0.2}`."""
    questions: int = Field(1024, ge=1, le=1_000_000)
    """Questions attempted in a round."""
    new: int = Field(896, ge=1, le=1_000_000)
    """Questions that a round should add."""
    enough: float = Field(0.9, gt=0, le=1)
    """Share of `new` below which the Teacher is asked again, at most twice."""
    mastered: float = Field(0.15, ge=0, le=1)
    """Share of a round's questions that repeats what is mastered; of `socratic`."""
    leap: int = Field(2, ge=1)
    """Levels that a new question may lie above a mastered one; of `socratic`."""
    horizon: int = Field(0, ge=0, le=20)
    """Questions in the longest chain: each needs the answer of the one before. 1 for none; 0 for
    3 where the seeds are your own and have numbers for answers, and for none elsewhere."""
    near_duplicate: float = Field(0.985, gt=0, le=1)
    """Cosine similarity from which a question counts as known already. It belongs to the
    embedding: with `ngram`, this lets pass all but the same symbols in nearly the same order."""


class LabelsConfig(Section):
    """How far a reference answer must be trusted, and how that is found out."""

    solves: int = Field(4, ge=1, le=32)
    """How often the Teacher solves a question whose answer no program works out."""
    threshold: float = Field(0.8, ge=0, le=1)
    """Confidence below which a question is refused."""
    ask_solver: bool = True
    """Whether the Solver's own answers count, too, with less weight."""
    audit: int = Field(16, ge=0, le=100_000)
    """Labels of a round, drawn by chance, that are checked once more by another way."""


class GateConfig(Section):
    """When a new checkpoint takes the place of the old one."""

    rule: Literal["no_fall", "no_sure_fall"] = "no_fall"
    """What must not fall on the validation set: accuracy itself, or the upper end of the
    paired bootstrap interval of the difference."""
    tolerance: float = Field(0.0, ge=0, le=1)
    """A fall by no more than this is let pass."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Of the two-sided interval."""
    resamples: int = Field(2000, ge=100, le=100_000)
    patience: int = Field(3, ge=1)
    """The run ends early, as a plateau, when so many checkpoints in a row were refused."""
    plateau: int = Field(0, ge=0, le=10_000)
    """The run ends early, as a plateau, when the best checkpoint is not surely better on the validation
    set than the best of so many rounds ago; 0 for never. Choose more rounds than a gain needs to show: on
    504 questions about four points."""


class WatchConfig(Section):
    """What is looked for beside the gate, round by round; see docs/reliability.md."""

    reward_hacking: Literal["alarm", "stop", "none"] = "alarm"
    """Where what is rewarded goes up and the validation set does not: `alarm` says so in the report,
    `stop` ends the run, too, by the validation set alone; `none` does not look."""
    rounds: int = Field(3, ge=2, le=100)
    """So many rounds are compared with as many before them."""
    confidence: float = Field(0.99, gt=0.5, lt=1)
    """Of the two-sided intervals that decide."""


class SetsConfig(Section):
    """The validation and the held-out set."""

    per_cell: int = Field(12, ge=1, le=1000)
    """Questions for each skill and level, in the validation and the held-out set each."""
    seed: int = Field(20_250_924, ge=0, lt=2**63)
    """The sets are the same for every run, whatever the run's seed."""
    most_seeds: int = Field(5000, ge=4, le=1_000_000)
    """Questions of a seed set that are taken, from its beginning."""


class HandbookConfig(Section):
    """Behaviours: recurring moves in right solutions, named by a Teacher that is a model."""

    per_round: int = Field(0, ge=0, le=100_000)
    """Questions of a round whose right solutions are reflected on; 0 for none."""
    most: int = Field(256, ge=1, le=100_000)
    """Behaviours that are kept; what was found least often goes first."""
    same: float = Field(0.85, gt=0, le=1)
    """Cosine similarity from which two are one. It belongs to the embedding, as does
    `curriculum.near_duplicate`."""


class MemoryConfig(Section):
    """How questions and failures are compared in Chroma."""

    embedding: str = "ngram"
    """`ngram` needs no download; `module:Class` names a Chroma embedding function."""
    active: int = Field(50_000, ge=0)
    """Questions that a round may choose from, and Chroma holds; 0 for no bound. What is beyond it is retired
    after each round: what is mastered first, then what is too hard, the longest unseen first. It is asked no
    more, and a new question of the same text is still refused."""
