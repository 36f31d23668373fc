"""Angle concentration: by hand, in a real process, and in a run."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from maieutic.config import load
from maieutic.errors import TrainingError
from maieutic.graph.attempt import select
from maieutic.graph.build import beginning
from maieutic.graph.making import begin
from maieutic.memory.run import RunFolder
from maieutic.tasks.material import gather
from maieutic.trainers.angles import angles, concentration
from maieutic.trainers.measuring import Measured, MeasuringJob, run_measuring
from maieutic.trainers.pocket_model import save_untrained
from simulated import room_in
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = pytest.mark.slow


def test_concentration_by_hand() -> None:
    states = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    question, before = torch.tensor([False, True, True]), torch.tensor([True, False, False])
    # Between the question's two: cos 45°; to the one before: cos 90° and cos 45°, mean.
    half = 0.5**0.5
    assert concentration(states, question, before) == pytest.approx(half + half / 2, abs=1e-6)
    assert concentration(states, question, torch.zeros(3, dtype=bool)) == pytest.approx(half, abs=1e-6)
    assert concentration(states, before, question) == pytest.approx(half / 2, abs=1e-6)
    assert concentration(states, torch.zeros(3, dtype=bool), before) == 0
    same = torch.ones(4, 2)
    assert concentration(same, torch.ones(4, dtype=bool), torch.zeros(4, dtype=bool)) == pytest.approx(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "base"
    save_untrained(folder, hidden=32, layers=2, heads=2, seed=1)
    return folder


def test_a_question_is_measured_alike_alone_and_in_a_batch(model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForCausalLM.from_pretrained(model)
    texts = ["What is 1 + 2?", "What is 31 * 42 - 17 mod 5?", "What is 7?"]
    rows = [Measured(id=str(place), prompt=text, text=text) for place, text in enumerate(texts)]
    together = dict(angles(network, tokenizer, rows, 512))
    for row in rows:
        (alone,) = angles(network, tokenizer, [row], 512)
        assert together[row.id] == pytest.approx(alone[1], abs=1e-4)
        assert -2 <= alone[1] <= 2
    assert len(set(together.values())) == 3


async def test_a_run_measures_each_question_once(model: Path, tmp_path: Path) -> None:
    """Select measures with the real process what the bank holds, then only what is new."""
    settings = ["curriculum.policy=gain_rl", "curriculum.questions=8", "seeds=builtin"]
    config, folder = load(None, settings), RunFolder(tmp_path / "run")
    begin(folder, config, gather(config))
    room = room_in(folder, config)
    room.base = model
    state = {**beginning(room), "round": 1}
    await select(room, state)  # type: ignore[arg-type]
    measured = folder.read_json(1, "angles")
    assert measured.keys() == {question.id for question, _ in room.bank.known()}
    assert len(folder.read_json(1, "selected")) == 8
    new = room.family.draw(Random(5))
    assert new is not None
    room.bank.add([new])
    await select(room, {**state, "round": 2})  # type: ignore[arg-type]
    assert folder.read_json(2, "angles").keys() == {new.id}


async def test_a_process_that_fails_says_so(tmp_path: Path) -> None:
    job = MeasuringJob(model=str(tmp_path / "none"), questions=[], output=str(tmp_path / "out.json"))
    with pytest.raises(TrainingError, match="no result; its log is"):
        await run_measuring(job, tmp_path, "angles-0001")
