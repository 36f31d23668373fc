"""What becomes of a training job that ends badly: tried again, divided, or given up with what to do."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest
from launching import running
from maieutic.errors import TrainingError
from maieutic.trainers import checkpoints, trouble
from maieutic.trainers.checkpoints import NotWhole
from maieutic.trainers.jobs import TrainingJob, TrainingResult, run_job
from maieutic.trainers.trouble import NO_MEMORY, next_try, out_of_memory, signal_of

KILLED = 128 + signal.SIGKILL
SEGFAULT = 128 + signal.SIGSEGV


def job(folder: Path, **given: object) -> TrainingJob:
    (folder / "rows.parquet").write_bytes(b"rows")
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "model.safetensors").write_bytes(b"weights")
    settings: dict[str, object] = {"learning_rate": 1.0, "batch_size": 12, "accumulation": 3, "seed": 0}
    return TrainingJob.model_validate({
        "objective": "sft", "model": str(folder / "model"), "data": str(folder / "rows.parquet"),
        "output": str(folder / "out"), **settings, **given,
    })  # fmt: skip


def sizes(one: TrainingJob | None) -> tuple[int, int, int] | None:
    return None if one is None else (one.batch_size, one.accumulation, one.parts)


def test_a_batch_is_divided_until_it_cannot_be(tmp_path: Path) -> None:
    found, one = [], job(tmp_path).divided()
    while one is not None:
        found.append(sizes(one))
        assert one.batch_size * one.accumulation == 36
        assert one.whole_batch == 12
        one = one.divided()
    assert found == [(6, 6, 2), (3, 12, 4), (1, 36, 12)]
    assert sizes(job(tmp_path, batch_size=7).divided()) == (1, 21, 7)
    pairs = job(tmp_path, batch_size=4, least_batch=2).divided()
    assert sizes(pairs) == (2, 6, 2)
    assert pairs is not None and pairs.divided() is None


@pytest.mark.parametrize(
    ("code", "deaths", "kernel", "expected"),
    [
        (1, 0, False, None),
        (0, 0, False, None),
        (NO_MEMORY, 0, False, (6, 6, 2)),
        (KILLED, 0, False, (12, 3, 1)),
        (KILLED, 0, True, (6, 6, 2)),
        (KILLED, 1, False, (6, 6, 2)),
        (SEGFAULT, 0, False, (12, 3, 1)),
        (-signal.SIGSEGV, 0, True, (12, 3, 1)),
        (SEGFAULT, 1, False, None),
    ],
)
def test_who_is_tried_again(
    tmp_path: Path, code: int, deaths: int, kernel: bool, expected: tuple[int, int, int] | None
) -> None:
    again = next_try(job(tmp_path, notes=["before"]), code, deaths, kernel)
    assert sizes(again) == expected
    if again is not None:
        assert again.notes[0] == "before" and len(again.notes) == 2


def test_codes_and_errors_are_told_apart() -> None:
    assert [signal_of(code) for code in (0, 1, 12, -9, 137, 139, 255)] == [0, 0, 0, 9, 9, 11, 0]
    torchs = type("OutOfMemoryError", (RuntimeError,), {})
    allocator = "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to"
    for error in (MemoryError(), torchs("CUDA"), RuntimeError(allocator), OSError(errno.ENOMEM, "fork")):
        assert out_of_memory(error)
        led = ValueError("so the row was left out")
        led.__cause__ = error
        assert out_of_memory(led)
    for other in (RuntimeError("shapes differ"), OSError(errno.ENOSPC, "disk"), KeyError("memory"), None):
        assert not out_of_memory(other)


ENDS = """
import json, os, sys
from pathlib import Path
file = Path(sys.argv[1])
job = json.loads(file.read_text())
tried = Path(job["output"] + ".tries")
with tried.open("a") as file:
    file.write(f"{job['batch_size']}x{job['accumulation']} ")
if job["batch_size"] > job["options"]["fits"]:
    print("no room for so many", file=sys.stderr, flush=True)
    code = job["options"]["code"]
    os.kill(os.getpid(), -code) if code < 0 else sys.exit(code)
Path(job["output"]).mkdir()
Path(job["output"], "result.json").write_text(json.dumps({
    "objective": "sft", "examples": 1, "steps": 2, "seconds": 0.1, "metrics": {}, "notes": job["notes"]}))
os.kill(os.getpid(), job["options"].get("late", 0))
"""


def tried(folder: Path) -> str:
    """Batch and accumulation of each try since this was last asked."""
    said = (folder / "out.tries").read_text().strip()
    (folder / "out.tries").unlink()
    return said


async def played(one: TrainingJob, folder: Path) -> TrainingResult:
    return await run_job(one, folder, "solver-0001", lambda done, of: None, running(ENDS))


async def test_a_job_without_memory_is_done_with_smaller_batches(tmp_path: Path) -> None:
    result = await played(job(tmp_path, options={"fits": 6, "code": NO_MEMORY}), tmp_path)
    assert tried(tmp_path) == "12x3 6x6"
    assert result.notes == [
        "it ran out of memory with a batch of 12, and was done with 6 and 6 of them a step "
        "(training.batch_size=6 and training.accumulation=6 begin so)"
    ]


async def test_where_the_smallest_does_not_fit_it_says_what_to_do(tmp_path: Path) -> None:
    small = job(tmp_path, options={"fits": 0, "code": NO_MEMORY}, batch_size=2)
    # What is known not to fit is not tried again when the run goes on; other settings begin anew.
    for expected in ("2x3 1x6", "1x6"):
        with pytest.raises(TrainingError, match="solver-0001 ran out of memory with a batch of 1, which"):
            await played(small, tmp_path)
        assert tried(tmp_path) == expected
    other = small.model_copy(update={"options": {"fits": 2, "code": NO_MEMORY}})
    assert (await played(other, tmp_path)).notes == []
    assert tried(tmp_path) == "2x3"


async def test_a_crash_is_tried_once_more_and_an_exception_is_not(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="died by SIGSEGV and left no checkpoint"):
        await played(job(tmp_path, options={"fits": 0, "code": -int(signal.SIGSEGV)}), tmp_path)
    assert tried(tmp_path) == "12x3 12x3"
    with pytest.raises(TrainingError, match="ended with exit code 1 and no checkpoint"):
        await played(job(tmp_path, options={"fits": 0, "code": 1}), tmp_path)
    assert tried(tmp_path) == "12x3"
    late = job(tmp_path, options={"fits": 12, "code": 1, "late": 9})
    assert (await played(late, tmp_path)).notes == []  # the checkpoint was there before it was killed
    assert tried(tmp_path) == "12x3"


def sealed(folder: Path, name: str, key: str = "k") -> Path:
    beside = folder / f".{name}"
    (beside / "deep").mkdir(parents=True)
    (beside / "weights").write_bytes(b"1234")
    (beside / "deep" / "more").write_text("5")
    checkpoints.seal(beside, folder / name, key, {"step": 7})
    return folder / name


def test_a_folder_is_taken_only_as_it_was_sealed(tmp_path: Path) -> None:
    place = sealed(tmp_path, "checkpoint-1")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]
    assert checkpoints.opened(place, "k") == {"step": 7}
    with pytest.raises(NotWhole, match="of other settings"):
        checkpoints.opened(place, "another")
    (place / "weights").write_bytes(b"1235")
    with pytest.raises(NotWhole, match="weights is not as it was written"):
        checkpoints.opened(place, "k")
    (place / "weights").write_bytes(b"1234")
    (place / "one more").symlink_to(place / "weights")
    with pytest.raises(NotWhole, match="one more"):
        checkpoints.opened(place, "k")
    (place / "one more").unlink()
    assert checkpoints.opened(place, "k")
    for rubbish in ("{", "[]", '{"key": "k"}', '{"key": "k", "files": [1], "about": {}}', "[" * 100_000):
        (place / checkpoints.SEAL).write_text(rubbish)
        with pytest.raises(NotWhole, match="damaged"):
            checkpoints.opened(place, "k")


def test_the_newest_that_is_whole_is_taken_and_the_others_go(tmp_path: Path) -> None:
    for name in ("checkpoint-00-1", "checkpoint-00-2", "checkpoint-01-1"):
        sealed(tmp_path, name)
    (tmp_path / "checkpoint-01-1" / "weights").unlink()
    notes: list[str] = []
    found = checkpoints.newest(tmp_path, "k", "checkpoint-*", notes)
    assert found == (tmp_path / "checkpoint-00-2", {"step": 7})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00-2"]
    assert len(notes) == 1 and "checkpoint-01-1 is damaged" in notes[0]


def test_a_key_changes_with_what_a_job_comes_to_and_with_nothing_else(tmp_path: Path) -> None:
    one = job(tmp_path)
    key = checkpoints.key(one)
    same = [
        one.divided(),
        one.model_copy(update={"checkpoint_s": 5.0, "notes": ["x"], "output": "elsewhere"}),
    ]
    assert {checkpoints.key(other) for other in same if other is not None} == {key}
    for change in ({"learning_rate": 2.0}, {"seed": 1}, {"options": {"loss": "dft"}}, {"batch_size": 6}):
        assert checkpoints.key(one.model_copy(update=change)) != key, change
    (tmp_path / "rows.parquet").write_bytes(b"others")
    assert checkpoints.key(one) != key
    (tmp_path / "rows.parquet").write_bytes(b"rows")
    assert checkpoints.key(one) == key
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other weights")
    assert checkpoints.key(one) != key


def test_the_kernel_is_asked_what_it_killed() -> None:
    told = Path("/proc/vmstat").exists() and "oom_kill " in Path("/proc/vmstat").read_text()
    found = trouble.killed_by_kernel()
    assert found is not None and found >= 0 if told else found is None
