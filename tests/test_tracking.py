"""`report_to`: figures of rounds and trainings at trackers, none of which can end a run."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from finished import a_run
from maieutic.config import dump, load
from maieutic.errors import ConfigError, MissingPart
from maieutic.graph import making, tracking
from maieutic.graph.report import write_report
from maieutic.memory.run import RunFolder, write_table
from maieutic.records import RunReport


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return a_run(tmp_path_factory.mktemp("runs") / "a run é")


@pytest.fixture(scope="module")
def report(run: RunFolder) -> RunReport:
    return write_report(run, load(run.config), "running")


def test_trackers_are_named_in_the_configuration() -> None:
    assert load(None, ["report_to=[wandb, trackio, wandb]"]).report_to == ["wandb", "trackio"]
    assert load().report_to == [] and "report_to: []" in dump(load())
    with pytest.raises(ConfigError, match="report_to"):
        load(None, ["report_to=[mlflow]"])


def test_a_missing_package_stops_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trackio" else found(name))
    with pytest.raises(MissingPart, match="`pip install trackio`"):
        making.check(load(None, ["report_to=[trackio]"]))


def test_a_folder_that_is_called_as_a_tracker_is_no_tracker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tracker_that_nobody_has").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    with pytest.raises(MissingPart, match="`pip install tracker_that_nobody_has`"):
        tracking.check_trackers(["tracker_that_nobody_has"])


def test_the_figures_of_a_round(report: RunReport) -> None:
    round, figures = tracking.last_round(report)
    assert round == 2
    assert figures["heldout/accuracy"] == 1.0 and figures["validation/accuracy"] == 1.0
    assert figures["gate/promoted"] == 1.0 and figures["gate/difference"] == 0.5
    assert figures["zones/learning"] == 1 and figures["pass_rate/addition"] == 0.5
    assert figures["rollouts/n"] == 4 and figures["seconds/attempt"] == 1.0
    assert tracking.last_round(report.model_copy(update={"rounds": []})) == (0, {"heldout/accuracy": 0.0})


class Kept:
    """A tracker that keeps what it is told, or fails at a round."""

    def __init__(self, fails: int = -1) -> None:
        self.told: list[int] = []
        self.fails, self.closed = fails, False

    def tell(self, round: int, figures: dict[str, float]) -> None:
        if round == self.fails:
            raise ConnectionError("no network\nat all")
        self.told.append(round)

    def close(self) -> None:
        self.closed = True


def rounds(report: RunReport) -> list[RunReport]:
    return [report.model_copy(update={"rounds": report.rounds[:count]}) for count in range(3)]


async def test_one_that_fails_is_a_note_and_the_others_go_on(report: RunReport) -> None:
    good, bad, notes = Kept(), Kept(fails=1), list[str]()
    tellers = [tracking.Teller("good", lambda: good), tracking.Teller("bad", lambda: bad)]
    tellers.append(tracking.Teller("none", lambda: Kept(1 // 0)))
    told = tracking.Tracking(tellers, notes.append)
    for each in rounds(report):
        told.tell(each)
    await told.close()
    assert good.told == [0, 1, 2] and good.closed
    assert bad.told == [0]
    assert sorted(notes) == [
        "report_to: bad failed and hears no more: ConnectionError: no network at all",
        "report_to: none failed and hears no more: ZeroDivisionError: integer division or modulo by zero",
    ]


async def test_one_that_hangs_holds_nothing_up(report: RunReport) -> None:
    never, notes = threading.Event(), list[str]()

    def hang() -> Kept:
        never.wait(60)
        return Kept()

    told = tracking.Tracking([tracking.Teller("slow", hang)], notes.append)
    told.tell(report)
    await told.close(0.2)
    never.set()
    assert notes == ["report_to: slow failed and hears no more: not done after 0.2 s"]


async def test_a_run_that_is_stopped_waits_for_no_tracker(
    run: RunFolder, report: RunReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    never, notes, begun = threading.Event(), list[str](), time.monotonic()

    def hang(folder: RunFolder, name: str) -> Kept:
        never.wait(60)
        return Kept()

    async def play() -> None:
        async with tracking.tracked(load(None, ["report_to=[wandb]"]), run, notes.append) as told:
            told.tell(report)
            await asyncio.sleep(60)

    monkeypatch.setitem(tracking.TRACKERS, "wandb", hang)
    playing = asyncio.create_task(play())
    await asyncio.sleep(0.1)
    playing.cancel()
    await asyncio.sleep(0.1)
    playing.cancel()  # a second Ctrl-C: nothing is waited for any more
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert time.monotonic() - begun < 1.5
    never.set()


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reading.EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


async def test_tensorboard_reads_the_rounds(report: RunReport, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    notes: list[str] = []
    config = load(None, ["report_to=[tensorboard]"])
    async with tracking.tracked(config, RunFolder(tmp_path), notes.append) as told:
        for each in rounds(report):
            told.tell(each)
    found = scalars(tmp_path / "tensorboard" / "rounds")
    assert found["heldout/accuracy"] == [(0, 0.0), (1, 0.5), (2, 1.0)] and not notes
    assert found["pass_rate/addition"] == [(1, 0.5), (2, 0.5)]


TOLD = """
import asyncio
import sys
from pathlib import Path
from maieutic.config import load
from maieutic.graph import tracking
from maieutic.memory.run import RunFolder
from maieutic.records import RunReport
report = RunReport.model_validate_json(Path(sys.argv[1]).read_text())
config, folder = load(None, [f"report_to=[{sys.argv[3]}]"]), RunFolder(Path(sys.argv[2]))
async def play():
    notes = []
    async with tracking.tracked(config, folder, notes.append) as told:
        told.tell(report)
    print("notes", notes)
asyncio.run(play())
"""


def told_in_a_process(run: RunFolder, folder: Path, tracker: str, **environment: str) -> str:
    """Its libraries read their environment when they are imported."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", TOLD, str(run.report), str(folder), tracker],
        capture_output=True, text=True, check=True, env=os.environ | environment, cwd=folder,
    )  # fmt: skip
    return done.stdout


def test_trackio_keeps_the_rounds_here(run: RunFolder, report: RunReport, tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="pip install trackio")
    out = told_in_a_process(run, tmp_path / "a run", "trackio", TRACKIO_DIR=str(tmp_path / "kept"))
    assert "notes []" in out
    asked = subprocess.run(
        [sys.executable, "-c", "import trackio, json; from trackio.sqlite_storage import SQLiteStorage as S; "
         "r = trackio.Api().runs('maieutic')[0]; "
         "print(json.dumps([r.name, r.config['_Group'], S.get_logs('maieutic', r.name)]))"],
        capture_output=True, text=True, check=True, env=os.environ | {"TRACKIO_DIR": str(tmp_path / "kept")},
    )  # fmt: skip
    name, group, logs = json.loads(asked.stdout.splitlines()[-1])
    assert (name, group) == ("a run-rounds", "a run")
    assert [(row["step"], row["heldout/accuracy"]) for row in logs] == [(2, 1.0)]


def test_wandb_writes_offline_into_the_run_folder(run: RunFolder, report: RunReport, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="pip install wandb")
    out = told_in_a_process(run, tmp_path / "run", "wandb")
    assert "notes []" in out
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))


def train(tmp_path: Path, to: list[str]) -> Any:
    """A real training of eight pairs that tells trackers."""
    import tiny
    from maieutic.trainers import worker
    from maieutic.trainers.jobs import Tracking, result_of

    tiny.save(tmp_path / "base")
    write_table(tmp_path / "rows.parquet", tiny.ROWS)
    where = Tracking(to=to, run="a run", name="solver-0001", folder=str(tmp_path / "run"))
    job = tiny.job(tmp_path / "base", tmp_path / "made", data=str(tmp_path / "rows.parquet"), tracking=where)
    (tmp_path / "run").mkdir()
    worker.run(job)
    return result_of(job.output)


@pytest.mark.slow
def test_a_training_tells_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    result = train(tmp_path, ["tensorboard"])
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    found = scalars(tmp_path / "run" / "tensorboard" / "solver-0001")
    assert result.notes == [] and len(found["train/loss"]) == result.steps


@pytest.mark.slow
def test_a_tracker_that_fails_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.integrations import integration_utils

    class Broken:
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            return

        def on_log(self, *_: Any, **__: Any) -> None:
            raise ConnectionError("no network")

    def absent() -> Any:
        raise RuntimeError("not installed")

    before = integration_utils.INTEGRATION_TO_CALLBACK
    known = {**before, "trackio": Broken, "wandb": absent}
    monkeypatch.setattr(integration_utils, "INTEGRATION_TO_CALLBACK", known)
    monkeypatch.setitem(sys.modules, "trackio", type(sys)("trackio"))
    monkeypatch.setattr(sys.modules["trackio"], "init", print, raising=False)
    result = train(tmp_path, ["trackio", "wandb"])
    assert result.steps > 1 and (tmp_path / "made" / "model.safetensors").exists()
    assert sorted(result.notes) == [
        "trackio failed and was left out of it: ConnectionError: no network",
        "wandb failed and was left out of it: RuntimeError: not installed",
    ]
