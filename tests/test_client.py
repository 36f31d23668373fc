"""The completions client against a scripted server: retries, deadlines, records."""

from __future__ import annotations

import asyncio
import contextlib
import socketserver
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from launching import running
from maieutic.config import ServingConfig, TeacherConfig, load
from maieutic.errors import ConfigError, EndpointError, ServerError
from maieutic.graph import remote
from maieutic.graph.remote import client_of
from maieutic.records import Call
from maieutic.serving.client import Completions, Request
from maieutic.serving.command import Hosting
from maieutic.serving.server import VllmServer, free_port
from scripted import Answer, completion, scripted


def request(subject: str = "q1", n: int = 1) -> Request:
    return Request(
        subject_id=subject, role="solver", checkpoint="base", stage="attempt", round=1,
        template="solver@1", messages=[{"role": "user", "content": "What is 3 + 4?"}], n=n,
        temperature=1.0, top_p=1.0, max_tokens=9, seed=5,
    )  # fmt: skip


OPENED: list[Completions] = []


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    while OPENED:
        await OPENED.pop().close()


def client(url: str, check: Callable[[], None] = lambda: None, **settings: Any) -> Completions:
    OPENED.append(Completions(url, "secret-canary", "m", ServingConfig(**{"retries": 3, **settings}), check))
    return OPENED[-1]


async def test_an_answer_and_its_record() -> None:
    with scripted(lambda number, body: completion("#### 7", "#### 8")) as (url, asked):
        reply = await client(url).ask(request(n=2))
    assert reply.completions == ["#### 7", "#### 8"]
    assert reply.finished == [True, True]
    assert (asked[0]["n"], asked[0]["seed"], asked[0]["max_tokens"]) == (2, 5, 9)
    call = reply.call
    assert (call.role, call.checkpoint, call.subject_id, call.completion_tokens) == (
        "solver", "base", "q1", 6,
    )  # fmt: skip
    assert "secret-canary" not in call.model_dump_json()


@pytest.mark.parametrize(
    "trouble", [(500, {"error": {"message": "no"}}), (429, {"error": {"message": "slow down"}})]
)
@pytest.mark.slow
async def test_trouble_that_passes_is_waited_out(trouble: Answer) -> None:
    with scripted(lambda number, body: trouble if number < 3 else completion("ok")) as (url, asked):
        reply = await client(url).ask(request())
    assert reply.completions == ["ok"]
    assert len(asked) == 3


async def test_trouble_that_stays_is_an_error_with_a_remedy() -> None:
    with (
        scripted(lambda number, body: (500, {"error": {"message": "no"}})) as (url, asked),
        pytest.raises(EndpointError, match="no answer for q1") as caught,
    ):
        await client(url, retries=1).ask(request())
    assert len(asked) == 2
    assert "secret-canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (
            (401, {"error": {"message": "bad key sk-of-mine\n"}}),
            "refuses the key; see teacher.key .* OWN_KEY",
        ),
        ((404, {"error": {"message": "no model m"}}), "no model m.*see teacher.endpoint and teacher.model"),
        ((200, "<html>sk-of-mine</html>"), "no chat completion.*see teacher.endpoint and teacher.model"),
        ((500, "sk-of-mine" * 900), "raise teacher.deadline_s"),
    ],
)
async def test_what_a_teacher_says_when_it_fails_tells_what_to_do_and_no_key(
    answer: Answer, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_KEY", "sk-of-mine")
    with scripted(lambda number, body: answer) as (url, _):
        settings = [f"teacher.endpoint={url}/v1", "teacher.model=m", "teacher.key=OWN_KEY"]
        config = load(None, [*settings, "serving.retries=0"])
        OPENED.append(client_of("teacher", config.teacher, config))
        with pytest.raises(EndpointError, match=remedy) as caught:
            await OPENED[-1].ask(request())
    assert isinstance(caught.value.call, Call)
    for said in (str(caught.value), caught.value.call.model_dump_json()):
        assert "sk-of-mine" not in said
        assert "serving." not in said
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


async def test_a_refusal_that_repeats_the_key_is_kept_without_it() -> None:
    refusal = (400, {"error": {"message": "secret-canary may not set a seed"}})
    with scripted(lambda number, body: refusal) as (url, _):
        reply = await client(url).ask(request())
    assert "may not set a seed" in reply.call.error
    assert "secret-canary" not in reply.call.model_dump_json()


@pytest.mark.slow
async def test_a_hanging_server_meets_the_deadline() -> None:
    with scripted(lambda number, body: 8.0) as (url, _):
        started = time.monotonic()
        with pytest.raises(EndpointError, match="deadline"):
            await client(url, request_deadline_s=0.5).ask(request())
        assert time.monotonic() - started < 4


async def test_a_refused_request_is_data() -> None:
    with scripted(lambda number, body: (400, {"error": {"message": "too long"}})) as (url, asked):
        reply = await client(url).ask(request())
    assert reply.completions == []
    assert "too long" in reply.call.error
    assert len(asked) == 1


@pytest.mark.parametrize("content", ["", "{", '{"choices": null}', "[]"])
async def test_half_an_answer_is_an_error_not_a_crash(content: str) -> None:
    with scripted(lambda number, body: (200, content)) as (url, _), pytest.raises(EndpointError):
        await client(url, retries=0).ask(request())


async def test_no_more_in_flight_than_allowed() -> None:
    now, most, lock = 0, 0, threading.Lock()

    def script(number: int, body: dict[str, Any]) -> Answer:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        return completion("ok")

    with scripted(script) as (url, _):
        limited = client(url, concurrency=4)
        await asyncio.gather(*(limited.ask(request(str(i))) for i in range(24)))
    assert 2 <= most <= 4


async def test_a_dead_server_speaks_its_last_words() -> None:
    def check() -> None:
        raise ServerError("the vLLM server ended by itself: out of memory")

    gone = client(f"http://127.0.0.1:{free_port()}", check, retries=0)
    with pytest.raises(ServerError, match="out of memory") as caught:
        await gone.ask(request())
    assert isinstance(caught.value.call, Call)
    assert caught.value.call.error


async def test_a_server_that_cannot_start_ends_with_its_log(tmp_path: Path) -> None:
    hosting = Hosting(tmp_path / "no-model", tmp_path / "vllm.log")
    server = VllmServer(hosting, ServingConfig(), running("import sys; sys.exit('no such model')"))
    with pytest.raises(ServerError, match="no such model"):
        await server.start()


@pytest.mark.slow
async def test_a_server_that_is_never_healthy_is_ended(tmp_path: Path) -> None:
    hosting, patience = Hosting(tmp_path, tmp_path / "vllm.log"), ServingConfig(startup_deadline_s=2)
    server = VllmServer(hosting, patience, running("import time; print('busy', flush=True); time.sleep(600)"))
    with pytest.raises(ServerError, match="startup_deadline_s"):
        await server.start()
    assert not server.alive


@contextlib.contextmanager
def raw(*parts: bytes, pause: float = 0.0, sent: list[int] | None = None) -> Iterator[str]:
    """A server that sends these bytes, whatever it is asked.

    Args:
        sent: takes the size of each part that it could send.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            with contextlib.suppress(OSError):
                for part in parts:
                    self.request.sendall(part)
                    (sent if sent is not None else []).append(len(part))
                    time.sleep(pause)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9000 + b"\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 abc X\r\n\r\n",
        b"\x00\xff\x16\x03\x01" * 20,
        b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9/v1\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_failure_like_another(sent: bytes) -> None:
    with raw(sent) as url:
        asked = client(url, retries=0, request_deadline_s=5)
        with pytest.raises(EndpointError) as caught:
            await asked.ask(request())
        assert isinstance(caught.value.call, Call)
        assert caught.value.call.failure in ("connection", "malformed", "refused")
        assert not await asked.healthy()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


def test_of_a_flood_no_more_is_read_than_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_REACHED_S", 2.0)
    taken: list[int] = []
    with raw(HEAD, *(b"1" * 10**6,) * 3000, sent=taken) as url:
        remote.reach(
            "teacher", TeacherConfig(endpoint=[f"{url}/v1"], model="m")
        )  # it answers: that is enough
    assert sum(taken) < 3e7  # what sockets hold


def test_an_endpoint_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_REACHED_S", 0.6)
    with raw(HEAD, *(b"1",) * 600, pause=0.01) as url:
        started = time.monotonic()
        with pytest.raises(ConfigError, match="nothing answers"):
            remote.reach("teacher", TeacherConfig(endpoint=[f"{url}/v1"], model="m"))
        assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    "url",
    [
        "http://a/v1/chat/completions",
        "http://a..b/v1",
        "http://xn--/v1",
        "http://127.0.0.1:1/v1\n",
        "http://[v1.x]/v1",
        "http://a\x1b/v1",
    ],
)
def test_an_address_that_cannot_be_looked_up_is_none(url: str) -> None:
    with pytest.raises(ConfigError):
        remote.check_role("teacher", TeacherConfig(endpoint=[url], model="m"))
