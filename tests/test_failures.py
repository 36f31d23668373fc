"""Whatever an endpoint sends: bounded, counted, kept as data, and never trained on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import simulated
from maieutic.config import Budget, ServingConfig, load
from maieutic.errors import EndpointError
from maieutic.graph.accounts import Account, Accounts, figures
from maieutic.graph.progress import Quiet
from maieutic.graph.remote import client_of
from maieutic.graph.report import write_report
from maieutic.graph.rollouts import ask_all, asker
from maieutic.inspector.console import calls_line
from maieutic.memory.run import RunFolder
from maieutic.records import Call, PreferencePair, Question, Rollout, RunReport
from maieutic.serving.client import Completions, Reply, Request, Schema
from maieutic.serving.requests import unanswered
from scripted import INJECTED, TROUBLES, Answer, completion, scripted, troubled

SHAPE = Schema("sum", {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]})
OPENED: list[Any] = []


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    yield
    while OPENED:
        await OPENED.pop().close()


def request(subject: str = "q1", **changes: Any) -> Request:
    plain = Request(
        subject_id=subject, role="teacher", checkpoint="", stage="s", round=1, template="teacher@1",
        messages=[{"role": "user", "content": "What is 3 + 4?"}], n=1, temperature=1.0, top_p=1.0,
        max_tokens=9, seed=5,
    )  # fmt: skip
    return replace(plain, **changes)


def client(url: str, **settings: Any) -> Completions:
    OPENED.append(Completions(url, "secret-canary", "m", ServingConfig(**{"retries": 0, **settings})))
    return OPENED[-1]


def room_of(folder: Path, url: str, *settings: str) -> Any:
    told = [f"teacher.endpoint={url}/v1", "teacher.model=m", "teacher.concurrency=2", "serving.retries=0"]
    config = load(None, [*told, *settings])
    teacher = client_of("teacher", config.teacher, config)
    OPENED.append(teacher)

    async def serve(role: str, checkpoint: str, round: int) -> Any:
        return teacher

    kept = RunFolder(folder)
    return SimpleNamespace(
        config=config,
        folder=kept,
        accounts=Accounts(kept),
        progress=Quiet(),
        serve=serve,
        remote={"teacher": teacher},
    )


def with_logprob(value: str) -> tuple[int, str]:
    said = json.dumps(completion("ok")[1]).replace(
        '"finish_reason"', f'"logprobs": {{"content": [{{"logprob": {value}}}]}}, "finish_reason"'
    )
    return 200, said


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, '{"choices": [{"message": {"content": "#### 4'), "malformed"),
        ((200, "[" * 100_000), "too_long"),
        ((200, "[" * 9_000), "malformed"),
        (with_logprob("NaN"), "malformed"),
        (with_logprob("-Infinity"), "malformed"),
        ((200, '{"choices": [{"message": {"content": "\\ud800"}}]}'), "malformed"),
        (
            (200, {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 10**30}}),
            "malformed",
        ),
        ((200, {"choices": []}), "empty"),
        (completion("x" * 100_000), "too_long"),
        ((500, "x" * 1_000_000), "server_error"),
        ((429, {}), "rate_limited"),
        ((403, {}), "refused"),
    ],
)
async def test_each_kind_of_failure_is_told_apart(answer: Answer, kind: str) -> None:
    with scripted(lambda number, body: answer) as (url, _), pytest.raises(EndpointError) as caught:
        await client(url).ask(request())
    call = caught.value.call
    assert isinstance(call, Call)
    assert (call.failure, call.completions) == (kind, [])
    assert len(call.error) <= 500


async def test_what_was_not_asked_for_is_not_taken() -> None:
    with scripted(lambda number, body: completion("a", "b", "c")) as (url, _):
        reply = await client(url).ask(request(n=2, logprobs=True))
    assert (reply.completions, reply.logprobs, reply.tokens) == (["a", "b"], [[], []], [[], []])


async def test_a_stated_wait_is_kept_where_the_deadline_allows_it() -> None:
    limited = (429, {"error": {"message": "slow down"}})  # the scripted server says 0.2 s
    with scripted(lambda number, body: limited if number < 3 else completion("ok")) as (url, _):
        started = time.monotonic()
        reply = await client(url, retries=4).ask(request())
        assert time.monotonic() - started >= 0.4
    assert reply.call.tried == ["rate_limited", "rate_limited"]
    later = (429, {"wait": 9})
    with scripted(lambda number, body: later) as (url, asked), pytest.raises(EndpointError):
        await client(url, retries=4, request_deadline_s=6).ask(request())
    assert len(asked) == 1


async def test_an_endpoint_without_schemas_is_told_in_words_from_then_on() -> None:
    def script(number: int, body: dict[str, Any]) -> Answer:
        return (400, {"error": {"message": "?"}}) if "response_format" in body else completion('{"sum": 7}')

    with scripted(script) as (url, asked):
        one = client(url)
        replies = [await one.ask(request(name, schema=SHAPE)) for name in ("q1", "q2")]
    assert [reply.completions for reply in replies] == [['{"sum": 7}']] * 2
    assert ["response_format" in body for body in asked] == [True, False, False]
    assert '"required": ["sum"]' in asked[2]["messages"][0]["content"]
    assert '\\"sum\\"' in replies[0].call.messages


async def test_a_request_that_is_too_long_anyway_says_nothing_about_schemas() -> None:
    with scripted(lambda number, body: (400, {"error": {"message": "too long"}})) as (url, asked):
        one = client(url)
        for name in ("q1", "q2"):
            reply = await one.ask(request(name, schema=SHAPE))
            assert reply.call.failure == "refused"
    assert ["response_format" in body for body in asked] == [True, False, True, False]


async def test_an_endpoint_without_tools_is_an_error_that_says_so() -> None:
    def script(number: int, body: dict[str, Any]) -> Answer:
        return (400, {"error": {"message": "?"}}) if "tools" in body else completion("ok")

    tool = {"type": "function", "function": {"name": "python", "parameters": {}}}
    with scripted(script) as (url, _), pytest.raises(EndpointError, match=r"takes no tools.*teacher\.tools"):
        await client(url).ask(request(tools=(tool,)))


async def test_a_stage_goes_on_without_what_failed_and_asks_again_when_resumed(tmp_path: Path) -> None:
    well = False

    def script(number: int, body: dict[str, Any]) -> Answer:
        text = body["messages"][0]["content"]
        return (500, {}) if text == "q2" and not well else completion("" if text == "q4" else "ok")

    with scripted(script) as (url, asked):
        room = room_of(tmp_path, url, "teacher.price.completion=1e6")
        todo = [request(f"q{n}", messages=[{"role": "user", "content": f"q{n}"}]) for n in range(6)]
        assert set(await asker(room, 1, "s")(todo)) == {"q0", "q1", "q3", "q5"}
        calls = {call.subject_id: call for call in room.folder.read(1, "calls/teacher-s", Call)}
        assert {name: call.failure for name, call in calls.items() if call.failure} == {
            "q2": "server_error", "q4": "empty",
        }  # fmt: skip
        assert {call.endpoint for call in calls.values()} == {url}
        counted = figures(room.folder, 1, room.config)["teacher"]
        assert (counted.asked, counted.failed) == (6, {"empty": 1, "server_error": 1})
        assert counted.price == counted.completion_tokens == 15
        well = True
        assert "q2" in await asker(room, 1, "s")(todo)
        assert len(asked) == 8


async def test_an_endpoint_that_fails_everything_ends_the_stage_and_what_came_is_kept(tmp_path: Path) -> None:
    with scripted(lambda number, body: completion("ok") if number < 5 else (500, {})) as (url, asked):
        room = room_of(tmp_path, url)
        with pytest.raises(EndpointError, match=r"10 requests of the teacher failed.*see whether teacher"):
            await asker(room, 1, "s")([request(f"q{n}") for n in range(60)])
    assert len(asked) < 20
    calls = room.folder.read(1, "calls/teacher-s", Call)
    assert sum(bool(call.completions) for call in calls) == 4
    assert len({call.id for call in calls}) == len(calls) >= 14


def call_of(name: str, **given: Any) -> Call:
    return unanswered(request(name), "", "").model_copy(update=given)


async def test_a_rollout_that_takes_too_long_is_lost_and_no_measurement_is(
    tmp_path: Path,
) -> None:
    """Of a Solver that is served here, too: a time budget that ended the run would be none."""

    def script(number: int, body: dict[str, Any]) -> Answer:
        slow = body["messages"][0]["content"] == "q1"
        time.sleep(1.0 if slow else 0)
        return completion("ok")

    with scripted(script) as (url, _):
        room = room_of(tmp_path, url, "solver.deadline_s=0.3")
        one = Completions(url, "k", "m", room.config.asked_as(["solver"]))
        OPENED.append(one)
        for stage, fine in (("attempt", True), ("validation", False)):
            todo = [
                request(f"q{n}", role="solver", stage=stage, messages=[{"role": "user", "content": f"q{n}"}])
                for n in range(3)
            ]
            with contextlib.nullcontext() if fine else pytest.raises(EndpointError, match="no answer for q1"):
                await ask_all(room, one, 1, f"rollouts/{stage}", todo, lambda request, reply: [])
    calls = room.folder.read(1, "calls/rollouts-attempt", Call)
    assert {call.subject_id: call.failure for call in calls} == {"q0": "", "q1": "timeout", "q2": ""}


@pytest.mark.parametrize("budget", ["calls=7", "tokens=56"])
async def test_a_budget_holds_across_stages_and_a_resume(tmp_path: Path, budget: str) -> None:
    # Eight tokens a call; two calls may be in flight.
    with scripted(lambda number, body: completion("ok")) as (url, asked):
        for stage, count in (("a", 5), ("b", 5)):
            room = room_of(tmp_path, url, f"teacher.budget.{budget}")
            await asker(room, 1, stage)([request(f"q{n}", stage=stage) for n in range(count)])
    assert 7 <= len(asked) <= (7 if budget.startswith("calls") else 8)
    counted = figures(room.folder, 1, room.config)["teacher"]
    assert counted.asked == len(asked)
    assert counted.failed == {"budget": 10 - len(asked)}


def test_a_budget_counts_what_is_in_flight() -> None:
    account = Account(calls=3, tokens=50)
    assert account.spent(Budget(calls=5), 1) == ""
    assert account.spent(Budget(calls=5), 2) == "budget.calls = 5"
    assert account.spent(Budget(tokens=50), 0) == "budget.tokens = 50"
    account.add(call_of("r", seconds=2.5))
    assert account.spent(Budget(seconds=3), 0) == ""
    account.add(call_of("s", seconds=0.5))
    assert account.spent(Budget(seconds=3), 0) == "budget.seconds = 3"
    assert account.spent(Budget(), 10**9) == ""


class Instant:
    """Answers at once; keeps how many were in flight, and how many tasks there were."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.before = len(asyncio.all_tasks())

    async def ask(self, request: Request) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now, len(asyncio.all_tasks()) - self.before)
        await asyncio.sleep(0)
        self.now -= 1
        call = Call(
            id=request.subject_id, round=1, stage="s", role="solver", model="m", checkpoint="", template="",
            subject_id=request.subject_id, messages="[]", sampling="{}", completions=["x"], finished=[True],
            prompt_tokens=1, completion_tokens=1, seconds=0.0,
        )  # fmt: skip
        return Reply(["x"], [True], call)

    async def close(self) -> None:
        return


async def test_two_thousand_requests_are_a_window_of_tasks_none_lost_none_doubled(tmp_path: Path) -> None:
    folder, endpoint = RunFolder(tmp_path), Instant()
    config = load(None, ["serving.concurrency=16"])
    room: Any = SimpleNamespace(
        config=config, folder=folder, accounts=Accounts(folder), progress=Quiet(), remote={}
    )
    asked = [request(f"q{n}", role="solver") for n in range(2000)]

    def read(request: Request, reply: Reply) -> list[Rollout]:
        return [
            Rollout(
                id=request.subject_id, question_id=request.subject_id, round=1, stage="s", checkpoint="",
                index=0, completion="x", tokens=1, truncated=False, call_id=reply.call.id,
            )
        ]  # fmt: skip

    await ask_all(room, endpoint, 1, "rollouts/s", asked, read)
    wanted = sorted(one.subject_id for one in asked)
    assert sorted(call.id for call in folder.read(1, "calls/rollouts-s", Call)) == wanted
    assert sorted(rollout.id for rollout in folder.read(1, "rollouts/s", Rollout)) == wanted
    assert endpoint.most <= 3 * 16


def good(body: dict[str, Any]) -> Answer:
    text = body["messages"][0]["content"]
    if "Reply with one JSON object" in text:
        one, two = body["seed"] % 90 + 2, body["seed"] // 97 % 90 + 2
        question = f"Bert has {one} pens, Lea has {two}. How many are there?"
        said = {"why": "sums", "question": question, "solution": f"{one} + {two}", "answer": str(one + two)}
        return completion(json.dumps(said))
    problem = re.findall(r"^.*How many are there\?.*$", text, re.MULTILINE)
    numbers = re.findall(r"\d+", problem[-1] if problem else "")
    return completion(f"added up #### {sum(map(int, numbers))}" if numbers else "#### none")


@pytest.mark.slow
async def test_a_run_with_a_troubled_teacher_is_done_and_trains_on_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maieutic.graph.train.run_job", simulated.pretend_to_train)
    with scripted(troubled(good)) as (url, _):
        config = load(
            None,
            [
                "rounds=1", "sets.per_cell=4", "curriculum.questions=60", "curriculum.new=48",
                f"teacher.endpoint={url}/v1", "teacher.model=m", "teacher.deadline_s=1", "serving.retries=1",
                "teacher.concurrency=16", "teacher.max_tokens=1024",
            ],
        )  # fmt: skip
        teacher = client_of("teacher", config.teacher, config)
        try:
            folder = await simulated.play(tmp_path / "r", config, model=teacher)  # type: ignore[arg-type]
        finally:
            await teacher.close()
    report = write_report(folder, config, "done")
    assert len(report.rounds) == 1
    counted = report.calls["teacher"]
    assert counted.passed["rate_limited"] >= 1
    for kind in ("server_error", "timeout", "malformed", "schema", "empty", "too_long"):
        assert counted.failed[kind] >= 1, kind
    assert "server_error" in calls_line(report.calls)
    assert RunReport.model_validate_json(folder.report.read_text()) == report

    injected = [c for n in (0, 1) for c in calls_of(folder, n) if INJECTED in c.completions]
    assert {call.failure for call in injected if call.stage.startswith("teach")} == {"schema"}
    admitted = [q for number in (0, 1) for q in folder.read(number, "questions", Question)]
    assert [q for q in admitted if q.origin == "teacher"]
    pairs = [pair for number in (0, 1) for pair in folder.read(number, "pairs", PreferencePair)]
    assert pairs
    kept = "\n".join(record.model_dump_json() for record in [*admitted, *pairs])
    for trouble in TROUBLES:
        assert trouble not in kept
    assert {q.text for q in admitted if q.origin == "teacher"} <= {
        json.loads(call.completions[0])["question"]
        for number in (0, 1)
        for call in calls_of(folder, number)
        if call.stage.startswith("teach") and not call.failure
    }


def calls_of(folder: RunFolder, number: int) -> list[Call]:
    series = {path.name.rpartition("-")[0] for path in (folder.round(number) / "calls").glob("teacher-*")}
    return [call for name in sorted(series) for call in folder.read(number, f"calls/{name}", Call)]


def test_what_an_unfinished_round_has_cost_is_told(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write(2, "calls/teacher-teach0", 0, [call_of("q1", completion_tokens=1_000_000)])
    config = load(None, ["teacher.price.completion=3"])
    assert write_report(folder, config, "stopped").calls["teacher"].price == 3.0
