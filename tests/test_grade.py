"""`maieutic grade`: other people's files in, the same rows with verdicts out."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from maieutic import cli
from maieutic.errors import RunError, SeedError
from maieutic.tasks.checkers.registry import opened
from maieutic.tasks.grading import grade as grade_file
from maieutic.tasks.tables import read_rows
from maieutic.tasks.writing import write_rows
from typer.testing import CliRunner

pytestmark = pytest.mark.slow

ROWS = [
    {"n": "1", "answer": "5", "completion": "#### 5"},
    {"n": "2", "answer": r"\frac{1}{2}", "completion": r"\boxed{0.5}"},
    {"n": "3", "answer": r"2\sqrt{2}", "completion": r"\boxed{\sqrt{8}}"},
    {"n": "4", "answer": "5", "completion": "ünï\n6 or so\n"},
    {"n": "5", "answer": "5", "completion": "#### 6"},
]
VERDICTS = ["right", "right", "right", "invalid", "wrong"]


def grade(source: Path, checker: str, out: Path | None = None) -> Counter[str]:
    with opened(checker) as checks:
        return grade_file(source, checks, checker, out)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ";")
            table.writeheader()
            table.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps({"version": 1, "data": rows}))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_the_same_rows_in_the_same_order_with_verdicts(tmp_path: Path, kind: str) -> None:
    source = write(tmp_path / f"in.{kind}", ROWS)
    out = tmp_path / f"out.{'jsonl' if kind == 'json' else kind}"
    counts = grade(source, "math", out)
    assert counts == {"right": 3, "invalid": 1, "wrong": 1}
    back = [row for _, row in read_rows(out)]
    assert [{key: row[key] for key in ROWS[0]} for row in back] == ROWS
    assert [row["verdict"] for row in back] == VERDICTS
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([source.name, out.name])


def test_the_command(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ROWS)
    done = CliRunner().invoke(cli.app, ["grade", str(source), "--checker", "math"])
    assert (
        done.output.strip()
        == "5 rows: 3 right, 1 wrong, 1 invalid, 0 undecided; accuracy 60.00 % of 5 decided"
    )


def test_what_a_checker_needs_beside_the_answer(tmp_path: Path) -> None:
    choices = json.dumps(["Paris", "Rome"])
    rows = [{"answer": "B", "completion": "#### Rome", "choices": choices}] * 2
    assert grade(write(tmp_path / "in.csv", rows), "choice") == {"right": 2}
    rows = [{"answer": "B", "completion": "#### Rome", "choices": ["Paris", "Rome"]}] * 2
    assert grade(write(tmp_path / "in.parquet", rows), "choice") == {"right": 2}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "no rows"),
        ("a.jsonl", b"\n\n", "no rows"),
        ("a.jsonl", b'{"answer": "1"}', "line 1: no 'completion'; columns here: answer"),
        ("a.jsonl", b'{"answer": "1", "completion": "2"}\n{', "line 2: not JSON"),
        ("a.jsonl", b"[1]", "line 1: a list, where an object"),
        ("a.jsonl", b'{"answer": "\xff"}', "line 1: is not UTF-8 (invalid start byte at byte 12)"),
        ("a.jsonl", b'{"answer": "' + b"9" * 11_000_000, "line 1: longer than 10,000,000 bytes"),
        ("a.jsonl", b"[" * 50_000, "line 1: not JSON"),
        ("a.jsonl", b'{"answer": "1", "completion": "2", "verdict": 1}', "has a column 'verdict' already"),
        ("a.json", b"{}", "holds no list of objects"),
        ("a.json", b'{"a": 5', "not JSON"),
        ("a.csv", b"", "no rows"),
        ("a.csv", b"answer,completion\n1,2,3\n", "line 2: has more fields than the header"),
        ("a.csv", b'answer,completion\n1,"2\n', "not CSV"),
        ("a.csv", b"answer,completion\n1\n", "line 2: no 'completion'"),
        ("a.csv", b"\xff\xfea", "is not UTF-8"),
        ("a.parquet", b"PK\x03\x04" + b"\0" * 999, "not a Parquet file"),
        ("a.parquet", b"", "not a Parquet file"),
        ("a.csv", b"answer,answer,completion\n1,2,3\n", "two columns are named 'answer'"),
        (
            "a.csv",
            b"answer,completion\n" + b"9" * 11_000_000,
            "line 2: begins a row of more than 10,000,000 characters",
        ),
        ("a.txt", b"x", ".txt is none of .jsonl"),
    ],
)
def test_trouble_is_named_with_its_place_and_nothing_is_left(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SeedError) as caught:
        grade(tmp_path / name, "math", tmp_path / "out.jsonl")
    assert str(tmp_path / name) in str(caught.value)
    assert message in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ROWS)
    for out, message in (
        ("no/out.jsonl", "cannot be written"),
        ("out.xls", ".xls is none of"),
        ("in.jsonl", "is the source itself"),
    ):
        with pytest.raises(RunError, match=message):
            grade(source, "math", tmp_path / out)
    with pytest.raises(SeedError, match="no such file"):
        grade(tmp_path / "none.jsonl", "math")


def test_an_index_column_without_a_name_is_a_column(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(",answer,completion\n0,5,#### 5\n1,6,#### 5\n")
    counts = grade(tmp_path / "in.csv", "math", tmp_path / "out.csv")
    assert counts == {"right": 1, "wrong": 1}
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "0,5,#### 5,right,5,"


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_half_a_character_and_lists_survive(tmp_path: Path, kind: str) -> None:
    rows = [{"answer": "5", "completion": "\ud83d\nno", "choices": ["a", "b"]}] * 2
    rows += [{"answer": "5", "completion": "#### 5", "choices": None}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    grade(tmp_path / "in.jsonl", "math", tmp_path / f"out.{kind}")
    back = [row for _, row in read_rows(tmp_path / f"out.{kind}")]
    assert [row["verdict"] for row in back] == ["invalid", "invalid", "right"]
    assert back[0]["choices"] in (["a", "b"], '["a", "b"]')


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_that_comes_late_is_not_lost_unsaid(tmp_path: Path, kind: str) -> None:
    rows = [ROWS[0], {**ROWS[1], "late": "x"}]
    with pytest.raises(RunError, match="'late' is not in the first row"):
        grade(write(tmp_path / "in.jsonl", rows), "math", tmp_path / f"out.{kind}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_full_disk_is_one_line_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for kind in ("jsonl", "csv", "parquet"):
        with pytest.raises(RunError, match="cannot be written"):
            grade(write(tmp_path / "in.jsonl", ROWS), "math", tmp_path / f"out.{kind}")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(RunError, match="is a folder"):
        grade(tmp_path / "in.jsonl", "math", tmp_path / "folder.jsonl")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder.jsonl", "in.jsonl"]


def test_an_unfinished_table_is_not_there(tmp_path: Path) -> None:
    for kind in ("jsonl", "csv", "parquet"):
        writer = write_rows(tmp_path / f"out.{kind}")
        writer.write([{"a": 1}])
        writer.close()
    assert list(tmp_path.iterdir()) == []
