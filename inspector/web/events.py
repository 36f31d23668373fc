"""Tells an open page that its run has got on, by server-sent events; the page then asks for itself again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from .found import AllRuns, ThisRun
from .runs import Run, Runs

router = APIRouter()
LOOKED_S = 1.0
_STEP_S = 0.1
"""Seconds after which an open page is let go of when the server is told to end."""


@router.get("/events", response_class=EventSourceResponse)
async def events(run: ThisRun, runs: AllRuns, request: Request) -> AsyncIterator[ServerSentEvent]:
    before = await asyncio.to_thread(_state, run)
    yield ServerSentEvent(data=run.status, event="now")
    while not await request.is_disconnected():
        await _wait(runs)
        if runs.ending:
            return
        now = await asyncio.to_thread(_state, run)
        # Told once more when all parts are in: else a page would go on saying that they are being read.
        if now != before or run.indexing:
            before = now
            yield ServerSentEvent(data=run.status, event="changed")


async def _wait(runs: Runs) -> None:
    """Until it is time to look again, or to end."""
    left = LOOKED_S
    while left > 0 and not runs.ending:
        await asyncio.sleep(_STEP_S)
        left -= _STEP_S


def _state(run: Run) -> tuple[object, ...]:
    return *run.pulse(), run.indexing
