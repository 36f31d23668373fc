"""`maieutic seeds check`: whatever people bring, a clear answer."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from maieutic import cli
from maieutic.errors import ConfigError, SeedError
from maieutic.tasks.columns import mapped
from maieutic.tasks.overlap import Overlap
from maieutic.tasks.survey import Survey, survey
from typer.testing import CliRunner

pytestmark = pytest.mark.slow


def written(path: Path, content: bytes | str) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def lines(path: Path, rows: list[object]) -> str:
    return written(path, "".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("columns", "told", "expected"),
    [
        (["question", "answer"], {}, {"question": "question", "answer": "answer"}),
        (["Problem ", "Solution"], {}, {"question": "Problem ", "answer": "Solution"}),
        (
            ["problem", "solution", "answer"],
            {},
            {"question": "problem", "answer": "answer", "solution": "solution"},
        ),
        (["prompt", "target"], {}, {"question": "prompt", "answer": "target"}),
        (["instruction", "input", "output"], {}, {"question": "instruction", "answer": "output"}),
        (
            ["question", "choices", "label"],
            {},
            {"question": "question", "answer": "label", "choices": "choices"},
        ),
        (["Frage", "answer"], {"question": "Frage"}, {"question": "Frage", "answer": "answer"}),
        (["text", "question"], {}, {"question": "question"}),
        (["question", "answer"], {"question": "answer"}, {"question": "answer"}),
    ],
)
def test_columns_are_found(columns: list[str], told: Mapping[str, str], expected: Mapping[str, str]) -> None:
    assert mapped(columns, told) == expected


@pytest.mark.parametrize(
    ("columns", "told", "message"),
    [
        (["a", "b"], {}, "no column for the question; there are: a, b"),
        ([], {}, "there are: none"),
        (["question"], {"question": "Frage"}, "no such column; there are: question"),
        (["question"], {"frage": "question"}, "'frage' is none of question, answer"),
    ],
)
def test_columns_that_cannot_be_told_apart(columns: list[str], told: Mapping[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        mapped(columns, told)
    assert message in str(caught.value)


def test_gsm8k_and_math_keep_the_answer_at_the_end(tmp_path: Path) -> None:
    source = lines(
        tmp_path / "s.jsonl",
        [
            {"question": "How many?", "answer": "48 / 2 = 24\n#### 72"},
            {"question": "How much?", "answer": r"So it is $\boxed{\frac{1}{2}}$."},
            {"question": "Who?", "answer": "Ann"},
            {"question": "Why?", "answer": None},
        ],
    )
    found = survey(source, {})
    assert [(row.answer, row.solution) for row in found.first] == [
        ("72", "48 / 2 = 24\n#### 72"),
        (r"\frac{1}{2}", r"So it is $\boxed{\frac{1}{2}}$."),
        ("Ann", ""),
        (None, ""),
    ]
    assert found.answers == {"integer": 1, "number": 1, "word": 1, "none": 1}
    assert (found.unanswered, found.checker) == (1, "math")


@pytest.mark.parametrize(
    ("answers", "checker"),
    [
        (["5", "6", "ann"], "math"),
        (["A", "(B)", "C."], "choice"),
        (["Ann", "Bob"], "exact"),
        (['{"a": 1}'], "json"),
        ([r"\sqrt{2}", "x^2"], "math"),
        (["It is because the moon goes around the earth, which is round."], None),
        ([None], None),
    ],
)
def test_the_checker_that_suits(tmp_path: Path, answers: list[str | None], checker: str | None) -> None:
    rows: list[object] = [{"question": f"q{place}", "answer": answer} for place, answer in enumerate(answers)]
    assert survey(lines(tmp_path / "s.jsonl", rows), {}).checker == checker


def test_what_a_run_takes_is_said(tmp_path: Path) -> None:
    source = lines(
        tmp_path / "s.jsonl", [{"question": "What is 3 + 4 * 2?"}, {"question": "What is 9 mod 4?"}]
    )
    assert (survey(source, {}).family, survey(source, {}).checker) == (2, "arithmetic")
    said = CliRunner().invoke(cli.app, ["seeds", "check", source]).output
    assert "answers:   none; 2 missing" in said
    assert "a run:     takes them" in said
    rows: list[object] = [{"question": f"Who is number {n}?", "answer": "Ann"} for n in range(4)]
    source = lines(tmp_path / "t.jsonl", [*rows, {"question": "Who is it?"}])
    said = CliRunner().invoke(cli.app, ["seeds", "check", source]).output
    assert "a run:     takes them: run --seeds, but 1 without an answer need a Teacher" in said
    source = lines(tmp_path / "u.jsonl", rows[:3])
    said = CliRunner().invoke(cli.app, ["seeds", "check", source]).output
    assert "a run:     needs at least 4 with an answer" in said


def test_what_is_in_a_held_out_set_is_counted(tmp_path: Path) -> None:
    long = "In a far country there lived a miller who had three sons and a very old donkey"
    rows: list[object] = [
        {"question": "What  is 3 + 4?"}, {"question": f"{long}, and a cat."}, {"question": "What is 4 + 3?"},
    ]  # fmt: skip
    found = survey(lines(tmp_path / "s.jsonl", rows), {}, ["what is 3 + 4?", f"{long}. How many animals?"])
    assert found.overlap == {"same text": 1, "13 words in a row": 1}
    assert Overlap([]).find("anything") is None


def linked(path: Path) -> str:
    path.symlink_to("/dev/zero")
    return str(path)


def hostile(path: Path) -> dict[str, tuple[str, str]]:
    """Name → (source, what must be said of it)."""
    nested: object = "deep"
    for _ in range(50):
        nested = [nested]
    bomb = path / "bomb.parquet"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 50_000_000)
    pq.write_table(
        pa.table({"question": [["a", "b"], ["c"]], "answer": [{"x": 1}, {"x": 2}]}), path / "lists.parquet"
    )
    code = "__import__('os').system('touch /tmp/maieutic-was-here')"
    return {
        "bom": (written(path / "bom.csv", '\ufeffFrage;answer\n"a; b";7\n'.encode()), "Frage"),
        "utf": (
            written(path / "utf.jsonl", b'{"question": "a"}\n{"question": "\xff"}\n'),
            "line 2: is not UTF-8",
        ),
        "nested": (lines(path / "nested.jsonl", [{"question": "q", "answer": nested}]), "1 JSON"),
        "lists": (str(path / "lists.parquet"), "questions: 2"),
        "empty": (written(path / "empty.jsonl", b""), "no rows; it is empty"),
        "nothing": (written(path / "nothing.csv", b"question,answer\n"), "no rows; it is empty"),
        "bomb": (str(bomb), "not a Parquet file"),
        "code": (lines(path / "code.jsonl", [{"question": "q", "answer": code}]), "questions: 1"),
        "missing": (str(path / "none.jsonl"), "no such file"),
        "folder": (str(path), "is none of .jsonl"),
        "device": ("/dev/zero", "is none of"),
        "link": (linked(path / "zero.jsonl"), "is no file"),
        "half": (lines(path / "half.jsonl", [{"question": "\ud83d"}]), "questions: 1"),
        "kind": (written(path / "x.docx", b"PK"), ".docx is none of"),
        "markup": (
            lines(path / "m.jsonl", [{"question": "[red]\x1b[31m", "answer": "1"}]),
            "[red]\ufffd[31m",
        ),
        "array": (written(path / "a.jsonl", b"[1, 2]\n"), "line 1: a list, where an object"),
        "hub": ("hf:" + str(path / "no-such-folder"), "cannot be opened"),
    }


@pytest.mark.parametrize(
    "name",
    ["device", "link", "half", "bom", "utf", "nested", "lists", "empty", "nothing", "bomb", "code",
     "missing", "folder", "kind", "markup", "array", "hub"],
)  # fmt: skip
def test_whatever_people_bring(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, message = hostile(tmp_path)[name]
    told = ["--map", "question=Frage"] if name == "bom" else []
    result = CliRunner().invoke(cli.app, ["seeds", "check", source, *told])
    said = result.output + (str(result.exception) if isinstance(result.exception, SeedError) else "")
    assert result.exception is None or isinstance(result.exception, SeedError | SystemExit)
    assert message in said
    assert not Path("/tmp/maieutic-was-here").exists()


def test_a_folder_of_the_datasets_library(tmp_path: Path) -> None:
    lines(tmp_path / "train.jsonl", [{"question": "a", "answer": "1"}, {"question": "b", "answer": "2"}])
    found = survey(f"hf:{tmp_path}", {})
    assert (found.rows, found.answers) == (2, {"integer": 2})


def test_a_hundred_thousand_rows_take_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    with file.open("w") as rows:
        for number in range(100_000):
            text = f"Number {number}: a farmer has {number % 97} sheep and buys twice as many. How many now?"
            rows.write(json.dumps({"question": text, "answer": f"#### {3 * (number % 97)}"}) + "\n")
    # In a process whose only child it is: ours have been larger.
    code = (
        "import resource, subprocess, sys\n"
        f"subprocess.run([sys.executable, '-m', 'maieutic', 'seeds', 'check', {str(file)!r}], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    kilobytes = int(done.stdout.splitlines()[-1])
    assert 10_000 < kilobytes < 1024 * 1024


def test_a_survey_of_many_problems_counts_the_rest(tmp_path: Path) -> None:
    source = written(tmp_path / "s.jsonl", '{"question": "a"}\n' + "{\n" * 50)
    found: Survey = survey(source, {})
    assert (found.rows, len(found.problems), found.more_problems) == (1, 20, 30)
