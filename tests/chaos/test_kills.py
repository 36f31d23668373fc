"""A run that is killed again and again, with stand-ins for its models: it is the run that would have been."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from maieutic.benchmarks.disturbed import SETTINGS, Kill, disturbed, left_alive, places
from maieutic.benchmarks.playing import Play, Players, players, teacher
from maieutic.benchmarks.sameness import differences, doubled, left_by, leftovers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def playing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Players]:
    folder = tmp_path_factory.mktemp("players")
    with players(folder.name, folder / "log") as there:
        yield there


ALONG_THE_WAY = [
    Kill(1, "write ../.*/run.yaml", tree=True),
    Kill(1, "write checkpoints/base"),
    Kill(1, "launch server ends", tree=True),
    Kill(1, "write rounds/0000/rollouts/validation*"),
    Kill(1, "node gate ends"),
    Kill(1, "write rounds/0001/rollouts/attempt*"),
    Kill(1, "written rounds/0001/attempts/*"),
    Kill(2, "chroma upsert begins", tree=True),
    Kill(1, "write rounds/0001/policy.json"),
    Kill(1, "write rounds/0001/proposals/generator*"),
    Kill(1, "written rounds/0001/questions/*"),
    Kill(1, "written rounds/0001/pairs/*"),
    Kill(1, "job ends"),
    Kill(1, "write rounds/0001/trainings/*", tree=True),
    Kill(1, "swap begins"),
    Kill(1, "written rounds/0001/gates/*"),
    Kill(1, "checkpoint begins"),
]
"""One play after another dies here: in the middle of writes, nodes, the memory, swaps and trainings."""

WHERE_MODELS_TEACH = [
    Kill(1, "write rounds/0001/calls/verifier-*"),
    Kill(1, "written rounds/0001/opinions/*"),
    Kill(1, "node reflect ends"),
    Kill(2, "write rounds/0001/calls/teacher-teach0*", tree=True),
    Kill(1, "written rounds/0001/hints/*"),
    Kill(1, "write rounds/0001/rollouts/label0*"),
    Kill(1, "written rounds/0001/labels/*"),
    Kill(1, "write rounds/0001/audits/*"),
    Kill(1, "written rounds/0001/calls/teacher-*-spar*"),
]


def compared(playing: Players, folder: Path, settings: list[str], kills: list[Kill]) -> None:
    assert playing.play(Play(str(folder / "calm"), settings)) == 0, playing.log.read_text()[-2000:]
    assert disturbed(playing, folder / "killed", settings, kills) == len(kills)
    assert differences(left_by(folder / "calm"), left_by(folder / "killed")) == []
    assert doubled(folder / "killed") == []
    assert leftovers(folder / "killed") == []
    assert [path.name for path in folder.glob(".*")] == [".pocket"]
    assert left_alive(playing.token, playing.pid) == []


def test_killed_at_every_kind_of_place_a_run_ends_as_one_that_was_left_alone(
    playing: Players, tmp_path: Path
) -> None:
    compared(playing, tmp_path, SETTINGS, ALONG_THE_WAY)


def test_what_models_teach_and_judge_is_asked_once(playing: Players, tmp_path: Path) -> None:
    with teacher() as settings:
        compared(playing, tmp_path, [*SETTINGS, "rounds=1", *settings], WHERE_MODELS_TEACH)


def test_the_comparison_sees_what_is_lost_doubled_or_left(playing: Players, tmp_path: Path) -> None:
    """Else the tests above could not fail."""
    settings = [*SETTINGS, "rounds=1"]
    trace = tmp_path / "trace"
    assert playing.play(Play(str(tmp_path / "run"), settings, trace=str(trace))) == 0
    assert len(places(trace)) > 200
    before = left_by(tmp_path / "run")
    first = tmp_path / "run/rounds/0001/verdicts/attempt-0000.parquet"
    first.with_name("attempt-0001.parquet").write_bytes(first.read_bytes())
    (first.parent / ".attempt-0002.parquet.12").write_bytes(b"half")
    (tmp_path / "run/rounds/0001/gate.json").write_text("{}")
    said = differences(before, left_by(tmp_path / "run"))
    assert [line.partition(":")[0] for line in said] == ["0001/gate.json", "0001/verdicts/attempt"]
    assert len(doubled(tmp_path / "run")) == 80
    assert leftovers(tmp_path / "run") == ["rounds/0001/verdicts/.attempt-0002.parquet.12"]


def test_a_state_that_leads_to_no_node_is_no_end(playing: Players, tmp_path: Path) -> None:
    """LangGraph takes another version's checkpoint, whose next node is not there, for one that is done."""
    run = tmp_path / "run"
    assert playing.play(Play(str(run), [*SETTINGS, "rounds=1"], 1, "node verify begins")) == -9
    with sqlite3.connect(run / "graph.sqlite") as database:
        for row, blob in database.execute("select rowid, checkpoint from checkpoints").fetchall():
            changed = blob.replace(b"branch:to:verify", b"branch:to:before")
            database.execute("update checkpoints set checkpoint = ? where rowid = ?", (changed, row))
    assert playing.play(Play(str(run))) == 1
    said = playing.log.read_text()
    assert "the graph stopped before the run was over; it was begun by maieutic" in said
