"""Tells an open page that its run has got on, by server-sent events; the page then asks for itself again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from .found import AllRuns, ThisRun
from .runs import Run

router = APIRouter()
LOOKED_S = 1.0


@router.get("/events", response_class=EventSourceResponse)
async def events(run: ThisRun, runs: AllRuns, request: Request) -> AsyncIterator[ServerSentEvent]:
    before = await asyncio.to_thread(_state, run)
    yield ServerSentEvent(data=run.status, event="now")
    while not (runs.ending or await request.is_disconnected()):
        await asyncio.sleep(LOOKED_S)
        now = await asyncio.to_thread(_state, run)
        # Told once more when all parts are in: else a page would go on saying that they are being read.
        if now != before or run.indexing:
            before = now
            yield ServerSentEvent(data=run.status, event="changed")


def _state(run: Run) -> tuple[object, ...]:
    return *run.pulse(), run.indexing
