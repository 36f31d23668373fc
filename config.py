"""RunConfig: everything a run can be told, one YAML file, unknown keys refused.

A field's docstring stands under the field. Defaults are the pocket profile.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .errors import ConfigError

POCKET_LENGTH = 512
"""Tokens that the pocket model can take: the positions it has."""


class Section(BaseModel):
    """A part of the configuration: frozen, strict about names, and about what is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads yes and on as true, which would count as 1."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise PydanticCustomError("bool", "true and false are no value here; write a number or a name")
        return value


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
    cpu_kv_cache_gib: int = Field(1, ge=1)
    startup_deadline_s: float = Field(300, gt=0)
    """Seconds until it must be healthy."""
    concurrency: int = Field(64, ge=1)
    """Requests in flight."""
    request_deadline_s: float = Field(240, gt=0)
    """Seconds for one request, its retries and waits included."""
    retries: int = Field(4, ge=0)
    """Of the openai client, with its back-off."""


class Sampling(Section):
    """The Solver's rollouts."""

    n: int = Field(4, ge=1, le=64)
    """Rollouts of a question in a round (Socratic-Zero: 8)."""
    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(200, ge=1)
    """A completion cut off here is invalid, whatever it says."""


class CurriculumConfig(Section):
    """Which questions a round asks, and which new ones it wants."""

    policy: Literal["socratic", "uniform"] = "socratic"
    """`uniform` is the control: every cell alike, whatever the Solver can do."""
    questions: int = Field(2048, ge=1, le=1_000_000)
    """Questions attempted in a round."""
    new: int = Field(1792, ge=1, le=1_000_000)
    """Questions that a round should add."""
    enough: float = Field(0.9, gt=0, le=1)
    """Share of `new` below which the Teacher is asked again, at most twice."""
    mastered: float = Field(0.15, ge=0, le=1)
    """Share of a round's questions that repeats what is mastered."""
    leap: int = Field(2, ge=1)
    """Levels that a new question may lie above a mastered one."""
    horizon: int = Field(0, ge=0, le=20)
    """Questions in the longest chain: each needs the answer of the one before. 1 for none; 0 for
    3 where the seeds are your own and have numbers for answers, and for none elsewhere."""
    near_duplicate: float = Field(0.985, gt=0, le=1)
    """Cosine similarity from which a question counts as known already. It belongs to the
    embedding: with `ngram`, this lets pass all but the same symbols in nearly the same order."""


class GeneratorConfig(Section):
    """How much the Generator is asked for, and how it is trained."""

    proposals: int = Field(96, ge=0, le=1_000_000)
    """Questions asked of the Generator in round 1; more as its utility grows."""
    most: int = Field(768, ge=0, le=1_000_000)
    """Questions asked of it at the very most; 0 for a run without a Generator."""
    temperature: float = Field(0.7, ge=0)
    max_tokens: int = Field(64, ge=16)
    """Of a question that it writes; a cut-off one is refused as unreadable. More for word problems."""
    utility_mean: float = Field(0.5, ge=0, le=1)
    """Pass rate at which a question is worth most (Socratic-Zero's μ and, below, σ)."""
    utility_deviation: float = Field(0.2, gt=0)
    learning_rate: float = Field(2e-3, gt=0)
    batch_size: int = Field(16, ge=1)
    epochs: float = Field(3, gt=0)


class SolverTraining(Section):
    """DPO of the Solver, from the checkpoint that the round began with."""

    beta: float = Field(0.05, gt=0)
    """DPO's β: how dearly a step away from that checkpoint is paid."""
    nll_weight: float = Field(10.0, ge=0)
    """Weight of the likelihood of chosen completions beside the DPO loss."""
    learning_rate: float = Field(2e-3, gt=0)
    warmup_steps: int = Field(8, ge=0)
    schedule: Literal["constant_with_warmup", "cosine"] = "cosine"
    batch_size: int = Field(16, ge=1)
    epochs: float = Field(2, gt=0)
    pairs_per_question: int = Field(1, ge=1)
    """At most so many of one question."""
    bare_references: bool = True
    """Whether an answer without its working stands in for a reference, where nothing better is known.
    It teaches the answer and not the way: say false for a model that reasons before it answers."""
    replay: float = Field(0.33, ge=0)
    """Pairs of earlier rounds, as a share of this round's."""
    least_pairs: int = Field(256, ge=1)
    """With fewer the Solver is not trained in this round: a few steps from a cold optimiser
    cost more than they teach. The pairs can be replayed later."""
    max_length: int = Field(512, ge=32)
    """Tokens of prompt and completion; what is longer is cut."""


class TeacherConfig(Section):
    """A model that writes questions and labels them, behind any OpenAI-compatible endpoint."""

    url: str = ""
    """Its address with `/v1`. Without one the questions' own family teaches, which needs none."""
    model: str = ""
    """Its name at the endpoint."""
    key: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; never the key itself."""
    temperature: float = Field(0.7, gt=0, le=2)
    max_tokens: int = Field(2048, ge=16)
    concurrency: int = Field(16, ge=1, le=1024)
    deadline_s: float = Field(180, gt=0)
    """Seconds for one request, its retries and waits included."""


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
    """The run ends early when so many checkpoints in a row were refused."""


class SetsConfig(Section):
    """The validation and the held-out set."""

    per_cell: int = Field(12, ge=1, le=1000)
    """Questions for each skill and level, in the validation and the held-out set each."""
    seed: int = Field(20_250_924, ge=0, lt=2**63)
    """The sets are the same for every run, whatever the run's seed."""
    most_seeds: int = Field(5000, ge=4, le=1_000_000)
    """Questions of a seed set that are taken, from its beginning."""


class MemoryConfig(Section):
    """How questions and failures are compared in Chroma."""

    embedding: str = "ngram"
    """`ngram` needs no download; `module:Class` names a Chroma embedding function."""


class RunConfig(Section):
    """A whole run."""

    seed: int = Field(0, ge=0, lt=2**63)
    rounds: int = Field(6, ge=1, le=10_000)
    seeds: str = "builtin"
    """`builtin`; a file (JSONL, JSON, CSV, TSV, Parquet); `hf:NAME[:CONFIG[:SPLIT]]`; or
    `gym:FAMILY[?parameter=value]`, `gym:all`."""
    heldout: list[str] = []
    """Held-out sets of your own, named like seeds; the first is the main one. Without any, one is
    drawn from the family, or split off the seeds."""
    columns: dict[str, str] = {}
    """Columns of files that have other names than ours: `{question: Frage}`."""
    checker: str = ""
    """Decides about the answers of seeds from files; chosen by their kind where it is empty."""
    model: str = "pocket"
    """`pocket`, or a folder with a chat model in safetensors."""
    pocket: PocketModel = PocketModel()
    serving: ServingConfig = ServingConfig()
    rollouts: Sampling = Sampling()
    curriculum: CurriculumConfig = CurriculumConfig()
    teacher: TeacherConfig = TeacherConfig()
    generator: GeneratorConfig = GeneratorConfig()
    labels: LabelsConfig = LabelsConfig()
    training: SolverTraining = SolverTraining()
    gate: GateConfig = GateConfig()
    sets: SetsConfig = SetsConfig()
    memory: MemoryConfig = MemoryConfig()

    @model_validator(mode="after")
    def _vllm_will_take_it(self) -> RunConfig:
        if self.rollouts.temperature == 0 and self.rollouts.n > 1:
            raise ValueError(
                f"rollouts.temperature 0 gives {self.rollouts.n} times the same completion, and vLLM refuses "
                "it; set rollouts.n to 1, or a temperature"
            )
        if self.model == "pocket" and self.serving.max_model_len > POCKET_LENGTH:
            raise ValueError(
                f"serving.max_model_len {self.serving.max_model_len} is more than the {POCKET_LENGTH} tokens "
                "that the pocket model can take; lower it, or name another model"
            )
        return self

    @model_validator(mode="after")
    def _prompts_have_room(self) -> RunConfig:
        if self.rollouts.max_tokens >= self.serving.max_model_len:
            raise ValueError(
                f"rollouts.max_tokens {self.rollouts.max_tokens} leaves no room for a prompt within "
                f"serving.max_model_len {self.serving.max_model_len}; lower the one or raise the other"
            )
        return self


_LARGEST = 1_000_000
"""Bytes of a configuration file."""

_NOT_YAML = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)
"""What PyYAML raises: its constructors let through what they meet in a hostile scalar."""

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother, _BRIEF.maxdict, _BRIEF.maxlist = 2, 57, 57, 3, 3
"""Never the whole of a value: a few lines of YAML can stand for gigabytes."""


def load(
    path: Path | None = None, overrides: Iterable[str] = (), given: Mapping[str, Any] | None = None
) -> RunConfig:
    """Read a configuration file and apply `key.sub=value` overrides.

    Args:
        given: values of top-level keys, as they are; they come last.
    Raises:
        ConfigError: the file is missing or not YAML, a key is unknown, a value is of
            the wrong type or out of range. The message names the place and the remedy.
    """
    values: dict[str, Any] = _read(path) if path else {}
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign or not key:
            raise ConfigError(f"--set {override}: expected key=value, such as rollouts.n=8")
        _put(values, key.split("."), _scalar(override, text))
    values |= given or {}
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(str(path or "--set"), error)) from error


def dump(config: RunConfig) -> str:
    """The configuration as YAML, every value written out."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: is no file; leave it out to play the pocket profile")
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; leave it out to play the pocket profile") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    if len(data) > _LARGEST:
        raise ConfigError(f"{path}: more than {_LARGEST:,} bytes; it is no configuration")
    try:
        values = yaml.safe_load(text)
    except _NOT_YAML as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())[:300]}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found a {type(values).__name__}")
    return values


def _scalar(override: str, text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except _NOT_YAML as error:
        raise ConfigError(f"--set {override[:100]}: {text[:60]!r} is not a YAML value") from error
    # YAML 1.1 reads 1e-4 as text.
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {'.'.join(keys)}: {key} is a value, it has no keys below it")
        values = inner
    values[keys[-1]] = value


def _explain(place: str, error: ValidationError) -> str:
    """The first problem, in one line: where, what was found, what was expected."""
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key {where}{_suggestion(first['loc'])}{more}"
    if first["type"] == "value_error":
        return f"{place}: {first['msg'].removeprefix('Value error, ')}{more}"
    shown = _BRIEF.repr(first["input"])
    return f"{place}: {where} is {shown}; {first['msg'][0].lower()}{first['msg'][1:]}{more}"


def _suggestion(location: tuple[int | str, ...]) -> str:
    names = _names(RunConfig, location[:-1])
    close = difflib.get_close_matches(str(location[-1]), names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known keys: {', '.join(names)}"


def _names(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    fields: Mapping[str, Any] = model.model_fields
    for step in path:
        inner = fields[str(step)].annotation
        fields = inner.model_fields
    return list(fields)
