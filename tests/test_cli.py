"""The command line as a user meets it: quick help, one-line errors, exit code 2, nothing left behind."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from maieutic import cli
from maieutic.config import load
from maieutic.errors import ConfigError, RunError
from maieutic.graph import changing, folders, lock, making
from maieutic.graph.build import NODES
from maieutic.graph.report import write_report
from maieutic.memory.run import RunFolder
from maieutic.tasks.material import Material
from maieutic.tasks.sets import FixedSets
from typer.testing import CliRunner


def maieutic(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maieutic", *arguments],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_help_is_quick(tmp_path: Path) -> None:
    """By its processor time: it waits for nothing, and other tests run beside it."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "Play a whole self-evolution run" in maieutic("--help", cwd=tmp_path).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert 0 < min(seconds) < 1


BAD = [
    (["run", "none.yaml"], "none.yaml: no such file"),
    (["run", "key.yaml"], "unknown key rolouts; did you mean rollouts?"),
    (["run", "type.yaml"], "rounds is 'many'"),
    (["run", "--set", "rollouts.n=x"], "rollouts.n is 'x'"),
    (["run", "--set", "rollouts"], "expected key=value"),
    (["run", "--rounds", "0"], "rounds is 0"),
    (["run", "--set", "seeds=broken.jsonl"], "broken.jsonl line 2: not JSON"),
    (["run", "--set", "seeds=none.jsonl"], "none.jsonl: no such file"),
    (["run", "--set", "model=nowhere"], "'nowhere' is no folder with a model"),
    (["run", "--seeds", ""], "no source is named"),
    (["run", "--seeds", "none.csv"], "none.csv: no such file"),
    (["run", "--heldout", "none.csv", "--heldout", "none.csv"], "would both be reported as 'none.csv'"),
    (["run", "--map", "question"], "--map question: expected NAME=COLUMN"),
    (["run", "--map", "question=a", "--map", "question=b"], "question is a already"),
    (["run", "--set", "memory.embedding=a:b"], "memory.embedding: 'a:b' cannot be loaded"),
    (["run", "--name", "taken"], "exists already"),
    (["run", "--name", "../out"], "cannot name a run"),
    (["run", "--name", ""], "cannot name a run"),
    (["run", "--runs-dir", "key.yaml/below"], "cannot be made (Not a directory); choose --runs-dir"),
    (["run", "--runs-dir", "key.yaml"], "cannot be made (File exists); choose --runs-dir"),
    (["run", "--set", "sets.per_cell=60"], "sets.per_cell: multiplication level 2 has no 60 questions"),
    (["run", "--set", "memory.embedding=builtins:list"], "a list is no embedding function of Chroma's"),
    (["resume", "nobody"], "no run 'nobody'; there are: taken"),
    (["run", "--name", "n" * 300], "cannot name a run"),
    (["run", "--set", "rollouts.max_tokens=512"], "leaves no room for a prompt"),
    (["run", "/dev/zero"], "is no file"),
    (["run", "--set", "seeds=/dev/zero"], "no suffix is none of .jsonl"),
    (["run", "bomb.yaml"], "rounds is [[[...]"),
    (["run", "--set", "rounds=2001-99-99"], "is not a YAML value"),
    (["run", "--set", "rounds=0x_"], "is not a YAML value"),
    (["run", "--set", "sets.per_cell=100000"], "less than or equal to 1000"),
    (["resume", "\udcff\x1b"], "no run"),
    (["run", "--set", "rollouts.temperature=0"], "set rollouts.n to 1"),
    (["run", "--set", "serving.max_model_len=1024"], "more than the 512 tokens"),
    (["run", "--set", "serving.dtype=flaot32"], "serving.dtype is 'flaot32'"),
    (["run", "--set", "training.learning_rate=.inf"], "a finite number"),
    (["run", "--set", "rounds=yes"], "true and false are no value here"),
    (["run", "--set", "pocket.heads=5"], "cannot be split among 5 heads"),
    (["run", "--set", "seeds=high.jsonl"], "high.jsonl line 1: no answer to 'What is 1 + 1 + 1"),
    (["run", "--set", "model=tied"], "ties its output head"),
    (["run", "--set", "memory.embedding=json:dumps"], "memory.embedding: 'json:dumps' cannot be loaded"),
    (["show", "nobody"], "no run 'nobody'"),
    (["show", "taken"], "has no report yet"),
    (["show", "grid"], "'grid' is a comparison: see runs/grid/compare.html, or one of its"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    (folder / "key.yaml").write_text("rolouts: {n: 4}")
    (folder / "type.yaml").write_text("rounds: many")
    levels = [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(9)]
    (folder / "bomb.yaml").write_text("\n".join(["a0: &a0 [lol]", *levels, "rounds: *a9"]))
    (folder / "broken.jsonl").write_text('{"question": "What is 3 + 4?"}\n{"question"\n')
    (folder / "high.jsonl").write_text(json.dumps({"question": f"What is {' + '.join('1' * 9)}?"}))
    (folder / "tied").mkdir()
    (folder / "tied" / "config.json").write_text('{"tie_word_embeddings": true}')
    (folder / "tied" / "model.safetensors").write_bytes(b"")
    (folder / "runs" / "taken").mkdir(parents=True)
    (folder / "runs" / "taken" / "run.yaml").write_text("seed: 0\n")
    (folder / "runs" / "grid").mkdir()
    (folder / "runs" / "grid" / "grid.json").write_text("{}")
    return folder


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(row[0]) for row in BAD])
def test_bad_input_is_one_line_and_code_2(
    place: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(place.rglob("*"))
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["maieutic", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert sorted(place.rglob("*")) == before


def test_a_real_process_says_it_the_same_way(place: Path) -> None:
    done = maieutic("run", "key.yaml", cwd=place)
    assert done.returncode == 2
    assert done.stderr.startswith("maieutic: key.yaml: unknown key rolouts")
    assert "Traceback" not in done.stderr


def test_no_vllm_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    without = lambda name, package=None: None if name == "vllm" else found(name, package)  # noqa: E731

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", without)
    monkeypatch.setattr(sys, "argv", ["maieutic", "run"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "vLLM is not installed in this Python; run `make setup`" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(sys, "argv", ["maieutic", "run"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "set XDG_CACHE_HOME to a folder that can" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_no_room_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Usage:
        free = 1_000_000

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(making.shutil, "disk_usage", lambda path: Usage)
    monkeypatch.setattr(sys, "argv", ["maieutic", "run"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "1 MB are free and a run needs 500 MB" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_graph_is_drawn_with_every_node() -> None:
    drawn = CliRunner().invoke(cli.app, ["graph"]).output
    assert drawn.startswith("---")
    for edge in ("select --> attempt", "review -.-> teach", "gate -.-> select", "evaluate --> gate"):
        assert edge in drawn


def test_the_readme_shows_the_graph_as_it_is() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    drawn = CliRunner().invoke(cli.app, ["graph"]).output
    assert drawn.strip() in readme


def test_langgraph_json_names_a_graph_that_loads() -> None:
    named = json.loads((Path(__file__).parent.parent / "langgraph.json").read_text())
    module, _, variable = named["graphs"]["maieutic"].partition(":")
    graph = getattr(importlib.import_module(module), variable)
    assert set(NODES) < set(graph.get_graph().nodes)


def test_doctor_says_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("maieutic.inspector.doctor.version", none)
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert re.search(r"missing +vllm +not installed  → make setup", result.output)
    assert re.search(r"missing +trl +not installed  → make setup", result.output)
    assert result.exit_code != 0


def test_doctor_names_what_there_is() -> None:
    output = CliRunner().invoke(cli.app, ["doctor"]).output
    for part in ("python", "langgraph", "vllm", "gpu", "disk", "memory"):
        assert part in output


@pytest.mark.slow
def test_a_run_that_is_being_played_is_left_alone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with lock.locked(folder):
        done = subprocess.run(
            [sys.executable, "-c", (
                "from pathlib import Path; from maieutic.graph.lock import locked\n"
                "from maieutic.memory.run import RunFolder\n"
                f"with locked(RunFolder(Path({str(tmp_path)!r}))): pass"
            )], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "is being played by process" in done.stderr
        assert lock.held(folder)
    before = [path.read_bytes() for path in folder.path.rglob("run.lock")]
    assert before and not lock.held(folder)
    assert before == [path.read_bytes() for path in folder.path.rglob("run.lock")]
    with lock.locked(folder):
        pass


def begun(path: Path) -> RunFolder:
    config = load(None, ["sets.per_cell=1"])
    return making.create(config, path, "one", making.prepare(config))


@pytest.mark.slow
def test_a_held_run_is_told_in_one_line(tmp_path: Path) -> None:
    with lock.locked(begun(tmp_path)):
        done = maieutic("resume", "one", "--runs-dir", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"maieutic: one is being played by process {os.getpid()}\n"


def test_how_a_run_is_served_and_trained_can_be_changed_and_nothing_else(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    changed = changing.change(folder, ["serving.startup_deadline_s=900", "training.learning_rate=1e-4"])
    assert changed == folders.find(tmp_path, "one")[1]
    assert (changed.serving.startup_deadline_s, changed.training.learning_rate) == (900, 1e-4)
    write_report(folder, load(), "done")
    with pytest.raises(RunError, match="is done"):
        changing.change(folder, ["training.learning_rate=1e-3"])
    folder.report.unlink()
    for override in (
        "seed=3",
        "curriculum.new=9",
        "sets.per_cell=2",
        "servingx.y=1",
        "training.learning_rate=-1",
    ):
        with pytest.raises(ConfigError):
            changing.change(folder, [override])
    assert changed == folders.find(tmp_path, "one")[1]


def test_a_teacher_may_move_but_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEW_KEY", raising=False)
    alone = begun(tmp_path)
    with pytest.raises(ConfigError, match="who teaches"):
        changing.change(alone, ["teacher.endpoint=http://127.0.0.1:9/v1", "teacher.concurrency=3"])
    taught = RunFolder(tmp_path / "two")
    config = load(None, ["teacher.endpoint=http://127.0.0.1:9/v1", "teacher.model=m"])
    making.begin(taught, config, Material((), FixedSets((), ())))
    changed = changing.change(taught, ["teacher.endpoint=http://127.0.0.1:10/v1", "teacher.deadline_s=9"])
    assert (changed.teacher.endpoint, changed.teacher.deadline_s) == (["http://127.0.0.1:10/v1"], 9)
    for override in (
        "teacher.endpoint=",
        "teacher.model=n",
        "teacher.key=NEW_KEY",
        "teacher.endpoint=nowhere",
    ):
        with pytest.raises(ConfigError):
            changing.change(taught, [override])
    assert changed == folders.find(tmp_path, "two")[1]


def test_a_killed_run_is_not_shown_as_running(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    write_report(folder, load(), "running")
    arguments = ["show", "one", "--runs-dir", str(tmp_path)]
    assert "one: stopped" in CliRunner().invoke(cli.app, arguments).output
    with lock.locked(folder):
        assert "one: running" in CliRunner().invoke(cli.app, arguments).output
