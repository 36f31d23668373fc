"""The index of a run's records: the same rows as the parts, kept up to date, harmless when damaged."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import duckdb
import pytest
import shown_run
from maieutic.errors import RunError
from maieutic.inspector import index as indexing
from maieutic.inspector import index_file
from maieutic.inspector.database import VIEWS, Database
from maieutic.inspector.index import Index
from maieutic.inspector.index_file import forget_gone
from maieutic.inspector.lineage import lineage
from maieutic.memory.run import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return shown_run.write(tmp_path / "it's [a] *run*")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_it_says_what_the_parts_say(folder: RunFolder, cache: Path) -> None:
    index = Index(folder, cache)
    assert index.sync() > 10
    with Database(folder) as database:
        for view in VIEWS:
            everything = f"SELECT * FROM {view} ORDER BY ALL"
            assert index.rows(everything) == database.rows(everything), view
        assert lineage(index, "q-child") == lineage(database, "q-child")
    assert index.heldout(2) == 0.6
    assert index.sync() == 0


def test_a_run_may_be_named_by_a_relative_path_or_a_link(
    folder: RunFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path.parent)
    folder.path.with_name("link").symlink_to(folder.path)
    for path in (Path(folder.path.name), Path("link")):
        index = Index(RunFolder(path), cache)
        assert index.sync() > 10 and not index.damaged
        assert len(index.rows("SELECT * FROM questions")) == 2


def test_what_is_written_later_is_taken_in_and_nothing_twice(folder: RunFolder, cache: Path) -> None:
    index = Index(folder, cache)
    index.sync()
    folder.write(2, "questions", 0, [shown_run.question("q-new", round=2)])
    folder.write(3, "attempts", 0, [])
    assert index.sync() == 1
    assert [row["id"] for row in index.rows("SELECT id FROM questions WHERE recorded_in = 2")] == ["q-new"]
    index.close()
    again = Index(folder, cache)
    assert again.sync() == 0
    assert len(again.rows("SELECT * FROM questions")) == 3


def test_a_part_that_is_written_anew_replaces_what_it_held(folder: RunFolder, cache: Path) -> None:
    index = Index(folder, cache)
    index.sync()
    folder.write(1, "questions", 0, [shown_run.question("q-other", round=1)])
    assert index.sync() == 1
    assert {row["id"] for row in index.rows("SELECT id FROM questions")} == {"q-seed", "q-other"}


def test_what_is_gone_from_the_run_is_gone_from_the_index(folder: RunFolder, cache: Path) -> None:
    """As where a run of the same name is begun anew: what the old one had is not its own."""
    index = Index(folder, cache)
    index.sync()
    (folder.round(1) / "questions" / "questions-0000.parquet").unlink()
    shutil.rmtree(folder.round(2))
    index.sync()
    assert [row["id"] for row in index.rows("SELECT id FROM questions")] == ["q-seed"]
    assert not index.rows("SELECT * FROM rollouts WHERE recorded_in = 2")
    index.close()
    shutil.rmtree(folder.round(1))
    again = Index(folder, cache)
    again.sync()
    assert not again.rows("SELECT * FROM rollouts WHERE recorded_in > 0")


def test_two_names_of_one_run_in_one_process(folder: RunFolder, cache: Path) -> None:
    folder.path.with_name("link").symlink_to(folder.path)
    both = [Index(RunFolder(folder.path.with_name(name)), cache) for name in (folder.path.name, "link")]
    for index in both:
        index.sync()
    folder.write(3, "questions", 0, [shown_run.question("q-new", round=3)])
    for index in both:
        assert index.sync() == 1
        assert len(index.rows("SELECT * FROM questions WHERE recorded_in = 3")) == 1


def test_closing_breaks_off_what_is_asked(folder: RunFolder, cache: Path) -> None:
    index, said = Index(folder, cache), list[str]()

    def ask() -> None:
        try:
            index.rows("SELECT count(*) FROM range(1_000_000_000_000) a(x) WHERE x % 7 = 1")
        except RunError as error:
            said.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    while not index._cursors:
        time.sleep(0.01)
    index.close()
    asking.join(10)
    assert not asking.is_alive() and "INTERRUPT" in said[0]
    with pytest.raises(RunError, match="closed"):
        index.rows("SELECT 1")
    with pytest.raises(RunError, match="closed"):
        index.sync()


def test_a_run_that_was_played_anew_leaves_nothing_behind(folder: RunFolder, cache: Path) -> None:
    index = Index(folder, cache)
    index.sync()
    (folder.round(1) / "vetted" / "vetted-0000.parquet").write_bytes(b"PAR1")
    index.sync()
    assert index.damaged
    shutil.rmtree(folder.path)
    again = RunFolder(folder.path)
    again.write(0, "questions", 0, [shown_run.question("q-anew")])
    index.sync()
    assert [row["id"] for row in index.rows("SELECT id FROM questions")] == ["q-anew"]
    for view in VIEWS:
        assert not index.rows(f"SELECT * FROM {view} WHERE recorded_in > 0"), view
    assert not index.damaged
    index.close()
    shutil.rmtree(folder.path / "rounds")
    later = Index(folder, cache)
    later.sync()
    assert not later.rows("SELECT * FROM questions")


def test_a_disk_without_room_is_told_as_that(
    folder: RunFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> duckdb.DuckDBPyConnection:
        raise duckdb.IOException("Could not write: No space left on device")

    monkeypatch.setattr(index_file, "_begun", full)
    with pytest.raises(RunError, match="No space left"):
        Index(folder, cache)


def test_a_damaged_part_is_left_out_and_named(folder: RunFolder, cache: Path) -> None:
    part = folder.round(2) / "rollouts" / "attempt-0000.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    index = Index(folder, cache)
    index.sync()
    assert list(index.damaged) == ["0002/rollouts/attempt-0000.parquet"]
    assert [row["id"] for row in index.rows("SELECT id FROM rollouts")] == ["r-1"]
    part.write_bytes(whole)
    assert index.sync() == 1
    assert not index.damaged
    assert len(index.rows("SELECT id FROM rollouts")) == 2
    part.write_bytes(whole[: len(whole) // 2])
    index.sync()
    part.unlink()
    index.sync()
    assert not index.damaged


def test_folders_that_did_not_change_are_not_looked_into(
    folder: RunFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = time.time() - 60
    for place in folder.path.glob("rounds/*/*"):
        os.utime(place, (long_ago, long_ago))
    looked, look = list[str](), indexing._parts_in
    monkeypatch.setattr(indexing, "_parts_in", lambda place: (looked.append(place.name), look(place))[1])
    index = Index(folder, cache)
    index.sync()
    assert len(looked) > 10
    looked.clear()
    index.sync()
    assert looked == []
    folder.write(2, "hints", 0, [])
    index.sync()
    assert looked == ["hints"]


def test_an_index_of_another_version_or_a_damaged_one_is_made_anew(folder: RunFolder, cache: Path) -> None:
    Index(folder, cache).close()
    (file,) = cache.glob("*/index-0.duckdb")
    with duckdb.connect(str(file)) as connection:
        connection.execute("UPDATE _index SET signature = 'older'")
    index = Index(folder, cache)
    assert index.sync() > 10
    index.close()
    file.write_bytes(b"no database at all" * 1000)
    assert Index(folder, cache).sync() > 10


def test_inspectors_side_by_side_have_an_index_each(
    folder: RunFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = index_file._begun
    taken: set[Path] = set()

    def held(path: Path) -> duckdb.DuckDBPyConnection:
        if path in taken:
            raise duckdb.IOException("Could not set lock on file")
        taken.add(path)
        return begun(path)

    monkeypatch.setattr(index_file, "_begun", held)
    first, second = Index(folder, cache), Index(folder, cache)
    assert first.sync() == second.sync()
    assert {path.name for path in taken} == {"index-0.duckdb", "index-1.duckdb"}
    taken.update(path.with_name(f"index-{slot}.duckdb") for path in list(taken) for slot in range(8))
    with pytest.raises(RunError, match="8 inspectors"):
        Index(folder, cache)


def test_the_index_of_a_run_that_is_gone_is_deleted(folder: RunFolder, cache: Path) -> None:
    Index(folder, cache).close()
    forget_gone(cache)
    assert list(cache.iterdir())
    folder.path.rename(folder.path.with_name("elsewhere"))
    forget_gone(cache)
    assert not list(cache.iterdir())


def test_nothing_is_written_into_the_run(folder: RunFolder, cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    index = Index(folder, cache)
    index.sync()
    index.close()
    assert before == {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}


def test_a_cache_that_cannot_be_written_is_told(folder: RunFolder, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="XDG_CACHE_HOME"):
        Index(folder, tmp_path / "file")
    Index(folder, cache).close()
    (file,) = cache.glob("*/index-0.duckdb")
    file.unlink()
    file.mkdir()
    with pytest.raises(RunError, match="XDG_CACHE_HOME"):
        Index(folder, cache)
