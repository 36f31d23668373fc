"""A script in the place of vLLM: speaks just enough of its HTTP, and fails as it is told.

`python fake_vllm.py FOLDER … --port PORT … --model MODEL`. FOLDER/plan.json lists for each start what goes
wrong with it; FOLDER/starts counts them. A completion names the weights that gave it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

FOLDER = Path(sys.argv[1])
LOCK = threading.Lock()


class State:
    weights = Path(sys.argv[sys.argv.index("--model") + 1]).name
    answered = 0
    plan: ClassVar[dict[str, Any]] = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.say(200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"null")
        if self.path == "/v1/chat/completions":
            self.complete(body)
            return
        if self.path == "/collective_rpc":
            if State.plan.get("at_swap") == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            new = Path(body["kwargs"]["weights_path"]).name
            State.weights = "garbage" if State.plan.get("at_swap") == "garbage" else new
        self.say(200, {})

    def complete(self, body: dict[str, Any]) -> None:
        time.sleep(State.plan.get("seconds", 0.005))
        with LOCK:
            State.answered += 1
            number = State.answered
        if number > State.plan.get("mute_after", 1e9):
            time.sleep(600)
        if number > State.plan.get("stop_after", 1e9):
            os.kill(os.getpid(), signal.SIGSTOP)
        if number > State.plan.get("crash_after", 1e9):
            print("RuntimeError: the engine is on fire", flush=True)
            os.kill(os.getpid(), State.plan.get("signal", signal.SIGTERM))
            time.sleep(9)
        said = f"{State.weights}: {body['messages'][-1]['content']}"
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        choices = [choice] * body.get("n", 1)
        self.say(200, {"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 2}})

    def say(self, status: int, answer: Any) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        return


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    allow_reuse_address = False
    daemon_threads = True


def main() -> None:
    plans = json.loads((FOLDER / "plan.json").read_text())
    with (FOLDER / "starts").open("a") as file:
        number = file.tell()
        file.write("x")
    State.plan = plans[number] if number < len(plans) else {}
    if State.plan.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(State.plan.get("slow", 0))
    if State.plan.get("dies"):
        sys.exit("ValueError: no such model")
    port = int(sys.argv[sys.argv.index("--port") + 1])
    Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
