"""A new run from an old round plays on as the old one did, and leaves it as it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from maieutic import cli
from maieutic.config import load
from maieutic.errors import ConfigError, RunError
from maieutic.graph import lock
from maieutic.graph.fork import fork
from maieutic.graph.report import write_report
from maieutic.inspector.console import summary
from maieutic.inspector.exports.source import source_of
from maieutic.memory.run import RunFolder
from maieutic.records import ForkedFrom, Proposal
from playing import fingerprint, made, played, simulate
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch)


@pytest.fixture(scope="module")
async def old(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:
        simulate(patch)
        folder = made(tmp_path_factory.mktemp("runs") / "old")
        assert (await played(folder)).status == "done"
    return folder


@pytest.fixture
def untouched(old: RunFolder) -> Iterator[None]:
    """The original is the same afterwards, byte by byte."""

    def listing() -> dict[str, tuple[str, int]]:
        files = (path for path in sorted(old.path.rglob("*")) if path.is_file())
        return {str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files}

    before = listing()
    yield
    assert listing() == before


def in_order(folder: RunFolder, rounds: tuple[int, ...]) -> dict[str, Any]:
    """Records of some rounds, but those of calls, whose order is that of the answers; and of proposals all
    but which of two questions that are equally near is named."""
    found: dict[str, Any] = {
        name: content
        for name, content in fingerprint(folder, rounds).items()
        if "/calls/" not in name and "/vetted/" not in name
    }
    for number in rounds:
        vetted = folder.read(number, "vetted", Proposal)
        found[f"vetted in {number}"] = [one.model_copy(update={"nearest_id": None}) for one in vetted]
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("untouched")
async def test_a_fork_with_no_change_plays_the_same_next_rounds(old: RunFolder) -> None:
    runs = old.path.parent
    folder, config = fork(runs, "old", 1)
    assert folder.path.name == "old-fork-1"
    assert config == load(old.config)
    assert list(folder.rounds()) == [0, 1]
    assert not [path for path in folder.path.rglob("*") if path.is_symlink()]
    assert not folder.checkpoint("solver-0002").exists()
    report = await played(folder)
    assert (report.status, len(report.rounds)) == ("done", 3)
    assert report.forked == [ForkedFrom(run="old", round=1)]
    assert "forked from old after its round 1" in summary(report)
    assert in_order(folder, (0, 1, 2, 3)) == in_order(old, (0, 1, 2, 3))
    assert source_of(folder, config).notes == ["forked from old after its round 1"]
    # And a fork of the fork knows both.
    further, _ = fork(runs, "old-fork-1", 2, "further", ["rounds=4"])
    assert write_report(further, load(further.config), "stopped").forked == [
        ForkedFrom(run="old", round=1), ForkedFrom(run="old-fork-1", round=2, settings=["rounds=4"]),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("untouched")
async def test_a_fork_with_changes_plays_differently_from_there(old: RunFolder) -> None:
    changes = ["seed=5", "curriculum.policy=sec", "rounds=2", "budget.hours=1"]
    folder, config = fork(old.path.parent, "old", 1, "other", changes)
    report = await played(folder)
    assert (report.status, report.policy, report.seed, len(report.rounds)) == ("done", "sec", 5, 2)
    assert config.budget.hours == 1
    assert in_order(folder, (0,)) == in_order(old, (0,))
    assert folder.read_json(2, "selected") != old.read_json(2, "selected")
    assert folder.read_json(2, "policy")["state"] != old.read_json(2, "policy")["state"]
    assert f"with {', '.join(changes)}" in summary(report)


@pytest.mark.slow
@pytest.mark.usefixtures("untouched")
async def test_from_the_base_model_s_measurement_alone(old: RunFolder) -> None:
    folder, _ = fork(old.path.parent, "old", 0, "anew", ["rounds=1"])
    await played(folder)
    assert in_order(folder, (0, 1)) == in_order(old, (0, 1))


@pytest.mark.slow
async def test_a_run_that_lost_its_graph_goes_on_from_its_records(tmp_path: Path, old: RunFolder) -> None:
    folder = made(tmp_path / "run", "budget.calls=150")
    assert (await played(folder)).status == "budget"
    for file in folder.path.glob("graph.sqlite*"):
        file.unlink()
    assert (await played(folder, ["budget.calls=0"])).status == "done"
    assert folder.read_json(3, "gate") == old.read_json(3, "gate")


@pytest.mark.slow
@pytest.mark.usefixtures("untouched")
def test_the_command_forks_and_plays_and_says_why_it_ended(old: RunFolder) -> None:
    arguments = ["fork", "old", "--round", "2", "--name", "short", "--runs-dir", str(old.path.parent)]
    done = CliRunner().invoke(cli.app, [*arguments, "--set", "budget.calls=1"])
    assert done.exit_code == 0, done.output
    assert "short: budget" in done.output
    assert "forked from old after its round 2, with budget.calls=1" in done.output
    assert "ended early: budget.calls = 1 is spent" in done.output
    assert f"resume short --runs-dir {old.path.parent} --set budget.calls=…" in done.output
    assert (old.path.parent / "short" / "report.html").read_text().count("budget.calls = 1 is spent")
    assert CliRunner().invoke(cli.app, arguments).exit_code != 0  # the name is taken


def faulty(old: RunFolder, *arguments: Any) -> str:
    """What is said against a fork, which leaves nothing behind."""
    runs = old.path.parent
    before = sorted(os.listdir(runs))
    with pytest.raises((ConfigError, RunError)) as caught:
        fork(runs, "old", *arguments)
    assert sorted(os.listdir(runs)) == before
    return str(caught.value)


@pytest.fixture
def begun(tmp_path: Path) -> RunFolder:
    """Two rounds that are over and one that is not, written by hand."""
    folder = made(tmp_path / "old")
    for number, promoted in ((0, True), (1, True), (2, False)):
        folder.write_json(number, "gate", {"promoted": promoted})
        folder.write_json(number, "policy", {"state": {"known": number}, "metrics": {}})
    for name in ("solver-0001", "solver-0002", "generator-0001", "solver-0003", "solver-0003.trainer"):
        folder.checkpoint(name).mkdir(parents=True)
        (folder.checkpoint(name) / "result.json").write_text("{}")
        (folder.checkpoint(name) / "model.safetensors").write_bytes(b"weights")
    folder.write_json(3, "selected", ["q"])
    return folder


def test_what_cannot_be_forked_is_said_and_leaves_nothing(begun: RunFolder) -> None:
    assert "has no round 3 to go on from; those that are over: 0 to 2" in faulty(begun, 3)
    assert "rounds is 2, and round 2 would be the last" in faulty(begun, 2, None, ["rounds=2"])
    assert "exists already" in faulty(begun, 1, "old")
    for name in ("../out", "", ".hidden", "a/b", "x" * 101):
        assert "cannot name a run" in faulty(begun, 1, name)
    for setting in ("seeds=other.jsonl", "sets.per_cell=2", "pocket.seed=3", "curriculum.horizon=2",
                    "memory.embedding=a:B", "checker=math", "training.method=lora"):  # fmt: skip
        assert "were played with another" in faulty(begun, 1, None, [setting])
    assert "unknown key" in faulty(begun, 1, None, ["curriculum.polcy=sec"])
    assert "none_such" in faulty(begun, 1, None, ["curriculum.policy=none_such"])
    (begun.checkpoint("solver-0001") / "result.json").unlink()
    assert "solver-0001 is gone, and round 3 would be played with it" in faulty(begun, 2)
    assert "is gone" not in faulty(begun, 0, "old")


def test_nothing_outside_the_run_is_taken_over(begun: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_text("s")
    for place in (begun.round(1) / "x.json", begun.checkpoint("solver-0001") / "x.bin"):
        place.symlink_to(outside)
        assert "is no plain file" in faulty(begun, 1)
        place.unlink()
    begun.round(0).rename(tmp_path / "moved")
    begun.round(0).symlink_to(tmp_path / "moved")
    assert "is a link" in faulty(begun, 1)


def test_what_belongs_to_later_rounds_stays_behind(begun: RunFolder) -> None:
    leftover = begun.path.with_name(".new.999999999")
    leftover.mkdir()
    (begun.round(1) / ".half.json.7").write_text("{")
    folder, _ = fork(begun.path.parent, "old", 2, "new", ["curriculum.policy=sec"])
    assert sorted(path.name for path in (folder.path / "checkpoints").iterdir()) == [
        "generator-0001", "solver-0001", "solver-0002",
    ]  # fmt: skip
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "checkpoints", "fork.json", "prompts", "rounds", "run.yaml",
    ]  # fmt: skip
    assert list(folder.rounds()) == [0, 1, 2]
    assert not list(folder.path.rglob(".half*")) and not leftover.exists()
    # Another policy begins anew, and keeps no state of the old one.
    assert folder.read_json(2, "policy") == {"state": None, "metrics": {}}
    assert begun.read_json(2, "policy")["state"] == {"known": 2}
    same, _ = fork(begun.path.parent, "old", 2, "same")
    assert same.read_json(2, "policy")["state"] == {"known": 2}
    weights = [one.checkpoint("solver-0001") / "model.safetensors" for one in (begun, folder)]
    assert os.path.samefile(*weights)


def test_an_address_with_a_password_is_refused_and_not_repeated(begun: RunFolder) -> None:
    told = ["teacher.endpoint=http://me:canary-word@127.0.0.1:9/v1", "teacher.model=m"]
    said = faulty(begun, 1, "new", told)
    assert "teacher.endpoint" in said and "canary-word" not in said


def test_a_run_that_is_being_played_can_be_forked(begun: RunFolder) -> None:
    with lock.locked(begun):
        folder, _ = fork(begun.path.parent, "old", 1, "new")
    assert not lock.held(folder)


def test_a_damaged_note_of_where_a_run_comes_from_is_told(begun: RunFolder) -> None:
    (begun.path / "fork.json").write_text(json.dumps([{"run": 3}]))
    assert "fork.json" in faulty(begun, 1)
