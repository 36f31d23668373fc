"""RunConfig: everything a run can be told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, field_validator, model_validator

from .budget import RunBudget
from .pairs import PairsConfig
from .roles import (
    ROLES,
    GeneratorConfig,
    Role,
    Sampling,
    SolverConfig,
    TeacherConfig,
    VerifierConfig,
)
from .section import Section
from .sections import (
    POCKET_LENGTH,
    CurriculumConfig,
    GateConfig,
    HandbookConfig,
    LabelsConfig,
    MemoryConfig,
    PocketModel,
    ServingConfig,
    SetsConfig,
    WatchConfig,
)
from .training import SolverTraining


class RunConfig(Section):
    """A whole run."""

    seed: int = Field(0, ge=0, lt=2**63)
    rounds: int = Field(8, ge=1, le=10_000)
    budget: RunBudget = RunBudget()
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
    prompts: str = ""
    """A folder of your own templates: one that has the name of ours takes its place."""
    solver: SolverConfig = SolverConfig()
    rollouts: Sampling = Sampling()
    curriculum: CurriculumConfig = CurriculumConfig()
    teacher: TeacherConfig = TeacherConfig()
    verifier: VerifierConfig = VerifierConfig()
    generator: GeneratorConfig = GeneratorConfig()
    labels: LabelsConfig = LabelsConfig()
    pairs: PairsConfig = PairsConfig()
    training: SolverTraining = SolverTraining()
    gate: GateConfig = GateConfig()
    watch: WatchConfig = WatchConfig()
    sets: SetsConfig = SetsConfig()
    memory: MemoryConfig = MemoryConfig()
    handbook: HandbookConfig = HandbookConfig()
    report_to: list[Literal["tensorboard", "trackio", "wandb"]] = []
    """Trackers that show the figures of trainings and of rounds, each a package of its own: see
    docs/training.md. Local, unless their own environment variables say otherwise."""
    review: Literal["none", "teach"] = "none"
    """`teach` has a person accept, edit or refuse every question that would be admitted."""

    @field_validator("report_to")
    @classmethod
    def _each_tracker_once(cls, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))

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
    def _one_question_can_be_asked(self) -> RunConfig:
        if 0 < self.budget.rollouts < self.rollouts.n:
            raise ValueError(
                f"budget.rollouts {self.budget.rollouts} is less than one question takes (rollouts.n is "
                f"{self.rollouts.n}); raise it, or say 0 for no budget"
            )
        return self

    @model_validator(mode="after")
    def _somebody_writes_the_handbook(self) -> RunConfig:
        if self.handbook.per_round and not self.teacher.is_model:
            raise ValueError(
                f"handbook.per_round {self.handbook.per_round} needs a Teacher that is a model; set "
                "teacher.endpoint, or leave the handbook out"
            )
        if self.solver.handbook and not self.handbook.per_round:
            raise ValueError(
                f"solver.handbook {self.solver.handbook} asks for behaviours that nobody writes; set "
                "handbook.per_round, too"
            )
        return self

    @model_validator(mode="after")
    def _trained_roles_can_be_given_checkpoints(self) -> RunConfig:
        for name, role in (("solver", self.solver), ("generator", self.generator)):
            if role.addresses and self.training.method != "lora":
                raise ValueError(
                    f"{name}.endpoint is elsewhere, where only adapters can be loaded: set training.method "
                    "to lora, or serve it here with endpoint: local"
                )
            if role.addresses and self.model == "pocket":
                raise ValueError(
                    f"{name}.endpoint is elsewhere, and adapters for its model are trained over the same one "
                    "here: name that in model"
                )
        return self

    @property
    def roles(self) -> dict[str, Role]:
        """Each role's own section."""
        return {name: getattr(self, name) for name in ROLES}

    @property
    def served_here(self) -> list[str]:
        """The roles whose models this run serves itself."""
        idle = () if self.generator.most else ("generator",)
        return [name for name, role in self.roles.items() if role.local and name not in idle]

    def asked_as(self, roles: Iterable[str]) -> ServingConfig:
        """How the servers of some roles are asked: by as many at once, and for as long, as any of them is."""
        named = [self.roles[name] for name in roles]
        given = {
            "concurrency": max(role.concurrency or self.serving.concurrency for role in named),
            "request_deadline_s": max(role.deadline_s or self.serving.request_deadline_s for role in named),
        }
        return self.serving.model_copy(update=given)

    def context_of(self, roles: Iterable[str]) -> int:
        """Tokens of prompt and completion that a server for some roles takes."""
        return max(self.roles[name].max_model_len or self.serving.max_model_len for name in roles)

    @model_validator(mode="after")
    def _roles_have_room(self) -> RunConfig:
        for name, role in self.roles.items():
            if not role.local:
                continue
            context = self.context_of([name])
            if self.model == "pocket" and not role.model and context > POCKET_LENGTH:
                raise ValueError(
                    f"{name}.max_model_len {context} is more than the {POCKET_LENGTH} tokens that the pocket "
                    f"model can take; lower it, or name another model in {name}.model"
                )
            setting = "rollouts.max_tokens" if name == "solver" else f"{name}.max_tokens"
            written = self.rollouts.max_tokens if name == "solver" else getattr(self, name).max_tokens
            if written >= context:
                raise ValueError(
                    f"{setting} {written} leaves no room for a prompt within the {context} tokens of "
                    f"serving.max_model_len or {name}.max_model_len; lower the one or raise the other"
                )
        return self

    @model_validator(mode="after")
    def _logprobs_can_be_kept(self) -> RunConfig:
        if self.rollouts.logprobs and self.solver.tools:
            raise ValueError("rollouts.logprobs: rollouts with tools keep none; leave it or solver.tools out")
        return self

    @model_validator(mode="after")
    def _tools_are_heard(self) -> RunConfig:
        for name in ("solver", "teacher", "verifier"):
            role = getattr(self, name)
            if role.local and role.tools and not self.serving.tool_parser:
                raise ValueError(
                    f"{name}.tools: the server here must know how the model writes calls of tools; set "
                    "serving.tool_parser, such as hermes for Qwen3"
                )
        return self
