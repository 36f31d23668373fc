"""What is asked of a model, what came of it, and how it is recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from ..records import Call, Failure, short_id
from .failures import Tries

_ENVELOPE_BYTES, _CHOICE_BYTES, _TOKEN_BYTES, _LOGPROB_BYTES = 16_384, 1024, 32, 256
"""Bytes of a response, of each completion in it, and of each token, at the very most."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON schema that a completion must follow."""

    name: str
    json: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask, and what the call is recorded under."""

    subject_id: str
    role: str
    checkpoint: str
    stage: str
    round: int
    template: str
    messages: list[dict[str, Any]]
    """As the API takes them; those of a conversation with tools have more than a role and a content."""
    n: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    schema: Schema | None = None
    """What the completion must be; an endpoint without structured output is asked without it."""
    tools: tuple[dict[str, Any], ...] = ()
    """Functions that the model may call, as the API takes them."""
    logprobs: bool = False
    """Whether the log-probability of every token of the completions is wanted."""

    @classmethod
    def single(
        cls,
        role: str,
        subject: str,
        round: int,
        stage: str,
        template: str,
        text: str,
        temperature: float,
        max_tokens: int,
        seed: int,
        checkpoint: str = "",
    ) -> Request:
        """A text that is answered once."""
        return cls(
            subject_id=subject,
            role=role,
            checkpoint=checkpoint,
            stage=stage,
            round=round,
            template=template,
            messages=[{"role": "user", "content": text}],
            n=1,
            temperature=temperature,
            top_p=1.0,
            max_tokens=max_tokens,
            seed=seed,
        )

    def body(self, model: str) -> dict[str, object]:
        """What is posted to `/v1/chat/completions`."""
        return {"model": model, "messages": self.messages, **self.sampling(), **self._shape()}

    def sampling(self) -> dict[str, float]:
        return {
            "n": self.n,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
        }

    @property
    def most_bytes(self) -> int:
        """Of a response: no text has so many bytes for each of its tokens."""
        token = _TOKEN_BYTES + (_LOGPROB_BYTES if self.logprobs else 0)
        return _ENVELOPE_BYTES + self.n * (_CHOICE_BYTES + self.max_tokens * token)

    def in_words(self) -> Request:
        """The same for an endpoint that takes no schema: it is told what to reply with."""
        if self.schema is None:
            return self
        wanted = json.dumps(self.schema.json, ensure_ascii=False)
        said = f"Reply with one JSON object of this schema and nothing else: {wanted}"
        *before, last = self.messages
        if last["role"] == "user" and isinstance(last["content"], str):
            told = [*before, {**last, "content": f"{last['content']}\n\n{said}"}]
        else:
            told = [*self.messages, {"role": "user", "content": said}]
        return replace(self, messages=told, schema=None)

    def _shape(self) -> dict[str, object]:
        shape: dict[str, object] = {}
        if self.schema is not None:
            shaped = {"name": self.schema.name, "strict": True, "schema": self.schema.json}
            shape["response_format"] = {"type": "json_schema", "json_schema": shaped}
        if self.tools:
            shape["tools"] = list(self.tools)
        if self.logprobs:
            shape["logprobs"] = True
        return shape


@dataclass(frozen=True, slots=True)
class Reply:
    """Completions of one request; `finished[i]` is false where tokens ran out."""

    completions: list[str]
    finished: list[bool]
    call: Call
    logprobs: list[list[float]] = field(default_factory=list)
    """Of each completion's tokens, where they were asked for."""
    tokens: list[list[str]] = field(default_factory=list)
    """The texts of these tokens."""


def told(reply: Reply, tries: Tries) -> Reply:
    """A reply with what its tries were and how long they took."""
    seen = {"seconds": tries.spent, "tried": list(tries.kinds)}
    return replace(reply, call=reply.call.model_copy(update=seen))


def unanswered(request: Request, error: str, failure: Failure, model: str = "", url: str = "") -> Call:
    """The record of a call without completions."""
    return Call(
        id=short_id("call", request.round, request.stage, request.role, request.subject_id),
        round=request.round,
        stage=request.stage,
        role=request.role,
        model=model,
        checkpoint=request.checkpoint,
        template=request.template,
        subject_id=request.subject_id,
        messages=json.dumps(request.messages),
        sampling=json.dumps(request.sampling()),
        completions=[],
        prompt_tokens=0,
        completion_tokens=0,
        seconds=0.0,
        error=error,
        failure=failure,
        endpoint=url,
    )
