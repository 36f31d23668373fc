"""A chat completion as endpoints send it, as far as we read it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Message(BaseModel):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None

    @property
    def thought(self) -> str:
        """What a thinking model's server keeps apart from the answer; servers differ in its name."""
        return self.reasoning or self.reasoning_content or ""


class TokenLogprob(BaseModel):
    token: str | None = None
    logprob: float = Field(allow_inf_nan=False)


class Logprobs(BaseModel):
    content: list[TokenLogprob] | None = None


class Choice(BaseModel):
    message: Message
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    @property
    def token_logprobs(self) -> list[float]:
        return [token.logprob for token in (self.logprobs and self.logprobs.content) or []]

    @property
    def tokens(self) -> list[str]:
        return [token.token or "" for token in (self.logprobs and self.logprobs.content) or []]


class Usage(BaseModel):
    prompt_tokens: int = Field(0, ge=0, le=10**12)
    completion_tokens: int = Field(0, ge=0, le=10**12)


class ChatCompletion(BaseModel):
    """What we read of a chat completion, whoever sends it."""

    choices: list[Choice]
    usage: Usage | None = None
