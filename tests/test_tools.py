"""Tools and conversations: what a model may send, what it is told, what it must never find."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.agents.conversing import Conversation, converse, with_tools
from maieutic.agents.tool_calls import MOST_CALLS, tool_calls_of
from maieutic.agents.tools import (
    LONGEST_RESULT,
    About,
    Arguments,
    PythonTool,
    SearchTool,
    Toolbox,
    shortened,
)
from maieutic.config import ServingConfig, load
from maieutic.curriculum.rows import pair_row
from maieutic.errors import ConfigError, MissingPart, ServerError
from maieutic.graph import attempt as attempt_node
from maieutic.graph import pair, train, verify
from maieutic.graph.build import beginning
from maieutic.graph.conversations import KeptResults, check_tools
from maieutic.graph.making import begin
from maieutic.graph.rollouts import asker, roll_out
from maieutic.memory.bank import QuestionBank
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.profile import WeaknessProfile
from maieutic.memory.run import RunFolder
from maieutic.memory.search import MemorySearch
from maieutic.memory.store import Store
from maieutic.records import Attempt, Call, Question, Rollout, ToolResult, Verdict
from maieutic.serving.client import Completions, Request, Schema
from maieutic.tasks.arithmetic import NotArithmetic
from maieutic.tasks.material import gather
from maieutic.tasks.sandbox.find import find_sandbox
from maieutic.tasks.seeds import family_question
from maieutic.tasks.sets import keys_of
from pairing import build_pairs
from scripted import Answer, Dying, scripted
from simulated import pretend_to_train, room_in

HEARD = "serving.tool_parser=hermes"


class Word(Arguments):
    word: str


class Upper:
    """Says the word in capitals, with a number that no second run gives again."""

    name: ClassVar[str] = "upper"
    description: ClassVar[str] = "Say it loud."
    takes: ClassVar[type[Arguments]] = Word
    runs = count(1)

    async def run(self, given: Word, about: About) -> str:
        return f"{given.word.upper()} {next(self.runs)}"


class Broken(Upper):
    name: ClassVar[str] = "broken"

    async def run(self, given: Word, about: About) -> str:
        raise OSError("/a/place/of/this/machine")


TOOLS = Toolbox([Upper(), Broken()])


class InMemory:
    def __init__(self) -> None:
        self.results: dict[str, ToolResult] = {}

    def known(self) -> dict[str, ToolResult]:
        return self.results

    def keep(self, results: Sequence[ToolResult]) -> None:
        self.results |= {one.id: one for one in results}


def request(subject: str = "q", **fields: Any) -> Request:
    return Request(
        subject_id=subject, role="teacher", checkpoint="", stage="s", round=1, template="t@1",
        messages=[{"role": "user", "content": "Say hello."}], n=1, temperature=0.7, top_p=1.0,
        max_tokens=50, seed=7, **fields,
    )  # fmt: skip


def call_of(asked: Request, text: str, tools: Any = (), finished: bool = True) -> Call:
    return Call(
        id=f"call-{asked.subject_id}", round=1, stage="s", role="teacher", model="m", checkpoint="",
        template="t@1", subject_id=asked.subject_id, messages=json.dumps(asked.messages), sampling="{}",
        completions=[text], finished=[finished], prompt_tokens=1, completion_tokens=2, seconds=0.0,
        tool_calls=[tools if isinstance(tools, str) else json.dumps(list(tools))],
    )  # fmt: skip


def using(name: Any, arguments: Any) -> dict[str, Any]:
    return {"id": "x", "type": "function", "function": {"name": name, "arguments": arguments}}


Say = Callable[[Request], tuple[str, Any] | None]


class Model:
    """Answers as a function of the request says; remembers what it was asked."""

    def __init__(self, say: Say) -> None:
        self.say, self.asked = say, []  # type: ignore[var-annotated]

    async def __call__(self, requests: Sequence[Request]) -> dict[str, Call]:
        self.asked += requests
        said = {one.subject_id: (one, self.say(one)) for one in requests}
        return {name: call_of(one, *what) for name, (one, what) in said.items() if what is not None}


async def talk(say: Say, turns: int = 3, tools: Toolbox = TOOLS, **fields: Any) -> tuple[Conversation, Model]:
    model = Model(say)
    talks = await converse([request(**fields)], tools, turns, model, InMemory())
    return talks["q"], model


def turn_of(asked: Request) -> int:
    return int(asked.subject_id.rpartition(".t")[2])


HOSTILE = [
    # what comes as tool_calls, what the model is told, whether its words had to be put right
    ([using("upper", '{"word": "hi"}')], r"HI \d+", False),
    ([using("upper", {"word": "hi"})], r"HI \d+", False),
    ([using("lower", '{"word": "hi"}')], "error: there is no tool of that name; there are: upper", False),
    ([using("../../etc", "{}")], "error: that is no name of a tool", True),
    ([using("x" * 100_000, "{}")], "error: that is no name of a tool", True),
    ([using(None, "{}")], "error: that is no name of a tool", True),
    ([using("upper", "{word: hi")], "error: the arguments are no JSON object", True),
    ([using("upper", "[]")], "error: the arguments are no JSON object", True),
    ([using("upper", "NaN")], "error: the arguments are no JSON object", True),
    ([using("upper", '{"word": NaN}')], "error: the arguments are no JSON object", True),
    ([using("upper", '{"word": "\\ud800"}')], "error: the arguments are no JSON object", True),
    ([using("upper", '{"word": "\ud800"}')], "error: the arguments are no JSON object", True),
    ([using("upper", "[" * 9_000)], "error: the arguments are no JSON object", True),
    ([using("upper", "{}")], "error: word: Field required", False),
    ([using("upper", '{"word": "hi", "more": 1}')], "error: more: Extra inputs are not permitted", False),
    ([using("upper", '{"word": 7}')], "error: word: Input should be a valid string", False),
    ([using("upper", '{"word": "%s"}' % ("x" * 30_000))], "error: arguments must be a JSON object of", True),
    ([using("upper", None)], "error: arguments must be a JSON object of at", True),
    ([using("upper", 7)], "error: arguments must be a JSON object of at", True),
    (["upper"], "error: that is no call of a function", True),
    ([{"function": "upper"}], "error: that is no call of a function", True),
    ([None], "error: that is no call of a function", True),
    ([using("broken", '{"word": "hi"}')], r"error: the tool failed \(OSError\)$", False),
]  # fmt: skip


@pytest.mark.parametrize(("calls", "told", "altered"), HOSTILE)
async def test_whatever_is_called_is_answered_and_can_be_sent_again(
    calls: list[Any], told: str, altered: bool
) -> None:
    found, model = await talk(lambda r: ("thinking …", calls) if turn_of(r) == 1 else ("done", []))
    said, result, _ = found.messages
    assert re.match(told, result["content"]), result["content"]
    assert len(result["content"]) < 1_000 and "/a/place" not in result["content"]
    (sent,) = said["tool_calls"]
    assert isinstance(json.loads(sent["function"]["arguments"]), dict)
    assert sent["id"] == result["tool_call_id"] == "call01000"
    assert len(json.dumps(model.asked[1].messages, ensure_ascii=False).encode()) < 30_000
    assert said["content"] == "thinking …"  # a call together with content
    assert (found.answer, found.whole) == ("done", True)
    assert ('"altered": true' in found.transcript()) == altered
    assert "altered" not in json.dumps(model.asked[1].messages)


@pytest.mark.parametrize("broken", ["", "no json", "7", '"upper"', "{}", "null"])
async def test_what_is_no_list_of_calls_is_none(broken: str) -> None:
    found, _ = await talk(lambda r: ("hello", broken))
    assert (found.answer, found.tools_called, len(found.calls)) == ("hello", False, 1)


NAMES = st.sampled_from(["id", "function", "name", "arguments"]) | st.text()
SCALARS = st.none() | st.booleans() | st.floats() | st.text()


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)))
@pytest.mark.slow
def test_no_reply_is_an_error_of_ours(value: Any) -> None:
    found = tool_calls_of(call_of(request(), "", json.dumps(value)), 1)
    assert all(isinstance(json.loads(one.sent), dict) for one in found)


async def test_a_hundred_calls_at_once() -> None:
    calls = [using("upper", json.dumps({"word": str(n)})) for n in range(100)]
    found, _ = await talk(lambda r: ("", calls) if turn_of(r) == 1 else ("done", []))
    results = [message for message in found.messages if message["role"] == "tool"]
    assert len(results) == MOST_CALLS + 1 == len({one["tool_call_id"] for one in results})
    assert [one["content"].split()[0] for one in results[:MOST_CALLS]] == [str(n) for n in range(MOST_CALLS)]
    assert results[-1]["content"] == "error: 100 calls at once; only the first 8 were run"
    assert '"altered": true' in found.transcript()


async def test_turns_run_out() -> None:
    again = [using("upper", '{"word": "more"}')]
    found, model = await talk(lambda r: ("", again) if r.tools else ("at last", []), turns=2)
    assert [bool(one.tools) for one in model.asked] == [True, True, False]
    assert [one.subject_id for one in model.asked] == ["q.t1", "q.t2", "q.t3"]
    assert [one.seed for one in model.asked] == [7, 8, 9]
    assert (found.answer, found.whole) == ("at last", True)
    # One that calls tools even now has said nothing.
    found, model = await talk(lambda r: ("", again), turns=2)
    assert (found.answer, found.whole, len(model.asked)) == ("", False, 3)


async def test_a_turn_that_is_refused_or_cut_off_ends_a_conversation_unfinished() -> None:
    found, _ = await talk(lambda r: ("", [using("upper", '{"word": "a"}')]) if turn_of(r) == 1 else None)
    assert (found.whole, len(found.calls), found.tools_called) == (False, 1, True)

    async def cut(requests: Sequence[Request]) -> dict[str, Call]:
        return {one.subject_id: call_of(one, "the answ", finished=False) for one in requests}

    talks = await converse([request()], TOOLS, 3, cut, InMemory())
    assert (talks["q"].answer, talks["q"].whole) == ("the answ", False)


SHAPE = Schema("answer", {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}})


async def test_a_shape_is_asked_for_once_tools_were_used() -> None:
    def say(asked: Request) -> tuple[str, Any]:
        if asked.schema:
            return '{"a": 1}', []
        return ("", [using("upper", '{"word": "a"}')]) if turn_of(asked) == 1 else ("it is one", [])

    model = Model(say)
    ask = with_tools(model, TOOLS, 4, InMemory())
    calls = await ask([request(schema=SHAPE)])
    assert calls["q"].subject_id == "q" and calls["q"].completions == ['{"a": 1}']
    assert [(bool(one.tools), bool(one.schema)) for one in model.asked] == [
        (True, False), (True, False), (False, True),
    ]  # fmt: skip
    # An answer that has the shape already is asked for no second time.
    model = Model(lambda r: ('so: {"a": 2}', []))
    calls = await with_tools(model, TOOLS, 4, InMemory())([request(schema=SHAPE)])
    assert len(model.asked) == 1 and calls["q"].completions == ['so: {"a": 2}']
    # Whatever comes in the turn of the shape is the answer: who asked repairs it.
    model = Model(lambda r: ("never", [using("upper", '{"word": "a"}')] if r.schema else []))
    calls = await with_tools(model, TOOLS, 4, InMemory())([request(schema=SHAPE)])
    assert len(model.asked) == 2 and calls["q"].completions == ["never"]


# --- over HTTP, in a run's folder, with a kill in the middle ---


def calling(text: str, *calls: dict[str, Any]) -> Answer:
    message = {"role": "assistant", "content": text or None, "tool_calls": list(calls)}
    choice = {"index": 0, "finish_reason": "tool_calls" if calls else "stop", "message": message}
    used = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    return 200, {"id": "x", "object": "chat.completion", "choices": [choice], "usage": used}


def uses_tools(_: int, body: dict[str, Any]) -> Answer:
    """Searches twice where it is offered tools, then answers with how many results it saw."""
    told = [message for message in body["messages"] if message["role"] == "tool"]
    if body.get("tools") and len(told) < 2:
        return calling("let me look", using("search", json.dumps({"query": f"What is {len(told)} + 4?"})))
    return calling(f"I saw {len(told)}. #### {len(told)}")


def room_with(tmp_path: Path, url: str, *settings: str) -> Any:
    config = load(None, ["sets.per_cell=1", "rollouts.n=2", *settings])
    folder = RunFolder(tmp_path / "run")
    if not folder.config.exists():
        begin(folder, config, gather(config))
    room = room_in(folder, config)
    room.remote["solver"] = Completions(url, "k", "m", ServingConfig(retries=0, request_deadline_s=20))
    return room


async def rolled(room: Any, questions: list[Question]) -> list[Rollout]:
    return await roll_out(room, 1, "attempt", questions, "base", room.solver.sampling)


@pytest.mark.slow
async def test_rollouts_with_tools_survive_a_kill(tmp_path: Path) -> None:
    tools = ["solver.tools=[search]", HEARD, "solver.most_turns=3"]
    with scripted(uses_tools) as (url, asked):
        room = room_with(tmp_path / "a", url, *tools)
        questions = [question for question, _ in room.bank.known()][:3]
        whole = await rolled(room, questions)
        await room.remote["solver"].close()
    assert len(asked) == 3 * 2 * 3
    assert [(r.index, r.completion, r.truncated, r.tokens) for r in whole[:2]] == [
        (0, "I saw 2. #### 2", False, 9), (1, "I saw 2. #### 2", False, 9),
    ]  # fmt: skip
    roles = [message["role"] for message in json.loads(whole[0].messages)]
    assert roles == ["assistant", "tool", "assistant", "tool", "assistant"]
    calls = room.folder.read(1, "calls/rollouts-attempt", Call)
    assert len({call.id for call in calls}) == len(calls) == 18
    assert len({body["seed"] for body in asked}) == 18  # every rollout and turn draws for itself

    with scripted(uses_tools) as (url, _):
        room = room_with(tmp_path / "b", url, *tools)
        room.remote["solver"] = Dying(room.remote["solver"], 9)
        with pytest.raises(ServerError):
            await rolled(room, questions)
        await room.remote["solver"].close()
    there = room.folder.read(1, "calls/rollouts-attempt", Call)
    answered = {call.subject_id for call in there if not call.error}
    results = room.folder.read(1, "tools/rollouts-attempt", ToolResult)
    assert 6 <= len(answered) <= 9 and len(results) == 6
    with scripted(uses_tools) as (url, after):
        room = room_with(tmp_path / "b", url, *tools)
        resumed = await rolled(room, questions)
        await room.remote["solver"].close()
    assert len(after) == 18 - len(answered)  # no turn is asked for twice
    assert resumed == whole


async def test_a_result_that_was_told_is_told_again(tmp_path: Path) -> None:
    """A tool that gives something else each time: the resumed conversation is the one that began."""
    folder = RunFolder(tmp_path)

    def say(asked: Request) -> tuple[str, Any]:
        return ("", [using("upper", '{"word": "a"}')]) if turn_of(asked) < 3 else ("done", [])

    first = Model(say)

    async def killed(requests: Sequence[Request]) -> dict[str, Call]:
        if turn_of(requests[0]) == 2:
            raise KeyboardInterrupt
        return await first(requests)

    with pytest.raises(KeyboardInterrupt):
        await converse([request()], TOOLS, 4, killed, KeptResults(folder, 1, "s"))
    (kept,) = folder.read(1, "tools/s", ToolResult)
    talks = await converse([request()], TOOLS, 4, Model(say), KeptResults(folder, 1, "s"))
    told = [message["content"] for message in talks["q"].messages if message["role"] == "tool"]
    assert told[0] == kept.result and told[1] != told[0]


async def test_a_first_request_that_is_refused_gives_no_rollout(tmp_path: Path) -> None:
    refused: list[int] = []

    def refuses(number: int, body: dict[str, Any]) -> Answer:
        if len(body["messages"]) > 1:
            return 400, {"error": {"message": "too long"}}
        refused.append(body["seed"]) if not refused else None
        return (
            uses_tools(number, body) if body["seed"] not in refused else (400, {"error": {"message": "no"}})
        )

    with scripted(refuses) as (url, _):
        room = room_with(tmp_path, url, "solver.tools=[search]", HEARD)
        found = await rolled(room, [question for question, _ in room.bank.known()][:4])
        await room.remote["solver"].close()
    assert len(found) == 7  # tokens ran out in the second turn: truncated, and nothing is trained on it
    assert all(rollout.truncated and not rollout.completion for rollout in found)


async def test_the_teacher_asks_through_its_tools(tmp_path: Path) -> None:
    with scripted(uses_tools) as (url, asked):
        room = room_with(tmp_path, url, "teacher.endpoint=http://127.0.0.1:1/v1", "teacher.model=m",
                         "teacher.tools=[search]")  # fmt: skip
        room.remote["teacher"] = room.remote["solver"]
        ask = asker(room, 1, "teach0")
        calls = await ask([request("p-1"), request("p-2")])
        assert {name: call.completions for name, call in calls.items()} == {
            "p-1": ["I saw 2. #### 2"], "p-2": ["I saw 2. #### 2"],
        }  # fmt: skip
        again = await asker(room, 1, "teach0")([request("p-1"), request("p-2")])
        assert again == calls and len(asked) == 6
        await room.remote["solver"].close()


async def test_the_verifier_has_tools_of_its_own(tmp_path: Path) -> None:
    with scripted(uses_tools) as (url, asked):
        room = room_with(
            tmp_path, url, "verifier.endpoint=http://127.0.0.1:1/v1", "verifier.model=m",
            "verifier.tools=[search]", "teacher.endpoint=http://127.0.0.1:1/v1", "teacher.model=m",
        )  # fmt: skip
        room.remote |= {"verifier": room.remote["solver"], "teacher": room.remote["solver"]}
        await asker(room, 1, "verify", "verifier", ".0")([request("r-1")])
        assert len(asked) == 3 and len(room.folder.read(1, "tools/verifier-verify.0", ToolResult)) == 2
        await asker(room, 1, "teach0")([request("p-1")])
        assert len(asked) == 4 and "tools" not in asked[-1]
        await room.remote["solver"].close()


async def test_an_endpoint_that_ignores_tools(tmp_path: Path) -> None:
    with scripted(lambda n, body: calling("#### 7")) as (url, asked):
        room = room_with(tmp_path, url, "solver.tools=[search]", HEARD)
        found = await rolled(room, [question for question, _ in room.bank.known()][:1])
        await room.remote["solver"].close()
    assert len(asked) == 2 and all(body["tools"][0]["function"]["name"] == "search" for body in asked)
    assert [(one.completion, one.messages, one.truncated) for one in found] == [("#### 7", "", False)] * 2


# --- the tools themselves ---


@pytest.fixture(scope="module")
def python() -> PythonTool:
    try:
        return PythonTool(find_sandbox(), seconds=1)
    except MissingPart as missing:
        pytest.skip(str(missing)[:200])


PROGRAMS = [
    ("print(6 * 7)", "42\n"),
    ("x = 1", "(it printed nothing)"),
    ("print('a'); 1 / 0", "a\n\nerror: it ended with status 1\n*ZeroDivisionError: division by zero"),
    ("while True: pass", "error: it took too much time and was ended"),
    ("import socket; socket.create_connection(('192.0.2.1', 9))", "error: it ended with status 1\n*OSError*"),
    ("print(open('/etc/passwd').read())", "error: it ended with status 1\n*No such file*"),
    ("import os; print(os.environ.get('HOME'), os.listdir('/tmp'))", "/tmp []\n"),
    ("print('x' * 100_000)", "xxx*characters left out*xxx\n"),
    ("print('x' * 10_000_000)", "*error: it took too much output and was ended"),
    ("this is no program", "error: it ended with status 1\n*SyntaxError*"),
]


@pytest.mark.parametrize(("code", "told"), PROGRAMS)
async def test_programs_in_the_sandbox(python: PythonTool, code: str, told: str) -> None:
    said = await Toolbox([python]).run("python", json.dumps({"code": code}), About(""))
    assert fnmatch.fnmatchcase(said, told.replace("[]", "[[]]")), said
    assert len(said) <= LONGEST_RESULT + 100


@given(st.text(max_size=3 * LONGEST_RESULT))
def test_results_are_bounded(text: str) -> None:
    assert len(shortened(text)) <= LONGEST_RESULT + 40
    assert len(text) > LONGEST_RESULT or shortened(text) == text


def question(id: str, text: str, answer: str = "7") -> Question:
    return Question(
        id=id, text=text, answer=answer, solution=f"worked out #### {answer}", skill="add", level=1,
        origin="seed",
    )  # fmt: skip


def attempt(id: str, zone: Any) -> Attempt:
    rate = {"mastered": 1.0, "learning": 0.5, "too_hard": 0.0}[zone]
    return Attempt(
        question_id=id, skill="add", level=1, round=1, right=0, decided=2, pass_rate=rate, zone=zone
    )


MASTERED = [
    question("q-same", "Bert has 3 pens and Lea has 4. How many are there?"),
    question("q-copy", "Bert  has 3 pens, and Lea has 4. How many are there ?"),
    question("q-turned", "What is 3 + 4 + 9?"),
    question("q-held", "Bert has 3 pens and Tim has 5. How many are there?", "8"),
    question("q-like", "Bert has 3 pens and Lea has 9 books. How many things are there?", "12"),
]
LEARNING = [question("q-open", "Bert has 3 pens and Lea has 40. How many are there?", "43")]


@pytest.fixture
def memory(tmp_path: Path) -> MemorySearch:
    store = Store(tmp_path, NgramEmbedding())
    bank, profile = QuestionBank(store), WeaknessProfile(store)
    bank.add([*MASTERED, *LEARNING, question("q-new", "Bert has 3 pens. How many are there?", "3")])
    attempts = [attempt(q.id, "mastered") for q in MASTERED] + [attempt("q-open", "learning")]
    bank.note(attempts)
    wrong = Rollout(
        id="r", question_id="q-open", round=1, stage="attempt", checkpoint="base", index=0,
        completion="3 + 40 = 34 #### 34", tokens=3, truncated=False, call_id="c",
    )  # fmt: skip
    profile.update(1, attempts, [(LEARNING[0], wrong)])
    return MemorySearch(
        bank, profile, 0.9, lambda q: q.id == "q-held", lambda a, b: bool(keys_of(a) & keys_of(b)), count=10
    )


def texts(found: Sequence[Any]) -> set[str]:
    return {one.question for one in found}


def test_what_the_solver_must_never_find(memory: MemorySearch) -> None:
    asked = MASTERED[0]
    # Not the question, a near copy, what is in a fixed set, what is not mastered or was never asked.
    assert texts(memory.for_solver(asked.text, asked)) == {MASTERED[2].text, MASTERED[4].text}
    # Under another id, too; and the same terms in another order.
    other = asked.model_copy(update={"id": "q-other"})
    assert texts(memory.for_solver(asked.text, other)) == {MASTERED[2].text, MASTERED[4].text}
    turned = question("q-t", "What is 9 + 3 + 4?")
    assert MASTERED[2].text not in texts(memory.for_solver("What is 3 + 4 + 9?", turned))
    # Where it is not known what is asked, nothing.
    assert memory.for_solver(asked.text, None) == []
    found = memory.for_solver("pens and books", asked)
    assert found[0].solution == "worked out #### 12" and not any(one.attempt for one in found)


def test_an_empty_memory_has_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, NgramEmbedding())
    bank, profile = QuestionBank(store), WeaknessProfile(store)
    memory = MemorySearch(bank, profile, 0.9, lambda q: False, lambda a, b: False)
    assert memory.for_solver("pens", MASTERED[0]) == memory.for_author("pens", "") == []
    bank.add(MASTERED)
    assert memory.for_solver("pens", MASTERED[0]) == []
    assert len(memory.for_author("", "")) == 3


def test_what_an_author_finds(memory: MemorySearch) -> None:
    prompt = f"Is this right?\n\n{LEARNING[0].text.upper()}\nSaid: 34"
    found = memory.for_author(LEARNING[0].text, prompt)
    # The judged question stands in the prompt: neither its answer nor its failure is looked up.
    assert LEARNING[0].text not in texts(found) and MASTERED[3].text not in texts(found)
    assert MASTERED[0].text in texts(found)
    found = memory.for_author(LEARNING[0].text, "Write a question.")
    assert ("43", "") in {(one.answer, one.attempt) for one in found if one.question == LEARNING[0].text}
    assert "3 + 40 = 34 #### 34" in {one.attempt for one in found}


async def test_a_search_is_told_as_json(memory: MemorySearch) -> None:
    tool = SearchTool(lambda query, about: memory.for_solver(query, about.question))
    said = await Toolbox([tool]).run("search", '{"query": "pens"}', About("", MASTERED[0]))
    assert all(set(one) == {"question", "solution"} for one in json.loads(said))
    assert await Toolbox([tool]).run("search", '{"query": "pens"}', About("")) == "nothing was found"


# --- configuration ---


REFUSED = [
    (["solver.tools=[search]", HEARD], "the pocket model knows neither"),
    (["teacher.tools=[search]"], "teacher.tools: only a model"),
    (["verifier.tools=[search]"], "verifier.tools: only a model"),
]


@pytest.mark.parametrize(("settings", "said"), REFUSED)
def test_tools_that_nobody_can_call_are_refused(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_tools(load(None, settings))


def test_a_template_without_tools_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    config = load(None, [f"model={tmp_path}", "solver.tools=[search]", HEARD])
    with pytest.raises(ConfigError, match="no place for calls"):
        check_tools(config)
    (tmp_path / "chat_template.jinja").write_text("{{ tools }}{% for m in messages %}{{ m.tool_calls }}…")
    check_tools(config)


# --- pairs ---


def told(index: int, text: str, **more: Any) -> Rollout:
    said = [{"role": "assistant", "content": "", "tool_calls": [using("upper", "{}")], **more},
            {"role": "tool", "tool_call_id": "c", "content": "A"},
            {"role": "assistant", "content": text}]  # fmt: skip
    return Rollout(
        id=f"r{index}", question_id="q", round=1, stage="attempt", checkpoint="base", index=index,
        completion=text, tokens=3, truncated=False, call_id="c", messages=json.dumps(said),
    )  # fmt: skip


def judged(*rows: tuple[Rollout, Any]) -> list[tuple[Rollout, Verdict]]:
    return [(r, Verdict(rollout_id=r.id, question_id="q", outcome=outcome)) for r, outcome in rows]


def test_pairs_carry_whole_conversations() -> None:
    asked = question("q", "What is 3 + 4?")
    right, wrong = told(0, "#### 7"), told(1, "#### 8")
    (pair,) = build_pairs(asked, judged((right, "right"), (wrong, "wrong")), "p", Random(0))
    assert (pair.chosen_messages, pair.rejected_messages) == (right.messages, wrong.messages)
    (pair,) = build_pairs(asked, judged((wrong, "wrong")), "p", Random(0))
    assert (pair.kind, pair.chosen_messages, pair.rejected_messages) == ("reference", "", wrong.messages)
    (pair,) = build_pairs(asked, judged((right, "right")), "p", Random(0))
    assert pair.kind == "anchor" and pair.chosen_messages == right.messages
    *before, last = json.loads(pair.rejected_messages)
    assert before == json.loads(right.messages)[:-1] and last["content"] == pair.rejected != "#### 7"
    # What had to be put right is not the Solver's own, and takes no part.
    assert build_pairs(asked, judged((told(0, "#### 7", altered=True), "right")), "p", Random(0)) == []
    assert not set(pair_row(pair, "")) & {"tools", "chosen_messages", "rejected_messages"}
    assert pair_row(pair, "[]")["chosen_messages"] == right.messages


@pytest.mark.slow
async def test_the_trainer_gets_conversations_and_the_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From rollouts to the file that a training job reads, over the graph's own nodes."""
    monkeypatch.setattr(train, "run_job", pretend_to_train)

    def answers(number: int, body: dict[str, Any]) -> Answer:
        if not any(message["role"] == "tool" for message in body["messages"]):
            return calling("", using("search", '{"query": "sums"}'))
        try:
            solved = family_question(body["messages"][0]["content"]).answer
        except NotArithmetic:
            solved = "0"
        return calling(f"#### {int(solved) + body['seed'] % 2}")

    with scripted(answers) as (url, _):
        room = room_with(
            tmp_path, url, "solver.tools=[search]", HEARD, "training.least_pairs=1", "rollouts.n=4"
        )
        asked = [question for question, _ in room.bank.known()][:4]
        room.folder.write_json(1, "selected", [question.id for question in asked])
        state = {**beginning(room), "round": 1}
        for node in (attempt_node.attempt, verify.verify, pair.pair, train.train_solver):
            await node(room, state)
        await room.remote["solver"].close()
    rows = pq.read_table(room.folder.round(1) / "solver-0001.parquet").to_pylist()
    assert rows and all(json.loads(row["tools"])[0]["function"]["name"] == "search" for row in rows)
    both = [row for row in rows if row["chosen_messages"] and row["rejected_messages"]]
    assert both
    for row in both:
        *_, last = json.loads(row["chosen_messages"])
        assert last == {"role": "assistant", "content": row["chosen"]}
