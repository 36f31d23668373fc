"""The pair node and the rows after it over the simulated loop: the default as ever, all builders at once,
killed and resumed."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest
from maieutic.config import load
from maieutic.curriculum.pairs import BUILDERS
from maieutic.errors import ConfigError
from maieutic.graph import pair as pair_node
from maieutic.graph import rollouts, train
from maieutic.graph.attempt import selected
from maieutic.graph.build import beginning
from maieutic.graph.changing import change
from maieutic.graph.making import begin
from maieutic.graph.report import write_report
from maieutic.graph.room import Room
from maieutic.graph.rows import training_rows
from maieutic.memory.run import RunFolder
from maieutic.records import Call, PairKind, PreferencePair, Rollout, Verdict
from maieutic.serving.client import Reply, Request
from maieutic.tasks.material import gather
from pairing import build_pairs
from simulated import SimulatedSolver, SimulatedTeacher, play, pretend_to_train, room_in

SMALL = [
    "rounds=2", "curriculum.questions=40", "curriculum.new=20", "training.least_pairs=1",
    "generator.proposals=0", "generator.most=0", "sets.per_cell=1", "training.pairs_per_question=2",
]  # fmt: skip
TAUGHT = [
    *SMALL, "training.references=last", "teacher.endpoint=http://127.0.0.1:1/v1",
    "labels.ask_solver=false", "labels.threshold=0",
    "labels.audit=2", "rollouts.logprobs=true", "rollouts.n=6", "pairs.calls=20", "pairs.smoothing=true",
    "pairs.replay_band=[0.2, 0.97]", "pairs.weigh=[skill]", "pairs.largest_skill=0.4", "pairs.anchors=0.3",
    f"pairs.builders=[{', '.join(BUILDERS).replace('crew', '{name: crew, most: 1}')}]",
]  # fmt: skip


KINDS = set(get_args(PairKind))


def talks(solver: SimulatedSolver, request: Request, index: int) -> str:
    """Answers that differ in length and part after shared beginnings; one question in five is too hard."""
    said = SAYS(solver, request, index)
    begins = ("", "So, ", "So, one step after the other, and with all the care that it wants: ")[index % 3]
    if zlib.crc32(request.subject_id.encode()) % 5 and "99999" not in said:
        return begins + said
    return f"{begins}1 + {index} = 9 #### 9999{index}"


SAYS = SimulatedSolver._answer


@pytest.fixture(autouse=True)
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "run_job", pretend_to_train)


def pairs_of(folder: RunFolder, round: int) -> list[PreferencePair]:
    return folder.read(round, "pairs", PreferencePair)


@pytest.mark.slow
async def test_socratics_pairs_are_what_they_always_were(tmp_path: Path) -> None:
    """The rule as it was before there were builders, written out once more."""
    config = load(None, [*SMALL, "training.references=last"])
    folder = await play(tmp_path / "run", config)
    room = room_in(folder, config)
    for round in (1, 2):
        rng, expected = Random(f"{config.seed}/{round}/pair"), []
        verdicts = {v.rollout_id: v for v in folder.read(round, "verdicts/attempt", Verdict)}
        said = folder.read(round, "rollouts/attempt", Rollout)
        for question in selected(room, round):
            judged = [(r, verdicts[r.id]) for r in said if r.question_id == question.id]
            expected += build_pairs(question, judged, room.solver.prompt(question), rng, 2)
        earlier = [old for past in range(1, round) for old in pairs_of(folder, past) if not old.replayed]
        again = rng.sample(earlier, min(len(earlier), int(0.33 * len(expected))))
        expected += [old.model_copy(update={"replayed": True}) for old in again]
        assert pairs_of(folder, round) == expected
        rows = training_rows(room, round)
        assert [(r["prompt"], r["chosen"], r["rejected"]) for r in rows] == [
            (p.prompt, p.chosen, p.rejected) for p in expected
        ]
        assert {(r["weight"], r["smoothing"], r["stage"]) for r in rows} == {(1.0, 0.0, 0)}
    assert not list((folder.round(1) / "calls").glob("teacher-*"))


class Killed(Exception):
    """As if the process had ended here."""


class Counting(SimulatedTeacher):
    """A Teacher that dies after so many reworked solutions."""

    def __init__(self, dies_after: int = 10**9) -> None:
        super().__init__()
        self.left = dies_after

    async def ask(self, request: Request) -> Reply:
        if request.template.startswith(("inject", "correct")):
            self.left -= 1
            if self.left < 0:
                raise Killed
        return await super().ask(request)

    @property
    def reworked(self) -> Counter[str]:
        return Counter(
            f"{r.stage}/{r.subject_id}" for r in self.asked if r.template.startswith(("inject", "correct"))
        )


def all_rows(room: Room) -> list[list[dict[str, Any]]]:
    return [
        training_rows(room, n, kind)
        for n in (1, 2)
        for kind in ("pairs", "labelled", "completions", "prompts")
    ]


@pytest.mark.slow
async def test_every_builder_at_once_killed_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollouts, "PAID_PART", 4)
    monkeypatch.setattr(SimulatedSolver, "_answer", talks)
    config = load(None, TAUGHT)
    model = Counting()
    whole = await play(tmp_path / "whole", config, model=model)
    kinds = Counter(p.kind for n in (1, 2) for p in pairs_of(whole, n))
    assert set(kinds) == KINDS
    asked = Counter(name.partition("/")[0] for name in model.reworked if not name.endswith(".repair"))
    assert set(asked) == {"inject-rise", "correct-spar"} and max(asked.values()) <= 2 * 20
    room = room_in(whole, config, model=model)
    assert all(all_rows(room))
    report = write_report(whole, config, "done")
    assert set(report.rounds[0].train.pairs) <= KINDS
    for round in (1, 2):
        assert all(p.weight > 0 for p in pairs_of(whole, round))

    # The same run in another folder, its pair node killed in the middle of asking, once and again.
    cut = Counting(dies_after=7)
    with pytest.raises(Killed):
        await play(tmp_path / "cut", config, model=cut)
    folder = RunFolder(tmp_path / "cut")
    assert not folder.has(1, "pairs") and folder.has(1, "attempts")
    before = cut.reworked
    kept = {f"{c.stage}/{c.subject_id}" for c in calls_of(folder)}
    assert kept
    resumed = Counting()
    again = room_in(folder, config, model=resumed)
    await pair_node.pair(again, {**beginning(again), "round": 1})
    assert pairs_of(folder, 1) == pairs_of(whole, 1)
    # What was answered and kept is not asked again; nothing is asked twice.
    assert not set(resumed.reworked) & kept and set(before) >= kept
    assert max(resumed.reworked.values()) == 1
    assert training_rows(again, 1) == training_rows(room, 1)
    await pair_node.pair(again, {**beginning(again), "round": 1})
    assert sum(resumed.reworked.values()) == len(resumed.reworked)


def calls_of(folder: RunFolder) -> list[Call]:
    return [
        c for name in ("inject-rise", "correct-spar") for c in folder.read(1, f"calls/teacher-{name}", Call)
    ]


@pytest.mark.slow
async def test_rows_of_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts come as often as the policy allocated rollouts to them."""
    monkeypatch.setattr(SimulatedSolver, "_answer", talks)
    config = load(None, [*SMALL, "rounds=1"])
    folder = await play(tmp_path / "run", config)
    room = room_in(folder, config)
    questions = selected(room, 1)
    folder.write_json(1, "allocated", {questions[3].id: 9})
    rows = training_rows(room, 1, "prompts")
    assert [row["question_id"] for row in rows] == [q.id for q in questions]
    asked = config.rollouts.n
    assert [row["times"] for row in rows] == [
        9 / asked if place == 3 else 1 for place in range(len(questions))
    ]
    assert all(row["solution"].endswith(f"#### {row['answer']}") for row in rows)
    labelled, completions = (training_rows(room, 1, kind) for kind in ("labelled", "completions"))
    assert {row["completion"] for row in labelled if row["label"]} == {r["completion"] for r in completions}
    assert {row["label"] for row in labelled} == {True, False}


async def test_pairs_may_change_on_the_way_to_what_can_be(tmp_path: Path) -> None:
    config = load(None, SMALL)
    folder = RunFolder(tmp_path / "run")
    begin(folder, config, gather(config))
    changed = change(folder, ["pairs.builders=[socratic, curry]", "pairs.per_question=2"])
    assert load(folder.config).pairs == changed.pairs
    with pytest.raises(ConfigError, match="did you mean curry"):
        change(folder, ["pairs.builders=curri"])
    with pytest.raises(ConfigError, match="ranks by the probabilities"):
        change(folder, ["pairs.builders=crew"])
    assert load(folder.config).pairs == changed.pairs
