"""The server's key: asked for on every route, the development routes above all."""

from __future__ import annotations

import httpx
import pytest
from maieutic.serving.key import RequireKey


async def weights_replaced(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/collective_rpc", {}, 401),
        ("/collective_rpc", {"Authorization": "Bearer wrong"}, 401),
        ("/collective_rpc", {"Authorization": "right"}, 401),
        ("/collective_rpc", {"Authorization": "Bearer right"}, 200),
        ("/v1/chat/completions", {}, 401),
        ("/health/../collective_rpc", {}, 401),
        ("/health/", {}, 401),
        ("//health", {}, 401),
        ("/health", {}, 200),
    ],
)
async def test_no_route_but_health_answers_without_it(
    monkeypatch: pytest.MonkeyPatch, path: str, headers: dict[str, str], status: int
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "right")

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        # As a server hands it on; a client would have tidied it up.
        await RequireKey(weights_replaced)({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://server") as http:
        assert (await http.post("/x", headers=headers)).status_code == status
