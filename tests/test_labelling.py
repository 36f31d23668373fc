"""Which answers are the same, whose work is kept, and what a stage does whose requests are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from maieutic.agents.generator import Generator
from maieutic.config import GeneratorConfig, RunConfig
from maieutic.errors import EndpointError
from maieutic.graph.accounts import Accounts
from maieutic.graph.progress import Quiet
from maieutic.graph.rollouts import asker
from maieutic.memory.run import RunFolder
from maieutic.prompts import Prompts
from maieutic.records import Call, Question
from maieutic.serving.client import Reply, Request
from maieutic.tasks.labelling import grouped, same, suited, with_answer


def question(text: str = "How many apples?", answer: str = "", data: str = "") -> Question:
    return Question(
        id="q", text=text, answer=answer, solution="", skill="s", level=1, origin="seed", checker="math",
        data=data,
    )  # fmt: skip


CITIES = '{"choices": ["Paris", "Rome"]}'


@pytest.mark.parametrize(
    ("one", "other", "data", "equal"),
    [
        ("18", "18", "", True),
        ("18", "18.0", "", True),
        ("18", "18 apples", "", True),
        ("$18", "18", "", True),
        ("1,800", "1800", "", True),
        ("1/2", "0.5", "", True),
        ("18", "81", "", False),
        ("18 cm", "18 kg", "", False),
        ("B", "(B)", CITIES, True),
        ("B", "B) Rome", CITIES, True),
        ("Rome", "B", CITIES, True),
        ("Rome", "A", CITIES, False),
        ("Vienna", "vienna", "", True),
        ("Vienna", "Rome", "", False),
        ("none", "7", "", False),
    ],
)
def test_votes_are_compared_as_the_questions_checker_does(
    one: str, other: str, data: str, equal: bool
) -> None:
    assert same(question(data=data), one, other) is equal


def test_each_vote_counts_as_the_first_that_is_the_same() -> None:
    assert grouped(question(), ["18", None, "18 apples", "20", "20.0"]) == ["18", None, "18", "20", "20"]
    assert suited(question(data=CITIES), "Rome") == "choice"
    assert suited(question(), "Rome") == "exact"
    assert suited(question(), "for a great many reasons of all kinds") is None


@pytest.mark.parametrize(
    ("solution", "kept"),
    [
        ("3 * 6 = 18 #### 18", "3 * 6 = 18 #### 18"),
        ("3 * 6 = 18", "3 * 6 = 18 #### 18"),
        (r"so \boxed{18}.", r"so \boxed{18}. #### 18"),
        ("", "#### 18"),
        ("3 * 5 = 15 #### 15", None),
        (r"so \boxed{15}", None),
    ],
)
def test_work_is_kept_where_it_comes_to_the_answer(solution: str, kept: str | None) -> None:
    assert with_answer(question(answer="18"), solution) == kept


@pytest.mark.parametrize(
    ("completion", "finished", "one_line", "text"),
    [
        ("What is 3 + 4?", True, True, "What is 3 + 4?"),
        ("What is 3 + 4?\nWhat is 5", False, True, "What is 3 + 4?"),
        ("What is 3 + ", False, True, ""),
        ("Q1: a\nQ2: b", True, False, "Q1: a\nQ2: b"),
        ("Q1: a\nQ2: ", False, False, ""),
    ],
)
def test_a_question_that_was_cut_off_is_none(
    completion: str, finished: bool, one_line: bool, text: str
) -> None:
    assert Generator(GeneratorConfig(), 0, Prompts()).proposed(completion, finished, one_line) == text


class Endpoint:
    """Refuses what it is told to, cuts off what it is told to, and answers the rest."""

    def __init__(self, refused: set[str], cut: set[str]) -> None:
        self.refused, self.cut, self.asked = refused, cut, 0

    async def ask(self, request: Request) -> Reply:
        self.asked += 1
        fine = request.subject_id not in self.refused
        texts = ["yes"] * fine
        call = Call(
            id=request.subject_id, round=1, stage="s", role="teacher", model="m", checkpoint="", template="",
            subject_id=request.subject_id, messages="[]", sampling="{}", completions=texts,
            finished=[request.subject_id not in self.cut] * fine, prompt_tokens=0, completion_tokens=0,
            seconds=0.0, error="" if fine else "BadRequestError, HTTP 400",
        )  # fmt: skip
        return Reply(texts, call.finished, call)


def serving(endpoint: Endpoint) -> Any:
    async def serve(role: str, checkpoint: str, round: int) -> Endpoint:
        return endpoint

    return serve


def requests(count: int) -> list[Request]:
    return [Request(f"r{n}", "teacher", "", "s", 1, "", [], 1, 0.0, 1.0, 9, n) for n in range(count)]


async def test_a_refused_request_does_not_stop_the_stage_nor_its_resume(tmp_path: Path) -> None:
    endpoint = Endpoint({"r3"}, {"r1"})
    room: Any = SimpleNamespace(
        config=RunConfig(),
        folder=RunFolder(tmp_path),
        accounts=Accounts(RunFolder(tmp_path)),
        progress=Quiet(),
        serve=serving(endpoint),
        remote={"teacher": 0},
    )
    ask = asker(room, 1, "s")
    for _ in range(2):
        found = {name: call.completions for name, call in (await ask(requests(5))).items()}
        assert found == {"r0": ["yes"], "r2": ["yes"], "r4": ["yes"]}  # one was refused, one was cut off
    assert endpoint.asked == 6  # only the refused one was asked again


async def test_a_stage_of_nothing_but_refusals_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    names = {f"r{n}" for n in range(5)}
    room: Any = SimpleNamespace(
        config=RunConfig(),
        folder=RunFolder(tmp_path),
        accounts=Accounts(RunFolder(tmp_path)),
        progress=Quiet(),
        serve=serving(Endpoint(names, set())),
        remote={"teacher": None},
    )
    with pytest.raises(EndpointError, match=r"refused all 5 requests of this stage: .*; see teacher\."):
        await asker(room, 1, "s")(requests(5))
    assert await asker(room, 2, "s")(requests(2)) == {}
