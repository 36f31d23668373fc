"""Scripted endpoints in a process of their own: so many slots, so many seconds for each answer.

    python -m benchmarks.scripted_server 8:0.1 8:0.2

Prints a line of JSON with their addresses, then serves until its input ends or it is told to. A line
`cut N` on its input has endpoint N cut every connection from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

from aiohttp import web

_ANSWER = json.dumps(
    {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "ok #### 7"}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    }
)


class Endpoint:
    def __init__(self, slots: int, seconds: float) -> None:
        self.places, self.seconds, self.cut = asyncio.Semaphore(slots), seconds, False

    async def complete(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        async with self.places:
            await asyncio.sleep(self.seconds)
        return self.alive(request, _ANSWER)

    async def models(self, request: web.Request) -> web.StreamResponse:
        return self.alive(request, '{"data": []}')

    def alive(self, request: web.Request, text: str) -> web.StreamResponse:
        if self.cut:
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError
        return web.Response(text=text, content_type="application/json")


async def serve(given: Sequence[str]) -> None:
    endpoints, addresses = [], []
    for one in given:
        slots, _, seconds = one.partition(":")
        endpoint = Endpoint(int(slots), float(seconds))
        app = web.Application(client_max_size=10_000_000)
        app.add_routes(
            [web.post("/v1/chat/completions", endpoint.complete), web.get("/v1/models", endpoint.models)]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        endpoints.append(endpoint)
        addresses.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    print(json.dumps(addresses), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        _, _, number = line.partition("cut ")
        endpoints[int(number)].cut = True


class Server:
    """The process, from outside."""

    def __init__(self, process: subprocess.Popen[str], addresses: list[str]) -> None:
        self.process, self.addresses = process, addresses

    def cut(self, number: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"cut {number}\n")
        self.process.stdin.flush()


@contextlib.contextmanager
def served(*endpoints: str) -> Iterator[Server]:
    """Endpoints in a process of their own, each `slots:seconds`; ended with the block."""
    command = [sys.executable, "-m", "benchmarks.scripted_server", *endpoints]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process, json.loads(process.stdout.readline()))
        finally:
            process.terminate()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(sys.argv[1:]))
