"""`maieutic show`: every view of a played run, of one just begun, and of hostile and older records."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from maieutic import cli
from maieutic.config import RunConfig, dump, load
from maieutic.graph import train
from maieutic.graph.making import begin
from maieutic.graph.report import write_report
from maieutic.inspector.calls import calls
from maieutic.inspector.database import Database
from maieutic.inspector.difference import Side, difference
from maieutic.inspector.pairs import pairs
from maieutic.inspector.reports import load_report
from maieutic.inspector.views import VIEWS, Options, Run, choose, document
from maieutic.memory.run import RunFolder, write_table, write_whole
from maieutic.records import (
    Attempt,
    Audit,
    Behaviour,
    Call,
    GateDecision,
    Hint,
    LabelCheck,
    Opinion,
    PreferencePair,
    Proposal,
    Question,
    Review,
    Rollout,
    SkillNote,
    Training,
    Verdict,
)
from maieutic.tasks.material import gather
from rich.console import Console
from simulated import SimulatedTeacher, play, pretend_to_train
from typer.testing import CliRunner

SMALL = [
    "rounds=3", "curriculum.questions=40", "curriculum.new=30", "training.least_pairs=1", "sets.per_cell=1",
    "generator.proposals=10", "generator.most=10",
]  # fmt: skip
EVIL = "\x1b[2J\x1b]0;mine\x07[bold]loud[/] [/red] :bug: \u202eright to left\u200f \r\x08 漢 \x9b31m"
LONG = EVIL + "x" * 1_000_000 + EVIL
DATA = ["weak", "calls", "pairs", "question", "handbook"]
"""Views that need no report."""


def shown(name: str, *arguments: str, columns: int = 200) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, ["show", *arguments], env={"COLUMNS": str(columns)})
    return done.exit_code, done.output + str(done.exception or "")


def drawn(folder: RunFolder, view: str, width: int, config: RunConfig | None = None, **options: Any) -> str:
    said = io.StringIO()
    asked = Options(folder.path.parent, **options)
    with Database(folder) as tables:
        run = Run(folder, config or load(None, []), tables)
        data = VIEWS[view].data(run, asked)
        VIEWS[view].draw(Console(file=said, width=width, emoji=False), run, asked, data)
    return said.getvalue()


def as_json(folder: RunFolder, view: str, **options: Any) -> dict[str, Any]:
    with Database(folder) as tables:
        run = Run(folder, load(None, []), tables)
        text = document(view, run.name, VIEWS[view].data(run, Options(folder.path.parent, **options)))
    assert text.isascii()
    whole: dict[str, Any] = json.loads(text)
    return whole


@pytest.fixture(scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(train, "run_job", pretend_to_train)
        config = load(None, SMALL)
        folder = await play(tmp_path_factory.mktemp("runs") / "one", config)
        write_report(folder, config, "done")
        other = load(None, [*SMALL, "seed=1", "curriculum.policy=uniform"])
        write_report(await play(folder.path.parent / "two", other), other, "done")
        yield folder


@pytest.fixture
def evil(tmp_path: Path) -> RunFolder:
    """Everything that a model can write holds what a terminal would obey, and a line of a million signs."""
    folder = RunFolder(tmp_path / "evil")
    write_whole(folder.config, dump(load()))
    write_everything(folder, LONG)
    return folder


def write_everything(folder: RunFolder, text: str) -> None:
    seed = Question(
        id="q-seed", text=text, answer=text, solution=text, skill=text[:5000], level=1, origin="seed"
    )
    made = seed.model_copy(
        update={"id": "q-made", "parent_id": "q-seed", "round": 1, "origin": "teacher", "label": "teacher"}
    )
    child = made.model_copy(update={"id": "q-child", "parent_id": "q-made", "round": 2})
    folder.write(0, "questions", 0, [seed])
    folder.write(1, "questions", 0, [made])
    folder.write(2, "questions", 0, [child])
    proposal = Proposal(
        id="p-1", round=1, turn=0, author="teacher", move="refine", parent_id="q-seed",
        rollout_id="q-seed.1.attempt.0", text=text, why=text, question_id="q-made", admitted=True,
        nearest_id="q-seed", likeness=0.5,
    )  # fmt: skip
    folder.write(1, "vetted", 0, [proposal])
    folder.write(1, "reviews", 0, [Review(
        proposal_id="p-1", decision="edited", before=text, text=text, answer=text, solution=text, by=text,
    )])  # fmt: skip
    folder.write(1, "labels", 0, [LabelCheck(
        question_id="q-made", claimed=text, teacher=[text], solver=[text], answer=text, source="teacher",
        confidence=0.9, trusted=True,
    )])  # fmt: skip
    folder.write(1, "audits", 0, [Audit(question_id="q-made", source="teacher", confidence=1, agreed=False)])
    for round, asked in ((1, seed), (2, made)):
        attempt(folder, round, asked, text)
    folder.write(2, "skills", 0, [SkillNote(
        question_id="q-made", rollout_id="r", round=2, needed=[text], missing=[text]
    )])  # fmt: skip
    folder.write(2, "hints", 0, [Hint(question_id="q-made", round=2, kind="hint", text=text)])
    folder.write(2, "behaviours", 0, [Behaviour(
        id="b-1", round=2, name=text[:2000], instruction=text[:2000], skill="s", question_id="q",
        rollout_id="r",
    )])  # fmt: skip
    folder.write(2, "pairs", 0, [PreferencePair(
        id="pair-1", question_id="q-made", round=1, kind="reference", prompt=text, chosen=text, rejected=text,
        replayed=True, weight=0.5,
    )])  # fmt: skip
    folder.write(2, "trainings", 0, [Training(
        id="solver-0002", round=2, role="solver", start="base", objective="dpo", rows=1, steps=1, seconds=1,
        stopped=text, metrics="{}",
    )])  # fmt: skip
    folder.write(2, "gates", 0, [GateDecision(
        round=2, candidate="solver-0002", against="base", against_round=0, trained=True, promoted=False,
        kept="base", difference=-0.01, low=-0.02, high=0.01,
    )])  # fmt: skip
    folder.write(1, "calls/teach", 0, [Call(
        id="call-1", round=1, stage="teach0", role="teacher", model=text, checkpoint=text, template=text,
        subject_id="p-1.mend", messages=text, sampling="{}", completions=["first", text],
        finished=[True, False], prompt_tokens=3, completion_tokens=4, seconds=0.5, error=text,
        failure="schema", tried=["timeout", text],
    )])  # fmt: skip


def attempt(folder: RunFolder, round: int, asked: Question, text: str) -> None:
    name = f"{asked.id}.{round}.attempt.0"
    folder.write(round, "rollouts/attempt", 0, [Rollout(
        id=name, question_id=asked.id, round=round, stage="attempt", checkpoint="base", index=0,
        completion=text, tokens=1, truncated=True, call_id="c",
    )])  # fmt: skip
    folder.write(round, "verdicts/attempt", 0, [Verdict(
        rollout_id=name, question_id=asked.id, outcome="wrong", extracted=text, reason=text, by="judge",
        confidence=0.75,
    )])  # fmt: skip
    folder.write(round, "opinions/attempt", 0, [Opinion(
        rollout_id=name, question_id=asked.id, method="vote", outcome="right", confidence=0.5, reason=text,
        checked="undecided",
    )])  # fmt: skip
    folder.write(round, "attempts", 0, [Attempt(
        question_id=asked.id, skill=asked.skill, level=1, round=round, right=0, decided=1, pass_rate=0,
        zone="too_hard",
    )])  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("view", DATA)
def test_text_of_models_is_inert_and_fits_whatever_it_is(evil: RunFolder, view: str, width: int) -> None:
    told = drawn(evil, view, width, question="q-made" if view == "question" else None)
    assert not {"\x1b", "\x07", "\x9b", "\x08", "\r", "\u202e", "\u200f"} & set(told)
    squeezed = "".join(told.split())  # columns may be narrow
    assert view == "handbook" or ("[bold]loud[/]" in squeezed and ":bug:" in squeezed)
    assert len(told) < 120_000, len(told)
    assert max(len(line.rstrip()) for line in told.splitlines()) <= width
    as_json(evil, view, question="q-made" if view == "question" else None)


def test_a_question_is_told_from_its_seed_to_what_was_learned(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    write_everything(folder, "some words")
    told = drawn(folder, "question", 200, question="q-m")
    for part in (
        "q-seed some words = some words  (seed, round 0; some words level 1)",
        "q-made some words = some words  (teacher, refine, round 1; some words level 1)",
        "its author saw: wrong  some words",
        "most like it: q-seed some words  (likeness 0.50)",
        "written by: call-1, teacher some words, some words, 0.50 s, 3 → 4 tokens",
        "read by some words: edited",
        "q-child",
        "reference: some words",
        "label: teacher, confidence 1.00; the author: some words; the Teacher: some words; the Solver: "
        "some words; audited: another answer was found",
        "written for: some words",
        "round 2 needs some words; missing: some words",
        "round 2 hint: some words",
        "round 2: 0 of 1 right, too_hard",
        "round 2 wrong by judge (0.75), read as some words, some words, tokens ran out",
        "vote says right (0.50)",
        "pair-1: reference pair, weight 0.50, replayed, made in round 1",
        "solver-0002: dpo from base, 1 rows, 1 steps; STOPPED: some words",
        "not kept: validation -1.0 points [-2.0 to +1.0] against base",
        "preference pairs with it: 1",
    ):
        assert part in told, part


def test_rollouts_stand_beside_each_other_where_there_is_room(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    one = Question(id="q-1", text="?", answer="1", solution="", skill="s", level=1, origin="seed")
    folder.write(0, "questions", 0, [one])
    folder.write(1, "rollouts/attempt", 0, [
        Rollout(
            id=f"r{index}", question_id="q-1", round=1, stage="attempt", checkpoint="base", index=index,
            completion=f"said {index}", tokens=1, truncated=False, call_id="c",
        )
        for index in range(4)
    ])  # fmt: skip
    wide = drawn(folder, "question", 160, question="q-1").splitlines()
    assert any("said 0" in line and "said 3" in line for line in wide)
    narrow = drawn(folder, "question", 60, question="q-1").splitlines()
    assert not any("said 0" in line and "said 1" in line for line in narrow)
    assert "round 1 not judged" in "\n".join(narrow)


def test_an_id_may_be_cut_short_and_says_what_to_do_where_it_is_none(evil: RunFolder) -> None:
    where = ("--runs-dir", str(evil.path.parent))
    assert as_json(evil, "question", question="q-s")["data"]["ancestors"][-1]["question"]["id"] == "q-seed"
    code, told = shown("", "evil", *where, "--question", "q-")
    assert code and "'q-' begins 3 questions, such as q-child, q-made, q-seed; give more of it" in told
    code, told = shown("", "evil", *where, "--question", EVIL)
    assert code and "no question" in told and "--round 1` names some" in told


def test_a_question_that_descends_from_itself_is_shown_all_the_same(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    one = Question(id="q-1", text="?", answer="1", solution="", skill="s", level=1, origin="seed")
    folder.write(0, "questions", 0, [
        one.model_copy(update={"parent_id": "q-2"}), one.model_copy(update={"id": "q-2", "parent_id": "q-1"})
    ])  # fmt: skip
    assert "q-2" in drawn(folder, "question", 80, question="q-1")


def test_calls_by_role_round_and_failure(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    call = Call(
        id="c", round=1, stage="attempt", role="solver", model="m", checkpoint="base", template="t",
        subject_id="q-0", messages="[]", sampling="{}", completions=["#### 1"], prompt_tokens=2,
        completion_tokens=3, seconds=0.5,
    )  # fmt: skip
    teacher = call.model_copy(update={"role": "teacher", "stage": "teach0", "round": 2})
    folder.write(1, "calls/canary", 0, [call.model_copy(update={"role": "canary", "stage": "canary"})])
    for part in range(3):
        folder.write(1, "calls/rollouts-attempt", part, [
            call.model_copy(update={"subject_id": f"q-{part * 40 + place}"}) for place in range(40)
        ])  # fmt: skip
    folder.write(2, "calls/teacher-teach0", 0, [
        teacher.model_copy(update={"failure": "timeout", "error": "no answer in 5 s", "completions": []}),
        teacher.model_copy(update={"tried": ["connection"]}),
        teacher,
        teacher.model_copy(update={"finished": [True, False], "completions": ["so", "so it wou"]}),
    ])  # fmt: skip
    with Database(folder) as database:
        everything = calls(database)
        assert (everything.total, len(everything.shown)) == (124, 50)
        assert [row["role"] for row in everything.shown[:5]] == ["teacher"] * 4 + ["solver"]
        assert everything.shown[4]["subject_id"] == "q-119"
        assert everything.roles == {"canary": 1, "solver": 120, "teacher": 4}
        assert len(calls(database, most=None).shown) == 124
        assert calls(database, role="canary").total == 1
        failed = calls(database, role="teacher", failed=True)
        assert (failed.total, failed.failed, failed.again, failed.cut_off) == (3, 1, 1, 1)
        assert failed.prompt_tokens == 6
        assert calls(database, round=1, failed=True).shown == []
    told = drawn(folder, "calls", 160, failed=True)
    assert "timeout: no answer in 5 s" in told and "sent again after connection" in told
    assert "1 failed, 1 sent again, 1 cut off" in told and "cut off: its tokens ran out" in told
    assert "74 older ones are not shown; see them with --all" in drawn(folder, "calls", 160)
    assert "all calls there are: 1 of canary, 120 of solver, 4 of teacher" in drawn(
        folder, "calls", 160, role="nobody"
    )


def test_records_of_an_older_version_are_shown(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "old")
    write_everything(folder, "words")
    for part, gone in {
        "0001/questions/questions-0000": ["label", "confidence", "checker", "data"],
        "0001/vetted/vetted-0000": ["why", "nearest_id", "likeness"],
        "0002/verdicts/attempt-0000": ["by", "confidence"],
        "0002/pairs/pairs-0000": ["weight", "smoothing", "stage", "likelihood", "chosen_messages"],
        "0001/calls/teach-0000": ["failure", "tried", "finished", "endpoint", "error"],
        "0002/rollouts/attempt-0000": ["behaviours", "logprobs", "messages"],
    }.items():
        path = folder.path / "rounds" / f"{part}.parquet"
        write_table(path, pq.read_table(path).drop_columns(gone).to_pylist())
    for view in DATA:
        drawn(folder, view, 100, question="q-made" if view == "question" else None)
    (pair,) = as_json(folder, "pairs")["data"]["shown"]
    assert (pair["weight"], pair["smoothing"], pair["stage"]) == (1.0, 0.0, 0)
    (call,) = as_json(folder, "calls")["data"]["shown"]
    assert (call["failure"], call["error"], call["tried"], call["cut_off"]) == ("", "", [], False)


def test_a_damaged_part_is_left_out_and_named(tmp_path: Path) -> None:
    """As the page does it; `query` and `export` stop at it instead."""
    folder = RunFolder(tmp_path / "r")
    write_whole(folder.config, dump(load()))
    write_everything(folder, "words")
    parts = [folder.round(1) / "rollouts/attempt-0000.parquet", folder.round(2) / "hints/hints-0000.parquet"]
    whole = [part.read_bytes() for part in parts]
    parts[0].write_bytes(whole[0][:40])
    parts[1].write_bytes(whole[1][:20] + b"\xff" * (len(whole[1]) - 28) + whole[1][-8:])
    there = ("r", "--runs-dir", str(tmp_path), "--question", "q-made")
    code, told = shown("", *there)
    assert code == 0 and "2 parts cannot be read and are left out: 0001/rollouts/attempt-0000.parquet" in told
    assert "q-seed.1.attempt.0" not in told and "wrong by judge" in told  # that of round 2 is there
    code, told = shown("", *there, "--json")
    document = json.loads(told)
    assert code == 0 and list(document)[-1] == "damaged" and len(document["damaged"]) == 2
    assert len(document["data"]["uses"]) == 1
    for part, content in zip(parts, whole, strict=True):
        part.write_bytes(content)
    assert "cannot be read" not in shown("", *there)[1]
    assert "damaged" not in json.loads(shown("", *there, "--json")[1])


def test_a_run_that_has_just_begun_says_so(tmp_path: Path) -> None:
    config = load(None, ["sets.per_cell=1"])
    begin(RunFolder(tmp_path / "new"), config, gather(config))
    for options, part in (
        (["--weak"], "no round's attempts are summed up yet"),
        (["--calls"], "no model was asked for anything here"),
        (["--pairs"], "no pairs yet"),
        (["--pairs", "--round", "3"], "round 3 has no pairs"),
        (["--handbook"], "the handbook is empty"),
    ):
        code, told = shown("", "new", "--runs-dir", str(tmp_path), *options)
        assert code == 0 and part in told, told
    for options in ([], ["--round", "1"], ["--diff", "new"]):
        code, told = shown("", "new", "--runs-dir", str(tmp_path), *options)
        assert code and "has no report yet" in told


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--weak", "--calls"], "--weak and --calls: choose one"),
        (["--role", "teacher"], "--role: goes with --calls, and not with the table of rounds"),
        (["--pairs", "--failed"], "--failed: goes with --calls, and not with --pairs"),
        (["--handbook", "--round", "1"], "--round: goes with --weak, --calls, --pairs, and not with"),
        (["--round", "1", "--all"], "--all: goes with --weak, --calls, --pairs, and not with --round"),
    ],
)
def test_options_that_do_not_go_together(evil: RunFolder, options: list[str], part: str) -> None:
    code, told = shown("", "evil", "--runs-dir", str(evil.path.parent), *options)
    assert code and part in told


@pytest.mark.slow
async def test_two_runs_side_by_side(played: RunFolder) -> None:
    sides = []
    for name in ("one", "two", "one"):
        folder = RunFolder(played.path.parent / name)
        settings = load(folder.config).model_dump(mode="json")
        sides.append(Side(name, settings, load_report(folder), Database(folder)))
    found = difference(sides[0], sides[1])
    assert {setting.name for setting in found.settings} == {"seed", "curriculum.policy"}
    one, two = (load_report(RunFolder(played.path.parent / name)) for name in ("one", "two"))
    assert one.final and two.final and found.final
    assert found.final.difference == pytest.approx(two.final.accuracy - one.final.accuracy)
    assert found.final.low <= found.final.difference <= found.final.high
    assert found.final.questions == one.final.n
    assert [entry.round for entry in found.rounds] == [0, 1, 2, 3]
    assert found.rounds[2].validation == tuple(run.rounds[1].validation.accuracy for run in (one, two))
    assert None not in found.rounds[0].validation
    same = difference(sides[0], sides[2])
    assert same.settings == same.versions == []
    assert same.final and (same.final.difference, same.final.low, same.final.high) == (0, 0, 0)
    told = drawn(played, "diff", 100, diff="two")
    assert "curriculum.policy" in told and "less one" in told and "tokens out" in told


@pytest.mark.slow
async def test_other_held_out_questions_have_no_interval(played: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "other")
    folder.write(0, "sets/heldout", 0, [
        Question(id="q-h", text="?", answer="1", solution="", skill="s", level=1, origin="seed")
    ])  # fmt: skip
    one = Side("one", {}, load_report(played), Database(played))
    found = difference(one, Side("other", {"seed": 3}, load_report(played), Database(folder)))
    assert found.final is None and found.settings[0].first is None


KEYS = {
    "run": {"name", "status", "rounds", "baseline", "final", "gain", "calls", "versions"},
    "round": {"round", "report", "asked", "examples", "baseline", "seed_labels", "start_seconds"},
    "question": {"ancestors", "uses", "children", "descendants"},
    "calls": {
        "total", "failed", "again", "cut_off", "prompt_tokens", "completion_tokens", "seconds", "roles",
        "shown",
    },
    "pairs": {"total", "kinds", "replayed", "questions", "shown"},
    "diff": {"names", "status", "settings", "versions", "rounds", "accuracy", "final", "cells", "spent"},
    "handbook": {"entries", "named", "refused"},
}  # fmt: skip


@pytest.mark.slow
async def test_every_view_is_one_json_document_with_the_keys_that_are_documented(played: RunFolder) -> None:
    told = (Path(__file__).parent.parent / "docs" / "inspect.md").read_text()
    with Database(played) as database:
        name = pairs(database).shown[0]["question_id"]
    asked: dict[str, dict[str, Any]] = {
        "round": {"round": 1},
        "question": {"question": name},
        "diff": {"diff": "two"},
    }
    for view, keys in KEYS.items():
        whole = as_json(played, view, **asked.get(view, {}))
        assert list(whole) == ["schema_version", "run", "view", "data"]
        assert (whole["schema_version"], whole["run"], whole["view"]) == (1, "one", view)
        assert keys <= set(whole["data"]) and (view == "run" or keys == set(whole["data"]))
        assert all(f"`{key}`" in told for key in keys), view
    (weak, *_) = as_json(played, "weak")["data"]
    assert all(f"`{key}`" in told for key in (*weak, *weak["failures"][0], *weak["history"][0]))


@pytest.mark.slow
def test_a_pipe_that_is_closed_ends_it_without_a_word(played: RunFolder) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -1; echo ${PIPESTATUS[0]}', "-", sys.executable, "-m", "maieutic", "show",
         "one", "--runs-dir", str(played.path.parent), "--calls", "--all", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "{\n141\n" and done.stderr == ""


@pytest.mark.slow
async def test_a_teacher_that_is_a_model_is_followed_to_its_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "run_job", pretend_to_train)
    file = tmp_path / "seeds.csv"
    rows = [f"Ann has {n} pens and finds {2 * n}. How many are there?,{3 * n}" for n in range(2, 40)]
    file.write_text("question,answer\n" + "\n".join(rows) + "\n")
    config = load(None, [*SMALL, "rounds=2", f"seeds={file}", "teacher.endpoint=http://127.0.0.1:1/v1",
                         "teacher.model=t"])  # fmt: skip
    folder = await play(tmp_path / "run", config, model=SimulatedTeacher())
    with Database(folder) as database:
        (row,) = database.rows("SELECT id FROM questions WHERE origin = 'teacher' ORDER BY id LIMIT 1")
    told = drawn(folder, "question", 160, question=row["id"])
    assert "written by: " in told and "written for: sums" in told and "the Teacher: " in told
    assert "teacher" in drawn(folder, "calls", 160, role="teacher")


def test_round_0_is_a_round() -> None:
    assert choose(Options(round=0)) == "round"
    assert choose(Options(round=0, weak=True)) == "weak"
    assert choose(Options()) == "run"
