"""Requests to model endpoints, and the tools that models called."""

from __future__ import annotations

from typing import Literal

from .record import Record

Failure = Literal[
    "",
    "rate_limited",
    "server_error",
    "timeout",
    "connection",
    "malformed",
    "refused",
    "empty",
    "too_long",
    "schema",
    "budget",
]
"""Why a call failed. `malformed` is no chat completion, `refused` is the endpoint's word against this
request, key or address; `schema` is a completion that is not what was asked for, and is kept; with
`budget` nothing was sent."""


class Call(Record):
    """One request to a model endpoint."""

    id: str
    round: int
    stage: str
    role: str
    model: str
    """Name at the endpoint."""
    checkpoint: str
    template: str
    subject_id: str
    """The question or proposal that the call was made for."""
    messages: str
    """JSON, as sent."""
    sampling: str
    """JSON, as sent: n, temperature, top_p, max_tokens, seed."""
    completions: list[str]
    finished: list[bool] = []
    """Of each completion, false where tokens ran out."""
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    error: str = ""
    failure: Failure = ""
    tried: list[str] = []
    """Failures of the tries before the last one, by kind."""
    endpoint: str = ""
    """Address that answered."""
    reasoning: list[str] = []
    """Of each completion, what a thinking model thought before it; no part of the answer."""
    tool_calls: list[str] = []
    """Of each completion, the calls of tools that it asks for: a JSON list, as they came."""


class ToolResult(Record):
    """What a tool gave for one call; written before the model is told, so that a resume tells the same."""

    id: str
    call_id: str
    """Of the reply that asked for it."""
    place: int
    """Among the tools that this reply called."""
    name: str
    arguments: str
    """JSON, as it came; cut where it was too long."""
    result: str
    """As the model is told it."""
    seconds: float
