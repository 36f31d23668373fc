"""Leaving with the data: tables, a data set and a checkpoint that other tools read as they are."""

from __future__ import annotations

import csv
import errno
import json
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished import HOSTILE, a_run, listed, pair, question, rollout, verdict
from hypothesis import given
from hypothesis import strategies as st
from maieutic.cli import app
from maieutic.config import dump, load
from maieutic.errors import ConfigError, RunError
from maieutic.inspector.database import VIEWS, Database
from maieutic.inspector.exports.destination import MARK, whole
from maieutic.inspector.exports.export import FORMATS, Options, export
from maieutic.inspector.exports.source import source_of
from maieutic.inspector.exports.tables import cell
from maieutic.memory.run import RunFolder, write_table, write_whole
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return a_run(tmp_path_factory.mktemp("runs") / "it's [a] *run* {é}")


def written(run: RunFolder, form: str, place: Path, **options: Any) -> list[str]:
    return export(run, load(run.config), form, str(place), Options(**options), lambda rows: None)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_every_documented_table_is_a_file_with_the_rows_of_a_query(run: RunFolder, tmp_path: Path) -> None:
    before = listed(run)
    told = written(run, "jsonl", tmp_path / "out")
    assert {path.stem for path in (tmp_path / "out").glob("*.jsonl")} == set(VIEWS)
    with Database(run) as database:
        for name in VIEWS:
            asked = database.rows(f"SELECT * FROM {name} WHERE recorded_in < 3")
            found = lines(tmp_path / "out" / f"{name}.jsonl")
            assert sorted(map(str, found)) == sorted(map(str, asked)), name
    assert lines(tmp_path / "out" / "questions.jsonl")[1]["text"] == HOSTILE
    assert any("round 3 has so far is left out" in line for line in told)
    assert listed(run) == before


def test_csv_is_read_back_and_begins_no_formula(run: RunFolder, tmp_path: Path) -> None:
    written(run, "csv", tmp_path / "out")
    with (tmp_path / "out" / "questions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["text"] == f"'{HOSTILE}" and rows[1]["answer"] == "-5"
    assert (tmp_path / "out" / "labels.csv").read_text().startswith("question_id,claimed,")
    with (tmp_path / "out" / "rollouts.csv").open(encoding="utf-8", newline="") as file:
        assert {json.dumps(json.loads(row["logprobs"])) for row in csv.DictReader(file)} == {"[]"}


@given(st.text(max_size=12) | st.sampled_from(["=1+1", "-5", "+3e4", "-5+1", "@x", "\t=1", "－1", "\n=1"]))
def test_no_cell_is_a_formula_and_no_text_is_lost(text: str) -> None:
    made = cell(text)
    assert made in (text, f"'{text}")
    if made[:1] in ("=", "@", "\t", "\r", "\n", "＝", "＠"):
        pytest.fail(made)
    if made[:1] in ("+", "-"):
        float(made)


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    """Sixty thousand rollouts of 2 kB take 120 MB as they are; they are never together in memory."""
    run = a_run(tmp_path / "r", rounds=1)
    many = [rollout("q1", 1, "attempt", i, "x" * 2000).model_dump() for i in range(2000)]
    for part in range(2, 32):
        write_table(run.round(1) / "rollouts" / f"attempt-{part:04d}.parquet", many)
    batches = [batch.num_rows for batch in source_of(run, load(run.config)).batches("rollouts")]
    assert max(batches) <= 4096 and sum(batches) > 60_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    written(run, "jsonl", tmp_path / "out")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB
    assert (tmp_path / "out" / "rollouts.jsonl").stat().st_size > 120_000_000


def test_parts_come_in_their_order_beyond_four_digits(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", rounds=1)
    for part in (9999, 10000):
        run.write(1, "rollouts/attempt", part, [rollout("q1", 1, "attempt", part, "x")])
    batches = source_of(run, load(run.config)).batches("rollouts")
    found = [i for batch in batches for i in batch.column("index").to_pylist()]
    assert found.index(9999) < found.index(10000)


def test_a_run_that_has_only_begun_is_exported_as_far_as_it_is(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "r")
    run.write(0, "questions", 0, [question("q1", "What is 3 + 4?")])
    run.write(0, "rollouts/heldout", 0, [rollout("h1", 0, "heldout", 0, "x")])
    write_whole(run.config, dump(load()))
    told = written(run, "jsonl", tmp_path / "out")
    assert any("left out" in line for line in told)
    assert len(lines(tmp_path / "out" / "questions.jsonl")) == 1
    assert not lines(tmp_path / "out" / "rollouts.jsonl")
    written(run, "hf", tmp_path / "hf")
    assert not (tmp_path / "hf" / "pairs").exists()


def test_a_damaged_part_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    part = run.round(1) / "questions" / "questions-0000.parquet"
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(RunError, match=r"questions-0000\.parquet is damaged"):
        written(run, "jsonl", tmp_path / "there" / "out")
    assert not list((tmp_path / "there").iterdir())


def test_a_full_disk_is_told_as_that(tmp_path: Path) -> None:
    place = tmp_path / "out"
    with pytest.raises(RunError, match="the disk is full") as told, whole(place, False):
        shutil.copyfile(__file__, "/dev/full")
    assert "(No space left on device); nothing of the export is left there" in str(told.value)
    assert "Free some room" in str(told.value) and not list(tmp_path.iterdir())
    with pytest.raises(RunError, match="may not be written") as told, whole(place, False):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    assert "Permission denied" in str(told.value) and "room" not in str(told.value)
    with pytest.raises(RunError, match="the export stopped") as told, whole(place, False):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/runs/r/calls.parquet")
    assert "Input/output error at /runs/r/calls.parquet" in str(told.value)


def test_what_is_there_is_never_overwritten_unless_it_is_an_export(run: RunFolder, tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    written(run, "csv", place)  # empty
    with pytest.raises(RunError, match="--force"):
        written(run, "csv", place)
    written(run, "jsonl", place, force=True)
    assert not list(place.glob("*.csv")) and json.loads((place / MARK).read_text())["format"] == "jsonl"
    (place / MARK).unlink()
    with pytest.raises(RunError, match="other things"):
        written(run, "csv", place, force=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(RunError, match="no folder"):
            written(run, "csv", tmp_path / name, force=True)
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "out"]


def test_a_folder_that_fails_leaves_the_export_before(tmp_path: Path) -> None:
    with whole(tmp_path / "x", False) as beside:
        (beside / MARK).write_text("old")
    with pytest.raises(ZeroDivisionError), whole(tmp_path / "x", True) as beside:
        raise ZeroDivisionError
    assert (tmp_path / "x" / MARK).read_text() == "old" and os.listdir(tmp_path) == ["x"]


@pytest.fixture(scope="module")
def dataset(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("out") / "data set"
    written(run, "hf", place, checkpoint="none", licence="cc-by-4.0")
    return place


def loaded(place: Path, name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    return list(datasets.load_dataset(str(place), name, split="train", cache_dir=str(cache)))


def test_datasets_loads_what_is_exported(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions, pairs, rollouts = (
        loaded(dataset, name, tmp_path, monkeypatch) for name in ("questions", "pairs", "rollouts")
    )
    assert [row["id"] for row in questions] == ["q1", "q2", "n1", "n2"]
    assert questions[1]["text"] == HOSTILE
    assert [row["id"] for row in pairs] == ["p1", "p2"]  # what was replayed, once
    assert pairs[0]["chosen"] == [{"role": "assistant", "content": "#### 7"}]
    assert {row["stage"] for row in rollouts} == {"attempt"} and len(rollouts) == 8
    said = {(row["question_id"], row["index"]): row["verdict"] for row in rollouts}
    assert said == {("q1", 0): "wrong", ("q1", 1): "right", ("q2", 0): "wrong", ("q2", 1): None}


@pytest.mark.slow
def test_trl_takes_the_pairs_for_conversations(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl.data_utils import is_conversational

    assert all(is_conversational(row) for row in loaded(dataset, "pairs", tmp_path, monkeypatch))


def test_no_fixed_question_is_in_the_data_set(tmp_path: Path) -> None:
    """Not even where records of the bank name one: by its id, or by its text under another id."""
    run = a_run(tmp_path / "r")
    run.write(2, "questions", 5, [question("h1", "What?", 2), question("twin", " what is 30 +  4? ", 2)])
    run.write(2, "pairs", 5, [pair("ph", "h2", 2), pair("pt", "twin", 2), pair("pv", "v1", 2)])
    more = [rollout(name, 2, "attempt", 0, "#### 1") for name in ("h1", "v2", "twin")]
    run.write(2, "rollouts/attempt", 5, more)
    run.write(2, "verdicts/attempt", 5, [verdict(each, "right") for each in more])
    written(run, "hf", tmp_path / "out", checkpoint="none")
    tables = {path.parent.name: pq.read_table(path).to_pylist() for path in tmp_path.glob("out/*/*.parquet")}
    asked = {row["id"] for row in tables["questions"]}
    asked |= {row["question_id"] for name in ("pairs", "rollouts") for row in tables[name]}
    assert asked == {"q1", "q2", "n1", "n2"}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "No held-out and no validation question is in it" in card and "2 questions were left out" in card


def test_seeds_that_were_labelled_are_in_the_bank(tmp_path: Path) -> None:
    """What was answered to them names them; one that a fixed set asks is in nothing."""
    run = a_run(tmp_path / "r")
    labelled = [
        question("l1", "What is 9 - 2?", label="vote"),
        question("l2", "what is  30 + 4?", label="vote"),
    ]
    run.write(0, "labelled", 0, labelled)
    run.write(1, "rollouts/attempt", 5, [rollout(one.id, 1, "attempt", 0, "#### 7") for one in labelled])
    run.write(1, "pairs", 5, [pair("p-l1", "l1", 1), pair("p-l2", "l2", 1)])
    written(run, "hf", tmp_path / "out", checkpoint="none")
    tables = {
        name: pq.read_table(tmp_path / "out" / name).to_pylist()
        for name in ("questions", "pairs", "rollouts")
    }
    bank = {row["id"] for row in tables["questions"]}
    assert "l1" in bank and "l2" not in bank
    for name in ("pairs", "rollouts"):
        assert "l1" in {row["question_id"] for row in tables[name]} <= bank
    written(run, "verifiers", tmp_path / "environment")
    assert {row["id"] for row in lines(tmp_path / "environment" / "maieutic_r" / "questions.jsonl")} == bank


def test_the_card_says_what_it_is_and_holds_no_mark_of_others(dataset: Path) -> None:
    import yaml

    _, head, text = (dataset / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    front = yaml.safe_load(head)
    assert front["license"] == "cc-by-4.0" and front["size_categories"] == ["n<1K"]
    assert [entry["config_name"] for entry in front["configs"]] == ["questions", "pairs", "rollouts"]
    assert text.startswith("\n# Maieutic run it's \\[a\\] \\*run\\* \\{é\\}\n")
    assert "| `pairs` | 2 |" in text and "      resamples: 100" in text and "maieutic" in text
    assert "round 3 has so far is left out" in text


def test_paths_and_addresses_of_this_machine_are_in_no_card(tmp_path: Path) -> None:
    secret = tmp_path / "very secret"
    settings = [f"seeds={secret}/mine.jsonl", f"heldout=[{secret}/h.csv]", f"prompts={secret}/prompts",
                "checker=judge?url=http://inner.example/v1&model=m", "teacher.endpoint=http://inner.example/v1",
                "teacher.model=m", "teacher.key=MY_KEY"]  # fmt: skip
    run = a_run(tmp_path / "r", load(None, [*settings, "gate.resamples=100"]))
    written(run, "hf", tmp_path / "out", checkpoint="none")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "mine.jsonl" in card
    for hidden in ("very secret", "inner.example", "MY_KEY"):
        assert hidden not in card


@pytest.mark.parametrize(
    ("form", "destination", "options", "message"),
    [
        ("xls", "x", {}, "expected hf"),
        ("csv", "hub:a/b", {}, "writes a folder"),
        ("csv", "x", {"public": True}, "for --to hf"),
        ("hf", "x", {"public": True}, "hub:owner/name"),
        ("hf", "hub:a", {}, "expected hub:owner/name"),
        ("hf", "hub:../b", {}, "expected hub:owner/name"),
        ("hf", "hub:a/b", {}, "HF_TOKEN"),
        ("hf", "x", {"licence": "my own: x"}, "identifier"),
        ("hf", "x", {"checkpoint": "../../etc"}, "expected kept"),
        ("hf", "x", {"checkpoint": "solver-0007"}, "no weights of solver-0007"),
        ("hf", "x", {}, "no weights of solver-0002"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, destination: str,
    options: dict[str, Any], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises((ConfigError, RunError), match=message):
        written(run, form, destination, **options)  # type: ignore[arg-type]
    assert not os.listdir(tmp_path)


def test_the_command(run: RunFolder, tmp_path: Path) -> None:
    where = ["--runs-dir", str(run.path.parent)]
    done = CliRunner().invoke(app, ["export", run.path.name, "--to", "csv", str(tmp_path / "out"), *where])
    assert done.exit_code == 0 and "questions.csv: 4 rows" in done.output and "written to" in done.output
    assert (tmp_path / "out" / "pairs.csv").exists()
    assert set(FORMATS) >= {"hf", "jsonl", "csv"}


@pytest.mark.parametrize("said", ["{", "[1]", '["x"]', "[null]", '[{"role": "a", "content": 3}]', "[" * 5000])
def test_messages_of_another_program_are_told_and_nothing_is_left(tmp_path: Path, said: str) -> None:
    made = with_messages(tmp_path, said)
    with pytest.raises(RunError, match="not as maieutic writes them"):
        export(
            made,
            load(made.config),
            "hf",
            str(tmp_path / "out"),
            Options(checkpoint="none"),
            lambda rows: None,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_half_a_character_in_messages_is_replaced(tmp_path: Path) -> None:
    made = with_messages(tmp_path, json.dumps([{"role": "assistant", "content": "half \ud800 a sign"}]))
    without_model(made, tmp_path / "out")
    (shard,) = (tmp_path / "out" / "pairs").glob("*.parquet")
    assert "half ? a sign" in [row["chosen"][-1]["content"] for row in pq.read_table(shard).to_pylist()]


def without_model(run: RunFolder, place: Path) -> None:
    export(run, load(run.config), "hf", str(place), Options(checkpoint="none"), lambda rows: None)


def with_messages(place: Path, said: str) -> RunFolder:
    made = a_run(place / "run")
    part = next(made.path.glob("rounds/*/pairs/*.parquet"))
    rows = [{**row, "chosen_messages": said} for row in pq.read_table(part).to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(part)), part)
    return made
