"""The inspector over HTTP: every page, who may ask, what is said of what is not there, hostile text inert."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ormsgpack
import pytest
import shown_run
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from maieutic.errors import RunError
from maieutic.graph.build import build
from maieutic.graph.room import Room
from maieutic.inspector.web import application, mathematics, serving
from maieutic.inspector.web import run as run_page
from maieutic.inspector.web.mathematics import marked_up
from maieutic.inspector.web.rendering import marked, plain, shown
from maieutic.inspector.web.runs import Run, Runs
from maieutic.memory.run import RunFolder, write_whole
from maieutic.records import Alarm, Ending, ForkedFrom, GateDecision, RunReport, Shift
from shown_run import EVIL_ID, HOSTILE

MATH = {"math", *mathematics._DRAWN}
PAGES = ("", "/graph", "/question/q-seed", "/question/q-child", "/question/q-held", "/question/q-val")


class Elements(HTMLParser):
    """Names and attributes of all elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def check_inert(page: str) -> Elements:
    """Nothing of a page can run but the scripts that are ours."""
    elements = Elements(page)
    for tag, attributes in elements.found:
        assert tag not in ("iframe", "object", "embed", "base", "style"), tag
        assert not [name for name in attributes if name.startswith("on") or name == "style"], attributes
        if tag == "script":
            assert (attributes.get("src") or "").startswith(("/static/", "/library/")) or attributes == {
                "type": "application/json", "data-for": attributes.get("data-for"),
            }  # fmt: skip
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), attributes
        assert tag != "img"
    return elements


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    path = tmp_path / "runs"
    shown_run.write(path / "small")
    return path


@pytest.fixture
def client(runs: Path, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(application(runs, cache=tmp_path / "cache"), base_url="http://127.0.0.1:80") as made:
        yield made


def test_the_list_of_runs(client: TestClient, runs: Path) -> None:
    shown_run.write(runs / "grid" / "a-s0")
    write_whole(runs / "grid" / "grid.json", "{}")
    (runs / "no run").mkdir()
    page = client.get("/").text
    assert 'href="/run/small"' in page and 'href="/compared/grid/a-s0"' in page and "no run" not in page
    assert "40.0 %" in page and "60.0 %" in page
    assert client.get("/compared/grid/a-s0").status_code == 200


@pytest.mark.parametrize("address", PAGES)
def test_every_page_of_a_run(client: TestClient, address: str) -> None:
    answer = client.get(f"/run/small{address}")
    assert answer.status_code == 200, answer.text
    check_inert(answer.text)


def test_a_run_in_figures(client: TestClient) -> None:
    elements = check_inert(client.get("/run/small").text)
    text = " ".join(elements.text.split())
    assert "Held-out accuracy, and what the gate kept" in text
    page = client.get("/run/small").text
    assert "refused: duplicate" in page and '"values": [40.0, 50.0, 60.0]' in page
    assert '"low": [30.0, 40.0, 50.0]' in page
    maps = client.get("/run/small?at=1").text
    assert "round <output>1</output>" in maps and '<td class="s5">50</td>' in maps
    canvases = [attributes for tag, attributes in elements.found if tag == "canvas"]
    assert all(attributes["aria-label"] for attributes in canvases) and len(canvases) >= 6


def test_a_question_with_its_lineage(client: TestClient) -> None:
    text = " ".join(Elements(client.get("/run/small/question/q-child").text).text.split())
    assert "What is 3 + 4?" in text  # the seed that it was made of
    assert "teacher: harder, round 1" in text
    assert "cosine 0.700" in text
    assert "dpo on 1 rows from base → solver-0002 → kept" in text
    assert "held-out 50.0 % before, 60.0 % after" in text
    whole = client.get("/run/small/question/q-child/text")
    assert whole.headers["content-type"].startswith("text/plain") and "r-2" in whole.text


def test_questions_of_fixed_sets_are_shown_without_a_lineage(client: TestClient) -> None:
    text = Elements(client.get("/run/small/question/q-held").text).text
    assert "held-out set" in text and "What was learned" not in text


def test_runs_side_by_side(client: TestClient, runs: Path) -> None:
    other = shown_run.write(runs / "other")
    write_whole(other.config, other.config.read_text().replace("seed: 0", "seed: 7", 1))
    page = client.get("/compare?run=small&run=other&run=nobody&run=small").text
    elements = check_inert(page)
    rows = [attributes for _, attributes in elements.found if "data-row" in attributes]
    assert len(rows) == 2 and "seed" in elements.text
    assert "No run is marked" in client.get("/compare").text


@pytest.mark.parametrize(
    "address",
    [
        "/run/nobody", "/run/../small", "/run/%2e%2e", "/run/small/question/q-nope", "/compared/a/b",
        "/static/..%2fapp.py", "/static/none.js", "/run/small/nothing", "/run/" + "x" * 5000,
        "/run/%00", "/run/small/question/%00%0d%0aset-cookie:x",
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_page_that_says_so(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    check_inert(answer.text)
    assert "set-cookie" not in answer.headers


def test_only_reading_is_answered(client: TestClient) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/run/small").status_code == 405


def test_strangers_are_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"Host": "127.0.0.1.evil.example"}).status_code == 400
    crossed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    assert client.get("/", headers=crossed).status_code == 403
    answer = client.get("/", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_what_a_browser_is_told(client: TestClient) -> None:
    for address in ("/", "/run/small", "/run/nobody", "/static/page.js"):
        headers = client.get(address).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_charts_need_no_network(client: TestClient) -> None:
    script = client.get("/library/chart.js")
    assert script.status_code == 200 and "Chart" in script.text
    assert "immutable" in script.headers["cache-control"]


def test_hostile_text_is_inert_on_every_page(runs: Path, client: TestClient) -> None:
    shown_run.write(runs / "evil", HOSTILE, name=EVIL_ID)
    for address in (*PAGES, "/question/" + quote(EVIL_ID, safe="")):
        elements = check_inert(client.get(f"/run/evil{address}").text)
        assert "\x1b" not in elements.text and "\u202e" not in elements.text
        if "child" not in address:
            assert "<h1>49" not in elements.text
    page = client.get("/run/evil/question/" + quote(EVIL_ID, safe="")).text
    assert "alert(1)" in Elements(page).text and "{{ 7 * 7 }}" in Elements(page).text


def test_a_text_of_five_megabytes_is_cut_and_there_whole(runs: Path, client: TestClient) -> None:
    shown_run.write(runs / "long", "x" * 5_000_000)
    page = client.get("/run/long/question/q-child").text
    assert len(page) < 400_000 and "4,980,000 more characters" in page
    assert "x" * 5_000_000 in client.get("/run/long/question/q-child/text").text


def test_a_run_that_has_only_begun_says_so(runs: Path, client: TestClient) -> None:
    folder = shown_run.write(runs / "new")
    folder.report.unlink()
    assert ">starting<" in client.get("/run/new").text
    os.utime(folder.config, (1, 1))
    for address in ("/run/new", "/run/new/graph"):
        text = Elements(client.get(address).text).text
        assert "there is no figure yet" in text and "maieutic resume new" in text


def test_a_run_that_stopped_says_how_to_go_on(runs: Path, client: TestClient) -> None:
    folder = shown_run.write(runs / "dead", status="running")
    write_whole(folder.path / "run.lock", "999999999")
    write_whole(folder.logs / "training.log", "first\nout of memory\x1b[2J")
    text = Elements(client.get("/run/dead").text).text
    assert "stopped" in text and "maieutic resume dead" in text and "out of memory" in text


def test_a_run_that_is_played_is_live(runs: Path, client: TestClient) -> None:
    folder = shown_run.write(runs / "alive", status="running")
    write_whole(folder.path / "run.lock", str(os.getpid()))
    page = client.get("/run/alive").text
    assert "data-live" in page and ">running<" in page


def test_what_cannot_be_read_is_said(runs: Path, client: TestClient) -> None:
    folder = shown_run.write(runs / "broken")
    folder.report.write_text("{")
    folder.config.write_text("rounds: [")
    folder.graph.write_bytes(b"no database")
    (folder.round(1) / "rollouts" / "attempt-0000.parquet").write_bytes(b"PAR1")
    (folder.round(1) / "seconds.json").write_text("[")
    for address in ("", "/graph", "/question/q-seed"):
        answer = client.get(f"/run/broken{address}")
        assert answer.status_code == 200
        assert "0001/rollouts/attempt-0000.parquet" in answer.text
    assert client.get("/").status_code == 200


def test_how_a_run_ended_and_what_the_watch_noticed_is_on_its_page(runs: Path, client: TestClient) -> None:
    folder = shown_run.write(runs / "ended")
    report = RunReport.model_validate_json(folder.report.read_bytes())
    shift = Shift(change=0.2, low=0.1, high=0.3)
    alarm = Alarm(seen="attempts", against="validation", reward=shift, result=shift, said=f"gamed? {HOSTILE}")
    rounds = [report.rounds[0], report.rounds[1].model_copy(update={"alarms": [alarm]})]
    spent = Ending(status="budget", by="budget.hours", limit=1, spent=1.5, said="budget.hours = 1 is spent")
    told = {"status": "budget", "ended": spent, "rounds": rounds,
            "forked": [ForkedFrom(run=HOSTILE, round=1, settings=[f"seeds={HOSTILE}"])]}  # fmt: skip
    folder.report.write_text(report.model_copy(update=told).model_dump_json())
    page = client.get("/run/ended").text
    text = check_inert(page).text
    assert "ended early: budget.hours = 1 is spent" in text and "data-live" not in page
    assert "ALARM in round 2: gamed?" in text and "forked from" in text
    assert page.count(">alarm</strong>") == 1
    assert '<span class="status budget">budget</span>' in client.get("/").text


async def test_the_graph_says_how_to_begin_a_new_run_from_a_round_that_is_over(
    runs: Path, client: TestClient
) -> None:
    async def nobody() -> Room:
        raise RuntimeError("nothing is played here")

    folder = shown_run.write(runs / "forked")
    where: Any = {"configurable": {"thread_id": "forked"}}
    async with AsyncSqliteSaver.from_conn_string(str(folder.graph)) as saver:
        graph = build(nobody).compile(checkpointer=saver)
        for round, over, node in ((3, False, "gate"), (3, False, "select"), (4, True, "gate")):
            state = {"round": round, "over": over, "solver": "base", "again": False}
            await graph.aupdate_state(where, state, as_node=node)
    text = client.get("/run/forked/graph").text
    for last in (2, 3):
        assert text.count(f"maieutic fork forked --round {last} --runs-dir {runs}") == 1


def test_no_checkpoint_of_a_stranger_calls_a_function(runs: Path, client: TestClient) -> None:
    folder = shown_run.write(runs / "foreign")
    made = folder.path / "made by a checkpoint"
    told = ormsgpack.Ext(0, ormsgpack.packb(("os", "mkdir", str(made))))
    kept = {"v": 4, "ts": "2026-01-01T00:00:00+00:00", "id": "1", "channel_versions": {}, "versions_seen": {}}
    with contextlib.closing(sqlite3.connect(folder.graph)) as connection:
        SqliteSaver(connection).setup()
        connection.execute("PRAGMA journal_mode = delete")
        for name, kind in (("1", "msgpack"), ("2", "pickle")):
            whole = ormsgpack.packb({**kept, "id": name, "channel_values": {"round": 1, "solver": told}})
            if kind == "pickle":
                connection.execute("UPDATE checkpoints SET type = 'pickle'")
            else:
                connection.execute(
                    "INSERT INTO checkpoints VALUES ('foreign', '', ?, NULL, ?, ?, '{}')", [name, kind, whole]
                )
            connection.commit()
            answer = client.get("/run/foreign/graph")
            assert answer.status_code == 200
            assert ("cannot be read now" in answer.text) == (kind == "pickle")
            assert not made.exists()


@pytest.mark.parametrize(
    "text", ["3", "[1]", '{"accuracy": "x"}', '{"attempt": "x", "serve": {}}', "[", "", "NaN", "1" * 5000]
)
def test_small_files_of_other_types_take_no_page_away(runs: Path, client: TestClient, text: str) -> None:
    folder = shown_run.write(runs / "odd")
    for name in ("heldout", "seconds"):
        (folder.round(1) / f"{name}.json").write_text(text)
    for address in ("", "/graph", "/question/q-seed", "/transcript?round=1", "/weaknesses?skill=addition"):
        assert client.get(f"/run/odd{address}").status_code == 200, address


def test_one_odd_run_does_not_hide_the_others(
    runs: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = shown_run.write(runs / "endless")
    endless.report.write_text(endless.report.read_text().replace("12.5", "1e999"))
    for name in (b"no \xff text", "turned \u202e round".encode(), b"two\nlines"):
        shown_run.write(Path(os.fsdecode(os.fsencode(runs) + b"/" + name)))
    (runs / "loop").symlink_to("loop")
    (runs / "file").write_text("")
    page = client.get("/")
    assert page.status_code == 200 and 'href="/run/small"' in page.text and "endless" in page.text
    assert "turned" not in page.text and "text" not in Elements(page.text).text

    def went(self: Runs) -> list[Run]:
        return [Run("gone", RunFolder(runs / "gone"), None)]

    monkeypatch.setattr(Runs, "all", went)
    assert client.get("/").status_code == 200


def test_what_nobody_thought_of_is_a_page_that_says_so(runs: Path, client: TestClient) -> None:
    folder = shown_run.write(runs / "odd")
    told = folder.report.read_text().replace('"by_level":{"1"', '"by_level":{"one \\u202e"')
    folder.report.write_text(told)
    answer = client.get("/run/odd")
    assert answer.status_code == 500 and "not as maieutic writes it" in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"] and "\u202e" not in answer.text


def test_head_is_answered_as_get_is(client: TestClient) -> None:
    for address in ("/", "/compare", "/static/page.js", *(f"/run/small{address}" for address in PAGES)):
        assert client.head(address).status_code == 200, address
    assert client.head("/run/nobody").status_code == 404
    assert client.head("/run/small/events").status_code == 405


def test_an_empty_folder(tmp_path: Path) -> None:
    with TestClient(application(tmp_path / "none"), base_url="http://localhost") as client:
        assert "maieutic run" in client.get("/").text


@given(st.text(max_size=300))
def test_no_text_becomes_markup(text: str) -> None:
    for made in (shown(text), marked(text, text[:3]), marked_up(text)):
        tags = {tag for tag, _ in Elements(str(made)).found}
        assert tags <= {"mark", "span"} | MATH, made


@given(st.text(alphabet="\\${}^_<>&'\"hrefabx script()/ \n", max_size=120))
def test_no_formula_becomes_more_than_a_formula(text: str) -> None:
    found = Elements(str(marked_up(f"${text}$ \\({text}\\) $${text}$$"))).found
    for tag, attributes in found:
        assert tag in MATH
        assert not [
            name for name in attributes if name in ("href", "xlink:href", "style") or name[:2] == "on"
        ]


def test_formulas_are_drawn() -> None:
    drawn = str(marked_up("so $x^{2}$ and \\(\\frac{1}{2}\\) and \\boxed{7}; it costs $3 and $4"))
    assert drawn.count("<math") == 3
    assert "<msup>" in drawn and "<mfrac>" in drawn and "it costs $3 and $4" in drawn
    assert "<math" not in str(marked_up("\\(" + "{" * 400 + "\\)"))


def test_the_answer_is_marked_where_it_was_read() -> None:
    assert str(marked("7 <b> 7", "7")) == '7 &lt;b&gt; <mark class="answer">7</mark>'
    assert str(marked("none", "7")) == "none"


def test_a_line_is_short() -> None:
    assert plain("a\n b\x1b" + "c" * 500, 20) == "a b\ufffd" + "c" * 15 + "…"


@pytest.mark.parametrize(("host", "warned"), [("::1", False), ("127.0.0.1", False), ("0.0.0.0", True)])
def test_it_says_so_where_others_can_read_and_only_there(
    runs: Path, monkeypatch: pytest.MonkeyPatch, host: str, warned: bool
) -> None:
    told: list[str] = []
    monkeypatch.setattr(serving, "_bound", lambda host, port: socket.socket())
    monkeypatch.setattr(socket.socket, "getsockname", lambda self: (host, 1))
    monkeypatch.setattr(serving.uvicorn.Server, "run", lambda self, sockets: None)
    serving.serve(runs, None, host, 1, False, told.append)
    assert any("can read all runs" in line for line in told) == warned


def test_a_round_that_trained_nothing_says_nothing_of_a_gate(runs: Path, client: TestClient) -> None:
    folder = shown_run.write(runs / "untrained")
    shutil.rmtree(folder.round(1) / "trainings")
    (gate,) = folder.read(1, "gates", GateDecision)
    folder.write(1, "gates", 0, [gate.model_copy(update={"trained": False, "promoted": False})])
    text = " ".join(Elements(client.get("/run/untrained/question/q-seed").text).text.split())
    assert "1 pair, trained on in no job that is recorded rollouts" in text


def test_figures_without_end_are_no_figures_of_a_chart() -> None:
    told = shown_run.report()
    entry = told.rounds[0]
    train = entry.train.model_copy(update={"metrics": {"guard/kl": float("inf"), "first/guard/kl": 0.5}})
    broken = told.model_copy(update={"rounds": [entry.model_copy(update={"train": train}), told.rounds[1]]})
    assert chart_data(broken) == [None, 0.1]


def chart_data(report: RunReport) -> list[float | None]:
    (kl,) = (one for one in run_page.charts(report) if one.name == "guard-kl")
    return list(kl.series[0].values)


@pytest.mark.slow
def test_open_pages_hold_up_no_end(runs: Path, tmp_path: Path) -> None:
    """Ten of them follow a run; SIGTERM ends the server at once, and nothing is complained of."""
    process = subprocess.Popen(
        [sys.executable, "-m", "maieutic", "inspect", "--no-open", "--port", "0", "--runs-dir", str(runs)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert process.stdout
    port = int(re.findall(r":(\d+)/", process.stdout.readline())[0])
    (name, *_) = sorted(one.name for one in runs.iterdir())
    asked = f"GET /run/{quote(name)}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    with contextlib.ExitStack() as stack:
        following = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(10)]
        for one in following:
            one.sendall(asked.encode())
        for one in following:
            assert b"text/event-stream" in one.recv(10_000)
        begun = time.monotonic()
        process.terminate()
        _, complaints = process.communicate(timeout=30)
    assert time.monotonic() - begun < 2.5 and complaints == ""
    assert process.returncode in (0, -signal.SIGTERM)


def test_an_empty_host_is_not_every_address() -> None:
    with pytest.raises(RunError, match="--host is empty"):
        serving._bound("", 0)
