"""What can go wrong with a request: of what kind it is, whether it may pass, how long to wait."""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar

import aiohttp
import httpx2
import openai

from ..records import Failure

LONGEST_WAIT_S = 60.0
"""Seconds that an endpoint's Retry-After is honoured for, at most."""

_FIRST_WAIT_S, _MOST_BACK_OFF_S = 0.5, 8.0
_LONGEST_ERROR = 500
"""Characters of what an endpoint says when it fails."""

_ERROR_BYTES = 16_384
"""Of the body of an error; what comes after it is not read."""

_PASSING = frozenset({408, 409, 425, 429})
"""Beside 500 and above, what may go well the next time."""

NOT_TAKEN = (400, 422)
"""HTTP statuses of an endpoint that does not take what a request holds."""


TROUBLE = (openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError, OSError, EOFError, ValueError)
"""What the client and the transport below it raise for whatever an endpoint does; a timeout is an
`OSError`. The transport lets some of its own errors through."""


class Failed(Exception):
    """One try of a request gave no answer."""

    def __init__(self, kind: Failure, said: str, passing: bool = True, status: int = 0, wait: float = 0):
        super().__init__(said)
        self.kind, self.said, self.passing, self.status, self.wait = kind, said, passing, status, wait

    @property
    def unfit(self) -> bool:
        """Whether it says that the endpoint cannot be used as it is: key, address or model are wrong."""
        return self.kind == "refused"


class TooLong(openai.OpenAIError):
    """More came than the tokens asked for can be."""


class Tries:
    """The tries of one request: how many are left, and how long each may take.

    Args:
        seconds: for all of them and the waits between.
    """

    def __init__(self, retries: int, seconds: float) -> None:
        self.retries, self.seconds = retries, seconds
        self.started = time.monotonic()
        self.kinds: list[Failure] = []

    @property
    def spent(self) -> float:
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        return self.seconds - self.spent

    @property
    def patience(self) -> float:
        """Seconds for the next try: one that hangs is tried at least once more within the deadline."""
        return max(0.001, min(self.left, self.seconds / 2))

    def wait(self, failed: Failed, elsewhere: bool = False) -> float | None:
        """Note a failure.

        Args:
            elsewhere: there is another endpoint, which need not be waited for.
        Returns:
            Seconds until the next try; None where there is to be none.
        """
        pause = 0.0 if elsewhere else failed.wait or self._back_off()
        self.kinds.append(failed.kind)
        passing = failed.passing or elsewhere
        over = len(self.kinds) > self.retries or pause >= self.left
        return None if over or not passing else pause

    def _back_off(self) -> float:
        doubled: float = _FIRST_WAIT_S * 2 ** len(self.kinds)
        return min(doubled, _MOST_BACK_OFF_S) * random.uniform(0.75, 1)


def failed_by(error: Exception, seconds: float, hide: Callable[[str], str]) -> Failed:
    """What an error of the client means.

    Args:
        hide: takes the key out of what the endpoint says, which some repeat there.
    """
    said = _said(error, hide)
    if isinstance(error, openai.APIStatusError):
        return _by_status(error, said)
    if isinstance(error, TooLong):
        return Failed("too_long", str(error), passing=False)
    if isinstance(error, TimeoutError):
        return Failed("timeout", f"nothing came within {seconds:.3g} s")
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError | aiohttp.ClientError | OSError):
        # Its own deadline is longer than ours, and a cut connection is told as one that took too long.
        return Failed("connection", "no connection, or it was cut")
    return Failed("malformed", "what it sent is no chat completion")


def _by_status(error: openai.APIStatusError, said: str) -> Failed:
    status = error.status_code
    wait = _stated_wait(error.response.headers)
    if status == 429:
        return Failed("rate_limited", said, True, status, wait)
    if status == 408:
        return Failed("timeout", said, True, status)
    if status >= 500 or status in _PASSING:
        return Failed("server_error", said, True, status, wait)
    return Failed("refused", said, False, status)


def _stated_wait(headers: httpx2.Headers) -> float:
    """Seconds of a Retry-After, which may be a number or a date; 0 where there is none to be used."""
    stated = headers.get("retry-after", "")
    try:
        seconds = float(stated)
    except ValueError:
        date = email.utils.parsedate_tz(stated)
        try:
            seconds = email.utils.mktime_tz(date) - time.time() if date else 0.0
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if math.isfinite(seconds) else 0.0


def _said(error: Exception, hide: Callable[[str], str]) -> str:
    """An error as it is recorded and shown: one line, short, and without the key."""
    said = hide(" ".join(str(error).split()))
    # A lone surrogate can be written to no file.
    return f"{type(error).__name__}: {said}"[:_LONGEST_ERROR].encode(errors="replace").decode()


MOST_BYTES: ContextVar[int] = ContextVar("MOST_BYTES", default=1_000_000)
"""Of the response to the request that is being sent."""


async def bound(response: httpx2.Response) -> None:
    """A response hook: no more of the body is read than the tokens asked for can be."""
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream, response.is_error)
    if response.headers.get("content-encoding", "identity").lower() != "identity" and not response.is_error:
        # We asked for it plain: a small body may unpack to one without end.
        raise TooLong("it compresses what it was asked to send as it is")


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, is_error: bool) -> None:
        self._stream, self._is_error = stream, is_error
        self._most = _ERROR_BYTES if is_error else MOST_BYTES.get()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._most and self._is_error:
                return
            if size > self._most:
                raise TooLong(f"it sent more than {self._most} bytes, which the tokens asked for cannot be")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
