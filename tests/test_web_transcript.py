"""The transcript: order, verdicts, filters, hostile and very long texts, addresses of calls and templates."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from maieutic.graph.build import NODES
from maieutic.inspector import conversation, stages
from maieutic.inspector.calls import calls
from maieutic.inspector.database import Database
from maieutic.inspector.spoken import messages_of, tools_of
from maieutic.inspector.web.transcript import NODES as SHOWN
from maieutic.memory.run import write_whole
from maieutic.records import Proposal, ToolResult
from web_pages import HOSTILE, call, pages, question, read, rollout, run_folder, verdict


def proposal(name: str, **more: object) -> Proposal:
    told = {
        "round": 1,
        "turn": 0,
        "author": "teacher",
        "move": "harder",
        "parent_id": "q-1",
        "rollout_id": None,
    }
    return Proposal.model_validate({"id": name, **told, "text": "What is 3 + 9?", **more})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Parts are written in an order that is not the one in which a round goes."""
    folder = run_folder(tmp_path)
    folder.write(0, "questions", 0, [question("q-1"), question("q-2", HOSTILE, skill="mod")])
    folder.write(0, "sets/heldout", 0, [question("h-1")])
    two = call("call-b", "q-2", completions=["so #### 7", HOSTILE], finished=[True, False])
    said = [rollout("q-1", "call-a"), rollout("q-2", "call-b"), rollout("q-2", "call-b", 1, text=HOSTILE)]
    folder.write(1, "calls/rollouts-attempt", 0, [two])
    folder.write(1, "calls/rollouts-attempt", 1, [call("call-a", "q-1")])
    folder.write(1, "rollouts/attempt", 0, said)
    told = [
        verdict(said[0], "right", "7"),
        verdict(said[1], "wrong", "7", "is not 8"),
        verdict(said[2], "invalid"),
    ]
    folder.write(1, "verdicts/attempt", 0, told)
    folder.write(1, "calls/rollouts-heldout", 0, [call("call-h", "h-1", stage="heldout")])
    folder.write(1, "calls/rollouts-validation", 0, [call("call-v", "h-1", stage="validation")])
    canary = call("call-c", "base/x", stage="canary", role="canary", template="", checkpoint="solver-0001")
    folder.write(1, "calls/canary", 0, [canary])
    for turn in (1, 0):
        taught = call(f"call-t{turn}", f"p-{turn}", stage=f"teach{turn}", role="teacher", template="harder@2")
        folder.write(1, f"calls/teacher-teach{turn}", 0, [taught])
        label = call(f"call-l{turn}", "q-9.vote.0", stage=f"label{turn}", role="teacher", tried=["timeout"])
        folder.write(1, f"calls/teacher-label{turn}", 0, [label])
    failed = call(
        "call-x", "p-7", stage="generate", role="generator", completions=[], error=HOSTILE, failure="timeout"
    )
    folder.write(1, "calls/proposals-generator", 0, [failed])
    vetted = [proposal("p-0", admitted=True, question_id="q-5", why=HOSTILE)]
    vetted.append(proposal("p-1", admitted=False, reason="near duplicate", nearest_id="q-1", likeness=0.97))
    folder.write(1, "vetted", 0, vetted)
    write_whole(folder.prompts / "harder.jinja", HOSTILE)
    return tmp_path


def order(page: str) -> list[str]:
    """Calls as they stand on a page."""
    return re.findall(r'class="who" href="/run/r/transcript/call/([^"]+)"', page)


def test_the_nodes_are_those_of_the_graph() -> None:
    assert list(NODES) == list(SHOWN)
    steps = [node for node, _ in stages.STEPS]
    assert steps == sorted(steps, key=list(NODES).index)


def test_calls_stand_in_the_order_in_which_a_round_goes(path: Path) -> None:
    with pages(path) as client:
        shown = order(client.get("/run/r/transcript").text)
        assert shown == [
            "call-b", "call-a", "call-t0", "call-x", "call-l0", "call-t1", "call-l1", "call-v", "call-h",
        ]  # fmt: skip
        assert order(client.get("/run/r/transcript?role=canary").text) == ["call-c"]
    with Database(run_folder(path)) as database:  # and backwards in a terminal
        assert [row["id"] for row in calls(database).shown] == shown[::-1]


def test_seeds_are_labelled_after_the_base_model_is_measured(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    folder.write(0, "calls/teacher-label0", 0, [call("call-l", "q-1", 0, stage="label0", role="teacher")])
    folder.write(0, "calls/rollouts-heldout", 0, [call("call-h", "h-1", 0, stage="heldout")])
    with pages(tmp_path) as client:
        assert order(client.get("/run/r/transcript").text) == ["call-h", "call-l"]


def test_verdicts_answers_and_failures_are_shown(path: Path) -> None:
    with pages(path) as client:
        page = read(client, "/run/r/transcript?round=1")
        for told in ("✓ right", "✗ wrong", "⊘ invalid", "is not 8", "cut off", "timeout", "sent 2 times"):
            assert told in page.said, told
        assert "✓ admitted" in page.said and "near duplicate" in page.said and "(0.97)" in page.said
        assert "/run/r/question/q-2" in page.links and "/run/r/template/harder" in page.links
        assert '<mark class="answer">7</mark>' in client.get("/run/r/transcript").text
        assert HOSTILE[:20] in page.said and "\x1b" not in page.said and "\u202e" not in page.said


def test_trouble_is_the_same_in_a_terminal(path: Path) -> None:
    """Failed, sent again or cut off."""
    with pages(path) as client:
        shown = order(client.get("/run/r/transcript?failed=true").text)
    assert set(shown) == {"call-x", "call-l0", "call-l1", "call-b"}
    with Database(run_folder(path)) as database:
        assert [row["id"] for row in calls(database, failed=True).shown] == shown[::-1]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("role=teacher&stage=label1", ["call-l1"]), ("verdict=wrong", ["call-b"]),
        ("verdict=right", ["call-a"]),
        ("skill=mod", ["call-b"]), ("failed=true&role=generator", ["call-x"]), ("q=TO+Q-1", ["call-a"]),
        ("q=onerror", ["call-b"]), ("round=all&q=h-1", ["call-v", "call-h"]), ("role=nobody", []),
        ("q=%00", []), ("q=%25&round=all", []), ("round=0", []), ("round=1&page=2", []),
    ],
)  # fmt: skip
def test_filters(path: Path, asked: str, found: list[str]) -> None:
    with pages(path) as client:
        answer = client.get(f"/run/r/transcript?{asked}")
        assert answer.status_code == 200 and order(answer.text) == found


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("transcript?round=77", 404), ("transcript?round=x", 400), ("transcript?round=" + "9" * 40, 400),
        ("transcript?page=0", 400), ("transcript?q=" + "x" * 10_000, 400), ("transcript?failed=maybe", 400),
        ("transcript/call/nope", 404), ("transcript/call/" + "x" * 5000, 404),
        ("transcript/call/%00/text", 404),
        ("template/nope", 404), ("template/..%2f..%2frun", 404), ("template/%00", 404),
    ],
)  # fmt: skip
def test_odd_addresses_are_answered_with_a_sentence(path: Path, address: str, status: int) -> None:
    with pages(path) as client:
        assert "cannot be shown" in read(client, f"/run/r/{address}", status).said or "%2f" in address


def test_a_call_has_its_page_and_its_text(path: Path) -> None:
    folder = run_folder(path)
    long = "é" * 300_000
    asked = json.dumps([{"role": "system", "content": long}, {"role": "user", "content": None}])
    tools = json.dumps([{"function": {"name": "python", "arguments": '{"code": "1"}'}}])
    folder.write(
        2, "calls/rollouts-attempt", 0,
        [call("call-z", "q-1", 2, messages=asked, reasoning=["I think"], tool_calls=[tools],
              tried=["timeout"])],
    )  # fmt: skip
    result = ToolResult(
        id="t", call_id="call-z", place=0, name="python", arguments="{}", result=HOSTILE, seconds=0.1
    )
    folder.write(2, "tools/rollouts-attempt", 0, [result])
    with pages(path) as client:
        listed = client.get("/run/r/transcript")
        assert len(listed.text) < 60_000 and "it is on" in listed.text
        page = read(client, "/run/r/transcript/call/call-z")
        for told in ("I think", "calls python", HOSTILE[:20], "sent 2 times", "200,000 more characters"):
            assert told in page.said, told
        text = client.get("/run/r/transcript/call/call-z/text")
        assert long in text.text and text.headers["content-type"].startswith("text/plain")
        assert "=== completion 1 ===" in text.text and "I think" in text.text
        assert read(client, "/run/r/template/harder").said.count(HOSTILE[:20]) == 1


def test_pages_of_forty_and_search_through_rounds(path: Path) -> None:
    folder = run_folder(path)
    for round in (3, 4, 5):
        many = [call(f"call-{round}-{n:02}", f"q-{n}", round) for n in range(50)]
        folder.write(round, "calls/rollouts-attempt", 0, many)
    with pages(path) as client:
        first = client.get("/run/r/transcript?round=4").text
        second = client.get("/run/r/transcript?round=4&page=2").text
        assert [*order(first), *order(second)] == [f"call-4-{n:02}" for n in range(50)]
        assert 'rel="next"' in first and 'rel="next"' not in second
        found = client.get("/run/r/transcript?round=all&q=to+q-33").text
        assert order(found) == ["call-5-33", "call-4-33", "call-3-33"]


def test_a_search_that_takes_too_long_says_how_far_it_came(path: Path) -> None:
    folder = run_folder(path)
    for round in range(2, 9):
        folder.write(round, "calls/rollouts-attempt", 0, [call(f"call-{round}", "q-1", round)])
    with pages(path) as client:
        client.get("/run/r/transcript")
        run = client.app.state.runs.find("r")  # type: ignore[attr-defined]
        found = conversation.of_all(run, 8, conversation.Wanted(text="to q-1"), 40, spend=0.0)
        assert [row["id"] for row in found.calls] == ["call-8"] and found.until == 8
        further = conversation.of_all(run, 7, conversation.Wanted(text="to q-1"), 40)
        assert len(further.calls) == 7 and further.until is None


def test_a_run_that_has_just_begun_and_records_of_an_older_version(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    with pages(tmp_path) as client:
        assert "No model has been asked" in read(client, "/run/r/transcript").said
        old = call(
            "call-o", "q-1", messages="not json", completions=["a", "b"], finished=[], template="gone@1"
        )
        folder.write(0, "calls/rollouts-attempt", 0, [old.model_copy(update={"round": 0})])
    with pages(tmp_path) as client:
        page = read(client, "/run/r/transcript")
        assert "not json" in page.said and "gone@1" in page.said and "not read" in page.said


@pytest.mark.parametrize(
    "text", ["", "nonsense", "3", "[3, null]", '{"a": 1}', '[{"content": [1]}]', "[" * 5000]
)
def test_no_prompt_is_too_odd_to_be_shown(text: str) -> None:
    assert isinstance(messages_of(text), list)
    assert isinstance(tools_of(text), list)
