"""The whole loop on real parts: vLLM, TRL, Chroma, LangGraph; small, but nothing replaced."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from random import Random

import httpx
import psutil
import pytest
from canaries import CANARIES, Watch, found_in, leaks
from maieutic.benchmarks.killed import KILL
from maieutic.benchmarks.playing import Play
from maieutic.benchmarks.sameness import differences, doubled, left_by, leftovers
from maieutic.config import load
from maieutic.errors import ServerError
from maieutic.graph.folders import read_sets
from maieutic.graph.making import create
from maieutic.graph.progress import Quiet
from maieutic.graph.room import Room
from maieutic.graph.run import open_room
from maieutic.inspector.database import Database
from maieutic.memory.embedding import NgramEmbedding
from maieutic.memory.profile import WeaknessProfile
from maieutic.memory.run import RunFolder
from maieutic.memory.store import Store
from maieutic.records import (
    Attempt,
    Call,
    PreferencePair,
    Proposal,
    Question,
    Rollout,
    RunReport,
    Verdict,
    Worth,
)
from maieutic.tasks.checkers.family import check_exact
from maieutic.tasks.material import gather
from maieutic.tasks.overlap import expression
from real_run import NAME, command, settings
from tracing import traced

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def runs(real_runs: Path) -> Path:
    return real_runs


@pytest.fixture(scope="session")
def output(real_output: str) -> str:
    return real_output


@pytest.fixture(scope="session")
def folder(runs: Path, output: str) -> RunFolder:
    return RunFolder(runs / NAME)


@pytest.fixture(scope="session")
def report(folder: RunFolder) -> RunReport:
    return RunReport.model_validate_json(folder.report.read_text())


def test_the_run_is_done_and_says_what_it_gained(output: str, report: RunReport) -> None:
    assert report.status == "done"
    assert [entry.round for entry in report.rounds] == [1, 2]
    assert "held-out so far" in output
    assert re.search(r"held-out [\d.]+ % → [\d.]+ %", output)
    assert report.baseline and report.baseline.n == 84


def test_no_secret_is_left_or_seen(output: str, folder: RunFolder, real_watch: Watch) -> None:
    assert len(real_watch.keys) == 1  # of the one server, made for it alone
    secrets = [*CANARIES.values(), *real_watch.keys]
    assert any("api_server" in line for line in real_watch.arguments)
    assert found_in("\n".join([output, *real_watch.arguments]).encode(), secrets) == []
    assert list(leaks(folder.path, secrets)) == []


@pytest.mark.usefixtures("output")
def test_nothing_of_a_run_listens_beyond_this_machine(real_watch: Watch) -> None:
    assert real_watch.listening
    assert {address for address, _ in real_watch.listening} <= {"127.0.0.1", "::1"}


def test_every_stage_left_its_records(folder: RunFolder) -> None:
    for number in (1, 2):
        questions = folder.read_json(number, "selected")
        rollouts = folder.read(number, "rollouts/attempt", Rollout)
        verdicts = folder.read(number, "verdicts/attempt", Verdict)
        calls = {c.id: c for c in folder.read(number, "calls/rollouts-attempt", Call)}
        assert Counter(r.question_id for r in rollouts) == dict.fromkeys(questions, 2)
        assert [v.rollout_id for v in verdicts] != []
        assert {v.rollout_id for v in verdicts} == {r.id for r in rollouts}
        for rollout in rollouts:
            call = calls[rollout.call_id]
            assert rollout.completion == call.completions[rollout.index]
            assert (call.role, call.template) == ("solver", "solver@1")
        assert folder.read(number, "attempts", Attempt)
        assert folder.read(number, "pairs", PreferencePair)


def test_the_worth_of_new_questions_is_measured_by_the_next_round(folder: RunFolder) -> None:
    assert folder.read(1, "worths", Worth) == []
    admitted = {q.id for q in folder.read(1, "questions", Question)}
    worths = folder.read(2, "worths", Worth)
    assert worths
    assert {worth.question_id for worth in worths} <= admitted


def test_verdicts_are_what_the_checker_says(folder: RunFolder) -> None:
    known = {q.id: q for n in folder.rounds() for q in folder.read(n, "questions", Question)}
    rollouts = {r.id: r for r in folder.read(1, "rollouts/attempt", Rollout)}
    outcomes = Counter()
    for verdict in folder.read(1, "verdicts/attempt", Verdict):
        rollout = rollouts[verdict.rollout_id]
        outcomes[verdict.outcome] += 1
        if not rollout.truncated:
            found = check_exact(known[verdict.question_id].answer, rollout.completion)
            assert found.outcome == verdict.outcome
    assert outcomes["right"] > 0
    assert outcomes["wrong"] > 0


def test_only_right_and_wrong_train(folder: RunFolder) -> None:
    for number in (1, 2):
        outcome = {v.rollout_id: v.outcome for v in folder.read(number, "verdicts/attempt", Verdict)}
        said = {(r.question_id, r.completion): outcome[r.id]
                for r in folder.read(number, "rollouts/attempt", Rollout)}  # fmt: skip
        known = {q.id: q for n in folder.rounds() for q in folder.read(n, "questions", Question)}
        for pair in folder.read(number, "pairs", PreferencePair):
            if pair.replayed:
                continue
            key = (pair.question_id, pair.chosen)
            assert pair.chosen == known[pair.question_id].solution or said[key] == "right"
            if pair.kind != "anchor":
                assert said[pair.question_id, pair.rejected] == "wrong"


def test_nothing_trained_on_is_in_either_set(folder: RunFolder) -> None:
    forbidden = read_sets(folder).keys()
    for number in (1, 2):
        prompts = {pair.prompt for pair in folder.read(number, "pairs", PreferencePair)}
        prompts |= {p.text for p in folder.read(number, "vetted", Proposal) if p.admitted}
        assert prompts
        assert not {expression(prompt) for prompt in prompts} & forbidden


def test_new_questions_descend_from_seeds(folder: RunFolder) -> None:
    known = {q.id: q for n in folder.rounds() for q in folder.read(n, "questions", Question)}
    written = [q for q in known.values() if q.origin != "seed"]
    assert written
    for question in written:
        while question.parent_id:
            question = known[question.parent_id]
        assert question.origin == "seed"


def test_five_pairs_lead_back_to_a_seed_and_forward_to_a_checkpoint(folder: RunFolder) -> None:
    with Database(folder) as database:
        pairs = database.rows("SELECT * FROM pairs WHERE recorded_in = 2 ORDER BY id")
        for pair in Random(0).sample(pairs, 5):
            made = traced(database, pair)
            assert folder.checkpoint(made).is_dir()


def test_every_proposal_is_admitted_or_refused_with_a_reason(folder: RunFolder, report: RunReport) -> None:
    for entry in report.rounds:
        vetted = folder.read(entry.round, "vetted", Proposal)
        assert {p.author for p in vetted} == {"teacher", "generator"}
        for proposal in vetted:
            assert bool(proposal.reason) != bool(proposal.admitted)
        assert entry.questions.admitted + sum(entry.questions.refused.values()) == entry.questions.proposed
    assert sum(entry.generator.admitted for entry in report.rounds) > 0


def test_one_server_for_the_whole_run_with_quick_swaps(folder: RunFolder, report: RunReport) -> None:
    log = (folder.logs / "vllm.log").read_text()
    assert log.count("Started server process") == 1
    for entry in report.rounds:
        swaps = folder.read_json(entry.round, "swaps")
        assert [s["to"] for s in swaps if s["to"].startswith("solver")]
        assert 0 < entry.swap_seconds < 1


def test_checkpoints_are_safetensors_and_differ(folder: RunFolder) -> None:
    weights = [
        (folder.checkpoint(name) / "model.safetensors").read_bytes()
        for name in ("solver-0001", "solver-0002", "generator-0002")
    ]
    assert len(set(weights)) == 3
    assert not [p for p in (folder.path / "checkpoints").rglob("*") if p.suffix in (".bin", ".pt", ".pkl")]


def listeners(room: Room) -> set[str]:
    """Addresses that any process of the server listens on."""
    (server,) = room.fleet.hosted["solver"].servers
    pids = [int(entry["pid"]) for entry in server.noted()]
    connections = [c for pid in pids for c in psutil.Process(pid).net_connections("tcp")]
    found = {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    assert found
    return found


async def test_a_server_with_other_weights_than_it_should_have_is_found_out(
    folder: RunFolder, tmp_path: Path
) -> None:
    config = load(folder.config)
    mine = create(config, tmp_path, "canary", gather(config))
    for name, weights in (("solver-0001", "solver-0002"), ("solver-0002", "generator-0002")):
        shutil.copytree(folder.checkpoint(weights), mine.checkpoint(name))
        shutil.copy(folder.checkpoint("solver-0002") / "canary.json", mine.checkpoint(name))
    room = await open_room(config, mine, Quiet())
    try:
        await room.serve("solver", "solver-0001", 0)
        (server,) = room.fleet.hosted["solver"].servers
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as keyless:
            for route in ("/collective_rpc", "/reset_prefix_cache", "/v1/models"):
                assert (await keyless.post(route, json={})).status_code == 401
        assert listeners(room) <= {"127.0.0.1", "::1"}
        with pytest.raises(ServerError, match="does not answer as solver-0002 does"):
            await room.serve("solver", "solver-0002", 0)
    finally:
        await room.close()


def test_the_weakness_profile_is_in_chroma(folder: RunFolder) -> None:
    profile = WeaknessProfile(Store(folder.memory, NgramEmbedding()))
    weaknesses = profile.all()
    attempted = sum(len(folder.read(n, "attempts", Attempt)) for n in (1, 2))
    assert sum(w.attempts for w in weaknesses) == attempted
    assert profile.worst(3)[0].need > 0
    assert profile.failures_like(["What is 9 mod 4?"])[0]


def test_the_graph_state_stays_small(folder: RunFolder) -> None:
    with sqlite3.connect(folder.graph) as database:
        sizes = [row[0] for row in database.execute("select length(checkpoint) from checkpoints")]
    assert len(sizes) > 24
    assert max(sizes) < 64_000


def test_the_page_is_there(folder: RunFolder) -> None:
    assert "Held-out accuracy by round" in (folder.path / "report.html").read_text()


def test_show_tells_of_the_run_a_round_and_a_question(runs: Path, folder: RunFolder) -> None:
    def show(*arguments: str) -> str:
        done = subprocess.run(
            command("show", "small", "--runs-dir", str(runs), *arguments),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert "mastered" in show()
    assert "base model" in show("--round", "0")
    detail = show("--round", "2")
    assert "points [" in detail
    found = re.search(r"q-[0-9a-f]{12}", detail)
    assert found is not None
    assert "reference:" in show("--question", found.group())
    unknown = subprocess.run(
        command("show", "small", "--runs-dir", str(runs), "--question", "q-none"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert unknown.returncode == 2


def test_a_finished_run_resumes_to_its_end_at_once(runs: Path, folder: RunFolder) -> None:
    before = folder.report.read_text()
    done = subprocess.run(
        command("resume", "small", "--runs-dir", str(runs)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(folder.report.read_text())["rounds"] == json.loads(before)["rounds"]


def wait_for(path: Path, within: float = 240) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if list(path.parent.glob(path.name)):
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


def completions(folder: RunFolder) -> dict[str, str]:
    return {
        rollout.id: rollout.completion
        for number in folder.rounds()
        for series in ("attempt", "validation", "heldout")
        for rollout in folder.read(number, f"rollouts/{series}", Rollout)
    }


def dies(place: str, tree: bool, folder: RunFolder, *arguments: str) -> None:
    """Have a command kill itself at a place, with or without all that it has started."""
    asked = Play(str(folder.path), at=1, place=place, tree=tree)
    done = subprocess.run(
        [sys.executable, "-m", "maieutic.benchmarks.killed", *arguments, "--runs-dir", folder.path.parent],
        capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {KILL: json.dumps(asdict(asked))}, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


@pytest.mark.usefixtures("output")
def test_killed_and_stopped_it_goes_on_and_leaves_nothing_behind(runs: Path) -> None:
    """SIGKILL before the server is there, in round 1's training and after it; then Ctrl-C in round 2, then
    on to the end: the run is the one that was left alone."""
    folder = RunFolder(runs / "killed")
    dies("write checkpoints/base", True, folder, "run", "--name", "killed", *settings())
    process = subprocess.Popen(
        command("resume", "killed", "--runs-dir", str(runs)),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    wait_for(folder.jobs / "solver-0001.json")
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 4
    rollouts = folder.read(1, "rollouts/attempt", Rollout)
    process.kill()
    process.wait(20)
    # While what it had started is still about to end.
    dies("write rounds/0001/trainings/solver*", False, folder, "resume", "killed")
    _, alive = psutil.wait_procs(below, timeout=40)
    assert not alive

    process = subprocess.Popen(
        command("resume", "killed", "--runs-dir", str(runs)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    wait_for(folder.round(2) / "rollouts" / "attempt-0000.parquet")
    below = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    # The program is named as it can be typed: by its path where its folder is not on the PATH.
    assert re.search(rf"^stopped; go on with: \S*maieutic resume killed --runs-dir {runs}$", text, re.M), text
    assert not psutil.wait_procs(below, timeout=20)[1]
    assert json.loads(folder.report.read_text())["status"] == "stopped"

    done = subprocess.run(
        command("resume", "killed", "--runs-dir", str(runs)),
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(folder.report.read_text())["status"] == "done"
    assert folder.read(1, "rollouts/attempt", Rollout) == rollouts
    for number in (1, 2):
        for series, model in (("rollouts/attempt", Rollout), ("pairs", PreferencePair)):
            ids = [row.id for row in folder.read(number, series, model)]  # type: ignore[attr-defined]
            assert len(ids) == len(set(ids))
    said = differences(left_by(runs / NAME), left_by(folder.path))
    # What was asked again after the Ctrl-C came in other batches: on some machines a letter may differ.
    assert said == [] or completions(folder) != completions(RunFolder(runs / NAME)), said
    assert not [line for line in said if line.startswith(("0000/", "0001/"))]
    assert doubled(folder.path) == []
    assert leftovers(folder.path) == []
