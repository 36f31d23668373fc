"""Servers that end, hang, answer wrongly or find their port taken: what a stage notices of it.

A real process tree under its guard, with a script in the place of vLLM (`fake_vllm.py`).
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import psutil
import pytest
from launching import fake_vllm
from maieutic.config import load
from maieutic.errors import EndpointError, ServerError, ServerGone, ServerWrong
from maieutic.graph.accounts import Accounts
from maieutic.graph.progress import Quiet
from maieutic.graph.rollouts import ask_all
from maieutic.memory.run import RunFolder
from maieutic.processes import Running
from maieutic.records import Call, Rollout
from maieutic.serving.command import Hosting
from maieutic.serving.ending import Pressure, how_it_ended
from maieutic.serving.hosted import Hosted
from maieutic.serving.models import cut_off
from maieutic.serving.requests import Reply, Request
from maieutic.serving.server import VllmServer

HELD: list[Hosted] = []


@pytest.fixture(autouse=True)
async def ended(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("MAIEUTIC_GRACE_SECONDS", "0.5")
    monkeypatch.setattr("maieutic.serving.server._HEALTHY_S", 0.5)
    yield
    while HELD:
        await HELD.pop().stop()


def hosted(
    tmp_path: Path, *plans: dict[str, Any], replicas: int = 1, launcher: Any = None, **settings: Any
) -> tuple[Hosted, list[str]]:
    """A model that is served by the script, and what it has said of its troubles."""
    given = {"concurrency": 16} | settings
    config = load(None, [f"serving.{name}={value}" for name, value in given.items()]).serving
    start = launcher or fake_vllm(tmp_path / "fake", *plans)
    servers = [
        VllmServer(Hosting(tmp_path / "base", tmp_path / f"vllm-{number}.log"), config, start)
        for number in range(replicas)
    ]
    HELD.append(Hosted(servers, config))
    told: list[str] = []
    HELD[-1].tell = told.append
    return HELD[-1], told


def request(name: str, role: str = "solver") -> Request:
    return Request.single(role, name, 1, "attempt", "", f"What is {name}?", 0.0, 9, 0, "solver-0001")


async def seat(model: Hosted, tmp_path: Path, name: str = "solver-0001") -> None:
    """Give it a checkpoint, whose canary is that it says its name."""
    await model.ready()

    async def check() -> None:
        for client in model.clients(name):
            reply = await client.ask(request("canary", "canary"))
            if reply.completions != [f"{name}: What is canary?"]:
                raise ServerWrong(f"it does not answer as {name} does: {reply.completions}")

    await model.seat(name, tmp_path / name, check)


async def stage(model: Hosted, tmp_path: Path, count: int = 120) -> list[Call]:
    """One stage of requests, kept as a run keeps them."""
    folder = RunFolder(tmp_path / "run")
    room: Any = SimpleNamespace(
        config=load(None, ["serving.concurrency=16"]), folder=folder, accounts=Accounts(folder),
        progress=Quiet(), remote={},
    )  # fmt: skip

    def read(request: Request, reply: Reply) -> list[Rollout]:
        return [
            Rollout(
                id=request.subject_id, question_id=request.subject_id, round=1, stage="s",
                checkpoint="solver-0001", index=0, completion=reply.completions[0], tokens=1, truncated=False,
                call_id=reply.call.id,
            )
        ]  # fmt: skip

    todo = [request(f"q{number}") for number in range(count)]
    await ask_all(room, model.client("solver-0001"), 1, "rollouts/s", todo, read, part=32)
    rollouts = {r.id: r.completion for r in folder.read(1, "rollouts/s", Rollout)}
    # All of them, once, by the checkpoint that was put back.
    assert rollouts == {one.subject_id: f"solver-0001: What is {one.subject_id}?" for one in todo}
    calls = folder.read(1, "calls/rollouts-s", Call)
    assert len({call.id for call in calls}) == len(calls) == count
    assert not any(call.error for call in calls)
    return calls


@pytest.mark.slow
async def test_a_server_that_ends_in_a_stage_is_started_again_and_no_record_is_doubled(
    tmp_path: Path,
) -> None:
    model, told = hosted(tmp_path, {"crash_after": 40})
    await seat(model, tmp_path)
    calls = await stage(model, tmp_path)
    lost = [call for call in calls if call.tried]
    assert 0 < len(lost) <= 48  # as many as are sent or wait to be
    assert {kind for call in lost for kind in call.tried} == {"connection"}
    assert (model.generation, len(told)) == (1, 1)
    assert "the vLLM server ended by itself (exit code 143); its log is " in told[0]
    assert told[0].endswith("; it is started again (1 of 3 times an hour)")


@pytest.mark.slow
async def test_one_that_ends_again_and_again_stops_the_stage_with_the_end_of_its_log(tmp_path: Path) -> None:
    model, told = hosted(tmp_path, *[{"crash_after": 3}] * 3, restarts=2)
    await seat(model, tmp_path)
    with pytest.raises(ServerError) as caught:
        await stage(model, tmp_path)
    first, *log = str(caught.value).splitlines()
    assert first.startswith("started again 2 times within an hour (serving.restarts), it failed once more: ")
    assert log[-1] == "RuntimeError: the engine is on fire"
    assert len(told) == 2
    kept = RunFolder(tmp_path / "run").read(1, "rollouts/s", Rollout)
    assert 0 < len(kept) < 9
    assert len({one.id for one in kept}) == len(kept)


@pytest.mark.slow
async def test_a_server_that_hangs_is_ended_and_started_again(tmp_path: Path) -> None:
    model, told = hosted(tmp_path, {"stop_after": 30}, stall_s=0.4)
    await seat(model, tmp_path)
    started = time.monotonic()
    await stage(model, tmp_path)
    assert time.monotonic() - started < 20
    assert "was ended: it hung and did not even say that it is healthy" in told[0]


@pytest.mark.slow
async def test_a_healthy_server_that_answers_nothing_is_ended_and_started_again(tmp_path: Path) -> None:
    model, told = hosted(tmp_path, {"mute_after": 30}, stall_s=0.2, request_deadline_s=2)
    await seat(model, tmp_path)
    await stage(model, tmp_path)
    assert re.search(r"answered none of \d+ requests for \d s; .*raise serving\.request_deadline_s", told[0])


@pytest.mark.parametrize("trouble", ["garbage", "stop"])
async def test_weights_that_were_not_taken_over_cost_a_restart(tmp_path: Path, trouble: str) -> None:
    model, told = hosted(tmp_path, {"at_swap": trouble}, stall_s=0.4)
    await seat(model, tmp_path)
    assert model.proven == ["solver-0001"]
    assert len(told) == 1
    assert ("it does not answer as solver-0001 does" if trouble == "garbage" else "it hung") in told[0]


async def test_while_a_swap_has_servers_started_again_nobody_else_starts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = hosted(tmp_path)
    alone: list[bool] = []

    async def again(error: Exception, everyone: bool = False) -> None:
        alone.append(model._mending.locked())
        model.generation += 1

    async def put(checkpoint: str, weights: Path) -> float:
        if not alone:
            raise ServerGone("it is gone")
        return 0.0

    async def check() -> None:
        if len(alone) == 1 and not model.proven:
            model.generation += 1  # as the watch does, which was quicker
            model.proven = ["another"]
            raise ServerGone("it is gone again")

    monkeypatch.setattr(model, "_again", again)
    monkeypatch.setattr(model, "put", put)
    await model.seat("solver-0001", tmp_path, check)
    assert alone == [True]
    assert model.proven[-1] == "solver-0001"


async def test_weights_that_answer_wrongly_twice_stop_the_run(tmp_path: Path) -> None:
    model, told = hosted(tmp_path, *[{"at_swap": "garbage"}] * 3)
    with pytest.raises(ServerWrong, match="does not answer as solver-0001 does"):
        await seat(model, tmp_path)
    assert len(told) == 1
    assert model.proven == []


@pytest.mark.slow
async def test_of_two_servers_one_that_ends_is_replaced_while_the_other_goes_on(tmp_path: Path) -> None:
    slow = {"seconds": 0.1}
    model, told = hosted(tmp_path, {"crash_after": 20, **slow}, slow, slow, replicas=2, stall_s=2)
    await seat(model, tmp_path)
    await stage(model, tmp_path, 600)
    assert len(told) == model.generation == 1
    assert all(server.alive for server in model.servers)
    assert model.proven == ["solver-0001"]


@pytest.mark.slow
async def test_of_two_servers_that_both_end_nobody_waits_for_the_deadline_of_a_request(
    tmp_path: Path,
) -> None:
    ends = {"crash_after": 20, "seconds": 0.05}
    model, told = hosted(tmp_path, ends, ends, replicas=2, stall_s=2, request_deadline_s=90)
    await seat(model, tmp_path)
    started = time.monotonic()
    await stage(model, tmp_path, 200)
    assert time.monotonic() - started < 45
    assert all(server.alive for server in model.servers), told


class Stranger(BaseHTTPRequestHandler):
    """Says that all is well, whatever it is asked; keeps what it was sent."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(str(self.headers))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@pytest.mark.slow
async def test_a_port_that_is_taken_before_the_server_has_it_is_not_used(tmp_path: Path) -> None:
    ours = fake_vllm(tmp_path / "fake")
    strangers: list[ThreadingHTTPServer] = []

    async def start(
        command: Sequence[str], log: Path, environment: Mapping[str, str], piped: bool = False
    ) -> Running:
        if not strangers:
            port = int(command[command.index("--port") + 1])
            strangers.append(ThreadingHTTPServer(("127.0.0.1", port), Stranger))
            threading.Thread(target=strangers[0].serve_forever, args=(0.02,), daemon=True).start()
        return await ours(command, log, environment, piped)

    model, told = hosted(tmp_path, launcher=start)
    try:
        await seat(model, tmp_path)
        (server,) = model.servers
        assert server.port != strangers[0].server_address[1]
        assert server.starts == 1, told
        assert Stranger.seen
        assert not any(server.key in said for said in Stranger.seen)
        assert told == []
    finally:
        strangers[0].shutdown()
        strangers[0].server_close()


@pytest.mark.slow
async def test_a_server_that_starts_too_slowly_is_tried_once_more(tmp_path: Path) -> None:
    model, told = hosted(tmp_path, {"slow": 60}, startup_deadline_s=3)
    await seat(model, tmp_path)
    assert re.match(r"the vLLM server was not healthy after 3 s; raise serving\.startup_deadline_s", told[0])
    again, _ = hosted(tmp_path / "b", {"slow": 60}, {"slow": 60}, startup_deadline_s=0.6)
    with pytest.raises(ServerGone, match=r"raise serving\.startup_deadline_s"):
        await again.ready()
    assert not again.any_alive


async def test_a_server_that_cannot_start_at_all_is_not_tried_again(tmp_path: Path) -> None:
    model, told = hosted(tmp_path, {"dies": True})
    with pytest.raises(ServerGone, match="no such model"):
        await model.ready()
    assert (tmp_path / "fake" / "starts").read_text() == "x"
    assert told == []


@pytest.mark.slow
async def test_a_server_that_is_killed_is_told_as_one_that_may_have_had_no_memory(tmp_path: Path) -> None:
    model, told = hosted(tmp_path, {"crash_after": 20, "signal": 9})
    await seat(model, tmp_path)
    await stage(model, tmp_path)
    assert re.search(
        r"exit code 137: something killed it, perhaps the system for lack of memory, [\d.]+ of \d+ GiB were "
        r"free .*lower serving\.max_num_seqs, serving\.max_model_len or serving\.cpu_kv_cache_gib",
        told[0],
    )


def test_where_the_system_counts_that_it_killed_something_it_is_said_to_be_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = tmp_path / "vmstat"
    counted.write_text("pgfault 12\noom_kill 3\n")
    monkeypatch.setattr("maieutic.serving.ending._COUNTERS", (str(counted), str(tmp_path / "none")))
    pressure = Pressure()
    assert how_it_ended(1, pressure, "x") == "exit code 1"
    assert "something killed it" in how_it_ended(137, pressure, "x")
    counted.write_text("pgfault 13\noom_kill 4\n")
    for code in (137, -9):
        assert "the system killed it for lack of memory" in how_it_ended(code, pressure, "x")


@pytest.mark.slow
async def test_a_request_that_a_well_server_does_not_answer_is_its_own_failure(tmp_path: Path) -> None:
    model, told = hosted(tmp_path, {"seconds": 30}, request_deadline_s=0.5)
    await model.ready()
    model.prove("base")
    with pytest.raises(EndpointError, match="no answer for q1"):
        await model.client("base").ask(request("q1"))
    assert (model.generation, told) == (0, [])


@pytest.mark.slow
async def test_a_stubborn_server_is_gone_well_within_the_half_minute_that_a_scheduler_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAIEUTIC_GRACE_SECONDS")  # as it is outside of tests
    model, _ = hosted(tmp_path, {"stubborn": True})
    await model.ready()
    pids = [int(entry["pid"]) for server in model.servers for entry in server.noted()]
    started = time.monotonic()
    await model.stop()
    assert time.monotonic() - started < 15
    assert not any(psutil.pid_exists(pid) for pid in pids)


def weights(size: int) -> bytes:
    """A file of safetensors with one tensor of so many bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


def test_weights_that_are_cut_off_are_noticed_by_their_own_header(tmp_path: Path) -> None:
    whole = weights(1000)
    assert cut_off(tmp_path / "nowhere") == ""
    for size in (0, 7, 8, 20, len(whole) - 1):
        (tmp_path / "model.safetensors").write_bytes(whole[:size])
        assert cut_off(tmp_path) == "model.safetensors"
    (tmp_path / "model.safetensors").write_bytes(whole)
    assert cut_off(tmp_path) == ""
    (tmp_path / "z.safetensors").write_bytes(b"\xff" * 64)
    assert cut_off(tmp_path) == "z.safetensors"
