"""Requests of one stage on their way: a window of them, within the budget, failures kept as data."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

from ..agents.shape import fits
from ..errors import Ended, EndpointError
from ..records import Call, Ending
from ..serving.balance import Balanced
from ..serving.client import Client
from ..serving.lasting import Lasting
from ..serving.requests import Reply, Request, unanswered
from .accounts import Account, budget_of, concurrency
from .room import Room
from .spending import ASKED, asked_up

_WINDOW = 2
"""Requests that wait for each that is in flight: an endpoint that gets free finds the next one there."""

_BY_CHANCE = 3
"""Requests that may all be refused for what they say; with more it is the configuration."""


_MAY_LACK = ("attempt", "generate", "label")
"""Stages that may lack a part of what was asked for; a measurement may not."""


class Sending:
    """
    Args:
        whole: a completion without a word is a failure; a Solver's is a wrong answer.

    A request that fails with all its retries is a reply without completions, whose record says why. Only
    an endpoint that fails them all ends the run; and one that fails where something is measured, of which
    a part would be no measurement.
    """

    def __init__(self, room: Room, client: Client, requests: Sequence[Request], whole: bool) -> None:
        self.room, self.client, self.requests, self.whole = room, client, requests, whole
        self.role = requests[0].role
        self.forgiving = self.role == "teacher" or requests[0].stage.startswith(_MAY_LACK)
        self.account = room.accounts.of(self.role)
        self.budget = budget_of(room.config, self.role)
        self.concurrency = concurrency(room.config, self.role)
        self.failed: Counter[str] = Counter()
        self.said = ""
        """What the endpoint said the first time that it refused a request."""
        self.over: Ending | None = None
        """The budget of the run that kept the rest from being sent."""
        self._out = 0
        self._back = asyncio.Event()
        self._supply: Iterator[tuple[int, Request]] = iter(enumerate(requests, 1))
        self._in_flight = 0
        # What a request costs is known when it is answered: those that wait for a slot must not be on
        # their way, then.
        self._gate = asyncio.Semaphore(self.concurrency if self.budget.tokens else len(requests))
        # Never longer than the window: whoever puts a reply here lets others run before the next.
        self._came: asyncio.Queue[tuple[Request, Reply | Exception] | None] = asyncio.Queue()
        window = min(len(requests), (1 + _WINDOW) * self.concurrency)
        self._workers = [asyncio.ensure_future(self._work()) for _ in range(window)]

    async def replies(self) -> AsyncIterator[tuple[Request, Reply]]:
        """Every request with its reply, as they come.

        Raises:
            Ended: a budget of the run is spent; what was on its way has come before.
        """
        working = len(self._workers)
        while working:
            found = await self._came.get()
            if found is None:
                working -= 1
                continue
            request, came = found
            if isinstance(came, Exception):
                raise came
            yield request, self._noted(came)
        if self.over is not None:
            raise Ended(self.over.said, self.over)

    async def close(self) -> list[tuple[Request, Reply]]:
        """Stop what is under way; gives what had come and was not taken yet."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        left = [self._came.get_nowait() for _ in range(self._came.qsize())]
        return [(one[0], self._noted(one[1])) for one in left if one and isinstance(one[1], Reply)]

    def tell(self, asked: int) -> None:
        """Say what failed; a stage of nothing but refusals is a mistake in the configuration.

        Raises:
            EndpointError: the endpoint refused every request.
        """
        hint = "serving.max_model_len"
        if self.role in self.room.remote:
            hint = f"{self.role}.endpoint, {self.role}.model and {self.role}.max_tokens"
        if self.failed["refused"] == asked > _BY_CHANCE:
            raise EndpointError(
                f"the endpoint refused all {asked} requests of this stage: {self.said[:300]}; see {hint}"
            )
        if refused := self.failed.pop("refused", 0):
            self.room.progress.note(f"{refused} of {asked} requests were refused: {self.said[:200]}")
        if self.failed:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.failed.most_common())
            total = self.failed.total()
            self.room.progress.note(f"{total} of {asked} requests of the {self.role} failed: {kinds}")

    async def _work(self) -> None:
        for number, request in self._supply:
            try:
                if not await self._allowed(request):
                    break
                came = await self._answered(number, request)
            except Exception as error:
                self._came.put_nowait((request, error))
                return
            self._came.put_nowait((request, came))
            await asyncio.sleep(0)
        self._came.put_nowait(None)

    async def _answered(self, number: int, request: Request) -> Reply:
        try:
            if isinstance(self.client, Balanced | Lasting):
                self.client.coming = len(self.requests) - number
            return _fitting(request, await self._sent(request), self.whole)
        finally:
            self._out -= 1
            self._back.set()

    async def _allowed(self, request: Request) -> bool:
        """Whether the run's budgets have a request left. What those on their way cost is taken to be what
        others of the role did; where the last of a budget hangs on that, they are waited for."""
        while any(getattr(self.room.config.budget, name) for name in ASKED):
            self.over = self.over or asked_up(self.room.config, self.room.accounts)
            if self.over is not None:
                return False
            more = self._on_their_way(request)
            if not self._out or asked_up(self.room.config, self.room.accounts, more) is None:
                break
            self._back.clear()
            await self._back.wait()
        self._out += 1
        return True

    def _on_their_way(self, request: Request) -> dict[str, float]:
        price, calls = self.room.config.roles[self.role].price, self.account.calls
        prompt = sum(len(str(message.get("content", ""))) for message in request.messages) / 2
        first = Account(calls=1, tokens=int(prompt) + request.n * request.max_tokens)
        first.written = request.n * request.max_tokens
        known = self.account if calls else first
        tokens, money = known.tokens / known.calls, known.price(price) / known.calls
        return {"calls": self._out, "tokens": self._out * tokens, "money": self._out * money}

    async def _sent(self, request: Request) -> Reply:
        async with self._gate:
            return await self._bought(request)

    async def _bought(self, request: Request) -> Reply:
        if spent := self.account.spent(self.budget, self._in_flight):
            call = unanswered(request, f"{self.role}.{spent} is spent", "budget")
            if not self.forgiving:
                raise EndpointError(
                    f"{self.role}.{spent} is spent in a measurement, of which a part would be none; raise it "
                    f"with --set {self.role}.budget.… and resume",
                    call,
                )
            return Reply([], [], call)
        self._in_flight += 1
        self.account.waiting += 1
        try:
            reply = await self.client.ask(request)
        except EndpointError as error:
            if not (self.forgiving and isinstance(error.call, Call) and error.call.failure):
                raise
            self.account.add(error.call, answered=False)
            if self.account.dead(self.concurrency):
                raise EndpointError(
                    f"{self.account.failing} requests of the {self.role} failed one after another; the "
                    f"last: {error}",
                    error.call,
                ) from error
            return Reply([], [], error.call)
        finally:
            self._in_flight -= 1
            self.account.waiting -= 1
        self.account.add(reply.call)
        return reply

    def _noted(self, reply: Reply) -> Reply:
        kind = reply.call.failure or ("refused" if reply.call.error else "")
        if kind:
            self.failed[kind] += 1
        if kind == "refused":
            self.said = self.said or reply.call.error
        return reply


def _fitting(request: Request, reply: Reply, whole: bool) -> Reply:
    """A reply, its record marked where it is not what was asked for.

    One that does not fit its schema is kept: whoever asked may have it repaired.
    """
    if whole and _blank(reply):
        lost = {"failure": "empty", "error": "the completion is empty"}
        return replace(reply, call=reply.call.model_copy(update=lost))
    schema = request.schema
    if schema is not None and _said(reply) and not all(fits(schema, text) for text in reply.completions):
        return replace(reply, call=reply.call.model_copy(update={"failure": "schema"}))
    return reply


def _said(reply: Reply) -> bool:
    """Whether the completions are an answer: whole, and no calls of tools."""
    asks = any(json.loads(calls) for calls in reply.call.tool_calls)
    return bool(reply.completions) and all(reply.finished) and not asks


def _blank(reply: Reply) -> bool:
    return _said(reply) and not any(text.strip() for text in reply.completions)
