"""Tells an open page that its run has got on, by server-sent events; the page then asks for itself again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from .found import ThisRun

router = APIRouter()
LOOKED_S = 1.0


@router.get("/events", response_class=EventSourceResponse)
async def events(run: ThisRun, request: Request) -> AsyncIterator[ServerSentEvent]:
    before = await asyncio.to_thread(run.pulse)
    yield ServerSentEvent(data=run.status, event="now")
    while not await request.is_disconnected():
        await asyncio.sleep(LOOKED_S)
        now = await asyncio.to_thread(run.pulse)
        if now != before or run.indexing:
            before = now
            yield ServerSentEvent(data=run.status, event="changed")
