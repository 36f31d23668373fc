"""Hostile names, configurations, run folders, requests: refused in one line, nothing outside is touched."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import psutil
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from maieutic import config
from maieutic.errors import ConfigError, RunError, printable
from maieutic.graph.folders import find
from maieutic.graph.lock import held, locked
from maieutic.graph.making import create
from maieutic.inspector.web import application, serving
from maieutic.memory.run import RunFolder
from maieutic.tasks.material import Material, gather

NAMES = [
    "", ".", "..", "../x", "../../etc/x", "/etc/x", "a/b", "a/../../b", "./a", "a/", ".hidden", "..x", "a\0b",
    "a\nb", "a\r", "\x1b[2J", "a\u202eb", "a\u200bb", "a\u2028b", "x" * 101, "é" * 60, "\ud800",
]  # fmt: skip


@pytest.fixture(scope="module")
def material() -> Material:
    return gather(config.load(None, ["sets.per_cell=1"]))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_makes_nothing(tmp_path: Path, material: Material, name: str) -> None:
    runs = tmp_path / "deep" / "runs"
    with pytest.raises(RunError) as caught:
        create(config.load(), runs, name, material)
    assert list(tmp_path.rglob("*")) == [] and len(str(caught.value)) < 300
    assert printable(str(caught.value)).isprintable()


@pytest.mark.parametrize("name", [*NAMES, "$(touch x)", "`id`", "~", "*", "%2e%2e", "-rf"])
def test_no_run_is_found_outside_the_folder_of_runs(tmp_path: Path, name: str) -> None:
    for outside in (tmp_path, tmp_path / "x", tmp_path / "b"):
        outside.mkdir(exist_ok=True)
        (outside / "run.yaml").write_text("rounds: 1\n")
    (tmp_path / "runs").mkdir()
    with pytest.raises((RunError, ValueError)):
        find(tmp_path / "runs", name)


# ------------------------------------------------------------------ configurations

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40)
)
CONFIGS = {
    "tags": "seed: !!python/object/apply:os.system ['touch {trace}']",
    "names": "seed: !!python/name:os.system",
    "modules": "!!python/module:os",
    "new": "seed: !!python/object/new:os.system [touch {trace}]",
    "files": "seed: !!python/object/apply:builtins.open ['{trace}', 'w']",
    "laughs": LAUGHS,
    "itself": "seed: &a [*a]",
    "merged": "<<: &a {{<<: *a}}",
    "deep": "seed: " + "[" * 10_000,
    "deep map": "".join(f"{' ' * n}a:\n" for n in range(1_300)),
    "number": "seed: " + "9" * 100_000,
    "negative": "seed: -" + "9" * 5_000,
    "exponent": "rounds: 1e999",
    "infinite": "training: {{learning_rate: .inf}}",
    "nothing": "training: {{learning_rate: .nan}}",
    "base sixty": "rounds: 190:20:30:40",
    "date": "rounds: 2001-12-14t21:59:43.10-05:00",
    "binary": "seeds: !!binary aGk=",
    "set": "rollouts: !!set {{a, b}}",
    "no text": "\x00\x01\x02",
    "controls": "\"\\e[2J\\a\": 1",
    "bidi": "\"\\u202eround\": 1",
    "key": "? {{a: b}}\n: 1",
    "two": "rounds: 1\n---\nrounds: 2",
    "traversal": "prompts: ../../../../etc",
    "surrogate": "seeds: \"\\ud800\"",
}  # fmt: skip


HARMLESS = ("merged", "traversal", "binary", "base sixty", "surrogate")
"""What may be read: values as any other, whose use is refused where it comes to that."""


@pytest.mark.parametrize("name", CONFIGS)
def test_a_hostile_configuration_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    trace, file = tmp_path / "trace", tmp_path / "c.yaml"
    text = CONFIGS[name]
    file.write_text(text if name == "laughs" else text.format(trace=trace), errors="surrogatepass")
    before, began = psutil.Process().memory_info().rss, time.process_time()
    told = ""
    try:
        # What can be read must be a configuration that can be written again.
        assert config.dump(config.load(file)) and name in HARMLESS
    except ConfigError as error:
        told = str(error)
    assert "\n" not in told and len(told) < 1_000 and printable(told).replace("", "x").isprintable()
    assert time.process_time() - began < 5
    assert psutil.Process().memory_info().rss - before < 300_000_000
    assert not trace.exists()


@given(st.text(max_size=200))
def test_no_override_raises_anything_else(text: str) -> None:
    for override in (text, f"seed={text}", f"seeds={text}", f"{text}=1"):
        with contextlib.suppress(ConfigError):
            config.load(None, [override])


# ------------------------------------------------------------------ run folders of strangers


@pytest.mark.parametrize(
    "place", ["run.lock", "report.json", "graph.sqlite", "logs/training.log", "rounds/0001", "checkpoints"]
)
def test_a_run_writes_nowhere_else_through_a_link(tmp_path: Path, material: Material, place: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    precious = theirs / "authorized_keys"
    precious.write_text("precious")
    folder = create(config.load(None, ["sets.per_cell=1"]), tmp_path / "runs", "r", material)
    link = folder.path / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(theirs if place in ("rounds/0001", "checkpoints") else precious)
    with pytest.raises(RunError, match=r"is a link to .* take it out"), locked(folder):
        pass
    assert precious.read_text() == "precious" and os.listdir(theirs) == ["authorized_keys"]
    assert not held(folder) or place != "run.lock"


def test_a_link_to_nothing_is_one_too_and_the_folder_itself_may_be_one(
    tmp_path: Path, material: Material
) -> None:
    folder = create(config.load(None, ["sets.per_cell=1"]), tmp_path / "disk", "r", material)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "r").symlink_to(folder.path)
    linked = RunFolder(tmp_path / "runs" / "r")
    with locked(linked):
        assert held(folder)
    (folder.path / "run.log").symlink_to(tmp_path / "made-by-it")
    with pytest.raises(RunError, match="is a link"), locked(linked):
        pass
    assert not (tmp_path / "made-by-it").exists()


# ------------------------------------------------------------------ requests

ADDRESSES = [
    "/run/..", "/run/../../etc/passwd", "/run/%2e%2e/%2e%2e/etc/passwd", "/run/..%2f..%2fetc%2fpasswd",
    "/run/%00", "/run/r%00.yaml", "/run/r/question/..%2f..%2frun.yaml", "/static/../app.py",
    "/static/..%2f..%2fapp.py", "/static/%2e%2e/app.py", "/library/..%2f..%2f..%2fetc%2fpasswd",
    "/compared/../../x", "/run/" + "a" * 5_000, "/run/r?round=" + "9" * 5_000, "/run/r?at=-1",
    "/run/r/question/%ff%fe", "/run/r/question/'%20OR%201=1--", "/run/r/questions?q=%27;DROP%20TABLE%20x",
    "//evil.example/run/r", "/run/r/..;/..;/x", "/run/r\\..\\..\\x",
]  # fmt: skip


def test_no_request_reaches_a_file_outside(tmp_path: Path, material: Material) -> None:
    create(config.load(None, ["sets.per_cell=1"]), tmp_path / "runs", "r", material)
    (tmp_path / "run.yaml").write_text("rounds: 1 # outside\n")
    with TestClient(
        application(tmp_path / "runs", cache=tmp_path / "c"), base_url="http://127.0.0.1"
    ) as client:
        for address in ADDRESSES:
            answer = client.get(address)
            assert answer.status_code in (200, 400, 404, 405, 414, 422), address
            assert "# outside" not in answer.text and "root:" not in answer.text, address
            assert "Traceback" not in answer.text and "def application" not in answer.text, address


def test_who_serves_everybody_is_asked_by_no_name_but_its_own(tmp_path: Path) -> None:
    names = serving._names()
    assert "*" not in names and "127.0.0.1" in names
    with TestClient(application(tmp_path, names), base_url="http://127.0.0.1") as client:
        assert client.get("/", headers={"Host": "rebound.evil.example"}).status_code == 400
        assert client.get("/", headers={"Host": f"{names[-1]}:8000"}).status_code == 200


def test_a_machine_may_have_capitals_in_its_name(tmp_path: Path) -> None:
    with TestClient(application(tmp_path, ["DESKTOP-7"]), base_url="http://desktop-7") as client:
        for name in ("desktop-7", "DESKTOP-7:8000"):
            assert client.get("/", headers={"Host": name}).status_code == 200
        assert client.get("/", headers={"Host": "desktop-8"}).status_code == 400
