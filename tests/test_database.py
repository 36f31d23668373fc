"""A run's records asked with SQL: every kind of record, damaged and older parts, and what is refused."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maieutic.cli import app
from maieutic.config import dump, load
from maieutic.errors import RunError
from maieutic.inspector.database import VIEWS, Database
from maieutic.memory.run import RunFolder, schema_of, write_table, write_whole
from maieutic.records import GateDecision, Question
from typer.testing import CliRunner

HOSTILE = "'); drop\x1b[31m table --\n\"{{ 7 * 7 }} <script>"


def question(name: str, text: str = "What is 3 + 4?", **more: object) -> Question:
    told = {"answer": "7", "solution": "", "skill": "addition", "level": 1, "origin": "seed"}
    return Question.model_validate({"id": name, "text": text, **told, **more})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "it's [a] *run* {é}")
    made.write(0, "questions", 0, [question("a"), question("b", HOSTILE)])
    made.write(1, "questions", 0, [question("c", parent_id="a", round=1, origin="teacher")])
    made.write(1, "questions", 1, [])
    made.write(0, "sets/validation", 0, [question("v")])
    made.write(0, "sets/heldout", 0, [question("h")])
    made.write(0, "sets/heldout1", 0, [question("i")])
    write_whole(made.config, dump(load()))
    return made


def test_every_kind_of_record_is_a_table_with_its_columns(folder: RunFolder) -> None:
    with Database(folder) as database:
        names = {row[0] for row in database.ask("SHOW TABLES")[1]}
        assert names == set(VIEWS)
        for name, view in VIEWS.items():
            columns, _ = database.ask(f"SELECT * FROM {name}")
            assert columns == [*schema_of(view.record).names, "recorded_in", "recorded_as"], name
        assert database.rows("SELECT id, recorded_in FROM questions ORDER BY id") == [
            {"id": "a", "recorded_in": 0}, {"id": "b", "recorded_in": 0}, {"id": "c", "recorded_in": 1},
        ]  # fmt: skip
        assert database.ask("SELECT text FROM questions WHERE id = ?", ["b"])[1] == [(HOSTILE,)]
        assert database.ask("SELECT id FROM validation")[1] == [("v",)]
        assert sorted(database.ask("SELECT id FROM heldout")[1]) == [("h",), ("i",)]


def test_what_is_written_meanwhile_is_seen(folder: RunFolder) -> None:
    with Database(folder) as database:
        assert database.ask("SELECT count(*) FROM questions")[1] == [(3,)]
        folder.write(2, "questions", 0, [question("d")])
        assert database.ask("SELECT count(*) FROM questions")[1] == [(4,)]


def test_a_kind_that_comes_later_is_seen_by_a_later_reader(folder: RunFolder) -> None:
    with Database(folder) as database:
        assert database.ask("SELECT * FROM gates")[1] == []
        decision = GateDecision(
            round=1, candidate="solver-0001", against="base", against_round=0, trained=True, promoted=True,
            kept="solver-0001", difference=0.1, low=0.0, high=0.2,
        )  # fmt: skip
        folder.write(1, "gates", 0, [decision])
        assert database.ask("SELECT kept FROM gates")[1] == [("solver-0001",)]


def test_a_part_of_an_older_version_lacks_a_column_and_is_read(folder: RunFolder) -> None:
    part = folder.round(1) / "questions" / "questions-0000.parquet"
    table = pq.read_table(part)
    write_table(part, table.drop_columns(["confidence", "checker"]).to_pylist())
    with Database(folder) as database:
        told = database.rows("SELECT id, checker, confidence FROM questions WHERE recorded_in = 1")
        assert told == [{"id": "c", "checker": None, "confidence": None}]


@pytest.mark.parametrize(
    "statement",
    [
        "", ";", "selec", "SELECT 1; SELECT 2", "SELECT nope FROM questions", "SELECT * FROM nowhere",
        "DROP VIEW questions", "CREATE TABLE t (a INT)", "INSERT INTO questions VALUES (1)",
        "COPY (SELECT 1) TO 'out.csv'", "ATTACH 'x.db'", "INSTALL httpfs", "LOAD httpfs", "PRAGMA version",
        "SET enable_external_access = true", "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/proc/self/environ')", "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_parquet('https://example.com/x.parquet')",
        "SELECT getenv('HOME')", "SELECT * FROM read_text('run.yaml')", "EXPORT DATABASE 'there'",
    ],
)  # fmt: skip
def test_what_does_not_read_records_is_refused_in_one_line(
    folder: RunFolder, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path)
    before = sorted(folder.path.rglob("*"))
    with Database(folder) as database, pytest.raises(RunError, match=r"^query: ") as told:
        database.ask(statement)
    assert "\n" not in str(told.value)
    assert sorted(folder.path.rglob("*")) == before


def test_a_damaged_part_is_named(folder: RunFolder) -> None:
    part = folder.round(1) / "questions" / "questions-0000.parquet"
    part.write_bytes(part.read_bytes()[:50])
    with Database(folder) as database, pytest.raises(RunError, match=r"questions-0000\.parquet"):
        database.ask("SELECT * FROM questions")


@settings(max_examples=30)
@given(st.text(max_size=30))
def test_no_text_is_more_than_a_statement(text: str) -> None:
    with Database(RunFolder(Path("nowhere"))) as database, contextlib.suppress(RunError):
        database.ask(text)


def asked(folder: RunFolder, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(
        app, ["query", folder.path.name, *arguments, "--runs-dir", str(folder.path.parent)]
    )
    return done.exit_code, done.output


def test_the_command(folder: RunFolder) -> None:
    statement = "SELECT id, text, confidence, parent_id FROM questions ORDER BY id"
    code, text = asked(folder, statement)
    assert code == 0 and "3 rows" in text and "\x1b" not in text
    code, text = asked(folder, statement, "--json")
    rows = [json.loads(line) for line in text.splitlines()]
    assert rows[1] == {"id": "b", "text": HOSTILE, "confidence": 1.0, "parent_id": None}
    code, text = asked(folder, statement, "--csv")
    assert list(csv.reader(io.StringIO(text)))[2] == ["b", HOSTILE, "1", ""]
    code, text = asked(folder)
    assert code == 0 and all(name in text for name in VIEWS)
    code, _ = asked(folder, statement, "--csv", "--json")
    assert code != 0
