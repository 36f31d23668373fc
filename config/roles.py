"""Who plays, and where each role's model is.

A role's `endpoint` is `local`, a model that this run serves, or the address of any endpoint that
speaks the OpenAI API; several addresses are used in proportion to how fast they answer.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from .section import Section

LOCAL, FAMILY, NONE = "local", "family", "none"
"""Endpoints that are no address: served by this run; the questions' own family; nobody."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


TRAINED = ("solver", "generator")
ROLES = (*TRAINED, "teacher", "verifier")
"""Sections of the configuration that are a `Role`."""

Endpoints = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1, max_length=64)]
"""One address, or several of equal standing."""

Tool = Literal["python", "search"]
"""`python` runs a program in the sandbox of the checker of that name; `search` looks into the memory."""


class Price(Section):
    """What an endpoint takes, in its own currency, for a million tokens."""

    prompt: float = Field(0, ge=0, le=1e9)
    completion: float = Field(0, ge=0, le=1e9)


class Budget(Section):
    """How much a role may ask for in a whole run; 0 for no end."""

    calls: int = Field(0, ge=0)
    tokens: int = Field(0, ge=0)
    """Of prompts and completions together, as the endpoint counts them."""
    seconds: float = Field(0, ge=0)
    """Of all calls added up, waits included; they run side by side."""


class Role(Section):
    """Where a role's model is, and what it may cost."""

    endpoint: Endpoints = [LOCAL]
    model: str = ""
    """A folder or a name at the Hugging Face hub where the endpoint is `local`; else its name at the
    endpoint. Empty for the run's `model`."""
    key: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the endpoint's key; never the key itself."""
    max_model_len: int = Field(0, ge=0)
    """Tokens of prompt and completion together, where the model is served here; 0 for that of `serving`.
    Roles that share a model have the longest of theirs."""
    concurrency: int = Field(0, ge=0, le=4096)
    """Requests in flight at each of its servers or addresses; 0 for that of `serving`."""
    deadline_s: float = Field(0, ge=0)
    """Seconds for one request, its retries and waits included; 0 for that of `serving`. Roles that share
    a server have the most and the longest of theirs."""
    budget: Budget = Budget()
    price: Price = Price()

    @field_validator("key")
    @classmethod
    def _key_is_a_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", value):
            raise ValueError("key takes the name of an environment variable, never a key itself")
        return value

    @model_validator(mode="after")
    def _endpoints_are_of_one_kind(self) -> Role:
        known = {LOCAL, *type(self).model_fields["endpoint"].get_default()}
        named = [one for one in self.endpoint if "/" not in one]
        if [one for one in named if one not in known] or (named and len(self.endpoint) > 1):
            raise ValueError(
                f"endpoint {', '.join(self.endpoint)[:100]}: expected {' or '.join(sorted(known))} alone, "
                "or one or more addresses such as http://127.0.0.1:8000/v1"
            )
        return self

    @property
    def addresses(self) -> list[str]:
        """Those of endpoints elsewhere."""
        return [] if self.endpoint[0] in (LOCAL, FAMILY, NONE) else self.endpoint

    @property
    def local(self) -> bool:
        """Whether this run serves the model itself."""
        return self.endpoint == [LOCAL]


class SolverConfig(Role):
    """Who attempts the questions; its sampling is in `rollouts`."""

    tools: list[Tool] = []
    """What it may call while it works a question out; conversations are then trained on whole."""
    most_turns: int = Field(4, ge=1, le=32)
    """Calls of tools in one rollout, at most."""
    handbook: int = Field(0, ge=0, le=64)
    """Behaviours of the handbook that its prompt is given; 0 for none. Training leaves them out."""


class Sampling(Section):
    """The Solver's rollouts."""

    n: int = Field(2, ge=1, le=64)
    """Rollouts of a question in a round (Socratic-Zero: 8)."""
    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(200, ge=1)
    """A completion cut off here is invalid, whatever it says."""
    logprobs: bool = False
    """Whether a rollout keeps the log-probability of each of its tokens, for strategies that need them."""


class GeneratorConfig(Role):
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
    epochs: float = Field(3, gt=0, le=10_000)


class TeacherConfig(Role):
    """Who writes questions and labels them: the questions' own family, or a model."""

    endpoint: Endpoints = [FAMILY]
    """`family` needs no model; `local`, an address, or several."""
    temperature: float = Field(0.7, gt=0, le=2)
    max_tokens: int = Field(4096, ge=16)
    """Of a reply, its thinking included. The texts of a JSON reply share three quarters of it at one
    character a token, so that even a model that ends nothing by itself ends it."""
    skills: int = Field(16, ge=0, le=100_000)
    """Failures of a round, drawn by chance, of which a model names the skills that they lack: one call
    each. Its prompts say which are missing most often."""
    hints: int = Field(0, ge=0, le=100_000)
    """Questions of a round, the most failed, that a model writes a hint for: one call each."""
    subproblems: int = Field(0, ge=0, le=100_000)
    """Questions of a round, the most failed, that a model splits into up to four smaller ones, which are
    proposed beside the others: one call each, and the solving of what they propose."""
    quota: float = Field(0.5, gt=0, le=1)
    """Largest share of a turn's lessons on one skill while others have need; of a model, not a family."""
    concurrency: int = Field(16, ge=0, le=4096)
    deadline_s: float = Field(180, ge=0)
    tools: list[Tool] = []
    """What it may call before it answers."""
    most_turns: int = Field(4, ge=1, le=32)

    @property
    def is_model(self) -> bool:
        return self.endpoint != [FAMILY]


class VerifierConfig(Role):
    """What decides where a question's checker cannot, and is measured where it can."""

    endpoint: Endpoints = [NONE]
    """`none` leaves what no checker decides undecided; `local`, an address, or several."""
    then: list[Literal["vote", "judge", "debate"]] = Field(["judge"], min_length=1, max_length=3)
    """Asked in this order, each about what those before it left undecided."""
    votes: int = Field(3, ge=1, le=15)
    """Odd. Answers that `vote` asks for; votes of `judge` and of `debate` in each of two orders."""
    threshold: float = Field(0.75, ge=0.5, le=1)
    """Share of votes from which a model's verdict counts; below it, the rollout stays undecided."""
    turns: int = Field(3, ge=1, le=3)
    """Of each side in a debate; more of them make verdicts worse (arXiv 2501.13124)."""
    temperature: float = Field(0.7, ge=0, le=2)
    max_tokens: int = Field(1024, ge=16)
    concurrency: int = Field(16, ge=0, le=4096)
    deadline_s: float = Field(180, ge=0)
    calibration: int = Field(32, ge=0, le=100_000)
    """Rollouts of a round that a checker has decided, drawn by chance, of which the model is asked,
    too: how far its verdicts agree is in the report."""
    tools: list[Tool] = []
    most_turns: int = Field(4, ge=1, le=32)

    @model_validator(mode="after")
    def _votes_can_decide(self) -> VerifierConfig:
        if self.votes % 2 == 0:
            raise ValueError(f"votes {self.votes} can tie; make it odd")
        if self.temperature == 0 and self.votes > 1:
            raise ValueError(
                f"temperature 0 gives {self.votes} times the same vote; set votes to 1, or a temperature"
            )
        if len(set(self.then)) < len(self.then):
            raise ValueError(f"then: {', '.join(self.then)} names a method twice; name each once")
        return self

    @property
    def is_model(self) -> bool:
        return self.endpoint != [NONE]
