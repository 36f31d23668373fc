"""The weakness profile and a skill's page: its sentence, its figures, a played run, and hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest
from maieutic.config import load
from maieutic.graph import train
from maieutic.inspector.database import Database
from maieutic.inspector.teaching import Subject, Taught, interval, sentence, teaching, told_best
from maieutic.inspector.weaknesses import profile, weaknesses
from maieutic.inspector.web.charts import sparkline
from maieutic.memory.run import RunFolder, write_whole
from maieutic.records import (
    Evaluation,
    GateDecision,
    Hint,
    PreferencePair,
    Proposal,
    RunReport,
    SkillNote,
    Training,
)
from simulated import play, pretend_to_train
from web_pages import HOSTILE, attempt, pages, question, read, rollout, run_folder, verdict

SMALL = [
    "rounds=3", "curriculum.questions=60", "curriculum.new=40", "training.least_pairs=1", "sets.per_cell=1",
    "generator.proposals=10", "generator.most=10",
]  # fmt: skip
MOD = Subject("mod")


def measured(share: float, skill: str = "mod") -> Evaluation:
    return Evaluation(
        accuracy=share, n=100, ci95=(0.0, 1.0), by_skill={skill: share}, by_level={"1": share},
        by_cell={f"{skill}/1": share},
    )  # fmt: skip


def gate(round: int, against: int, promoted: bool = True) -> GateDecision:
    return GateDecision(
        round=round, candidate=f"solver-{round:04}", against="base", against_round=against, trained=True,
        promoted=promoted, kept="x", difference=0.1, low=0.0, high=0.2,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Round 1 asks a seed and writes q-2; round 2 asks both and trains on pairs of them."""
    made = run_folder(tmp_path)
    old, new = (
        question("q-1", skill="mod"),
        question("q-2", "What is 9 mod 4?", skill="mod", origin="teacher"),
    )
    made.write(0, "questions", 0, [old, question("q-9", skill=HOSTILE)])
    made.write(0, "sets/heldout", 0, [question(f"h-{n}", skill="mod") for n in range(10)])
    made.write(1, "questions", 0, [new.model_copy(update={"round": 1})])
    why = Proposal.model_validate(
        {"id": "p", "round": 1, "turn": 0, "author": "teacher", "move": "refine", "parent_id": "q-1",
         "rollout_id": None, "text": new.text, "why": HOSTILE, "admitted": True, "question_id": "q-2"}
    )  # fmt: skip
    made.write(1, "vetted", 0, [why])
    made.write(1, "attempts", 0, [attempt(old, 1, 2), attempt(question("q-9", skill=HOSTILE), 1, 0)])
    made.write(2, "attempts", 0, [attempt(old, 2, 1), attempt(new, 2, 0)])
    said = rollout("q-2", "c", round=2, text="9 mod 4 is 3 #### 3")
    made.write(2, "rollouts/attempt", 0, [said])
    made.write(2, "verdicts/attempt", 0, [verdict(said, "wrong", "3")])
    told = {"question_id": "q-2", "round": 2, "prompt": "p", "chosen": "c", "rejected": HOSTILE}
    made.write(2, "pairs", 0, [
        PreferencePair.model_validate({**told, "id": "a", "kind": "reference"}),
        PreferencePair.model_validate({**told, "id": "b", "kind": "reference", "replayed": True}),
    ])  # fmt: skip
    made.write(2, "hints", 0, [Hint(question_id="q-2", round=2, kind="hint", text="Divide first.")])
    note = SkillNote(question_id="q-2", rollout_id="x", round=2, needed=["dividing"], missing=["carrying"])
    made.write(2, "skills", 0, [note])
    done = Training(
        id="solver-0002", round=2, role="solver", start="base", objective="dpo", rows=9, steps=3, seconds=1.0,
        stopped="", metrics="{}",
    )  # fmt: skip
    made.write(2, "trainings/solver", 0, [done])
    made.write(2, "gates", 0, [gate(2, 0)])
    return made


def test_what_each_round_taught(folder: RunFolder) -> None:
    with Database(folder) as tables:
        one, two = teaching(tables, MOD, {0: measured(0.4), 2: measured(0.6)})
        assert (one.asked, one.fresh, one.pass_rate, one.written, one.change) == (1, 1, 0.5, 1, None)
        assert one.admitted[0]["move"] == "refine" and one.later and one.later["pass_rate"] == 0.0
        assert (two.asked, two.fresh, two.pairs, two.replayed) == (2, 1, {"reference": 1}, 1)
        assert (two.hints, two.notes, two.before, two.after) == (1, 1, 0.4, 0.6)
        assert told_best([one, two]) is two and told_best([one]) is one and told_best([]) is None
        assert teaching(tables, Subject("mod", 7), {}) == []


def test_a_round_in_one_sentence(folder: RunFolder) -> None:
    with Database(folder) as tables:
        one, two = teaching(tables, MOD, {0: measured(0.4), 2: measured(0.6)})
    assert sentence(MOD, two, 10) == (
        "Round 2 asked 2 questions on mod, 1 of them for the first time (12\u202f% of the answers right) and "
        "trained on 1 pair of them and 1 replayed; the gate kept its Solver; held-out mod went from "
        "40\u202f% to 60\u202f% (10 questions)."
    )
    assert sentence(MOD, one, 10).endswith("and trained nothing.")
    assert sentence(Subject("mod", 3), Taught(5), 0).startswith("Round 5 asked no question on mod, level 3")
    assert interval(None, 10) is None and interval(0.5, 0) is None
    assert interval(0.5, 10) == pytest.approx((0.237, 0.763), abs=1e-3)


def test_the_page_of_a_skill_tells_it_in_that_order(tmp_path: Path, folder: RunFolder) -> None:
    report = RunReport(
        name="r", status="done", seed=0, policy="socratic", baseline=measured(0.4), versions={}, rounds=[]
    )
    write_whole(folder.report, report.model_dump_json())
    with pages(tmp_path) as client:
        page = read(client, "/run/r/weaknesses?skill=mod&round=2")
        told = [
            "Round 2 asked 2 questions on mod", "What failed", "9 mod 4 is 3", "What was asked",
            "teacher, refine",
            "lacked carrying", "Divide first.", "What was trained on", "1 reference", "1 replayed from",
            "What came of it", "✓ kept", "What it wrote for later rounds", "Round by round",
        ]  # fmt: skip
        places = [page.said.index(part) for part in told]
        assert places == sorted(places)
        assert HOSTILE[:20] in page.said and "/run/r/question/q-2" in page.links
        assert "of 1 round" not in page.said
        assert read(client, "/run/r/weaknesses?skill=mod&level=1").said.startswith("mod, level 1")


def test_the_profile_and_a_hostile_skill(tmp_path: Path, folder: RunFolder) -> None:
    with pages(tmp_path) as client:
        page = read(client, "/run/r/weaknesses")
        assert page.rows == 2 and page.said.index("<script>") < page.said.rindex("mod 1")
        (link,) = {link for link in page.links if "script" in link and "level" not in link and "weak" in link}
        assert HOSTILE[:20] in read(client, link).said


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("skill=nope", 404), ("skill=mod&round=77", 404), ("skill=mod&level=9", 404),
        ("skill=mod&round=x", 400),
        ("skill=" + "x" * 10_000, 400), ("skill=%00", 404), ("level=5", 200), ("skill=mod&page=3", 200),
    ],
)  # fmt: skip
def test_odd_queries(tmp_path: Path, folder: RunFolder, asked: str, status: int) -> None:
    with pages(tmp_path) as client:
        read(client, f"/run/r/weaknesses?{asked}", status)


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    run_folder(tmp_path)
    with pages(tmp_path) as client:
        assert "Nothing has been attempted yet" in read(client, "/run/r/weaknesses").said


def test_a_small_curve_has_few_points() -> None:
    assert sparkline([(1, 0.5)]) == ""
    assert sparkline([(1, 0.0), (3, 1.0)]) == "0.0,22.0 100.0,2.0"
    assert sparkline([(0, -5.0), (1, 0.0)], low=-5.0, high=0.0, width=200) == "0.0,22.0 200.0,2.0"
    assert sparkline([(0, 0.4), (1, 0.4)], low=0.4, high=0.4) == "0.0,22.0 100.0,22.0"
    long = sparkline([(round, 0.5) for round in range(1, 601)])
    assert len(long.split()) <= 52 and long.endswith("100.0,12.0")


@pytest.mark.slow
async def test_a_played_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "run_job", pretend_to_train)
    folder = await play(tmp_path / "runs" / "r", load(None, SMALL))
    with Database(folder) as tables:
        told = [(weak.skill, weak.level, weak.history) for weak in weaknesses(tables)]
        assert [(weak.skill, weak.level, weak.history) for weak in profile(tables)] == told
    with pages(tmp_path) as client:
        assert read(client, "/run/r/weaknesses").rows == len(told)
        for skill in {skill for skill, _, _ in told}:
            page = read(client, f"/run/r/weaknesses?skill={skill}")
            assert "Round by round" in page.said and "Held-out accuracy" in page.said
        assert read(client, "/run/r/transcript").rows == 40
        assert read(client, "/run/r/questions").rows == 50
