"""Models and trainers that are none: what stands at the other side of HTTP and of a training's process.

A run over them is a run in everything else: graph, records, memory, policies, gates. The tests play it, and
so does `benchmarks.longrun`.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from maieutic.config import RunConfig, ServingConfig
from maieutic.graph.kept import Kept
from maieutic.memory.run import RunFolder
from maieutic.processes import Launcher
from maieutic.records import Call
from maieutic.serving.client import Reply, Request
from maieutic.serving.command import Hosting
from maieutic.serving.fleet import Fleet
from maieutic.serving.hosted import Hosted
from maieutic.tasks import arithmetic, drawing
from maieutic.tasks.seeds import family_question
from maieutic.trainers.jobs import TrainingJob, TrainingResult


class SimulatedServer:
    """A server whose swaps always succeed."""

    starts, swaps, name, key, port, url = 1, 0, "m", "k", 1, "http://127.0.0.1:1"
    alive, asleep = True, False

    def __init__(self, model: Path) -> None:
        self.hosting = Hosting(model, Path("vllm.log"))
        self.adapters: dict[str, Path] = {}

    async def swap(self, weights: Path) -> float:
        return 0.01

    def require_alive(self, port: int = 0) -> None:
        return

    def look(self) -> None:
        return

    async def healthy(self) -> bool:
        return True

    def noted(self) -> list[dict[str, float]]:
        return []

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return


class SteadyModel(Hosted):
    """A model on such a server, which a `SteadySolver` answers for."""

    def __init__(self, model: Path) -> None:
        super().__init__([SimulatedServer(model)], ServingConfig())  # type: ignore[list-item]
        self.solver = SteadySolver()

    def clients(self, checkpoint: str) -> list[Any]:
        return [self.solver]


class SteadySolver:
    """A Solver, and a Generator, of built-in arithmetic that no training changes: rounds stay comparable.

    Right with a chance that falls with the level; which rollouts are is luck, a pure function of the
    question, the checkpoint and the rollout's number.
    """

    async def ask(self, request: Request) -> Reply:
        await asyncio.sleep(0)
        if request.role == "canary":
            texts = ["ok"]
        elif request.role == "generator":
            rng = Random(request.seed)
            texts = [arithmetic.question_text(drawing.draw(*rng.choice(arithmetic.CELLS), rng))]
        else:
            texts = [self._answer(request, index) for index in range(request.n)]
        call = Call(
            id=request.subject_id,
            round=request.round,
            stage=request.stage,
            role=request.role,
            model="m",
            checkpoint=request.checkpoint,
            template=request.template,
            subject_id=request.subject_id,
            messages=json.dumps(request.messages),
            sampling="{}",
            completions=texts,
            prompt_tokens=1,
            completion_tokens=1,
            seconds=0.0,
        )
        return Reply(texts, [True] * len(texts), call)

    async def close(self) -> None:
        return

    def _answer(self, request: Request, index: int) -> str:
        question = family_question(request.messages[0]["content"])
        luck = zlib.crc32(f"{question.id}/{request.checkpoint}/{index}".encode()) % 100
        return question.solution if luck < 100 - 10 * question.level else "1 + 1 = 9 #### 99999"


def same_canary(weights: Path) -> None:
    """One that every checkpoint passes: a simulated Solver says the same to each."""
    weights.mkdir(parents=True, exist_ok=True)
    item = {"prompt": "What is 3 + 4?", "expected": "ok", "max_tokens": 1}
    (weights / "canary.json").write_text(json.dumps({"distinguishes": True, "items": [item]}))


def trained_at_once(job: TrainingJob) -> TrainingResult:
    """The checkpoint that a job is to leave, without weights."""
    result = TrainingResult(objective=job.objective, examples=1, steps=1, seconds=0.0, metrics={})
    Path(job.output).mkdir(parents=True, exist_ok=True)
    (Path(job.output) / "result.json").write_text(result.model_dump_json())
    same_canary(Path(job.output))
    return result


class _Over:
    """A training's process that has ended well."""

    alive, exit_code = False, 0

    async def wait(self) -> int:
        return 0

    async def line(self) -> bytes:
        return b""

    async def stop(self) -> None:
        return

    def noted(self) -> list[dict[str, float]]:
        return []


async def launch_training(
    command: Sequence[str], log: Path, environment: Mapping[str, str], piped: bool = False
) -> _Over:
    """Stands in for `processes.launch`: the job named last in the command is over at once."""
    trained_at_once(TrainingJob.model_validate_json(Path(command[-1]).read_text()))
    return _Over()


class Simulated(Kept):
    """What `graph.run.play` is given in place of servers and training processes."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder, _fleet)
        same_canary(folder.checkpoint("base"))

    @property
    def launcher(self) -> Launcher:
        return launch_training


def _fleet(config: RunConfig, base: Path, own: Mapping[str, Path], folder: RunFolder) -> Fleet:
    return Fleet(dict.fromkeys(("solver", "generator"), SteadyModel(base)), folder.path / "server.json")
