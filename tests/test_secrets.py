"""No secret is written, shown or told: canaries are played through a run, and looked for in all it leaves."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import canaries
import pytest
from canaries import CANARIES, found_in, leaks
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from maieutic import cli
from maieutic.config import ServingConfig, load
from maieutic.endpoints import hiding
from maieutic.errors import EndpointError, MaieuticError
from maieutic.graph.remote import client_of
from maieutic.graph.report import write_report
from maieutic.inspector.web import application
from maieutic.memory.run import RunFolder
from maieutic.serving.client import Completions, Request
from maieutic.serving.command import Hosting, command
from scripted import Answer, completion, scripted
from simulated import play, pretend_to_train
from typer.testing import CliRunner

KEY = CANARIES["TEACHER_KEY"]

# ------------------------------------------------------------------ hiding


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(sorted(CANARIES.values())))
def test_a_key_is_hidden_wherever_it_stands(before: str, after: str, key: str) -> None:
    assert found_in(hiding(key)(f"{before}{key}{after}").encode("utf-8", "replace"), [key]) == []


@pytest.mark.parametrize(
    "said",
    [
        f"Incorrect API key provided: {KEY}.",
        f"Authorization: Bearer {KEY}",
        f"/v1?key={quote(KEY, safe='')}",
        f"/v1?key={quote(KEY)}",
        json.dumps({"key": KEY}),
        base64.b64encode(f"user:{KEY}".encode()).decode(),
        base64.b64encode(f"us:{KEY}".encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        KEY.encode().hex(),
        KEY.upper(),
        KEY[::-1],
    ],
)
def test_in_whatever_form_it_comes_back(said: str) -> None:
    hidden = hiding(KEY)(said)
    assert "***" in hidden and found_in(hidden.encode(), [KEY, KEY.upper()]) == []


@pytest.mark.parametrize("key", ["", "none", "EMPTY"])
def test_a_word_is_no_secret(key: str) -> None:
    assert hiding(key)("none of it is EMPTY") == "none of it is EMPTY"


# ------------------------------------------------------------------ an endpoint that repeats what it was sent


def repeated(key: str) -> str:
    packed = base64.b64encode(f"Bearer {key}".encode()).decode()
    return f"{key} {quote(key, safe='')} {packed} {key.encode().hex()}"


def request() -> Request:
    return Request.single("teacher", "s", 1, "x", "solve@2", "What is 1 + 1?", 0.0, 64, 0)


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
async def test_an_endpoint_that_repeats_the_key_brings_it_nowhere(status: int) -> None:
    def script(number: int, body: dict[str, Any]) -> Answer:
        if status != 200:
            return status, {"error": {"message": repeated(KEY)}}
        code, said = completion(f"so {repeated(KEY)} #### 2")
        said["choices"][0]["message"] |= {
            "reasoning_content": repeated(KEY),
            "tool_calls": [{"id": KEY, "type": "function", "function": {"name": "f", "arguments": KEY}}],
        }
        return code, said

    with scripted(script) as (url, _):
        client = Completions(url, KEY, "m", ServingConfig(retries=0))
        try:
            told = str((await client.ask(request())).call)
        except EndpointError as error:
            told = f"{error} {error.call}"
        finally:
            await client.close()
    assert found_in(told.encode(), [KEY]) == []
    assert "***" in told or status == 429


# ------------------------------------------------------------------ a run with failures


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)


def shown(runs: Path, cache: Path) -> bytes:
    """What the inspector says of a run, on every kind of page."""
    with TestClient(application(runs, cache=cache), base_url="http://127.0.0.1:80") as client:
        overview = client.get("/run/r")
        assert overview.status_code == 200
        links = sorted(set(re.findall(r'href="(/run/r[^"#]*)"', overview.text)))
        assert len(links) > 3
        return b"".join(client.get(unescape(link)).content for link in ["/", "/run/r", *links[:40]])


@pytest.mark.slow
@pytest.mark.usefixtures("planted")
async def test_a_run_with_failing_endpoints_leaves_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("maieutic.graph.train.run_job", pretend_to_train)
    rows = [{"question": f"Bert has {n} pens and Lea has {n + 9}. How many?"} for n in range(3, 15)]
    rows += [{"question": f"Ida has {n} and Jan {n + 7}: how many?", "answer": 2 * n + 7} for n in range(40)]
    (tmp_path / "seeds.jsonl").write_text("\n".join(json.dumps(row) for row in rows))

    def script(number: int, body: dict[str, Any]) -> Answer:
        key = CANARIES["TEACHER_KEY"]
        if number % 5 == 0:
            return 500, {"error": {"message": repeated(key)}}
        if number % 5 == 1:
            return 400, {"error": {"message": repeated(key)}}
        return completion(f"{repeated(key)} so #### {number % 3}")

    with scripted(script) as (url, asked):
        config = load(None, [
            f"seeds={tmp_path}/seeds.jsonl", f"teacher.endpoint={url}/v1", "teacher.model=m",
            "teacher.key=TEACHER_KEY", "serving.retries=1", "rounds=1", "sets.per_cell=1",
            "curriculum.questions=8", "curriculum.new=4", "labels.solves=2", "labels.threshold=0",
        ])  # fmt: skip
        folder, told = RunFolder(tmp_path / "runs" / "r"), ""
        client = client_of("teacher", config.teacher, config)
        try:
            await play(folder.path, config, model=client)  # type: ignore[arg-type]
        except MaieuticError as error:
            told = f"{error} {error.__cause__} {error.call}"
        finally:
            await client.close()
        write_report(folder, config, "stopped")
    assert len(asked) > 10, told
    pages = shown(tmp_path / "runs", tmp_path / "cache")
    exported = ["export", "r", "--runs-dir", str(tmp_path / "runs"), "--to", "jsonl", str(tmp_path / "out")]
    done = CliRunner().invoke(cli.app, exported)
    assert done.exit_code == 0, done.output
    said = capsys.readouterr()
    assert found_in(pages + done.output.encode(), CANARIES.values()) == []
    for place in (tmp_path / "out", tmp_path / "cache", folder.path):
        assert list(leaks(place, CANARIES.values())) == []
    assert found_in(f"{told}{said.out}{said.err}".encode(), CANARIES.values()) == []
    assert "TEACHER_KEY" in (folder.path / "run.yaml").read_text()  # its name, by which a resume finds it


# ------------------------------------------------------------------ commands


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--set", f"teacher.endpoint=http://u:{KEY}@127.0.0.1:1/v1"],
        ["run", "--set", f"teacher.endpoint=http://127.0.0.1:1/v1?key={KEY}"],
        ["run", "--set", f"teacher.key={KEY}", "--set", "teacher.endpoint=http://127.0.0.1:1/v1"],
        ["seeds", "check", f"hf:{KEY}/../x"],
    ],
)
@pytest.mark.slow
def test_a_key_given_by_mistake_is_refused_and_not_repeated(arguments: list[str], tmp_path: Path) -> None:
    if arguments[0] == "run":
        arguments = [*arguments, "--runs-dir", str(tmp_path / "runs")]
    done = subprocess.run(
        [sys.executable, "-m", "maieutic", *arguments],
        capture_output=True, text=True, check=False, timeout=100, cwd=tmp_path,
        env={**os.environ, **CANARIES, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    told = (done.stdout + done.stderr).encode()
    # A source is no place for a key, and is named as it was given.
    given = CANARIES.values() if arguments[0] == "run" else set(CANARIES.values()) - {KEY}
    assert found_in(told, given) == []
    assert list(leaks(tmp_path, CANARIES.values())) == []


def test_the_servers_own_key_is_no_argument_of_its_process() -> None:
    line = " ".join(command(Hosting(Path("/m"), Path("/l")), "m", 1, ServingConfig()))
    assert "api-key" not in line and "VLLM_API_KEY" not in line


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    # A test that finds nothing must be able to find something.
    for number, form in enumerate(canaries.forms(KEY)):
        (tmp_path / f"{number}.bin").write_bytes(b"x" + form + b"y")
    assert len(list(leaks(tmp_path, [KEY]))) == len(canaries.forms(KEY))
