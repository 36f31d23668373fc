"""Files of a run that are damaged, lost, locked, or have no room: made again, or one line and a resume."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from maieutic.errors import RunError
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.run import RunFolder
from maieutic.memory.store import ARCHIVE, FILLED, Store, opened, upsert
from simulated import room_in
from whole import Played, kept, memory, unlike

pytestmark = pytest.mark.slow


class Cut(Exception):
    """In the place of whatever cuts a run short."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A whole run; its folder is only copied from."""
    import asyncio

    with pytest.MonkeyPatch.context() as patch:
        played = Played(tmp_path_factory.mktemp("whole") / "run", patch)
        report = asyncio.run(played.play())
    assert report.status == "done"
    return played.folder


@pytest.fixture
def wanted(undisturbed: RunFolder) -> dict[str, list[str]]:
    return kept(undisturbed)


def copied(source: RunFolder, path: Path) -> RunFolder:
    shutil.copytree(source.path, path)
    return RunFolder(path)


def at(round: int, stage: str, then: Callable[[], object], after: int) -> Callable[[int, str], None]:
    """Do something once, when the Solver has been asked so often in a stage of a round."""
    count = 0

    def asked(now: int, what: str) -> None:
        nonlocal count
        count += (now, what) == (round, stage)
        if count == after and (now, what) == (round, stage):
            then()

    return asked


def cut() -> None:
    raise Cut


def half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def garbage(file: Path) -> None:
    file.write_bytes(random.Random(0).randbytes(max(100, file.stat().st_size)))


def index_files(folder: Path) -> list[Path]:
    return [file for file in folder.glob("*-*/*") if file.is_file()]


def drop_indexes(folder: Path) -> None:
    for index in [entry for entry in folder.iterdir() if entry.is_dir()]:
        shutil.rmtree(index)


def halve_indexes(folder: Path) -> None:
    for file in index_files(folder):
        half(file)


MEMORY: dict[str, Callable[[Path], None]] = {
    "half a database": lambda folder: half(folder / "chroma.sqlite3"),
    "a database of noise": lambda folder: garbage(folder / "chroma.sqlite3"),
    "an empty database": lambda folder: os.truncate(folder / "chroma.sqlite3", 0),
    "no database": lambda folder: (folder / "chroma.sqlite3").unlink(),
    "an archive of noise": lambda folder: garbage(folder / ARCHIVE),
    "no archive": lambda folder: (folder / ARCHIVE).unlink(),
}


@pytest.mark.parametrize("how", MEMORY)
def test_a_damaged_memory_is_kept_aside_and_made_again_as_it_was(
    undisturbed: RunFolder, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(undisturbed, tmp_path / "run")
    config = Played(folder.path, monkeypatch).config
    room = room_in(folder, config)
    before = memory(room)
    assert len(before[1]) > 100
    assert room.store is not None
    room.store.close()
    damaged = copied(folder, tmp_path / "damaged")
    MEMORY[how](damaged.memory)
    told: list[str] = []
    room = room_in(damaged, config, tell=told.append)
    assert memory(room) == before
    assert ("damaged" in " ".join(told)) == (how not in ("an empty database", "no database"))
    assert room.store is not None
    room.store.close()


@pytest.mark.parametrize("broken", [drop_indexes, halve_indexes])
def test_an_index_that_lost_its_files_is_noticed_though_chroma_says_nothing(
    tmp_path: Path, broken: Callable[[Path], None]
) -> None:
    # Chroma writes an index to disk after a thousand entries.
    store = Store(tmp_path / "memory", NgramEmbedding())
    ids = [str(number) for number in range(1500)]
    texts = [f"What is {number} + {number * 7}?" for number in range(1500)]
    upsert(store.collection("questions"), ids, texts, [{"record": "{}"} for _ in ids])
    store.examine()
    store.close()
    shutil.copytree(tmp_path / "memory", tmp_path / "damaged")
    broken(tmp_path / "damaged")
    told: list[str] = []
    store = opened(tmp_path / "damaged", NgramEmbedding(), told.append)
    assert store.collection("questions").count() == 0
    assert len(told) == 1
    assert (tmp_path / "damaged.damaged").is_dir()
    store.close()


@pytest.mark.parametrize("how", ["a database of noise"])
async def test_a_memory_that_is_damaged_while_a_run_is_played_costs_a_note(
    tmp_path: Path, how: str, wanted: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(tmp_path / "run", monkeypatch)
    played.asked = at(1, "attempt", lambda: MEMORY[how](played.folder.memory), after=20)
    report = await played.play()
    assert report.status == "done"
    assert unlike(played.folder, wanted) == []
    assert any("a new memory is filled from the records" in note for note in played.told.notes)
    assert (played.folder.path / "memory.damaged").is_dir()
    assert "a new memory is filled" in (played.folder.logs / "faults.log").read_text()


async def cut_short(played: Played, stage: str, after: int) -> None:
    played.asked = at(2, stage, cut, after)
    with pytest.raises(Cut):
        await played.play()
    played.asked = lambda round, stage: None


@pytest.mark.parametrize("how", ["lost", "noise"])
async def test_without_its_checkpoints_a_run_goes_on_after_its_last_gate(
    tmp_path: Path, how: str, wanted: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(tmp_path / "run", monkeypatch)
    await cut_short(played, "attempt", 30)
    graph = played.folder.graph
    {"lost": Path.unlink, "noise": garbage}[how](graph)
    for beside in graph.parent.glob("graph.sqlite-*"):
        beside.unlink()
    report = await played.play()
    assert (report.status, len(report.rounds)) == ("done", 2)
    assert unlike(played.folder, wanted) == []
    assert "it goes on after round 1" in " ".join(played.told.notes)
    assert (graph.with_name("graph.sqlite.damaged")).exists() == (how == "noise")


async def test_checkpoints_that_another_process_has_locked_are_waited_for_and_told(
    tmp_path: Path, wanted: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maieutic.graph.checkpoints._LOCKED_S", 1.0)
    played = Played(tmp_path / "run", monkeypatch)
    await cut_short(played, "attempt", 30)
    tool = sqlite3.connect(played.folder.graph, isolation_level=None)
    tool.execute("PRAGMA locking_mode=EXCLUSIVE")
    tool.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    with pytest.raises(RunError, match=r"graph\.sqlite is locked by another process.* then resume$"):
        await played.play()
    assert time.monotonic() - started < 20
    tool.close()
    await played.play()
    assert unlike(played.folder, wanted) == []


def part(kind: str, name: str) -> Callable[[RunFolder], Path]:
    return lambda folder: folder.round(2) / kind / f"{name}-0000.parquet"


PARTS: dict[str, tuple[str, int, Callable[[RunFolder], Path], str]] = {
    # Where the run was cut short, what was damaged then, what is said.
    "rollouts of the stage that runs": ("heldout", 20, part("rollouts", "heldout"), "made again"),
    "verdicts of a stage that is over": ("heldout", 20, part("verdicts", "attempt"), "made again"),
    "rollouts whose verdicts are there": ("heldout", 20, part("rollouts", "validation"), "made again"),
    "rollouts that questions were made of": ("heldout", 20, part("rollouts", "attempt"), "begins anew"),
    "what was selected": (
        "heldout", 20, lambda folder: folder.round(2) / "selected.json", "begins anew"
    ),
    "questions": ("heldout", 20, part("questions", "questions"), "begins anew"),
}  # fmt: skip


@pytest.mark.parametrize("which", PARTS)
async def test_a_damaged_part_of_the_round_that_is_played_is_made_again(
    tmp_path: Path, which: str, wanted: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maieutic.graph.rollouts.PART", 16)
    stage, after, file, said = PARTS[which]
    played = Played(tmp_path / "run", monkeypatch)
    await cut_short(played, stage, after)
    half(file(played.folder))
    report = await played.play()
    assert report.status == "done"
    assert unlike(played.folder, wanted) == []
    assert said in " ".join(played.told.notes)
    assert list(played.folder.path.rglob("*.damaged*"))


async def test_a_damaged_part_of_a_round_that_is_over_is_told_only_where_it_is_needed(
    undisturbed: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(tmp_path / "run", monkeypatch)
    await cut_short(played, "attempt", 30)
    half(played.folder.round(1) / "rollouts" / "attempt-0000.parquet")
    assert (await played.play()).status == "done"
    other = Played(tmp_path / "other", monkeypatch)
    await cut_short(other, "attempt", 30)
    half(other.folder.round(1) / "pairs" / "pairs-0000.parquet")
    with pytest.raises(RunError, match=r"rounds/0001/pairs/pairs-0000\.parquet is damaged .*from a copy"):
        await other.play()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds little more than a run."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here (it takes root); nothing else has so little room")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, leave: int) -> Path:
    """Take all room of a disk but so many bytes."""
    filler = place / "filler"
    with filler.open("wb") as file:
        file.write(bytes(max(0, shutil.disk_usage(place).free - leave)))
    return filler


@pytest.mark.parametrize(
    ("stage", "after", "leave"), [("attempt", 20, 0), ("heldout", 2, 65536), ("heldout", 2, 2**19)]
)
async def test_a_disk_that_is_full_is_one_line_and_a_run_that_goes_on(
    small_disk: Path, wanted: dict[str, list[str]], stage: str, after: int, leave: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    played = Played(small_disk / "run", monkeypatch)
    played.asked = at(1, stage, lambda: fill(small_disk, leave) and None, after)
    with pytest.raises(RunError) as caught:
        await played.play()
    first = str(caught.value).splitlines()[0]
    assert "room" in first
    assert "resume" in first or "--runs-dir" in first
    assert not list(small_disk.rglob("*.damaged*"))
    # With some room left it is Chroma that finds too little, and may have written a part of it.
    assert (played.folder.memory / FILLED).exists() == (leave < 2**19)
    (small_disk / "filler").unlink()
    played.asked = lambda round, stage: None
    assert (await played.play()).status == "done"
    assert unlike(played.folder, wanted) == []
    assert not list(small_disk.rglob("*.damaged*"))


async def test_a_clock_that_jumps_changes_nothing(
    tmp_path: Path, wanted: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    true, drawn = time.time, random.Random(0)
    monkeypatch.setattr(time, "time", lambda: max(0.0, true() + drawn.uniform(-1, 1) * 10**8))
    started = time.monotonic()
    played = Played(tmp_path / "run", monkeypatch)
    report = await played.play()
    spent = time.monotonic() - started
    assert report.status == "done"
    assert unlike(played.folder, wanted) == []
    for number in played.folder.rounds():
        account = played.folder.read_json(number, "seconds")
        assert all(0 <= seconds <= spent for seconds in account.values()), account
