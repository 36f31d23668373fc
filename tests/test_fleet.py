"""Servers of several roles, without vLLM: who is up, what rests, which adapters stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from maieutic.config import ServingConfig
from maieutic.errors import ServerError, ServerGone
from maieutic.serving.command import Hosting, command, environment
from maieutic.serving.fleet import Fleet
from maieutic.serving.hosted import LOADED, Hosted
from maieutic.serving.planned import Mode

GB = 10**9


class Server:
    """Takes 10 GB of GPU 0 while it is up, and what it is told asleep; ended it may leave some."""

    def __init__(self, model: Path, rank: int = 0, asleep_keeps: int = 1, ended_keeps: int = 0) -> None:
        self.hosting = Hosting(model, Path("log"), rank=rank)
        self.name, self.port, self.url, self.key = "maieutic", 1, "http://127.0.0.1:1", "k"
        self.starts = self.swaps = 0
        self.alive = self.asleep = False
        self.adapters: dict[str, Path] = {}
        self.log: list[str] = []
        self.keeps = {"up": 10, "asleep": asleep_keeps, "ended": ended_keeps if rank >= 0 else 0, "never": 0}

    @property
    def taken(self) -> int:
        state = (
            "never" if not self.starts else "ended" if not self.alive else "asleep" if self.asleep else "up"
        )
        return self.keeps[state] * GB

    async def start(self) -> None:
        self.starts += 1
        self.alive, self.adapters = True, {}

    async def swap(self, weights: Path) -> float:
        self.log.append(f"swap {weights.name}")
        return 0.5

    async def adapt(self, name: str, adapter: Path) -> float:
        self.adapters[name] = adapter
        return 0.25

    async def drop(self, name: str) -> None:
        del self.adapters[name]

    async def sleep(self) -> None:
        self.asleep = True

    async def wake(self) -> None:
        self.asleep = False

    async def stop(self) -> None:
        self.alive = False

    def require_alive(self, port: int = 0) -> None:
        if not self.alive:
            raise ServerGone("gone")

    async def healthy(self) -> bool:
        return self.alive

    def noted(self) -> list[dict[str, float]]:
        return [{"pid": 1, "started": 5.0}] if self.alive else []


def hosted(*servers: Server, how: Mode = "stay") -> Hosted:
    return Hosted(list(servers), ServingConfig(), how)  # type: ignore[arg-type]


def fleet_of(tmp_path: Path, how: Mode, *servers: Server, other: int = 0) -> Fleet:
    model = hosted(*servers, how=how)
    return Fleet(
        dict.fromkeys(("solver", "generator"), model), tmp_path / "server.json", gpus=(0,),
        used=lambda: {0: sum(server.taken for server in servers) + other * GB},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maieutic.serving.fleet._BACK_S", 0.0)


@pytest.mark.parametrize(
    ("how", "starts", "alive"), [("stay", 1, True), ("sleep", 1, True), ("stop", 2, False)]
)
async def test_servers_rest_as_they_are_told_and_come_back(
    tmp_path: Path, how: Mode, starts: int, alive: bool
) -> None:
    server = Server(tmp_path)
    fleet = fleet_of(tmp_path, how, server, other=30)
    assert not fleet.lost
    await fleet.ready("solver")
    await fleet.rest(print)
    assert (server.alive, server.asleep) == (alive, how == "sleep")
    assert not fleet.lost
    await fleet.ready("generator")
    assert (server.starts, server.alive, server.asleep) == (starts, True, False)
    assert json.loads((tmp_path / "server.json").read_text())
    await fleet.stop()
    assert not (tmp_path / "server.json").exists()


async def test_a_server_that_keeps_its_memory_asleep_is_ended(tmp_path: Path) -> None:
    server, told = Server(tmp_path, asleep_keeps=9), list[str]()
    fleet = fleet_of(tmp_path, "sleep", server)
    await fleet.ready("solver")
    await fleet.rest(told.append)
    assert not server.alive
    assert told == ["asleep, the servers kept 9.0 GB of GPU 0; they are ended for training instead"]


async def test_memory_that_is_not_back_stops_training_with_a_remedy(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, "stop", Server(tmp_path, ended_keeps=4))
    await fleet.ready("solver")
    with pytest.raises(ServerError, match=r"no room: 4\.0 GB of GPU 0 still in use .* nvidia-smi"):
        await fleet.rest(print)


async def test_a_note_of_servers_is_whole_whenever_it_is_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path)
    fleet = fleet_of(tmp_path, "stop", server)
    await fleet.ready("solver")
    there = fleet.note.read_text()
    assert json.loads(there)

    def half(path: Path, text: str) -> None:
        path.write_bytes(text.encode()[:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", half)
        with pytest.raises(OSError, match="No space"):
            fleet._noted()
    assert fleet.note.read_text() == there


async def test_a_server_that_died_by_itself_is_started_again_a_few_times(tmp_path: Path) -> None:
    server, told = Server(tmp_path), list[str]()
    fleet = fleet_of(tmp_path, "stop", server)
    fleet.hosted["solver"].tell = told.append
    await fleet.ready("solver")
    for time in range(1, 4):
        server.alive = False
        assert fleet.lost
        await fleet.ready("solver")
        assert (server.starts, server.alive) == (1 + time, True)
        assert told[-1] == f"gone; it is started again ({time} of 3 times an hour)"
    server.alive = False
    with pytest.raises(ServerError, match=r"started again 3 times within an hour .* failed once more: gone"):
        await fleet.ready("solver")
    assert server.starts == 4


async def test_the_last_adapters_stay_loaded_and_older_ones_go(tmp_path: Path) -> None:
    servers = [Server(tmp_path, rank=8), Server(tmp_path, rank=8)]
    model = hosted(*servers)
    await model.ready()
    for number in range(LOADED + 3):
        name = f"solver-{number:04d}"
        assert await model.put(name, tmp_path / name) == 0.25
        assert name not in model.proven
        model.prove(name)
    for server in servers:
        assert list(server.adapters) == [f"solver-{number:04d}" for number in range(3, LOADED + 3)]
    assert model.proven == list(servers[0].adapters)
    assert await model.put("base", tmp_path) == 0.0
    assert [client.model for client in model.clients("base")] == ["maieutic"] * 2
    assert [client.model for client in model.clients(name)] == [name] * 2
    await model.rest(sleep=False)
    await model.ready()
    assert model.proven == []  # a server that was started anew has none of them


async def test_whole_weights_are_held_one_at_a_time(tmp_path: Path) -> None:
    server = Server(tmp_path)
    model = hosted(server)
    await model.ready()
    for name in ("solver-0001", "generator-0001", "base"):
        assert await model.put(name, tmp_path / name) == 0.5
        model.prove(name)
        assert model.proven == [name]
    assert server.log == ["swap solver-0001", "swap generator-0001", "swap base"]


def test_what_a_server_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maieutic.serving.command.on_cpu", lambda: False)
    config = ServingConfig(tensor_parallel=2)
    plain = command(Hosting(tmp_path, tmp_path / "log"), "m", 1, config)
    assert "--enable-lora" not in plain
    assert "--enable-sleep-mode" not in plain
    assert plain[plain.index("--host") + 1] == "127.0.0.1"
    given = Hosting(tmp_path, tmp_path / "log", gpus=(2, 3), rank=20, sleeps=True)
    line = command(given, "m", 1, config)
    for name, value in (("--max-lora-rank", "32"), ("--tensor-parallel-size", "2"), ("--port", "1")):
        assert line[line.index(name) + 1] == value
    assert "--enable-sleep-mode" in line
    told: dict[str, Any] = environment(given, "sk", config)
    assert told["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert told["VLLM_API_KEY"] == "sk"
    assert "sk" not in line
