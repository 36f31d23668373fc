"""The `python` checker by golden tables: programs, calls, asserts, and those that cheat."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from golden_python import ADD, CHEATS, CHECK, GOLDEN, PAIR, SUM
from maieutic import cli
from maieutic.errors import ConfigError, MissingPart
from maieutic.records import Question
from maieutic.tasks.checkers.finding import Checker, Finding
from maieutic.tasks.checkers.pool import CheckerPool
from maieutic.tasks.checkers.programs import program_in, read_tests
from maieutic.tasks.checkers.registry import named
from maieutic.tasks.sandbox.inside import encoded
from maieutic.tasks.sandbox.values import Other, as_json_says, decoded
from typer.testing import CliRunner

needs_bwrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed (apt install bubblewrap)"
)


@pytest.fixture(scope="module")
def checker() -> Checker:
    return named("python?seconds=1")


def asked(data: object) -> Question:
    return Question(
        id="q", text="", answer="", solution="", skill="", level=0, origin="seed",
        data=data if isinstance(data, str) else json.dumps(data),
    )  # fmt: skip


def fenced(code: str) -> str:
    return f"So:\n\n```python\n{code}\n```\n"


def check(checker: Checker, data: object, completion: str) -> Finding:
    return checker.quick(asked(data), completion) or checker.slow(asked(data), completion)


@needs_bwrap
@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "code", "outcome", "reason"),
    GOLDEN,
)
def test_golden(checker: Checker, data: object, code: str, outcome: str, reason: str) -> None:
    found = check(checker, data, fenced(code))
    assert found.outcome == outcome, found
    assert reason in found.reason
    assert len(found.reason) < 300
    assert found.reason.isprintable()
    assert found.extracted == code + "\n"


@needs_bwrap
@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "code"),
    CHEATS,
)
def test_what_cheats_is_wrong(checker: Checker, data: object, code: str) -> None:
    found = check(checker, data, fenced(code))
    assert found.outcome == "wrong", found


@needs_bwrap
def test_no_code_and_too_much(checker: Checker) -> None:
    assert check(checker, SUM, "I would add them.").outcome == "invalid"
    assert check(checker, SUM, "hello").outcome == "invalid"
    assert check(checker, SUM, "x" * 50_001).outcome == "invalid"


@needs_bwrap
def test_a_sandbox_that_fails_later_is_undecided(
    checker: Checker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: out of everything' >&2\nexit 1\n")
    broken.chmod(0o755)
    for program, reason in ((str(broken), "out of everything"), ("/nowhere", "FileNotFoundError")):
        other = named("python")
        monkeypatch.setattr(other, "found", type(other.found)(program, "bwrap"))  # type: ignore[attr-defined]
        found = check(other, SUM, fenced("print(5)"))
        assert (found.outcome, reason in found.reason) == ("undecided", True)


@needs_bwrap
@pytest.mark.slow
def test_workers_wait_for_it(checker: Checker) -> None:
    codes = [
        "import time; time.sleep(2.5); print(sum(map(int, input().split())))",
        "print(5)",
        "while 1: pass",
    ]
    with CheckerPool(checker, workers=2, seconds=0.2) as pool:
        found = pool.check([(asked(SUM), fenced(code)) for code in codes])
        assert pool.deaths == 0
    assert [finding.outcome for finding in found] == ["right", "wrong", "wrong"]


@needs_bwrap
@pytest.mark.slow
def test_grading_the_example() -> None:
    example = Path(__file__).parent.parent / "examples" / "programs.jsonl"
    done = CliRunner().invoke(cli.app, ["grade", str(example), "--checker", "python?seconds=1"])
    assert done.output.startswith("7 rows: 3 right, 3 wrong, 1 invalid, 0 undecided")


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        ("```python\na = 1\n```\nthen\n```py\na = 2\n```\nruns as\n```\n2\n```", "a = 2\n"),
        ("```\na = 1\n```\n```text\na = 2\n```", "a = 2\n"),
        ("~~~Python\na = 1\n~~~", "a = 1\n"),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
        ("```python\nnever closed = 1", "never closed = 1"),
        ("<think>```python\na = 1\n```</think>print(2)", "print(2)"),
        ("def f():\n    return 1", "def f():\n    return 1"),
        ("```python\n\n```", None),
        ("hello", None),
        ("42", None),
        ("", None),
        ("It is so.", None),
        ("(" * 40_000, None),
    ],
)
def test_where_the_program_is(completion: str, code: str | None) -> None:
    assert program_in(completion) == code


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(10**30),
        1.5,
        float("inf"),
        2j,
        "ünï\0",
        b"\xff",
        [1, (2, {3})],
        {(1, 2): frozenset({4})},
    ],
)
def test_values_come_back_as_they_were(value: Any) -> None:
    back = decoded(json.loads(json.dumps(encoded(value))))
    assert (back, type(back)) == (value, type(value))


def test_what_is_no_data_equals_nothing() -> None:
    assert isinstance(decoded(encoded(object())), Other)
    assert decoded(encoded(object())) != decoded(encoded(object()))


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (1, 1, True), (1.0, 1, True), (True, 1, False), (1, True, False), (None, None, True),
        (0, None, False), ((1, 2), [1, 2], True), ({1, 2}, [1, 2], False), ([1], [1, 1], False),
        ("1", 1, False), (1, "1", False),
        (0.3000000001, 0.3, True), (0.31, 0.3, False), (10**400, 1.0, False),
        (float("nan"), 1.0, False),
        ({1: 2}, {"1": 2}, True), ({1: 2, "1": 2}, {"1": 2}, False), ({"a": [1]}, {"a": [1]}, True),
        ({None: 1}, {"null": 1}, True), ([], {}, False), ("", [], False),
    ],
)  # fmt: skip
def test_as_json_says(found: object, expected: object, same: bool) -> None:
    assert as_json_says(found, expected) is same


def test_expected_values_stay_outside() -> None:
    for data in (SUM, ADD, PAIR, CHECK):
        for test in read_tests(json.dumps(data)):
            task = test.task("")
            assert "expected" not in task
            assert "stdout" not in task
            assert "==" not in str(task.get("asserts", ""))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("python?seconds=0", "seconds=0; it must be from 0.1 to 60"),
        ("python?seconds=1000", "must be from"),
        ("python?memory=1", "memory=1; it must be from 32 to 1536"),
        ("python?sandbox=none", "there are: bwrap, podman, docker"),
        ("python?unsafe=1", "options: seconds, memory, sandbox"),
        ("python?seconds=nan", "seconds='nan' is no float"),
    ],
)
def test_options_out_of_bounds(spec: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        named(spec)
    assert message in str(caught.value)


def test_it_refuses_before_anything_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingPart, match=r"bwrap is not installed.*apt install bubblewrap"):
        named("python")
    done = CliRunner().invoke(cli.app, ["grade", str(tmp_path / "none.jsonl"), "--checker", "python"])
    assert isinstance(done.exception, MissingPart)
