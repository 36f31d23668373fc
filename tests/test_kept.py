"""Servers that the next run has, too: which are, what they forget, and when they end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from maieutic.config import RunConfig, load
from maieutic.graph.kept import Kept, fingerprint
from maieutic.memory.run import RunFolder
from maieutic.serving.fleet import Fleet
from maieutic.serving.hosted import Hosted
from maieutic.trainers import warm
from test_fleet import Server, hosted


class Machine:
    """Makes servers as a configuration asks, and remembers them all."""

    def __init__(self, rank: int = 0) -> None:
        self.rank, self.servers = rank, list[Server]()

    def __call__(self, config: RunConfig, base: Path, own: Mapping[str, Path], folder: RunFolder) -> Fleet:
        self.servers.append(Server(base, rank=self.rank))
        model = Hosted([self.servers[-1]], config.asked_as(["solver"]))  # type: ignore[list-item]
        roles = ("solver", "generator") if config.generator.most else ("solver",)
        return Fleet(dict.fromkeys(roles, model), folder.path / "server.json", used=dict)


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "possible", lambda: False)


def a_run(path: Path, weights: str = "same") -> tuple[RunFolder, Path]:
    base = path / "checkpoints" / "base"
    base.mkdir(parents=True)
    (base / "model.safetensors").write_text(weights)
    return RunFolder(path), base


async def test_a_server_is_the_next_runs_where_it_needs_the_same(tmp_path: Path) -> None:
    machine, config = Machine(), load()
    async with Kept(RunFolder(tmp_path), machine) as kept:
        first, base = a_run(tmp_path / "a")
        fleet = await kept.fleet(config, base, {}, first)
        await fleet.ready("solver")
        fleet.hosted["solver"].prove("solver-0001")
        second, other = a_run(tmp_path / "b")
        # Another policy, and no Generator: what is served is the same.
        again = await kept.fleet(
            load(None, ["curriculum.policy=uniform", "generator.most=0"]), other, {}, second
        )
        assert again.hosted["solver"] is fleet.hosted["solver"]
        assert again.hosted["solver"].proven == []
        await again.ready("solver")
        assert [server.starts for server in machine.servers] == [1, 0]
        assert machine.servers[0].alive
    assert not machine.servers[0].alive


@pytest.mark.parametrize("differs", ["serving.max_num_seqs=3", "weights"])
async def test_another_server_takes_its_place_where_the_next_run_needs_one(
    tmp_path: Path, differs: str
) -> None:
    machine = Machine()
    async with Kept(RunFolder(tmp_path), machine) as kept:
        first, base = a_run(tmp_path / "a")
        await (await kept.fleet(load(), base, {}, first)).ready("solver")
        second, other = a_run(tmp_path / "b", "others" if differs == "weights" else "same")
        settings = [] if differs == "weights" else [differs]
        fleet = await kept.fleet(load(None, settings), other, {}, second)
        assert not machine.servers[0].alive  # gone before the next is started: there may be room for one
        await fleet.ready("solver")
        assert machine.servers[1].alive
    assert not machine.servers[1].alive


async def test_a_server_that_died_is_not_handed_over(tmp_path: Path) -> None:
    machine = Machine()
    async with Kept(RunFolder(tmp_path), machine) as kept:
        first, base = a_run(tmp_path / "a")
        await (await kept.fleet(load(), base, {}, first)).ready("solver")
        machine.servers[0].alive = False
        second, other = a_run(tmp_path / "b")
        fleet = await kept.fleet(load(), other, {}, second)
        await fleet.ready("solver")
        assert [server.starts for server in machine.servers] == [1, 1]


async def test_what_a_model_said_when_it_was_loaded_goes_with_its_server(tmp_path: Path) -> None:
    """A server that has had other weights since cannot be asked again what the base model says."""
    machine = Machine()
    async with Kept(RunFolder(tmp_path), machine) as kept:
        first, base = a_run(tmp_path / "a")
        await (await kept.fleet(load(), base, {}, first)).ready("solver")
        (first.path / "base-canary.json").write_text("said")
        second, other = a_run(tmp_path / "b")
        await kept.fleet(load(), other, {}, second)
        assert (second.path / "base-canary.json").read_text() == "said"
        third, changed = a_run(tmp_path / "c", "others")
        await kept.fleet(load(), changed, {}, third)
        assert not (third.path / "base-canary.json").exists()


async def test_an_adapter_of_another_run_never_has_the_name_of_one(tmp_path: Path) -> None:
    server = Server(tmp_path, rank=8)
    model = hosted(server)
    await model.ready()
    await model.put("solver-0001", tmp_path / "a" / "solver-0001")
    model.prove("solver-0001")
    names = {client.model for client in model.clients("solver-0001")}
    await model.hand_over()
    assert (server.adapters, model.proven) == ({}, [])
    await model.put("solver-0001", tmp_path / "b" / "solver-0001")
    model.prove("solver-0001")
    assert list(server.adapters.values()) == [tmp_path / "b" / "solver-0001"]
    assert not names & {client.model for client in model.clients("solver-0001")}
    assert [client.model for client in model.clients("base")] == ["maieutic"]


def test_a_pocket_model_is_known_by_its_weights_and_others_by_their_folder(tmp_path: Path) -> None:
    _, one = a_run(tmp_path / "a")
    _, two = a_run(tmp_path / "b")
    _, three = a_run(tmp_path / "c", "others")
    (one / "result.json").write_text("took a second")
    assert fingerprint(one) == fingerprint(two) != fingerprint(three)
    assert fingerprint(tmp_path / "Qwen") == tmp_path / "Qwen"
