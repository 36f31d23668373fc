"""Chat completions over the OpenAI API: bounded, retried, timed, every one recorded."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import openai

from ..config import ServingConfig
from ..endpoints import ChatCompletion, Usage
from ..errors import EndpointError, MaieuticError
from ..records import Call, short_id


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


@dataclass(frozen=True, slots=True)
class Settings:
    """How a message names what can be done about an endpoint."""

    key: str
    address: str
    log: str
    deadline: str


SERVING = Settings("the server's log", "the server's log", "the server's log", "serving.request_deadline_s")

_LONGEST_ERROR = 500
"""Characters of what an endpoint says when it fails."""


class Client(Protocol):
    """Who is asked: one endpoint, or several as one."""

    async def ask(self, request: Request) -> Reply:
        """Complete one request; see `Completions.ask`."""
        ...

    async def close(self) -> None: ...


class Completions:
    """A client of one endpoint.

    Args:
        check: called when the endpoint gave no answer; raises a better error when it
            knows why, such as the server's last words.
        away: whether it is another machine, to which a proxy may be needed.
        settings: where the user changes what it is asked with, and what else to look at.
    """

    def __init__(
        self,
        url: str,
        key: str,
        model: str,
        config: ServingConfig,
        check: Callable[[], None] = lambda: None,
        away: bool = False,
        settings: Settings = SERVING,
    ) -> None:
        self.model, self.config, self.check = model, config, check
        self.settings, self._key = settings, key
        self._slots = asyncio.Semaphore(config.concurrency)
        self._client = openai.AsyncOpenAI(
            base_url=f"{url}/v1",
            api_key=key,
            max_retries=config.retries,
            # A request that hangs is tried at least once more within its deadline.
            timeout=config.request_deadline_s / 2,
            # Takes less of our processor time for a request than the default transport.
            http_client=openai.DefaultAioHttpClient(trust_env=away),
        )

    async def close(self) -> None:
        await self._client.close()

    async def ask(self, request: Request) -> Reply:
        """Complete one request, waiting for a free slot first.

        Returns:
            The completions and the record of the call. When the endpoint refuses this
            request for what it says (HTTP 400), there are no completions and the
            record holds the error: a bad request is data.
        Raises:
            EndpointError: no answer within retries and deadline; or what `check` raised. Either
                carries the record of the call.
        """
        async with self._slots:
            started = time.monotonic()
            try:
                async with asyncio.timeout(self.config.request_deadline_s):
                    answer = await self._send(request)
            except openai.BadRequestError as error:
                return Reply([], [], self._record(request, [], [], 0, 0, started, self._said(error)))
            except (openai.APIError, ValueError, TimeoutError) as error:
                call = self._record(request, [], [], 0, 0, started, self._said(error))
                try:
                    self.check()
                except MaieuticError as known:
                    known.call = call
                    raise
                raise EndpointError(
                    f"{self._client.base_url}: no answer for {request.subject_id} within "
                    f"{self.config.retries} retries and {call.seconds:.0f} s "
                    f"({call.error}); {self._remedy(error)}",
                    call,
                ) from error
        texts = [choice.message.content or "" for choice in answer.choices]
        finished = [choice.finish_reason in ("stop", "tool_calls") for choice in answer.choices]
        used = answer.usage or Usage()
        spent = (used.prompt_tokens, used.completion_tokens)
        call = self._record(request, texts, finished, *spent, started, "").model_copy(
            update={
                "reasoning": [choice.message.thought for choice in answer.choices],
                "tool_calls": [json.dumps(choice.message.tool_calls or []) for choice in answer.choices],
            }
        )
        return Reply(texts, finished, call, [choice.token_logprobs for choice in answer.choices])

    def _said(self, error: Exception) -> str:
        """An error as it is recorded and shown: one line, short, and without the key, which some repeat."""
        if isinstance(error, TimeoutError):
            return f"nothing came within {self.config.request_deadline_s:g} s"
        if isinstance(error, ValueError):
            return "what it sent is no chat completion"
        said = " ".join(str(error).split()).replace(self._key, "***")
        return f"{type(error).__name__}: {said}"[:_LONGEST_ERROR]

    def _remedy(self, error: Exception) -> str:
        status = error.status_code if isinstance(error, openai.APIStatusError) else None
        if status in (401, 403):
            return f"it refuses the key; see {self.settings.key}"
        if status == 404 or isinstance(error, ValueError):
            return f"see {self.settings.address}"
        return f"see {self.settings.log}, or raise {self.settings.deadline}"

    async def _send(self, request: Request) -> ChatCompletion:
        # The client's own request, retries and errors, without its typed wrapper: filling
        # and reading that wrapper takes longer than everything else we do for a call.
        answer = await self._client.post(
            "/chat/completions",
            cast_to=object,
            body=request.body(self.model),
        )
        return ChatCompletion.model_validate(answer)

    def _record(
        self,
        request: Request,
        texts: list[str],
        finished: list[bool],
        prompt: int,
        spent: int,
        started: float,
        error: str,
    ) -> Call:
        return Call(
            id=short_id("call", request.round, request.stage, request.role, request.subject_id),
            round=request.round,
            stage=request.stage,
            role=request.role,
            model=self.model,
            checkpoint=request.checkpoint,
            template=request.template,
            subject_id=request.subject_id,
            messages=json.dumps(request.messages),
            sampling=json.dumps(request.sampling()),
            completions=texts,
            finished=finished,
            prompt_tokens=prompt,
            completion_tokens=spent,
            seconds=time.monotonic() - started,
            error=error,
        )
