"""Nothing that the loop decides reads the held-out set.

The same loop is played twice over a simulated Solver; the second time its held-out answers
are turned upside down. Every decision must be the same: what is asked, taught, admitted,
trained on, promoted. Graph, memory, policies and records are real; the models and trainers
are simulated, so that nothing else can differ.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from maieutic.config import RunConfig, load
from maieutic.graph import train
from maieutic.graph.report import write_report
from maieutic.memory.run import RunFolder
from maieutic.records import PreferencePair, Question, RunReport
from simulated import play, pretend_to_train

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load(None, [
        "rounds=3", "curriculum.questions=60", "curriculum.new=40", "training.least_pairs=1",
        "generator.proposals=6",
        "sets.per_cell=3",
    ])  # fmt: skip


@pytest.fixture(scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> tuple[RunFolder, RunFolder]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "run_job", pretend_to_train)
        straight = await play(tmp_path_factory.mktemp("straight"), config, turned="")
        turned = await play(tmp_path_factory.mktemp("turned"), config, turned="heldout")
    return straight, turned


def decisions(folder: RunFolder) -> list[Any]:
    """Everything the loop decided, round by round."""
    decided: list[Any] = []
    for number in folder.rounds():
        decided += [
            folder.read_json(number, "selected"),
            folder.read_json(number, "gate"),
            sorted(q.id for q in folder.read(number, "questions", Question)),
            sorted(p.id for p in folder.read(number, "pairs", PreferencePair)),
        ]
        jobs = folder.round(number).glob("generator-*.parquet")
        decided += [path.read_bytes() for path in sorted(jobs)]
    return decided


@pytest.mark.slow
def test_turning_the_heldout_answers_changes_no_decision(both: tuple[RunFolder, RunFolder]) -> None:
    straight, turned = both
    assert decisions(straight) == decisions(turned)
    assert len([d for d in decisions(straight) if d]) > 10


@pytest.mark.slow
def test_but_it_changes_what_is_reported(both: tuple[RunFolder, RunFolder], config: RunConfig) -> None:
    reports: list[RunReport] = [write_report(folder, config, "done") for folder in both]
    straight, turned = (report.baseline for report in reports)
    assert straight and turned
    assert straight.accuracy == pytest.approx(1 - turned.accuracy)


@pytest.mark.slow
async def test_the_validation_set_does_decide(
    both: tuple[RunFolder, RunFolder], tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same upheaval in the validation answers refuses what was promoted."""
    monkeypatch.setattr(train, "run_job", pretend_to_train)
    once = config.model_copy(update={"rounds": 1})
    upset = await play(tmp_path, once, turned="validation")
    straight, turned = (folder.read_json(1, "gate") for folder in (both[0], upset))
    assert straight["difference"] == pytest.approx(-turned["difference"])
    assert straight["promoted"] is True
    assert turned["promoted"] is False


def test_only_reporting_code_names_the_heldout_results() -> None:
    """Where `heldout` occurs in code that plays the loop, it is measured, or kept from training."""
    allowed = {
        "graph/making.py": {"begin", "absolute"},
        "graph/compared.py": {"heldout", "_final", "_run", "_variant", "_reach"},
        "graph/evaluate.py": {"evaluate", "tell_heldout"},
        "graph/progress.py": {"heldout"},
        "graph/watchdog.py": {"heldout"},  # passes on to the display
        "graph/tracking.py": {"figures_of"},
        "graph/report.py": {"_gathered", "_round", "_further", "glance"},
    }
    for room in ("graph", "curriculum", "agents", "trainers", "memory"):
        for path in (ROOT / room).glob("**/*.py"):
            name = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _mentions(node):
                    assert node.name in allowed.get(name, set()), f"{name}: {node.name}"


def test_no_part_of_the_loop_reads_a_comparison() -> None:
    for room in ("graph", "curriculum", "agents", "trainers", "memory", "records", "serving"):
        for path in (ROOT / room).glob("*.py"):
            names = [node.module for node in ast.walk(ast.parse(path.read_text()))
                     if isinstance(node, ast.ImportFrom)]  # fmt: skip
            assert not [name for name in names if name and name.rpartition(".")[2] == "compared"], path


def _mentions(function: ast.AST) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr == "heldout")
        or (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith("heldout"))
        or (isinstance(node, ast.FunctionDef) and node.name == "heldout")
        for node in ast.walk(function)
    )
