"""A run ends where a budget is spent, keeps what is done, and goes on when it is raised."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import simulated
from hypothesis import given, settings
from hypothesis import strategies as st
from maieutic.config import load
from maieutic.errors import ConfigError, Ended, RunError, TrainingError
from maieutic.graph import budget as budgets
from maieutic.graph import changing, room, train
from maieutic.graph.accounts import Accounts
from maieutic.graph.report import write_report
from maieutic.graph.rollouts import ask_all
from maieutic.graph.spending import Spending, weights_size
from maieutic.inspector.console import summary
from maieutic.inspector.reports import report_now
from maieutic.memory.run import RunFolder
from maieutic.processes import launch
from maieutic.records import Call, PreferencePair, Question, Rollout, RunReport
from maieutic.serving.requests import Reply, Request
from maieutic.trainers.jobs import TrainingJob, TrainingResult, run_job
from maieutic.trainers.objectives import configured
from playing import made, played, simulate
from test_failures import Instant, request


@pytest.fixture(autouse=True)
def simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch)


@pytest.fixture(scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that nothing ends before its last round."""
    with pytest.MonkeyPatch.context() as patch:
        simulate(patch)
        folder = made(tmp_path_factory.mktemp("whole") / "whole")
        assert (await played(folder)).status == "done"
    return folder


def calls_of(folder: RunFolder) -> int:
    return sum(1 for number in folder.rounds() for _ in folder.columns(number, "calls", ["id"]))


def told(folder: RunFolder, number: int) -> list[Any]:
    """What a round asked, admitted, trained on and decided; nothing may be there twice."""
    kinds: list[tuple[str, Any]] = [
        ("rollouts/attempt", Rollout), ("questions", Question), ("pairs", PreferencePair),
    ]  # fmt: skip
    ids = [sorted(row.id for row in folder.read(number, series, kind)) for series, kind in kinds]
    assert all(len(set(one)) == len(one) for one in ids)
    return [*ids, folder.read_json(number, "selected"), folder.read_json(number, "gate")]


@pytest.mark.slow
@pytest.mark.parametrize("budget", ["calls=150", "tokens=420", "disk_gb=0.0014"])
async def test_a_budget_ends_a_run_that_goes_on_as_if_it_had_not(
    tmp_path: Path, whole: RunFolder, budget: str
) -> None:
    folder = made(tmp_path / "run", f"budget.{budget}")
    name, _, limit = budget.partition("=")
    report = await played(folder)
    assert (report.status, report.ended and report.ended.by) == ("budget", f"budget.{name}")
    assert report.ended is not None
    # On disk a node adds to the memory, too: its files grow by some hundred kilobytes at once.
    most = {"calls": 150, "tokens": 420 + 2, "disk_gb": 0.0014 + 0.0005}[name]
    assert float(limit) <= report.ended.spent <= most
    assert "ended early: budget." in summary(report)
    at = calls_of(folder)
    assert at < calls_of(whole)
    # Again, without more: nothing is asked. (Files of SQLite shrink when they are closed.)
    if name != "disk_gb":
        again = await played(folder)
        assert (again.status, again.ended, calls_of(folder)) == ("budget", report.ended, at)
    assert (await played(folder, [f"budget.{name}=0"])).status == "done"
    assert [told(folder, number) for number in (1, 2, 3)] == [told(whole, number) for number in (1, 2, 3)]


@pytest.mark.slow
async def test_a_training_is_ended_as_a_tree_when_the_hours_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real process that would never end, as a training job."""
    pids = tmp_path / "pid"

    async def endless(job: TrainingJob, folder: Path, name: str, *args: Any, **more: Any) -> TrainingResult:
        async def sleeper(command: Sequence[str], log: Path, env: Any, piped: bool = False) -> Any:
            script = f"echo $$ > {shlex.quote(str(pids))}; sleep 600"
            return await launch(["sh", "-c", script], log, env, piped)

        return await run_job(job, folder, name, lambda done, of: None, launcher=sleeper)

    async def broken(*args: Any, **more: Any) -> TrainingResult:
        raise TrainingError("for the test")

    folder = made(tmp_path / "run", "rounds=1")
    monkeypatch.setattr(train, "run_job", broken)
    with pytest.raises(TrainingError):
        await played(folder)
    spent = sum(sum(folder.read_json(n, "seconds").values()) for n in folder.rounds())
    monkeypatch.setattr(train, "run_job", endless)
    started = time.monotonic()
    report = await played(folder, [f"budget.hours={(spent + 2) / 3600}"])
    assert report.status == "budget"
    assert report.ended is not None
    assert report.ended.by == "budget.hours"
    assert report.ended.limit <= report.ended.spent < report.ended.limit + 5 / 3600
    assert time.monotonic() - started < 40
    assert pids.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.read_text()), 0)
    assert folder.read_json(1, "seconds")["train_solver"] > 0
    monkeypatch.setattr(train, "run_job", simulated.pretend_to_train)
    assert (await played(folder, ["budget.hours=0"])).status == "done"


async def test_the_time_of_a_stage_that_is_killed_is_counted_to_the_last_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "HEARTBEAT_S", 0.05)
    folder = made(tmp_path / "run")
    here = simulated.room_in(folder, load(folder.config))
    async with here.timed(1, "attempt"):
        await asyncio.sleep(0.4)
        noted = folder.read_json(1, "seconds")["attempt"]
    assert 0.2 < noted <= folder.read_json(1, "seconds")["attempt"] < 2
    async with here.timed(1, "attempt"):
        pass
    assert folder.read_json(1, "seconds")["attempt"] < 2


@pytest.mark.slow
async def test_rounds_are_raised_and_lowered_on_the_way(tmp_path: Path, whole: RunFolder) -> None:
    folder = made(tmp_path / "run", "rounds=1")
    first = await played(folder)
    assert (first.status, first.ended, len(first.rounds)) == ("done", None, 1)
    with pytest.raises(RunError, match=r"done.*one of rounds"):
        changing.change(folder, ["training.learning_rate=1e-3"])
    more = await played(folder, ["rounds=2"])
    assert (more.status, len(more.rounds)) == ("done", 2)
    less = await played(folder, ["rounds=1"])
    assert (less.status, len(less.rounds)) == ("done", 2)


@pytest.mark.slow
async def test_a_run_without_gain_is_a_plateau_and_goes_on_when_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated, "GROWS", 0)
    folder = made(tmp_path / "run", "rounds=4", "gate.plateau=2", "gate.tolerance=1")
    report = await played(folder)
    assert (report.status, len(report.rounds)) == ("plateau", 2)
    assert report.ended is not None
    assert report.ended.by == "gate.plateau"
    assert "no sure gain on the validation set in 2 rounds" in summary(report)
    longer = await played(folder, ["gate.plateau=3"])
    assert (longer.status, len(longer.rounds)) == ("plateau", 3)
    assert (await played(folder, ["gate.plateau=0"])).status == "done"


@pytest.mark.slow
async def test_a_run_that_gains_is_no_plateau(tmp_path: Path) -> None:
    report = await played(made(tmp_path / "run", "gate.plateau=1", "rounds=2", "sets.per_cell=6"))
    assert (report.status, len(report.rounds)) == ("done", 2)


@pytest.mark.slow
async def test_refused_checkpoints_end_a_run_as_a_plateau(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated, "GROWS", -40)
    folder = made(tmp_path / "run", "gate.patience=1", "gate.tolerance=0")
    report = await played(folder)
    assert (report.status, report.ended and report.ended.by) == ("plateau", "gate.patience")
    assert len((await played(folder, ["gate.patience=2"])).rounds) == 2


@pytest.mark.slow
async def test_what_rollouts_end_says_so(tmp_path: Path) -> None:
    folder = made(tmp_path / "run", "budget.rollouts=80")
    report = await played(folder)
    assert (report.status, report.ended and report.ended.by) == ("budget", "budget.rollouts")
    assert (await played(folder, ["budget.rollouts=0"])).status == "done"


class Dear:
    """An endpoint whose replies take as many tokens as their subject says."""

    async def ask(self, request: Request) -> Reply:
        await asyncio.sleep(0)
        tokens = int(request.subject_id.partition(".")[2])
        reply = await Instant().ask(request)
        call = reply.call.model_copy(update={"role": "teacher", "completion_tokens": tokens})
        return Reply(reply.completions, reply.finished, call)


def fake(folder: RunFolder, *told: str) -> Any:
    from types import SimpleNamespace

    from maieutic.graph.progress import Quiet

    config = load(None, list(told))
    accounts = Accounts(folder)
    return SimpleNamespace(config=config, folder=folder, accounts=accounts, progress=Quiet(), remote={})


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=60),
    limit=st.integers(1, 2000),
    at_once=st.integers(1, 40),
    kind=st.sampled_from(["tokens", "calls", "money"]),
)
async def test_no_budget_of_requests_is_overshot_by_more_than_a_part(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int, at_once: int, kind: str
) -> None:
    """Calls never; of tokens and money no more than what was on its way turned out to cost."""
    folder = RunFolder(tmp_path_factory.mktemp("asked"))
    told = [f"budget.{kind}={limit}", f"teacher.concurrency={at_once}", "teacher.price.completion=1e6"]
    todo = [request(f"q{n}.{size}", max_tokens=60) for n, size in enumerate(sizes)]
    left, runs = list(todo), 0
    while left and runs < 3:
        runs += 1
        here = fake(folder, *told)
        try:
            await ask_all(here, Dear(), 1, "teacher-s", left, None, part=16)  # type: ignore[arg-type]
        except Ended:
            assert here.accounts.asked(here.config, kind) >= limit
        calls = folder.read(1, "calls/teacher-s", Call)
        asked = {call.subject_id for call in calls}
        assert len(asked) == len(calls)
        left = [one for one in todo if one.subject_id not in asked]
        again = fake(folder, *told)
        spent = again.accounts.asked(again.config, kind)
        assert spent == here.accounts.asked(here.config, kind)
        assert spent < limit + (1 if kind == "calls" else 16 * 60 + 1)
        assert bool(left) <= (spent >= limit)


def test_the_last_request_that_a_budget_pays_for_is_sent(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    here = fake(folder, "budget.tokens=100", "teacher.concurrency=8")
    todo = [request(f"q{n}.9", max_tokens=1000) for n in range(30)]  # ten tokens each, its prompt included
    with pytest.raises(Ended, match=r"budget.tokens = 100 is spent: 100 tokens"):
        asyncio.run(ask_all(here, Dear(), 1, "teacher-s", todo, None))  # type: ignore[arg-type]
    assert len(folder.read(1, "calls/teacher-s", Call)) == 10


def test_a_training_that_samples_is_given_the_prompts_that_tokens_pay_for(tmp_path: Path) -> None:
    config = load(None, [
        "training.objective=grpo", "training.options.rollouts=8", "training.batch_size=16",
        "training.epochs=1", "rollouts.max_tokens=10",
    ])  # fmt: skip
    folder, objective = RunFolder(tmp_path), configured(config.training)
    rows = [{"times": 1.0, "id": place} for place in range(40)]

    def paid(round: int, tokens: float | None) -> int:
        return len(budgets.payable(folder, config, round, rows, objective, Random(0), tokens))

    assert paid(1, None) == 40
    assert paid(1, 800) == 10  # ten tokens each, eight of each prompt
    assert paid(1, 79) == 0
    result = TrainingResult(
        objective="grpo", examples=1, steps=1, seconds=0, metrics={}, rollouts=20, tokens=100
    )
    folder.checkpoint("solver-0001").mkdir(parents=True)
    (folder.checkpoint("solver-0001") / "result.json").write_text(result.model_dump_json())
    assert paid(2, 400) == 10  # five each, as in the last training
    spending = Spending(load(None, ["budget.tokens=150"]), folder, Accounts(folder))
    (tmp_path / "rounds" / "0001").mkdir(parents=True)
    assert spending.tokens_left("solver-0002") == 50
    # As before it: a kill after its end, before the graph heard of it, takes nothing from it.
    assert spending.tokens_left("solver-0001") == 150


def test_weights_that_are_links_into_a_cache_count_as_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(bytes(5000))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").symlink_to(tmp_path / "blob")
    (tmp_path / "model" / "pytorch_model.bin").write_bytes(bytes(9000))
    assert weights_size(tmp_path / "model") == 5000
    assert weights_size(tmp_path / "none") == 0


def test_a_budget_that_cannot_be_counted_ends_a_stage_and_does_not_hang_it(tmp_path: Path) -> None:
    here = fake(RunFolder(tmp_path), "budget.tokens=100")
    here.accounts.trained = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(ask_all(here, Dear(), 1, "teacher-s", [request("q.9")], None), 5))  # type: ignore[arg-type]


def test_a_checkpoint_that_would_not_fit_is_not_begun(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "rounds" / "0001").mkdir(parents=True)
    (tmp_path / "rounds" / "0001" / "part").write_bytes(b"x" * 6000)
    (tmp_path / "link").symlink_to("/usr")
    spending = Spending(load(None, ["budget.disk_gb=1e-5"]), folder, Accounts(folder))
    assert spending.reached(1) is None
    with pytest.raises(Ended, match=r"is spent but for .*what comes next takes 6e-06"):
        spending.require(1, 6000)
    # What an earlier round takes is looked at once; what is written now counts at once.
    (tmp_path / "rounds" / "0001" / "more").write_bytes(b"x" * 6000)
    assert spending.reached(1) is not None


def test_what_a_round_spent_at_its_end_is_counted_in_the_next(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    spending = Spending(load(None, []), folder, Accounts(folder))
    folder.write_json(1, "seconds", {"attempt": 5.0})
    before = spending.bytes(1)
    assert spending.seconds(1) == 5
    folder.write_json(1, "seconds", {"attempt": 5.0, "gate": 2.5})
    folder.write_json(2, "seconds", {"select": 1.0})
    assert spending.seconds(1) == spending.seconds(2) == 8.5
    assert spending.bytes(2) > before
    folder.write_json(2, "seconds", {"select": 2.0})
    assert spending.seconds(2) == 9.5


def test_what_ends_a_run_may_be_changed_and_what_identifies_it_may_not(tmp_path: Path) -> None:
    folder = made(tmp_path / "run")
    lengths = ["rounds=9", "budget.hours=1.5", "gate.plateau=5", "gate.patience=9", "watch.rounds=5"]
    config = changing.change(folder, lengths)
    assert (config.rounds, config.budget.hours, config.gate.plateau) == (9, 1.5, 5)
    for other in ("gate.rule=no_sure_fall", "budgets.hours=1", "seeds=x", "budget.hours=-1", "rounds=0"):
        with pytest.raises(ConfigError):
            changing.change(folder, [other])
    assert load(folder.config) == config


def test_an_older_report_is_read_and_an_ended_run_is_not_shown_as_stopped(tmp_path: Path) -> None:
    folder = made(tmp_path / "run")
    report = write_report(folder, load(folder.config), "plateau")
    assert report_now(folder).status == "plateau"
    older = report.model_dump(mode="json")
    del older["ended"], older["forked"]
    folder.report.write_text(json.dumps(older))
    assert report_now(folder) == RunReport.model_validate(older) == report
