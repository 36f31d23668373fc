"""A run in Inspect AI's viewer and as an environment of verifiers, read back by those libraries."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from finished import HOSTILE, a_run, question
from maieutic.config import load
from maieutic.errors import ConfigError, MissingPart
from maieutic.inspector.exports import inspect_logs
from maieutic.inspector.exports.export import Options, export
from maieutic.inspector.exports.verifiers import module_of
from maieutic.memory.run import RunFolder
from maieutic.tasks.checking import check


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    made = a_run(tmp_path_factory.mktemp("runs") / "My [Run] é")
    made.write(2, "questions", 7, [question("h2", "What is 5 + 2?", 2, checker="numeric")])
    return made


def written(run: RunFolder, form: str, place: Path) -> list[str]:
    return export(run, load(run.config), form, str(place), Options(), lambda rows: None)


def test_without_inspect_it_says_how_to_get_it(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPart, match="pip install"):
        written(run, "inspect", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_inspect_reads_the_logs(run: RunFolder, tmp_path: Path) -> None:
    log = pytest.importorskip("inspect_ai.log", reason="pip install inspect_ai")
    written(run, "inspect", tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").glob("*.eval"))
    assert names == [
        "round-0000-heldout.eval", "round-0001-attempts.eval", "round-0001-heldout.eval",
        "round-0002-attempts.eval", "round-0002-heldout.eval",
    ]  # fmt: skip
    heldout = log.read_eval_log(str(tmp_path / "out" / "round-0001-heldout.eval"))
    assert heldout.status == "success" and heldout.eval.model == "maieutic/solver-0001"
    assert heldout.results.scores[0].metrics["accuracy"].value == 0.5
    first = heldout.samples[0]
    assert (first.input, first.target, first.scores["verdict"].value) == ("What is 30 + 4?", "7", "C")
    assert [message.role for message in first.messages] == ["user", "assistant"]
    assert first.output.completion == "#### 7"
    assert {"skill": "addition", "level": 1, "question_id": "h1", "checkpoint": "solver-0001"}.items() <= (
        first.metadata.items()
    )
    attempts = log.read_eval_log(str(tmp_path / "out" / "round-0002-attempts.eval")).samples
    found = {(each.id, each.epoch): each for each in attempts}
    assert sorted(found) == [("q1", 1), ("q1", 2), ("q2", 1), ("q2", 2)]
    assert found["q2", 1].input == HOSTILE and not found["q2", 2].scores  # nobody judged it


def test_no_stage_of_a_record_becomes_a_path() -> None:
    stages = ("attempt", "heldout", "heldout2", "heldout/../../x", "heldout\n", "heldout\0", "validation", "")
    assert [stage for stage in stages if inspect_logs._STAGE.fullmatch(stage)] == list(stages[:3])


def test_many_attempts_are_several_logs(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("inspect_ai.log", reason="pip install inspect_ai")
    monkeypatch.setattr(inspect_logs, "_MOST", 2)
    written(run, "inspect", tmp_path / "out")
    assert (tmp_path / "out" / "round-0001-attempts-02.eval").exists()


@pytest.mark.parametrize(
    ("given", "completion", "outcome"),
    [
        ({"answer": "7"}, "so it is \\boxed{7}", "right"),
        ({"answer": "7", "checker": "numeric"}, "#### 8", "wrong"),
        ({"answer": "b", "checker": "exact", "data": None}, "well", "wrong"),
        ({"answer": "7"}, "no idea, none at all,\nand so on", "invalid"),
    ],
)
def test_a_checker_is_one_call(given: dict[str, Any], completion: str, outcome: str) -> None:
    assert check(given, completion).outcome == outcome
    with pytest.raises(ConfigError):
        check({"answer": "7", "checker": "nobodys"}, completion)


@pytest.mark.parametrize("name", ["../../etc", "", "é", "a'; import os #", "9", "A" * 300, '"""'])
def test_any_name_of_a_run_is_a_module(name: str) -> None:
    assert module_of(name).isidentifier() and len(module_of(name)) < 80


def test_the_environment_is_a_package_with_the_bank_in_it(run: RunFolder, tmp_path: Path) -> None:
    written(run, "verifiers", tmp_path / "out")
    project = tomllib.loads((tmp_path / "out" / "pyproject.toml").read_text())["project"]
    assert project["name"] == "maieutic-my-run"
    lines = (tmp_path / "out" / "maieutic_my_run" / "questions.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert [row["id"] for row in rows] == ["q1", "q2", "n1", "n2"]  # h2 is held out
    assert rows[1]["prompt"] == rows[1]["text"] == HOSTILE
    for file in (tmp_path / "out").rglob("*.py"):
        compile(file.read_text(encoding="utf-8"), str(file), "exec")


COUNTED = """
from pathlib import Path
from maieutic.tasks.checkers.finding import Finding


def check(question, completion):
    with Path(__file__).with_name("counted").open("a") as file:
        file.write("once ")
    return Finding("right", completion)
"""


def test_verifiers_loads_it_and_scores_answers(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vf = pytest.importorskip("verifiers.v1", reason="pip install verifiers")
    from verifiers.v1.utils.loaders import default_harness_id, load_taskset, taskset_class

    written(run, "verifiers", tmp_path / "out")
    monkeypatch.syspath_prepend(str(tmp_path / "out"))
    importlib.invalidate_caches()
    made = taskset_class("maieutic-my-run")
    assert default_harness_id("maieutic-my-run") == "maieutic-my-run"  # and no agent with a shell
    config = importlib.import_module("maieutic_my_run.taskset").MaieuticConfig
    tasks = list(load_taskset(config(id="maieutic-my-run")))
    assert made.__name__ == "MaieuticTaskset" and [task.data.id for task in tasks] == ["q1", "q2", "n1", "n2"]
    assert [t.data.id for t in load_taskset(config(id="maieutic-my-run", seeds=False))] == ["n1", "n2"]

    def scored(said: str) -> tuple[float, float]:
        trace = vf.Trace.model_construct(root_reply=said, rewards={}, metrics={}, errors=[], nodes=[])
        asyncio.run(tasks[0].score(trace))
        return trace.rewards["right"].value, trace.metrics["decided"]

    assert scored("3 + 4 = 7\n#### 7") == (1.0, 1.0)
    assert scored("#### 8") == (0.0, 1.0)
    assert scored("nothing to see,\nnowhere") == (0.0, 1.0)
    counted = tmp_path / "counted.py"
    counted.write_text(COUNTED)
    counting = tasks[0].with_data(checker="counted:check")
    trace = vf.Trace.model_construct(root_reply="#### 7", rewards={}, metrics={}, errors=[], nodes=[])
    monkeypatch.syspath_prepend(str(tmp_path))
    asyncio.run(counting.score(trace))
    assert trace.rewards["right"].value == 1.0 and trace.metrics["decided"] == 1.0
    assert (tmp_path / "counted").read_text() == "once "  # a checker may take seconds
    for name in [name for name in sys.modules if name.startswith("maieutic_my_run")]:
        del sys.modules[name]
