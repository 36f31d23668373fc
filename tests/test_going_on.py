"""What a kill may leave half done, and that going on mends it: one test for each fault that chaos found."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from maieutic.agents.solver import Solver
from maieutic.config import RunConfig, load
from maieutic.errors import RunError
from maieutic.graph.accounts import Accounts
from maieutic.graph.folders import find
from maieutic.graph.making import create
from maieutic.graph.progress import Quiet
from maieutic.graph.rollouts import roll_out
from maieutic.graph.verify import _cases
from maieutic.memory.behaviours import Counted
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.handbook import Handbook
from maieutic.memory.profile import WeaknessProfile
from maieutic.memory.run import RunFolder
from maieutic.memory.store import Store
from maieutic.prompts import Prompts
from maieutic.records import Attempt, Behaviour, Call, Question, Rollout, Verdict
from maieutic.serving.client import Reply, Request
from maieutic.tasks.material import Material, gather
from maieutic.tasks.seeds import family_question

DEAD = 2**22 + 7
"""No process has this number: it is above what Linux gives."""


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load(None, ["sets.per_cell=1"])


@pytest.fixture(scope="module")
def material(config: RunConfig) -> Material:
    return gather(config)


def test_a_run_whose_making_was_killed_can_be_made_again(
    tmp_path: Path, config: RunConfig, material: Material
) -> None:
    half = tmp_path / f".mine.{DEAD}" / "rounds" / "0000"
    half.mkdir(parents=True)
    (half.parent.parent / "run.yaml").write_text("seed: 0")
    with pytest.raises(RunError, match="no runs yet"):
        find(tmp_path, "mine")
    folder = create(config, tmp_path, "mine", material)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert find(tmp_path, "mine")[0].path == folder.path
    with pytest.raises(RunError, match="exists already"):
        create(config, tmp_path, "mine", material)


def test_a_run_in_the_making_is_left_alone(tmp_path: Path, config: RunConfig, material: Material) -> None:
    living = tmp_path / f".mine.{os.getppid()}"
    living.mkdir()
    (tmp_path / f".mine.too.{DEAD}").mkdir()  # of a run that is called "mine.too"
    create(config, tmp_path, "mine", material)
    assert {path.name for path in tmp_path.iterdir()} == {"mine", living.name, f".mine.too.{DEAD}"}


def test_what_a_killed_process_was_writing_is_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    gone = [
        f"rounds/0001/rollouts/.attempt-0000.parquet.{DEAD}", f"rounds/0001/.gate.json.{DEAD}",
        f"jobs/.solver-0001.json.{DEAD}", f"prompts/.solver.jinja.{os.getpid()}", f".report.json.{DEAD}",
    ]  # fmt: skip
    stays = [
        "rounds/0001/gate.json", f"rounds/0001/.seconds.json.{os.getppid()}", ".index.sqlite",
        f"memory/.something.{DEAD}", "checkpoints/.base/model.safetensors", f"rounds/0001/notes.{DEAD}",
    ]  # fmt: skip
    for name in (*gone, *stays):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("half")
    (tmp_path / "checkpoints" / f".solver-0001.{DEAD}").mkdir()
    folder.sweep()
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == set(stays)
    assert not (tmp_path / "checkpoints" / f".solver-0001.{DEAD}").exists()


class Answering:
    """Answers every request alike, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request.subject_id)
        call = Call(
            id=f"call-{request.subject_id}", round=1, stage="attempt", role="solver", model="m",
            checkpoint="", template="", subject_id=request.subject_id, messages="[]", sampling="{}",
            completions=["#### 1", "#### 2"], finished=[True, False], prompt_tokens=1, completion_tokens=4,
            seconds=0.1,
        )  # fmt: skip
        texts = call.completions
        return Reply(texts, call.finished, call, [[-0.5], [-0.5]], [[text] for text in texts])

    async def close(self) -> None:
        return


def a_room(path: Path, endpoint: Answering, *settings: str) -> Any:
    async def serve(*_: object) -> Answering:
        return endpoint

    config, folder = load(None, list(settings)), RunFolder(path)
    return SimpleNamespace(
        config=config,
        folder=folder,
        accounts=Accounts(folder),
        progress=Quiet(),
        remote={},
        serve=serve,
        solver=Solver(config.rollouts, 0, Prompts()),
    )


QUESTIONS = [family_question(f"What is {n} + 1?") for n in range(2, 10)]


async def parted(path: Path, *settings: str) -> tuple[Any, Answering]:
    """A stage of two parts, killed between the calls of the second and their rollouts."""
    endpoint = Answering()
    room = a_room(path, endpoint, *settings)
    for some in (QUESTIONS[:4], QUESTIONS[:6]):
        await roll_out(room, 1, "attempt", some, "base", room.solver.sampling)
    (path / "rounds/0001/rollouts/attempt-0001.parquet").unlink()
    endpoint.asked.clear()
    return room, endpoint


def told_twice(folder: RunFolder) -> list[str]:
    calls = [call.id for call in folder.read(1, "calls/rollouts-attempt", Call)]
    return [name for name in set(calls) if calls.count(name) > 1]


async def test_calls_that_a_kill_parted_from_their_rollouts_are_not_made_again(tmp_path: Path) -> None:
    whole = a_room(tmp_path / "whole", Answering())
    wanted = await roll_out(whole, 1, "attempt", QUESTIONS, "base", whole.solver.sampling)
    room, endpoint = await parted(tmp_path / "parted")
    assert await roll_out(room, 1, "attempt", QUESTIONS, "base", room.solver.sampling) == wanted
    assert sorted(endpoint.asked) == sorted(question.id for question in QUESTIONS[6:])
    assert told_twice(room.folder) == []
    room, endpoint = await parted(tmp_path / "all-there")
    await roll_out(room, 1, "attempt", QUESTIONS[:6], "base", room.solver.sampling)
    assert endpoint.asked == []


async def test_a_call_that_failed_is_made_again_where_a_kill_parted_it_from_its_rollouts(
    tmp_path: Path,
) -> None:
    room, endpoint = await parted(tmp_path)
    *others, last = room.folder.part(1, "calls/rollouts-attempt", 1, Call)
    failed = last.model_copy(
        update={"completions": [], "finished": [], "failure": "connection", "error": "x"}
    )
    room.folder.write(1, "calls/rollouts-attempt", 1, [*others, failed])
    await roll_out(room, 1, "attempt", QUESTIONS[:6], "base", room.solver.sampling)
    assert endpoint.asked == [last.subject_id]


async def test_where_calls_do_not_tell_it_all_they_are_made_again_and_counted_once(tmp_path: Path) -> None:
    room, endpoint = await parted(tmp_path, "rollouts.logprobs=true")
    found = await roll_out(room, 1, "attempt", QUESTIONS, "base", room.solver.sampling)
    assert len({rollout.id for rollout in found}) == len(found) == 2 * len(QUESTIONS)
    assert all(rollout.logprobs for rollout in found)
    assert sorted(endpoint.asked) == sorted(question.id for question in QUESTIONS[4:])
    assert told_twice(room.folder) == []


async def test_a_gap_that_an_older_version_left_takes_no_part_away(tmp_path: Path) -> None:
    """It asked again and wrote the next part; the calls before it stand for nothing."""
    room, _ = await parted(tmp_path, "rollouts.logprobs=true")
    calls = "calls/rollouts-attempt"
    room.folder.write(1, calls, 2, room.folder.part(1, calls, 1, Call)[:1])
    room.folder.write(1, "rollouts/attempt", 2, room.folder.part(1, "rollouts/attempt", 0, Rollout)[:1])
    before = [path.read_bytes() for path in sorted((tmp_path / "rounds/0001/calls").iterdir())]
    await roll_out(room, 1, "attempt", QUESTIONS, "base", room.solver.sampling)
    after = [path.read_bytes() for path in sorted((tmp_path / "rounds/0001/calls").iterdir())]
    assert after[:3] == before
    assert len(after) == 4


def verdicts(rollouts: list[Rollout]) -> dict[str, Verdict]:
    return {
        r.id: Verdict(rollout_id=r.id, question_id=r.question_id, outcome="right", by="checker")
        for r in rollouts
    }


async def test_what_a_judge_is_asked_does_not_hang_on_the_order_of_answers(tmp_path: Path) -> None:
    room = a_room(tmp_path, Answering())
    room.rng = lambda *parts: Random(str(parts))
    rollouts = await roll_out(room, 1, "attempt", QUESTIONS, "base", room.solver.sampling)
    known = {question.id: question for question in QUESTIONS}
    drawn = [
        {case.rollout.id for case in _cases(room, 1, "attempt", known, some, verdicts(some), 5)}
        for some in (rollouts, rollouts[::-1])
    ]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 5


def behaviour(name: str) -> Behaviour:
    return Behaviour(
        id=name, round=1, name="same", instruction="Do it.", skill="sums", question_id="q", rollout_id="r",
        reason="",
    )  # fmt: skip


def test_equally_near_entries_come_in_the_order_of_their_ids(tmp_path: Path) -> None:
    question = family_question("What is 2 + 3?")
    shown, failed = [], []
    for place, order in enumerate((range(8), range(7, -1, -1))):
        store = Store(tmp_path / str(place), NgramEmbedding())
        book, profile = Handbook(store), WeaknessProfile(store)
        for number in order:
            there = [*book.all(), Counted(behaviour(f"b{number}"), 1, 1)]
            book.hold(there)
            asked = question.model_copy(update={"id": f"q{number}"})
            profile.update(1, [learning(asked)], [(asked, wrong(asked))])
        shown.append([one.id for one in book.like([question], 3)[question.id]])
        failed.append([one.question_id for one in profile.failures_like([question.text], 3)[0]])
        store.close()
    assert shown == [["b0", "b1", "b2"]] * 2
    assert failed == [["q0", "q1", "q2"]] * 2


def learning(question: Question) -> Attempt:
    return Attempt(
        question_id=question.id, skill=question.skill, level=question.level, round=1, right=1, decided=2,
        pass_rate=0.5, zone="learning",
    )  # fmt: skip


def wrong(question: Question) -> Rollout:
    return Rollout(
        id=f"{question.id}.1.attempt.0", question_id=question.id, round=1, stage="attempt", checkpoint="base",
        index=0, completion="#### 9", tokens=1, truncated=False, call_id="c",
    )  # fmt: skip
