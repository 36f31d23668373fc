"""Nothing that the loop decides reads the held-out set.

The same loop is played twice over a simulated Solver; the second time its held-out answers
are turned upside down. Every decision must be the same: what is asked, taught, admitted,
trained on, promoted. Graph, memory, policies and records are real; the models and trainers
are simulated, so that nothing else can differ.
"""

from __future__ import annotations

import ast
import asyncio
import zlib
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from maieutic.agents.generator import Generator
from maieutic.agents.solver import Solver
from maieutic.agents.teacher import FamilyTeacher
from maieutic.agents.verifier import Verifier
from maieutic.config import RunConfig, load
from maieutic.graph import train
from maieutic.graph.attempt import restore
from maieutic.graph.build import beginning, build
from maieutic.graph.folders import begin, read_sets
from maieutic.graph.report import write_report
from maieutic.graph.room import Quiet, Room
from maieutic.graph.run import policy_of
from maieutic.memory.bank import QuestionBank
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.profile import WeaknessProfile
from maieutic.memory.run import RunFolder
from maieutic.memory.store import Store
from maieutic.records import Call, PreferencePair, Question, RunReport
from maieutic.serving.client import Reply, Request
from maieutic.tasks.seeds import family_question, load_seeds
from maieutic.trainers.jobs import Progress, TrainingJob, TrainingResult

ROOT = Path(__file__).parent.parent


class SimulatedServer:
    """A server whose swaps always succeed."""

    starts, name, key, url = 1, "m", "k", "http://127.0.0.1:1"

    async def swap(self, weights: Path) -> float:
        return 0.01

    def require_alive(self) -> None:
        return

    async def stop(self) -> None:
        return


class SimulatedSolver:
    """Right with a chance that falls with the level and grows with the round."""

    def __init__(self, turned: str) -> None:
        self.turned = turned

    async def ask(self, request: Request) -> Reply:
        await asyncio.sleep(0)
        if request.role == "generator":
            texts = ["What is 3 + 4 + 5?" if request.seed % 2 else "nonsense"]
        else:
            texts = [self._answer(request, index) for index in range(request.n)]
        call = Call(
            id=request.subject_id, round=request.round, stage=request.stage, role=request.role,
            checkpoint=request.checkpoint, template="", subject_id=request.subject_id, messages="[]",
            completions=texts, prompt_tokens=1, completion_tokens=1, seconds=0.0,
        )  # fmt: skip
        return Reply(texts, [True] * len(texts), call)

    def _answer(self, request: Request, index: int) -> str:
        question = family_question(request.messages[0]["content"])
        luck = zlib.crc32(f"{question.id}/{request.checkpoint}/{index}".encode()) % 100
        right = luck < 75 - 12 * question.level + 8 * request.round
        if request.stage == self.turned:
            right = not right
        return question.solution if right else "1 + 1 = 9 #### 99999"


async def pretend_to_train(job: TrainingJob, folder: Path, name: str, progress: Progress) -> TrainingResult:
    result = TrainingResult(objective=job.objective, examples=1, steps=1, seconds=0.0, metrics={})
    Path(job.output).mkdir(parents=True, exist_ok=True)
    (Path(job.output) / "result.json").write_text(result.model_dump_json())
    (Path(job.output) / "canary.json").write_text('{"max_tokens": 1, "distinguishes": true, "items": []}')
    return result


async def play(path: Path, config: RunConfig, turned: str) -> RunFolder:
    folder = RunFolder(path)
    begin(folder, config, load_seeds("builtin"))
    store = Store(folder.memory, NgramEmbedding())
    room = Room(
        config=config, folder=folder, base=path / "base", sets=read_sets(folder),
        server=SimulatedServer(), policy=policy_of(config),  # type: ignore[arg-type]
        profile=WeaknessProfile(store), bank=QuestionBank(store), teacher=FamilyTeacher(),
        solver=Solver(config.rollouts, config.seed), generator=Generator(config.generator, config.seed),
        verifier=Verifier(), progress=Quiet(),
    )  # fmt: skip
    restore(room)
    room._client = SimulatedSolver(turned)  # type: ignore[assignment]

    async def this_room() -> Room:
        return room

    graph = build(this_room).compile(checkpointer=InMemorySaver())
    where: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 200}
    await graph.ainvoke(beginning(room), where)
    return folder


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


def test_turning_the_heldout_answers_changes_no_decision(both: tuple[RunFolder, RunFolder]) -> None:
    straight, turned = both
    assert decisions(straight) == decisions(turned)
    assert len([d for d in decisions(straight) if d]) > 10


def test_but_it_changes_what_is_reported(both: tuple[RunFolder, RunFolder], config: RunConfig) -> None:
    reports: list[RunReport] = [write_report(folder, config, "done") for folder in both]
    straight, turned = (report.baseline for report in reports)
    assert straight and turned
    assert straight.accuracy == pytest.approx(1 - turned.accuracy)


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
        "graph/folders.py": {"begin"},
        "graph/judge.py": {"evaluate", "tell_heldout"},
        "graph/report.py": {"write_report", "_round", "_marks"},
        "graph/room.py": {"heldout"},
    }
    for room in ("graph", "curriculum", "agents", "trainers", "memory"):
        for path in (ROOT / room).glob("*.py"):
            name = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _mentions(node):
                    assert node.name in allowed.get(name, set()), f"{name}: {node.name}"


def _mentions(function: ast.AST) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr == "heldout")
        or (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith("heldout"))
        or (isinstance(node, ast.FunctionDef) and node.name == "heldout")
        for node in ast.walk(function)
    )
