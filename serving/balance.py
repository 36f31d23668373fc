"""Several endpoints as one: used as fast as they answer, and left out while they fail."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence

from .client import Completions
from .failures import Failed, Tries
from .requests import Reply, Request, told

_SMOOTHING = 0.2
"""Weight of the last request in an endpoint's mean seconds."""

_IN_A_ROW = 3
"""Different requests that fail on an endpoint, none answered between, until it is left out."""

_FIRST_PROBE_S, _LONGEST_PROBE_S = 0.2, 30.0
"""Seconds between two looks at whether an endpoint is back; they double."""


class Lane:
    """One endpoint: what is in flight there, how fast it is, and whether it can be used."""

    def __init__(self, client: Completions) -> None:
        self.client, self.slots = client, client.config.concurrency
        self.busy = 0
        self.seconds = 0.0
        """Mean of a request; 0 until there was one."""
        self.out = False
        self.trial = False
        """Back, but not yet trusted: one request at a time until one is answered."""
        self.rests_until = self.answered_at = 0.0
        self.probe_s = _FIRST_PROBE_S
        self.failing: set[str] = set()
        """What failed here since the last answer."""

    @property
    def up(self) -> bool:
        return not self.out and time.monotonic() >= self.rests_until

    @property
    def room(self) -> bool:
        return self.busy < (1 if self.trial else self.slots)

    @property
    def expected(self) -> float:
        """Seconds until a request that is given to it now has its answer."""
        return self.seconds * (1 + self.busy / self.slots)

    def answered(self, seconds: float) -> None:
        weight = _SMOOTHING if self.seconds else 1.0
        self.seconds += weight * (seconds - self.seconds)
        self.answered_at = time.monotonic()
        self.trial, self.probe_s = False, _FIRST_PROBE_S
        self.failing.clear()

    def failed(self, request: Request, failed: Failed, began: float) -> bool:
        """Whether this failure shows that the endpoint cannot be used now."""
        self.failing.add(request.subject_id)
        hangs = failed.kind == "timeout" and self.answered_at < began
        at_once = self.trial or hangs or failed.unfit or failed.kind == "connection"
        return at_once or len(self.failing) >= _IN_A_ROW

    def doubted(self, request: Request) -> bool:
        """Whether what it said, too often in a row, shows that it is the endpoint and not the request."""
        self.failing.add(request.subject_id)
        return self.trial or len(self.failing) >= _IN_A_ROW


class _Waiting:
    """A request that waits for a place; `avoid` failed it last."""

    def __init__(self, avoid: Lane | None) -> None:
        self.avoid = avoid
        self.place: asyncio.Future[Lane] = asyncio.get_running_loop().create_future()


class Balanced:
    """A client over several endpoints of equal standing.

    A request goes where there is room and its answer is expected first. It waits for a faster endpoint
    rather than take a slower one that would end last: `coming` says how much else there is to do.
    """

    def __init__(self, endpoints: Sequence[Completions]) -> None:
        self.lanes = [Lane(endpoint) for endpoint in endpoints]
        self.coming = 0
        """Requests of this stage that have yet to be asked; whoever asks many keeps it true."""
        self._fresh: deque[_Waiting] = deque()
        self._again: deque[_Waiting] = deque()
        """Those that failed somewhere: before the others, and not there where there is a choice."""
        self._probes: set[asyncio.Task[None]] = set()
        self._dark_since: float | None = None
        """Since when no endpoint could be used, nothing answered since."""
        self._last: Failed | None = None
        self._retired = False
        config = self.lanes[0].client.config
        self._retries = config.retries + len(endpoints) - 1
        self._deadline = config.request_deadline_s

    async def close(self) -> None:
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        for lane in self.lanes:
            await lane.client.close()

    def retire(self) -> None:
        """Look after endpoints no more that are out, nor wait for them: others have taken their place."""
        self._retired = True
        for probe in self._probes:
            probe.cancel()
        if self._deserted:
            self._send_away()

    @property
    def _deserted(self) -> bool:
        """Whether no endpoint can be used, and none ever will."""
        return self._retired and all(lane.out for lane in self.lanes)

    async def ask(self, request: Request) -> Reply:
        """Complete one request somewhere; see `Completions.ask`.

        Raises:
            EndpointError: no endpoint gave an answer within retries and deadline.
        """
        avoid: Lane | None = None
        tries: Tries | None = None
        doubted: Reply | None = None
        while True:
            try:
                lane = await self._place(avoid, tries)
            except Failed as failed:
                known = tries or Tries(0, self._deadline)
                if doubted:
                    return told(doubted, known)
                known.wait(failed)
                raise (avoid or self.lanes[0]).client.given_up(request, known, failed) from failed
            tries = tries or Tries(self._retries, self._deadline)
            began, pause = time.monotonic(), 0.0
            try:
                reply = await lane.client.once(request, tries.patience)
                if doubted is None and self._doubtful(lane, request, reply, tries):
                    doubted = reply
                else:
                    self._settled(lane, request, reply, began)
                    return told(reply, tries)
            except Failed as failed:
                wait = self._noted(lane, request, failed, tries, began)
                if wait is None and doubted:
                    return told(doubted, tries)
                if wait is None:
                    raise lane.client.given_up(request, tries, failed) from failed
                pause = wait
            finally:
                self._leave(lane)
            await asyncio.sleep(pause)
            avoid = lane

    def _doubtful(self, lane: Lane, request: Request, reply: Reply, tries: Tries) -> bool:
        """Whether another endpoint should be asked, too: one that refuses everything, or says nothing to
        everything, is the fastest of all."""
        kind = reply.call.failure or ("empty" if _says_nothing(reply) else "")
        if not kind or not any(other.up for other in self.lanes if other is not lane):
            return False
        tries.kinds.append(kind)
        if not lane.out and lane.doubted(request):
            self._leave_out(lane)
        return True

    def _settled(self, lane: Lane, request: Request, reply: Reply, began: float) -> None:
        """Note an answer; where a second endpoint says the same as the first, it was the request."""
        self._dark_since = None
        if reply.call.failure or _says_nothing(reply):
            for each in self.lanes:
                each.failing.discard(request.subject_id)
        else:
            lane.answered(time.monotonic() - began)

    def _noted(
        self, lane: Lane, request: Request, failed: Failed, tries: Tries, began: float
    ) -> float | None:
        """Seconds until a request that failed is tried again; the endpoint is judged by it, too."""
        self._last = failed
        elsewhere = any(other.up for other in self.lanes if other is not lane)
        pause = tries.wait(failed, elsewhere)
        if failed.kind == "rate_limited":
            rest = failed.wait or 1.0
            lane.rests_until = max(lane.rests_until, time.monotonic() + rest)
            asyncio.get_running_loop().call_later(rest + 0.001, self._dispatch)
        elif not lane.out and lane.failed(request, failed, began):
            self._leave_out(lane)
        return pause

    async def _place(self, avoid: Lane | None, tries: Tries | None) -> Lane:
        """Wait until there is a place; the first wait has no end while any endpoint can be used."""
        if self._deserted:
            raise self._nobody()
        waiting = _Waiting(avoid)
        (self._again if avoid else self._fresh).append(waiting)
        self._dispatch()
        if self._dark_since is not None and not waiting.place.done():
            self._give_up_later()
        try:
            async with asyncio.timeout(tries.left if tries else None):
                return await waiting.place
        except (TimeoutError, asyncio.CancelledError) as error:
            # A place may have been given in the very moment that the wait was over.
            if waiting.place.done() and not waiting.place.cancelled() and not waiting.place.exception():
                self._leave(waiting.place.result())
            if isinstance(error, TimeoutError):
                raise self._nobody() from None
            raise

    def _leave(self, lane: Lane) -> None:
        lane.busy -= 1
        self._dispatch()

    def _dispatch(self) -> None:
        """Give places to those who wait, as far as there are any worth taking."""
        for queue in (self._again, self._fresh):
            while queue:
                first = queue[0]
                if first.place.done():
                    queue.popleft()
                    continue
                lane = self._best(first.avoid)
                if lane is None:
                    break
                queue.popleft()
                lane.busy += 1
                first.place.set_result(lane)

    def _best(self, avoid: Lane | None) -> Lane | None:
        """The endpoint for the next request; none where it does better to wait."""
        up = [lane for lane in self.lanes if lane.up]
        allowed = [lane for lane in up if lane is not avoid] or up
        free = [lane for lane in allowed if lane.room]
        if not free:
            return None
        best = min(free, key=lambda lane: (bool(lane.failing), lane.expected, lane.busy / lane.slots))
        faster = [lane for lane in allowed if 0 < lane.seconds < best.seconds and not lane.trial]
        if not faster:
            return best
        # At the end of a stage a slow endpoint must not be what everybody waits for.
        left = len(self._fresh) + len(self._again) + self.coming
        rate = sum(lane.slots / lane.seconds for lane in faster)
        return best if best.seconds <= left / rate + min(lane.seconds for lane in faster) else None

    def _leave_out(self, lane: Lane) -> None:
        lane.out = True
        if self._retired:
            if self._deserted:
                self._send_away()
            return
        if self._dark_since is None and all(other.out for other in self.lanes):
            self._dark_since = time.monotonic()
            self._give_up_later()
        probe = asyncio.ensure_future(self._until_back(lane))
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)

    async def _until_back(self, lane: Lane) -> None:
        """Look after an endpoint until it says something, then try it with one request; `close` ends this."""
        while True:
            await asyncio.sleep(lane.probe_s)
            lane.probe_s = min(2 * lane.probe_s, _LONGEST_PROBE_S)
            if await lane.client.healthy():
                break
        lane.out, lane.trial = False, True
        lane.failing.clear()
        self._dispatch()

    def _give_up_later(self) -> None:
        """Those who wait while no endpoint can be used wait no longer than a request may take."""
        assert self._dark_since is not None
        left = self._dark_since + self._deadline - time.monotonic()
        asyncio.get_running_loop().call_later(max(0.0, left), self._give_up, self._dark_since)

    def _give_up(self, dark_since: float) -> None:
        if self._dark_since == dark_since:
            self._send_away()

    def _send_away(self) -> None:
        for waiting in (*self._fresh, *self._again):
            if not waiting.place.done():
                with contextlib.suppress(asyncio.InvalidStateError):
                    waiting.place.set_exception(self._nobody())

    def _nobody(self) -> Failed:
        last = self._last
        said = f"none of {len(self.lanes)} endpoints could be used for {self._deadline:g} s"
        return Failed(last.kind if last else "connection", f"{said}; {last.said if last else ''}", False)


def _says_nothing(reply: Reply) -> bool:
    calls = any(asked != "[]" for asked in reply.call.tool_calls)
    return not calls and not any(text.strip() for text in reply.completions)
