"""The base model of the pocket profile: what it is made from, and that it is made once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from maieutic.config import PocketModel
from maieutic.errors import ConfigError, TrainingError
from maieutic.records import Question
from maieutic.tasks.overlap import expression
from maieutic.tasks.seeds import family_question
from maieutic.trainers import base
from maieutic.trainers.jobs import Progress, TrainingJob, TrainingResult, stopped_at

DONE = TrainingResult(objective="sft", examples=64, steps=1, seconds=0.1, metrics={})


def questions_in(rows: list[dict[str, Any]]) -> list[Question]:
    """The question each row begins with, and the one it writes where it writes one."""
    shown = [row["prompt"].partition("\n")[0] for row in rows]
    written = [row["completion"] for row in rows if "\n" in row["prompt"]]
    return [family_question(text) for text in shown + written]


def test_it_sees_easy_examples_only_and_none_that_is_set_aside() -> None:
    first = questions_in(base.examples(200, 0, set()))
    assert {question.level for question in first} == set(base.LEVELS)
    assert 0.05 < len(first) / 200 - 1 < 0.2
    taken = {expression(question.text) for question in first[:50] + first[-5:]}
    assert not taken & {expression(question.text) for question in questions_in(base.examples(200, 0, taken))}


def test_where_every_easy_question_is_set_aside_it_says_so() -> None:
    class Everything(frozenset[str]):
        def __contains__(self, text: object) -> bool:
            return True

    with pytest.raises(ConfigError, match="leaves no easy questions"):
        base.examples(1, 0, Everything())


def test_its_name_changes_with_what_it_is_made_from() -> None:
    pocket = PocketModel()
    names = {
        base.key(pocket, set()),
        base.key(pocket, {"What is 1 + 1?"}),
        base.key(pocket.model_copy(update={"layers": 2}), set()),
    }
    assert len(names) == 3
    assert base.key(pocket, {"a", "b"}) == base.key(pocket, {"b", "a"})


async def test_two_runs_that_need_it_at_once_build_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []

    async def slowly(job: TrainingJob, folder: Path, name: str, progress: Progress) -> TrainingResult:
        assert Path(job.data).exists()
        built.append(job.output)
        await asyncio.sleep(0.3)
        Path(job.output).mkdir()
        (Path(job.output) / "result.json").write_text("{}")
        return DONE

    monkeypatch.setattr(base, "run_job", slowly)
    pocket, noted = PocketModel(examples=64), []
    folders = await asyncio.gather(
        *(base.ensure_base(pocket, {"x"}, lambda done, of: None, noted.append, tmp_path) for _ in range(3))
    )
    assert len(set(folders)) == 1
    assert len(built) == 1
    assert not list(tmp_path.glob("*.work"))
    assert len(noted) == 2
    assert "another run is building" in noted[0]


async def test_a_build_that_was_stopped_is_told_and_may_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(job: TrainingJob, folder: Path, name: str, progress: Progress) -> TrainingResult:
        stopped_at(job.output).mkdir()
        return DONE.model_copy(update={"stopped": "loss is not finite: lower the learning rate"})

    monkeypatch.setattr(base, "run_job", stopped)
    for _ in range(2):
        with pytest.raises(TrainingError, match=r"loss is not finite.*\(pocket.learning_rate\)"):
            await base.ensure_base(PocketModel(examples=64), {"x"}, lambda done, of: None, print, tmp_path)
        assert not list(tmp_path.glob("*.stopped"))


async def test_it_does_not_wait_for_ever_for_another_runs_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hanging(job: TrainingJob, folder: Path, name: str, progress: Progress) -> None:
        await asyncio.sleep(600)

    monkeypatch.setattr(base, "run_job", hanging)
    monkeypatch.setattr(base, "_PATIENCE_S", 0.2)
    pocket = PocketModel(examples=64)

    def build() -> Coroutine[Any, Any, Path]:
        return base.ensure_base(pocket, {"x"}, lambda done, of: None, lambda text: None, tmp_path)

    first = asyncio.create_task(build())
    await asyncio.sleep(0.3)
    with pytest.raises(TrainingError, match=r"end it if it hangs .*lock"):
        await asyncio.wait_for(build(), 10)
    first.cancel()
