"""One OpenAI-compatible endpoint, asked from threads: retries with back-off, and a deadline.

What goes wrong is told by its kind and its HTTP status alone. What an endpoint says about it is
never passed on: some repeat the key there.
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
from dataclasses import dataclass
from typing import Any

import openai
from pydantic import SecretStr

from ....completions import ChatCompletion

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0
_RETRIES = 3
_GIVE_UP = 16
"""Calls in a row that fail with all their retries; then nothing more is asked in this check."""

_LONGEST_REPLY = 2_000_000
"""Bytes of a response."""

_PASSING = frozenset({408, 409, 425, 429})
"""Beside 500 and above, what may go well the next time."""


class Unanswered(Exception):
    """No reply; the message has neither the request nor what the endpoint said."""


class Refused(Unanswered):
    """HTTP 400 or 422: the endpoint does not take what the request holds."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said; `whole` is false where tokens ran out."""

    text: str
    whole: bool


class Endpoint:
    """
    Args:
        key: empty for an endpoint that wants none.
        local: the endpoint is on this machine, so that no proxy of the environment is used.
        seconds: deadline of what is asked; a request that hangs is given up after half of it.
    """

    def __init__(self, url: str, key: SecretStr, local: bool, seconds: float) -> None:
        self.calls = self.prompt_tokens = self.completion_tokens = 0
        self._seconds = seconds
        self._failed = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._client = openai.OpenAI(
            base_url=url,
            api_key=key.get_secret_value() or "none",
            max_retries=0,
            http_client=openai.DefaultHttpxClient(trust_env=not local),
        )

    def close(self) -> None:
        """Ask nothing more; who waits for another try stops waiting."""
        self._closed.set()
        self._client.close()

    def begin(self) -> None:
        """Forget that calls failed."""
        self._failed = 0

    def ask(self, body: dict[str, Any], until: float) -> Reply:
        """Post a chat completion and read its first choice.

        Args:
            until: when it must be there, by the monotonic clock.
        Raises:
            Refused: the endpoint does not take the request.
            Unanswered: no reply within retries and deadline.
        """
        if self._failed >= _GIVE_UP:
            raise Unanswered(f"the endpoint failed {_GIVE_UP} times in a row; not asked again")
        if time.monotonic() >= until:
            raise Unanswered(self._late())  # for other votes' sake, so no failure of this one
        try:
            reply = self._tried(body, until)
        except Refused:
            raise
        except Unanswered:
            with self._lock:
                self._failed += 1
            raise
        with self._lock:
            self._failed = 0
        return reply

    def _tried(self, body: dict[str, Any], until: float) -> Reply:
        why = ""
        for attempt in range(_RETRIES + 1):
            left = until - time.monotonic()
            if left <= 0 or self._closed.is_set():
                break
            try:
                return self._once(body, min(left, max(self._seconds / 2, 0.01)), until)
            except openai.APIStatusError as error:
                status, why = error.status_code, f"the endpoint answered HTTP {error.status_code}"
                if status in (400, 422):
                    raise Refused(why) from None
                if status < 500 and status not in _PASSING:
                    raise Unanswered(why) from None
                pause = _pause(attempt, error.response.headers.get("retry-after"))
            except openai.APITimeoutError:
                why, pause = "the endpoint did not answer in time", 0.0
            except openai.APIConnectionError:
                why, pause = "no connection to the endpoint", _pause(attempt)
            except (openai.APIError, ValueError):
                # ValidationError and JSON's own errors are ValueErrors, too.
                why, pause = "the endpoint answered something else than a chat completion", _pause(attempt)
            self._closed.wait(max(0.0, min(pause, until - time.monotonic())) if attempt < _RETRIES else 0)
        if time.monotonic() >= until:
            raise Unanswered(f"{self._late()}; {why}" if why else self._late())
        raise Unanswered(why or "the judge was closed")

    def _late(self) -> str:
        return f"took more than {self._seconds:g} s"

    def _once(self, body: dict[str, Any], seconds: float, until: float) -> Reply:
        with self._lock:
            self.calls += 1
        parts, size = [], 0
        streaming = self._client.chat.completions.with_streaming_response
        with streaming.create(**body, timeout=seconds) as response:
            # Read piece by piece: a timeout of the client is for each piece, not for all of them.
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > _LONGEST_REPLY or time.monotonic() > until:
                    raise ValueError("too long")
        try:
            answer = ChatCompletion.model_validate(json.loads(b"".join(parts)))
        except RecursionError:
            raise ValueError("nested too deep") from None
        if not answer.choices:
            raise ValueError("no choice")
        with self._lock:
            self.prompt_tokens += answer.usage.prompt_tokens if answer.usage else 0
            self.completion_tokens += answer.usage.completion_tokens if answer.usage else 0
        choice = answer.choices[0]
        return Reply(choice.message.content or "", choice.finish_reason != "length")


def _pause(attempt: int, asked: str | None = None) -> float:
    """Seconds before the next try: what the endpoint asks for, else twice as long each time."""
    try:
        wanted = float(asked or "")
    except ValueError:
        wanted = _FIRST_PAUSE_S * 2**attempt * random.uniform(0.75, 1.25)
    return min(max(wanted, 0.0), _LONGEST_PAUSE_S) if math.isfinite(wanted) else _LONGEST_PAUSE_S
