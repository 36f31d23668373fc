"""How the loop turns, ends, and finds its memory again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from maieutic.config import RunConfig, load
from maieutic.errors import RunError, ServerError
from maieutic.graph import train
from maieutic.graph.making import begin
from maieutic.graph.report import write_report
from maieutic.inspector.training import training_line
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.run import RunFolder
from maieutic.memory.store import Store
from maieutic.records import Proposal, Question, Verdict
from maieutic.tasks.material import gather
from maieutic.trainers.jobs import TrainingJob, TrainingResult
from simulated import play, pretend_to_train, room_in

SMALL = [
    "rounds=4", "curriculum.questions=60", "curriculum.new=40", "training.least_pairs=1",
    "generator.proposals=6", "sets.per_cell=1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "run_job", pretend_to_train)


def remembered(folder: RunFolder, config: RunConfig) -> tuple[Any, Any]:
    room = room_in(folder, config)
    return room.bank.known(), sorted(room.profile.all(), key=lambda w: (w.skill, w.level))


@pytest.mark.parametrize("left", ["nothing", "a part"])
@pytest.mark.slow
async def test_a_lost_memory_is_filled_anew_from_the_records(tmp_path: Path, left: str) -> None:
    config = load(None, [*SMALL, "rounds=2"])
    folder = await play(tmp_path / "run", config)
    before = remembered(folder, config)
    # A copy: Chroma keeps what it has open in this process.
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(folder.path, copy.path)
    if left == "nothing":
        shutil.rmtree(copy.memory)
    else:
        # As after a kill in the middle of filling it: some questions are there, and no mark.
        (copy.memory / "filled").unlink()
        questions = Store(copy.memory, NgramEmbedding()).collection("questions")
        questions.delete(ids=questions.get(include=[])["ids"][::2])
    assert remembered(copy, config) == before


@pytest.mark.slow
async def test_the_run_ends_when_training_has_stopped_helping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(None, [*SMALL, "gate.patience=2", "gate.tolerance=0"])
    monkeypatch.setattr("simulated.GROWS", -40)
    folder = await play(tmp_path, config)
    gates = [folder.read_json(number, "gate") for number in folder.rounds()]
    assert [gate["promoted"] for gate in gates if gate] == [True, False, False]


@pytest.mark.parametrize(
    ("settings", "turns"), [(["curriculum.enough=1", "curriculum.near_duplicate=0.2"], 3), ([], 1)]
)
@pytest.mark.slow
async def test_the_teacher_is_asked_again_at_most_twice(
    tmp_path: Path, settings: list[str], turns: int
) -> None:
    folder = await play(tmp_path, load(None, [*SMALL, "rounds=1", "curriculum.enough=0.1", *settings]))
    assert folder.count(1, "vetted") == turns
    assert max(p.turn for p in folder.read(1, "vetted", Proposal)) == turns - 1


async def test_a_model_that_nobody_trained_here_is_known_again_by_its_first_answers(tmp_path: Path) -> None:
    config = load(None, SMALL)
    folder = RunFolder(tmp_path)
    begin(folder, config, gather(config))
    room = room_in(folder, config)
    await room.serve("solver", "base", 0)
    again = room_in(folder, config)
    await again.serve("solver", "base", 0)
    other = room_in(folder, config, turned="canary")
    with pytest.raises(ServerError, match="does not answer as base does"):
        await other.serve("solver", "base", 0)


async def test_a_checkpoint_without_a_canary_is_not_served(tmp_path: Path) -> None:
    config = load(None, SMALL)
    folder = RunFolder(tmp_path)
    begin(folder, config, gather(config))
    room = room_in(folder, config)
    folder.checkpoint("solver-0001").mkdir(parents=True)
    (folder.checkpoint("solver-0001") / "canary.json").write_text('{"distinguishes": false, "items": []}')
    with pytest.raises(ServerError, match="holds no completion to compare"):
        await room.serve("solver", "solver-0001", 1)


async def test_state_from_outside_names_no_path(tmp_path: Path) -> None:
    config = load(None, SMALL)
    folder = RunFolder(tmp_path)
    begin(folder, config, gather(config))
    room = room_in(folder, config)
    for name in ("/etc", "../solver-0001", "solver-0001/..", "base/.."):
        with pytest.raises(RunError, match="names no checkpoint"):
            await room.serve("solver", name, 0)


@pytest.mark.slow
async def test_a_family_of_reasoning_gym_is_played(tmp_path: Path) -> None:
    pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    told = [
        "seeds=gym:chain_sum", "rounds=1", "sets.per_cell=2", "curriculum.questions=40", "curriculum.new=24",
        "training.least_pairs=1", "labels.audit=6",
    ]  # fmt: skip
    config = load(None, told)
    folder = await play(tmp_path / "run", config)
    report = write_report(folder, config, "done")
    assert report.baseline
    assert set(report.baseline.by_level) == {"1", "2", "3", "4", "5", "6"}
    admitted = folder.read(1, "questions", Question)
    assert admitted
    assert {(q.checker, q.label, q.confidence) for q in admitted} == {("gym:chain_sum", "family", 1.0)}
    (entry,) = report.rounds
    assert entry.generator.proposed == 0
    assert entry.labels is not None
    assert (entry.labels.audited, entry.labels.accuracy) == (0, None)  # nobody else can solve them
    checked = folder.read(1, "verdicts/attempt", Verdict)
    assert {"right", "wrong"} <= {v.outcome for v in checked}
    assert not [v for v in checked if v.outcome == "undecided"]


@pytest.mark.slow
async def test_a_training_that_a_guard_stopped_leaves_the_old_solver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round goes on with the checkpoint before, says so in its report, and the next one trains again."""

    async def stopped_at_first(job: TrainingJob, *args: Any, **kwargs: Any) -> TrainingResult:
        result = await pretend_to_train(job, *args, **kwargs)
        if not job.output.endswith("solver-0001"):
            return result
        stopped = result.model_copy(update={"stopped": "too far", "rollouts": 7, "tokens": 70})
        Path(job.output).rename(f"{job.output}.stopped")
        (Path(f"{job.output}.stopped") / "result.json").write_text(stopped.model_dump_json())
        return stopped

    monkeypatch.setattr(train, "run_job", stopped_at_first)
    config = load(None, [*SMALL, "rounds=2", "gate.tolerance=1"])
    folder = await play(tmp_path / "run", config)
    report = write_report(folder, config, "done")
    first, second = report.rounds
    assert (first.train.stopped, first.train.rollouts, first.train.tokens) == ("too far", 7, 70)
    assert (first.promoted, second.train.stopped) == (False, "")
    assert second.promoted
    assert "STOPPED: too far" in training_line(first.train)
