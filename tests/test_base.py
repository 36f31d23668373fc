"""The base model of the pocket profile: what it is made from, and that it is made once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from maieutic.config import PocketModel
from maieutic.tasks.seeds import family_question
from maieutic.trainers import base
from maieutic.trainers.jobs import Progress, TrainingJob


def test_it_sees_easy_examples_only_and_none_that_is_set_aside() -> None:
    first = base.examples(200, 0, set())
    assert {family_question(row["prompt"]).level for row in first} == set(base.LEVELS)
    taken = {row["prompt"] for row in first[:50]}
    assert not taken & {row["prompt"] for row in base.examples(200, 0, taken)}


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

    async def slowly(job: TrainingJob, folder: Path, name: str, progress: Progress) -> None:
        assert Path(job.data).exists()
        built.append(job.output)
        await asyncio.sleep(0.3)
        Path(job.output).mkdir()
        (Path(job.output) / "result.json").write_text("{}")

    monkeypatch.setattr(base, "run_job", slowly)
    pocket = PocketModel(examples=64)
    folders = await asyncio.gather(
        *(base.ensure_base(pocket, {"x"}, lambda done, of: None, tmp_path) for _ in range(3))
    )
    assert len(set(folders)) == 1
    assert len(built) == 1
    assert not list(tmp_path.glob("*.work"))
