"""The index of a run's records: the same rows as the parts, kept up to date, harmless when damaged."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import duckdb
import pytest
import shown_run
from maieutic.errors import RunError
from maieutic.inspector import index as indexing
from maieutic.inspector.database import VIEWS, Database
from maieutic.inspector.index import Index, forget_gone
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
        index = Index(RunFolder(path), cache / path.name)
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

    monkeypatch.setattr(indexing, "_begun", full)
    with pytest.raises(RunError, match="free some room"):
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


def test_folders_that_did_not_change_are_not_looked_into(folder: RunFolder, cache: Path) -> None:
    long_ago = time.time() - 60
    for place in folder.path.glob("rounds/*/*"):
        os.utime(place, (long_ago, long_ago))
    index = Index(folder, cache)
    assert len(list(index._changed())) > 10
    index.sync()
    assert list(index._changed()) == []
    folder.write(2, "hints", 0, [])
    assert [place.name for place, _ in index._changed()] == ["hints"]


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
    begun = indexing._begun
    taken: set[Path] = set()

    def held(path: Path) -> duckdb.DuckDBPyConnection:
        if path in taken:
            raise duckdb.IOException("Could not set lock on file")
        taken.add(path)
        return begun(path)

    monkeypatch.setattr(indexing, "_begun", held)
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


def test_a_cache_that_cannot_be_written_is_told(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="XDG_CACHE_HOME"):
        Index(folder, tmp_path / "file")
