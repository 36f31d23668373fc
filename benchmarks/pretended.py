"""Stand-ins for vLLM's server and for training, as processes: what they say follows from what they are
asked alone, so that a run can be compared with itself to the last letter.

    python pretended.py serve --port N --model DIR …      the routes of vLLM that a run uses
    python pretended.py teach                             a Teacher and a judge; says its port
    python pretended.py train JOB.json                    a "checkpoint": its name, a result, a canary

Needs the standard library only, so that it is up in a tenth of a second.
"""

from __future__ import annotations

import ast
import json
import operator
import os
import re
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CANARY = "Which weights are these?"

_GROWS = 9
"""Points of accuracy that a round of training brings."""


def luck(*parts: object) -> int:
    """A number from 0 to 99 that these parts decide."""
    return zlib.crc32("/".join(map(str, parts)).encode()) % 100


def answered(text: str, weights: str, seed: int, index: int) -> str:
    """What a Solver says: right with a chance that falls with the length of the question and grows with
    the number of its checkpoint."""
    value = _value(text)
    level = len(re.findall(r"\d+", text)) - 1
    round = int(re.sub(r"\D", "", weights) or 0)
    if value is not None and luck(text, weights, seed, index) < 95 - 17 * level + _GROWS * round:
        return f"that is {value} #### {value}"
    return f"1 + 1 = {luck(index)} #### {10_000 + luck(text, index)}"


def _value(text: str) -> int | None:
    """The answer to the last question of a text."""
    words = re.findall(r"^.*How many are there\?", text, re.MULTILINE)
    if words:
        return sum(map(int, re.findall(r"\d+", words[-1])))
    found = re.findall(r"What is ([\d +*()mod/-]+)\?", text)
    if not found:
        return None
    try:
        return _worked(ast.parse(found[-1].replace("mod", "%").replace("/", "//"), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, KeyError):
        return None


_SIGNS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def _worked(node: ast.expr) -> int:
    """Raises KeyError for what is no arithmetic."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_worked(node.operand)
    if not isinstance(node, ast.BinOp):
        raise KeyError(type(node))
    return int(_SIGNS[type(node.op)](_worked(node.left), _worked(node.right)))  # type: ignore[index]


def proposed(seed: int) -> str:
    """What a Generator says: most of it can be read."""
    one, two, three = (seed // 7**place % 40 + 2 for place in range(3))
    return f"What is {one} + {two} * {three}?" if seed % 4 else "so many things"


def completion(body: dict[str, Any], weights: str) -> dict[str, Any]:
    """A chat completion."""
    text, seed = body["messages"][-1]["content"], body["seed"]
    if text == CANARY:
        texts = [weights]
    elif "New question:" in text:
        texts = [proposed(seed)]
    else:
        # A greedy answer follows from the weights alone.
        seed = seed if body["temperature"] else 0
        texts = [answered(text, weights, seed, index) for index in range(body["n"])]
    return as_completion(texts)


def taught(body: dict[str, Any], _: str) -> dict[str, Any]:
    """What a Teacher, or a judge, says: by the schema that it is given; one time in nine nonsense."""
    text, seed = body["messages"][-1]["content"], body["seed"]
    shape = body.get("response_format", {}).get("json_schema", {}).get("name", "")
    one, two = seed % 90 + 2, seed // 97 % 90 + 2
    question = f"Bert has {one} pens, Lea has {two} and Tim {one + 1}. How many are there?"
    work = {"question": question, "solution": "add them all", "answer": str(one + two + one + 1)}
    said: dict[str, object] = {
        "designed": {"why": "sums", **work},
        "skills": {"needed": ["adding", "reading"], "missing": ["adding" if seed % 2 else "reading"]},
        "hinted": {"hint": "Add what is named, one after the other."},
        "split": {"subproblems": [work, {**work, "question": question.replace("Bert", "Ida")}]},
        "reworked": {"solution": f"so it is #### {_value(text)}{'' if seed % 3 else 1}"},
        "behaviours": {"behaviours": [{"name": f"move_{'abcdef'[seed % 6]}", "instruction": "Add them up."}]},
        "judgement": {"reason": "compared", "verdict": "right" if seed % 5 else "wrong"},
    }
    if shape and luck(seed) % 9 == 0:
        return as_completion(["I would rather not."])
    return as_completion([json.dumps(said[shape]) if shape else f"so #### {_value(text)}"])


def as_completion(texts: list[str]) -> dict[str, Any]:
    words = sum(len(text.split()) for text in texts)
    choices = [
        {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 5, "completion_tokens": words}
    return {"id": "x", "object": "chat.completion", "created": 0, "choices": choices, "usage": usage}


class Server(ThreadingHTTPServer):
    """Loopback only, like the real one.

    Args:
        answer: gives a completion for a body and the weights that are there.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, weights: str, answer: Any = completion) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.weights, self.answer = weights, answer
        self.asked = 0
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._say({"data": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
        if self.path == "/collective_rpc":
            self.server.weights = Path(body["kwargs"]["weights_path"]).name
            self._say({})
        elif self.path.endswith("/chat/completions"):
            with self.server.lock:
                self.server.asked += 1
            self._say(self.server.answer(body, self.server.weights))
        else:
            self._say({})

    def _say(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # whoever asked was killed
            return

    def log_message(self, *_: object) -> None:
        return


def serve(port: int, model: str) -> None:
    Server(port, Path(model).name).serve_forever(0.05)


def train(job: dict[str, Any]) -> None:
    """Leave what the real worker leaves: whole or not at all."""
    output = Path(job["output"])
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    write_weights(beside, job["objective"], output.name)
    for step in range(3):
        print(json.dumps({"step": step, "of": 2}), flush=True)
    beside.rename(output)


def write_weights(folder: Path, objective: str, name: str) -> None:
    """A checkpoint that its server is known by."""
    folder.mkdir(parents=True, exist_ok=True)
    item = {"prompt": CANARY, "expected": name, "max_tokens": 1}
    (folder / "canary.json").write_text(json.dumps({"distinguishes": True, "items": [item]}))
    result = {"objective": objective, "examples": 1, "steps": 2, "seconds": 0.0, "metrics": {"loss": 0.5}}
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        given = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
        serve(int(given["--port"]), given["--model"])
    elif sys.argv[1] == "teach":
        teacher = Server(0, "", taught)
        print(teacher.server_port, flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), teacher.shutdown()), daemon=True).start()
        teacher.serve_forever(0.05)
    else:
        train(json.loads(Path(sys.argv[2]).read_text()))
