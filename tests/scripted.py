"""A scripted OpenAI-compatible server: answers, fails and hangs as a test tells it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any] | float
"""Status and body, or seconds to hang."""


def completion(*texts: str, finish: str = "stop") -> tuple[int, dict[str, Any]]:
    return 200, {
        "id": "x", "object": "chat.completion", "created": 0, "model": "m",
        "choices": [
            {"index": i, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
            for i, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3 * len(texts), "total_tokens": 0},
    }  # fmt: skip


@contextmanager
def scripted(
    script: Callable[[int, dict[str, Any]], Answer], headers: list[dict[str, str]] | None = None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve `script(number of the request, its body)`; yields the address and what was asked.

    Args:
        headers: takes those of each request, their names in small letters.
    """
    asked: list[dict[str, Any]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                asked.append(body)
                if headers is not None:
                    headers.append({name.lower(): value for name, value in self.headers.items()})
                number = len(asked)
            answer = script(number, body)
            if isinstance(answer, float):
                time.sleep(answer)
                answer = (500, {"error": {"message": "too late"}})
            status, content = answer
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            if status == 429:
                self.send_header("retry-after", "0.2")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
