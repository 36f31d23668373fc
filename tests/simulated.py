"""The loop over a simulated Solver: graph, memory, policies and records are real."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from maieutic.agents.generator import Generator
from maieutic.agents.model_teacher import ModelTeacher
from maieutic.agents.solver import Solver
from maieutic.agents.teacher import FamilyTeacher
from maieutic.agents.verifier import Verifier, examiners_of
from maieutic.benchmarks.simulator import SimulatedServer, same_canary, trained_at_once
from maieutic.config import RunConfig, ServingConfig
from maieutic.curriculum.policies import policy_of
from maieutic.graph.attempt import restore
from maieutic.graph.build import beginning, build
from maieutic.graph.curriculum import recall
from maieutic.graph.folders import read_sets
from maieutic.graph.making import begin
from maieutic.graph.progress import Quiet
from maieutic.graph.room import Room
from maieutic.memory.bank import QuestionBank
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.handbook import Handbook
from maieutic.memory.profile import WeaknessProfile
from maieutic.memory.run import RunFolder
from maieutic.memory.store import opened
from maieutic.processes import Launcher, launch
from maieutic.prompts import Prompts
from maieutic.records import Call, Question
from maieutic.serving.client import Client, Reply, Request
from maieutic.serving.fleet import Fleet
from maieutic.serving.hosted import Hosted
from maieutic.tasks.arithmetic import NotArithmetic
from maieutic.tasks.material import family_of, gather
from maieutic.tasks.seeds import family_question
from maieutic.trainers.jobs import Progress, TrainingJob, TrainingResult

__all__ = [
    "SimulatedModel",
    "SimulatedServer",
    "SimulatedSolver",
    "SimulatedTeacher",
    "added_up",
    "play",
    "pretend_to_train",
    "room_in",
    "same_canary",
]

GROWS = 8
"""Points of accuracy that every round of training brings."""


class SimulatedModel(Hosted):
    """A model on such a server, which a simulated Solver answers for."""

    def __init__(self, model: Path, turned: str) -> None:
        super().__init__([SimulatedServer(model)], ServingConfig())  # type: ignore[list-item]
        self.solver = SimulatedSolver(turned)

    def clients(self, checkpoint: str) -> list[Any]:
        return [self.solver]


class SimulatedSolver:
    """Right with a chance that falls with the level and grows with the round."""

    def __init__(self, turned: str) -> None:
        self.turned = turned
        self.asked = 0

    async def ask(self, request: Request) -> Reply:
        await asyncio.sleep(0)
        self.asked += 1
        if request.role == "canary":
            texts = ["turned" if self.turned == "canary" else "ok"]
        elif request.role == "generator":
            texts = ["What is 3 + 4 + 5?" if request.seed % 2 else "nonsense"]
        else:
            texts = [self._answer(request, index) for index in range(request.n)]
        call = Call(
            id=request.subject_id, round=request.round, stage=request.stage, role=request.role,
            model="m", checkpoint=request.checkpoint, template="", subject_id=request.subject_id,
            messages="[]", sampling="{}", completions=texts, prompt_tokens=1,
            completion_tokens=1, seconds=0.0, finished=[True] * len(texts),
        )  # fmt: skip
        tokens = [re.findall(r"\s*\S+", text) for text in texts] if request.logprobs else []
        # A token is the likelier the longer it is.
        logprobs = [[-1 / len(token) for token in each] for each in tokens]
        return Reply(texts, [True] * len(texts), call, logprobs, tokens)

    async def close(self) -> None:
        return

    def _answer(self, request: Request, index: int) -> str:
        text = request.messages[0]["content"]
        try:
            question = family_question(text)
            name, level, solution = question.id, question.level, question.solution
        except NotArithmetic:
            name, level, solution = text, text.count("\n"), f"#### {added_up(text)}"
        luck = zlib.crc32(f"{name}/{request.checkpoint}/{index}".encode()) % 100
        right = luck < 75 - 12 * level + GROWS * request.round
        if request.stage == self.turned:
            right = not right
        return solution if right else "1 + 1 = 9 #### 99999"


def added_up(text: str) -> int:
    """The answer to word problems of these tests: all their numbers together."""
    return sum(map(int, re.findall(r"\d+", text)))


class SimulatedTeacher:
    """A model that writes word problems, solves them, and is wrong one time in ten."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    async def ask(self, request: Request) -> Reply:
        await asyncio.sleep(0)
        self.asked.append(request)
        # The marks of a fence hold digits, too.
        text = re.sub(r"(</?data) [0-9a-f]{8}>", r"\1 >", request.messages[0]["content"])
        one, two = request.seed % 90 + 2, request.seed // 97 % 90 + 2
        asked_for = request.template.partition("@")[0]
        question = f"Bert has {one} pens, Lea has {two} and Tim {one + 1}. How many are there?"
        work = {"question": question, "solution": "add", "answer": added_up(question)}
        if asked_for in ("refine", "harder", "simplify", "diversify"):
            texts = [json.dumps({"why": "sums", **work}) if request.seed % 7 else "I would rather not."]
        elif asked_for == "skills":
            texts = [json.dumps({"needed": ["adding", "reading"], "missing": ["adding"]})]
        elif asked_for == "hint":
            texts = [json.dumps({"hint": "Add what is named, one after the other."})]
        elif asked_for == "inject":
            wrong = [json.dumps({"solution": f"add it all up #### {added_up(text)}1"}), "nothing to change"]
            texts = [wrong[request.seed % 3 == 0]]
        elif asked_for == "correct":
            answer = text.partition("Its answer:\n<data ")[2].split("\n")[1]
            right = [f"1 + 1 = 2 #### {answer}", "1 + 1 = 9 #### 99999"]
            texts = [json.dumps({"solution": right[request.seed % 3 == 0]})]
        elif asked_for == "subproblems":
            less = f"Bert has {one} pens and Lea has {two}. How many are there?"
            part = {"question": less, "solution": "add", "answer": added_up(less)}
            texts = [json.dumps({"subproblems": [part, work]})]
        else:
            right = request.seed % 10
            texts = [
                f"so #### {added_up(text.partition('####')[0] + text.rpartition('none')[2]) + (not right)}"
            ]
        call = Call(
            id=f"{request.stage}/{request.subject_id}", round=request.round, stage=request.stage,
            role=request.role, model="t", checkpoint="", template=request.template,
            subject_id=request.subject_id, messages="[]", sampling="{}", completions=texts,
            finished=[True] * len(texts),
            prompt_tokens=1, completion_tokens=1, seconds=0.0,
        )  # fmt: skip
        return Reply(texts, [True], call)

    async def close(self) -> None:
        return


async def pretend_to_train(
    job: TrainingJob,
    folder: Path,
    name: str,
    progress: Progress,
    gpus: Sequence[int] = (),
    launcher: Launcher = launch,
) -> TrainingResult:
    return trained_at_once(job)


def room_in(
    folder: RunFolder,
    config: RunConfig,
    turned: str = "",
    model: SimulatedTeacher | None = None,
    judge: Client | None = None,
    tell: Callable[[str], None] = lambda said: None,
) -> Room:
    """A room with real memory, policy and records; models and trainers are simulated."""
    store = opened(folder.memory, NgramEmbedding(), tell)
    family = family_of(config, folder.read(0, "questions", Question))
    prompts = Prompts()
    teacher = ModelTeacher(config.teacher, config.seed, prompts) if model else FamilyTeacher(family)
    hosted = SimulatedModel(folder.path / "base", turned)
    room = Room(
        config=config,
        folder=folder,
        base=folder.path / "base",
        own={},
        sets=read_sets(folder),
        fleet=Fleet(dict.fromkeys(("solver", "generator"), hosted), folder.path / "server.json"),
        family=family,
        policy=policy_of(config),
        profile=WeaknessProfile(store),
        bank=QuestionBank(store, config.memory.active),
        handbook=Handbook(store),
        store=store,
        teacher=teacher,
        solver=Solver(config.rollouts, config.seed, Prompts()),
        generator=Generator(config.generator, config.seed, Prompts()),
        verifier=Verifier(examiners_of(config.verifier, config.seed, Prompts())),
        remote={name: client for name, client in (("teacher", model), ("verifier", judge)) if client},
        progress=Quiet(),
    )
    restore(room)
    recall(room)
    return room


async def play(
    path: Path,
    config: RunConfig,
    turned: str = "",
    model: SimulatedTeacher | None = None,
    judge: Client | None = None,
) -> RunFolder:
    """A whole run of the real graph."""
    folder = RunFolder(path)
    begin(folder, config, gather(config))
    room = room_in(folder, config, turned, model, judge)
    same_canary(room.base)

    async def this_room() -> Room:
        return room

    graph = build(this_room).compile(checkpointer=InMemorySaver())
    where: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 200}
    await graph.ainvoke(beginning(room), where)
    return folder
