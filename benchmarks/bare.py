"""The bare server: plain HTTP posts that keep nothing, for others to be compared with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random

import aiohttp

from maieutic.records import Question
from maieutic.serving.client import Request
from maieutic.serving.server import VllmServer
from maieutic.tasks import arithmetic, drawing
from maieutic.tasks.seeds import family_question


def questions(count: int) -> list[Question]:
    """Distinct questions of all skills, levels 1 to 4; the same every time."""
    rng = Random(0)
    drawn: dict[str, Question] = {}
    while len(drawn) < count:
        cell = rng.choice([cell for cell in arithmetic.CELLS if cell[1] <= 4])
        question = family_question(arithmetic.question_text(drawing.draw(*cell, rng)))
        drawn[question.id] = question
    return list(drawn.values())


async def posted(
    server: VllmServer, requests: Sequence[Request], concurrency: int, model: str = ""
) -> tuple[int, float]:
    """Post requests, so many in flight.

    Returns:
        Completion tokens, and seconds.
    """
    tokens, slots = 0, asyncio.Semaphore(concurrency)
    headers = {"Authorization": f"Bearer {server.key}"}
    connector = aiohttp.TCPConnector(limit=concurrency)
    url = f"{server.url}/v1/chat/completions"
    async with aiohttp.ClientSession(headers=headers, connector=connector) as http:

        async def post(body: dict[str, object]) -> None:
            nonlocal tokens
            async with slots, http.post(url, json=body) as answer:
                answer.raise_for_status()
                tokens += (await answer.json())["usage"]["completion_tokens"]

        bodies = [request.body(model or server.name) for request in requests]
        started = time.monotonic()
        await asyncio.gather(*(post(body) for body in bodies))
        return tokens, time.monotonic() - started
