"""The graph as LangGraph's own tools run it: its own checkpointer, a run folder for each thread."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from maieutic.config import RunConfig, dump, load
from maieutic.errors import RunError
from maieutic.graph import studio, train
from maieutic.graph.build import build
from maieutic.graph.lock import locked
from maieutic.graph.progress import Progress
from maieutic.graph.report import write_report
from maieutic.graph.room import Room
from maieutic.memory.run import RunFolder
from simulated import SimulatedServer, pretend_to_train, room_in, same_canary
from test_loop import SMALL

pytestmark = pytest.mark.slow

THREAD: Any = {"configurable": {"thread_id": "../thread"}, "recursion_limit": 200}


@pytest.fixture
def stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A studio over simulated models; notes each server that is stopped."""
    stopped: list[bool] = []

    class Server(SimulatedServer):
        async def stop(self) -> None:
            stopped.append(True)

    async def simulated(config: RunConfig, folder: RunFolder, progress: Progress) -> Room:
        room = room_in(folder, config)
        room.fleet.hosted["solver"].servers = [Server(room.base)]  # type: ignore[list-item]
        same_canary(room.base)
        return room

    monkeypatch.setattr(studio, "open_room", simulated)
    monkeypatch.setattr(train, "run_job", pretend_to_train)
    monkeypatch.setenv("MAIEUTIC_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MAIEUTIC_CONFIG", str(tmp_path / "small.yaml"))
    return stopped


def configure(tmp_path: Path, *settings: str) -> None:
    (tmp_path / "small.yaml").write_text(dump(load(None, [*SMALL, *settings])))


@pytest.mark.parametrize("growth", [8, -40], ids=["plays all rounds", "out of patience"])
async def test_a_run_that_is_over_says_so_and_leaves_nothing_running(
    tmp_path: Path, stops: list[bool], monkeypatch: pytest.MonkeyPatch, growth: int
) -> None:
    configure(tmp_path, "rounds=3", "gate.patience=1", "gate.tolerance=0")
    monkeypatch.setattr("simulated.GROWS", growth)
    await studio.graph.ainvoke({}, THREAD)
    await asyncio.gather(*studio._leaving)
    (folder,) = (tmp_path / "runs").iterdir()
    report = json.loads((folder / "report.json").read_text())
    assert report["status"] == ("done" if growth > 0 else "plateau")
    assert len(report["rounds"]) == (3 if growth > 0 else 1)
    assert stops == [True]
    with locked(RunFolder(folder)):
        pass
    # Each round's part is written once, and worked out again only where it is lost.
    for left in ("{", "{}"):
        (folder / "rounds" / "0001" / "report.json").write_text(left)
        again = write_report(RunFolder(folder), load(tmp_path / "small.yaml"), "done")
        for before, after in zip(
            report["rounds"], json.loads(again.model_dump_json())["rounds"], strict=True
        ):
            assert before | {"seconds": {}} == after | {"seconds": {}}
    # What cannot be worked out again is said, and the report that is there stays.
    (folder / "rounds" / "0001 (copy)").mkdir()
    for left in ("{}", "[]", '{"promoted": 1}'):
        (folder / "rounds" / "0001" / "gate.json").write_text(left)
        (folder / "rounds" / "0001" / "report.json").unlink(missing_ok=True)
        with pytest.raises(RunError, match="cannot be put together"):
            write_report(RunFolder(folder), load(tmp_path / "small.yaml"), "done")
    assert json.loads((folder / "report.json").read_text())["status"] == "done"


async def test_a_run_that_is_over_stays_over(tmp_path: Path, stops: list[bool]) -> None:
    configure(tmp_path, "rounds=1")
    # LangGraph's tools bring a checkpointer, and start a thread again with its last state.
    graph = build(studio._this_room).compile(checkpointer=InMemorySaver())
    for _ in range(2):
        await graph.ainvoke({}, THREAD)
        await asyncio.gather(*studio._leaving)
    (folder,) = (tmp_path / "runs").iterdir()
    assert sorted(entry.name for entry in (folder / "rounds").iterdir()) == ["0000", "0001"]


async def test_a_server_that_died_is_replaced(tmp_path: Path, stops: list[bool]) -> None:
    configure(tmp_path, "rounds=1")
    async for _ in studio.graph.astream({}, THREAD):
        break
    (name,) = studio._rooms
    studio._rooms[name].fleet.hosted["solver"].servers[0].alive = False  # type: ignore[misc]
    await studio.graph.ainvoke({}, THREAD)
    await asyncio.gather(*studio._leaving)
    assert stops == [True, True]


async def test_a_run_that_is_played_is_held(tmp_path: Path, stops: list[bool]) -> None:
    configure(tmp_path, "rounds=2")
    async for _ in studio.graph.astream({}, THREAD):
        (folder,) = (tmp_path / "runs").iterdir()
        with pytest.raises(RunError, match="is being played by"), locked(RunFolder(folder)):
            pass
        break
    # What was left in the middle is still open: end it, as the end of the process would.
    await studio._leave(folder.name)
    assert stops == [True]
