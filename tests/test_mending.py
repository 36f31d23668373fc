"""Setting damaged files aside, killed on its way: what is there afterwards is what would have been."""

from __future__ import annotations

import errno
from pathlib import Path

import pyarrow as pa
import pytest
from maieutic.errors import RunError
from maieutic.graph import checkpoints, damage
from maieutic.graph.damage import mend
from maieutic.memory.run import RunFolder
from maieutic.memory.store import set_aside

MADE = [
    "graph.sqlite", "graph.sqlite-wal", "memory/chroma.sqlite3", "checkpoints/solver-0001/result.json",
    "checkpoints/solver-0002/result.json", "checkpoints/generator-0002.trainer/state",
    "checkpoints/solver-0002.damaged2/result.json", "rounds/0001/gate.json", "rounds/0002/selected.json",
    "rounds/0002/calls/rollouts-attempt-0000.empty", "rounds/0002/rollouts/validation-0000.parquet",
    "rounds/0002/calls/rollouts-validation-0000.parquet", "rounds/0002/verdicts/validation-0000.empty",
]  # fmt: skip

SOUND = b"{}"


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "Input/output error"), PermissionError(13, "denied"), pa.ArrowMemoryError("x")],
)
def test_what_the_system_does_not_give_is_not_set_aside(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_in(tmp_path, "")
    before = there(folder)

    def refused(path: Path) -> None:
        raise error

    monkeypatch.setattr(damage.pq, "read_table", refused)
    with pytest.raises(type(error)):
        mend(folder, lambda said: None)
    assert there(folder) == before


def test_what_a_run_began_with_is_not_made_again(tmp_path: Path) -> None:
    sets = tmp_path / "rounds/0000/sets.json"
    sets.parent.mkdir(parents=True)
    sets.write_text('{"further": [')
    with pytest.raises(RunError, match=r"sets\.json is damaged .*from a copy"):
        mend(RunFolder(tmp_path), lambda said: None)
    assert sets.exists()


class Killed(BaseException):
    """In the place of SIGKILL."""


def run_in(path: Path, lost: str) -> RunFolder:
    """Files of a run in its second round, one of them damaged."""
    for name in MADE:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"" if name == lost else SOUND)
    return RunFolder(path)


def there(folder: RunFolder) -> list[str]:
    return sorted(str(file.relative_to(folder.path)) for file in folder.path.rglob("*"))


@pytest.mark.parametrize(
    "lost", ["rounds/0002/selected.json", "rounds/0002/rollouts/validation-0000.parquet"]
)
def test_a_mending_that_is_killed_on_its_way_is_done_whole_by_the_next(
    tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None of these is Parquet, but that is not what is looked for here.
    monkeypatch.setattr(
        damage, "_fault", lambda file: ValueError() if file.is_file() and not file.stat().st_size else None
    )
    whole = run_in(tmp_path / "whole", lost)
    mend(whole, lambda said: None)
    assert "graph.sqlite.damaged" in there(whole)
    assert "checkpoints/solver-0001" in there(whole)
    kills = 0
    while True:
        folder, left = run_in(tmp_path / f"killed-{kills}", lost), kills

        def aside(path: Path) -> Path:
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            return set_aside(path)

        with monkeypatch.context() as patch:
            patch.setattr(damage, "set_aside", aside)
            patch.setattr(checkpoints, "set_aside", aside)
            try:
                mend(folder, lambda said: None)
            except Killed:
                kills += 1
            else:
                break
        mend(folder, lambda said: None)
        assert there(folder) == there(whole), kills
    assert kills > 2
