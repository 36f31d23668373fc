"""Chat completions over the OpenAI API: bounded, retried, timed, every one recorded."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import httpx2
import openai

from ..completions import ChatCompletion, Usage
from ..config import ServingConfig
from ..endpoints import hiding
from ..errors import EndpointError, MaieuticError
from ..records import Call, Failure
from .failures import MOST_BYTES, NOT_TAKEN, TROUBLE, Failed, Tries, bound, failed_by
from .requests import Reply, Request, Schema, told, unanswered

__all__ = ["SERVING", "Client", "Completions", "Reply", "Request", "Schema", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a message names what can be done about an endpoint."""

    key: str
    address: str
    log: str
    deadline: str


SERVING = Settings("the server's log", "the server's log", "the server's log", "serving.request_deadline_s")


class Client(Protocol):
    """Who is asked: one endpoint, or several as one."""

    async def ask(self, request: Request) -> Reply:
        """Complete one request; see `Completions.ask`."""
        ...

    async def close(self) -> None: ...


class Completions:
    """A client of one endpoint.

    What it refuses a request for is found out by asking again: without the schema, which is then told
    in words from now on; without tools, which is an error, since nobody could do without them.

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
        self.url, self.model, self.config, self.check = url, model, config, check
        self.settings, self._hide = settings, hiding(key)
        self._slots = asyncio.Semaphore(config.concurrency)
        self._in_words: set[str] = set()
        """Names of schemas that the endpoint does not take."""
        self._client = openai.AsyncOpenAI(
            base_url=f"{url}/v1",
            api_key=key,
            max_retries=0,  # ours know the deadline, and are counted
            default_headers={"Accept-Encoding": "identity"},
            # Takes less of our processor time for a request than the default transport.
            http_client=openai.DefaultAioHttpClient(
                trust_env=away,
                follow_redirects=False,  # what is asked is for this address alone
                timeout=config.request_deadline_s,
                limits=httpx2.Limits(max_connections=2 * config.concurrency + 8),
                event_hooks={"response": [bound]},
            ),
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
            tries = Tries(self.config.retries, self.config.request_deadline_s)
            while True:
                try:
                    return told(await self.once(request, tries.patience), tries)
                except Failed as failed:
                    pause = tries.wait(failed)
                    if pause is None or await self._over_within(pause):
                        raise self.given_up(request, tries, failed) from failed

    async def once(self, request: Request, seconds: float) -> Reply:
        """Try a request one time, whatever is in flight.

        Raises:
            Failed: it gave no answer.
            EndpointError: the endpoint takes no tools.
        """
        try:
            async with asyncio.timeout(seconds):
                asked, answer = await self._fitted(request)
            return self._reply(asked, answer)
        except TROUBLE as error:
            failed = failed_by(error, seconds, self._hide)
        if failed.status in NOT_TAKEN:
            return Reply([], [], self._record(request, failed.said, "refused"))
        raise failed

    async def healthy(self) -> bool:
        """Whether the endpoint says anything that is no error of its own; it need not have this list."""
        MOST_BYTES.set(_LONGEST_LIST)
        try:
            async with asyncio.timeout(_HEALTHY_S):
                await self._client.get("/models", cast_to=httpx2.Response)
        except openai.APIStatusError as error:
            return 400 <= error.status_code < 500 and error.status_code not in (401, 403, 429)
        except TROUBLE:
            return False
        return True

    def given_up(self, request: Request, tries: Tries, failed: Failed) -> MaieuticError:
        """The error of a request that is not tried again, with the record of the call."""
        call = self._record(request, failed.said, failed.kind)
        call = call.model_copy(update={"seconds": tries.spent, "tried": list(tries.kinds[:-1])})
        try:
            self.check()
        except MaieuticError as known:
            known.call = call
            return known
        return EndpointError(
            f"{self._client.base_url}: no answer for {request.subject_id} within "
            f"{max(0, len(tries.kinds) - 1)} retries and {call.seconds:.0f} s "
            f"({call.error}); {self._remedy(failed)}",
            call,
        )

    async def _over_within(self, seconds: float) -> bool:
        """Wait; whether it is known meanwhile that nothing will ever answer there."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                self.check()
            except MaieuticError:
                return True
            await asyncio.sleep(min(left, _LOOK_S))
        return False

    def _remedy(self, failed: Failed) -> str:
        if failed.status in (401, 403):
            return f"it refuses the key; see {self.settings.key}"
        if (
            300 <= failed.status < 400
            or failed.status == 404
            or failed.kind in ("malformed", "empty", "too_long")
        ):
            return f"see {self.settings.address}"
        return f"see {self.settings.log}, or raise {self.settings.deadline}"

    async def _fitted(self, request: Request) -> tuple[Request, ChatCompletion]:
        """The answer, and what was asked: the request as far as the endpoint takes it."""
        in_words = request.schema is not None and request.schema.name in self._in_words
        asked = request.in_words() if in_words else request
        try:
            return asked, await self._send(asked)
        except openai.APIStatusError as error:
            if error.status_code not in NOT_TAKEN:
                raise
            refusal, plain = error, asked.in_words()
        if plain is not asked:
            try:
                answer = await self._send(plain)
            except openai.APIStatusError as error:
                if error.status_code not in NOT_TAKEN:
                    raise
                refusal = error
            else:
                assert asked.schema is not None
                self._in_words.add(asked.schema.name)
                return plain, answer
        if request.tools and await self._takes(replace(plain, tools=(), n=1, max_tokens=1, logprobs=False)):
            raise EndpointError(
                f"{self._client.base_url}: takes no tools (HTTP {refusal.status_code}); a vLLM server needs "
                f"--enable-auto-tool-choice and --tool-call-parser, or set {request.role}.tools to []"
            )
        raise refusal

    async def _takes(self, request: Request) -> bool:
        try:
            await self._send(request)
        except TROUBLE:
            return False
        return True

    async def _send(self, request: Request) -> ChatCompletion:
        MOST_BYTES.set(request.most_bytes)
        # The client's own request and errors, without its typed wrapper: filling and reading that
        # wrapper takes longer than everything else we do for a call.
        answer = await self._client.post(
            "/chat/completions", cast_to=httpx2.Response, body=request.body(self.model)
        )
        return ChatCompletion.model_validate_json(answer.content)

    def _reply(self, request: Request, answer: ChatCompletion) -> Reply:
        choices = answer.choices[: request.n]
        if not choices:
            raise Failed("empty", "it sent no completion")
        # An endpoint may repeat the key in what it says, too, which is written down and shown.
        texts = [self._hide(choice.message.content or "") for choice in choices]
        finished = [choice.finish_reason in ("stop", "tool_calls") for choice in choices]
        used = answer.usage or Usage()
        call = self._record(request, "", "").model_copy(
            update={
                "completions": texts,
                "finished": finished,
                "prompt_tokens": used.prompt_tokens,
                "completion_tokens": used.completion_tokens,
                "reasoning": [self._hide(choice.message.thought) for choice in choices],
                "tool_calls": [
                    self._hide(json.dumps(c.message.tool_calls or [], allow_nan=False)) for c in choices
                ],
            }
        )
        logprobs = [choice.token_logprobs for choice in choices]
        return Reply(texts, finished, call, logprobs, [choice.tokens for choice in choices])

    def _record(self, request: Request, error: str, failure: Failure) -> Call:
        return unanswered(request, error, failure, self.model, self.url)


_LONGEST_LIST = 20_000_000
"""Bytes of a list of models."""

_HEALTHY_S = 5.0
"""Seconds in which an endpoint must say that it is there."""

_LOOK_S = 0.25
"""Seconds between two looks, while a request waits for its next try, at whether its server has ended."""
