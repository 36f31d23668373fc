"""Policies in the real loop: what they ask for is asked, what they learn is kept, a stranger's is taken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from maieutic.config import load
from maieutic.curriculum.policies import policy_of
from maieutic.curriculum.policy import Lesson
from maieutic.errors import RunError
from maieutic.graph import train
from maieutic.graph.attempt import select
from maieutic.graph.build import beginning
from maieutic.graph.curriculum import choose, learn, plan, recall
from maieutic.graph.labels import label_seeds
from maieutic.graph.making import begin
from maieutic.graph.report import policy_figures, write_report
from maieutic.memory.run import RunFolder
from maieutic.records import Proposal, Rollout
from maieutic.tasks.material import gather
from simulated import play, pretend_to_train, room_in

pytestmark = pytest.mark.slow

SMALL = [
    "rounds=2", "curriculum.questions=40", "curriculum.new=30", "training.least_pairs=1",
    "generator.proposals=4", "generator.most=4", "sets.per_cell=1", "rollouts.n=4",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "run_job", pretend_to_train)


@pytest.mark.parametrize("name", ["sec", "pcl", "adarft", "eva", "stat_sel", "r_zero", "alp_gmm", "one_shot"])
async def test_a_run_with_it_ends_and_is_known_again(name: str, tmp_path: Path) -> None:
    config = load(None, [*SMALL, f"curriculum.policy={name}"])
    folder = await play(tmp_path / "run", config)
    report = write_report(folder, config, "done")
    assert report.policy == name
    assert [entry.questions.attempted for entry in report.rounds] == [40, 40]
    assert report.rounds[-1].questions.admitted > 0
    kept = folder.read_json(2, "policy")
    again = room_in(folder, config)
    assert json.loads(json.dumps(again.policy.state_dict())) == kept["state"]
    # A node that starts again learns nothing twice.
    learn(again, 2)
    assert json.loads(json.dumps(again.policy.state_dict())) == kept["state"]
    if kept["metrics"]:
        assert report.rounds[-1].policy == kept["metrics"]


async def test_rollouts_go_where_the_policy_puts_them(tmp_path: Path) -> None:
    options = ["curriculum.options.most=9", "curriculum.options.temperature=9"]
    config = load(None, [*SMALL, "curriculum.policy=cures", "rollouts.n=4", *options])
    folder = await play(tmp_path, config)
    allocated = folder.read_json(2, "allocated")
    counts = Counter(rollout.question_id for rollout in folder.read(2, "rollouts/attempt", Rollout))
    assert counts == allocated
    assert sum(counts.values()) <= 160 and len(set(counts.values())) > 1


async def test_questions_are_written_where_the_policy_wants_them(tmp_path: Path) -> None:
    config = load(None, [*SMALL, "rounds=1", "curriculum.policy=easy_to_hard"])
    folder = await play(tmp_path, config)
    placed = [p for p in folder.read(1, "vetted", Proposal) if p.move == "placed"]
    assert len(placed) >= 20
    assert {p.level for p in placed if p.admitted} == {max(p.level for p in placed)}


MINE = '''
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from maieutic.curriculum.policy import Asked, Base, Known


@dataclass
class Newest(Base):
    """Whatever came last."""

    worst: Annotated[bool, Field()] = False

    def select(self, bank: list[Known], asked: Asked) -> list[str]:
        newest = sorted(bank, key=lambda k: -k.question.round)
        return [k.question.id for k in newest] * (2 if self.worst else 1)
'''


async def test_a_policy_of_ones_own_from_a_folder_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_policies.py").write_text(MINE.replace("* (2 if self.worst else 1)", "[: asked.count]"))
    (tmp_path / "my_bad_policies.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    config = load(None, [*SMALL, "curriculum.policy=my_policies:Newest"])
    folder = await play(tmp_path / "run", config)
    assert len(folder.read_json(2, "selected")) == 40
    config = load(None, [*SMALL, "curriculum.policy=my_bad_policies:Newest", "curriculum.options.worst=true"])
    room = room_in(folder, config)
    with pytest.raises(RunError, match=r"select gave \d+ questions, \d+ of them different, where at most 40"):
        await select(room, {**beginning(room), "round": 7})  # type: ignore[arg-type]


async def test_rubbish_of_a_policy_is_told_in_a_line(tmp_path: Path) -> None:
    folder, config = RunFolder(tmp_path / "run"), load(None, [*SMALL, "curriculum.policy=uniform"])
    begin(folder, config, gather(config))
    room = room_in(folder, config)
    await label_seeds(room, beginning(room))
    ids = [question.id for question, _ in room.bank.known()][:2]
    gives: dict[str, Any] = dict.fromkeys(("select", "allocate", "plan", "state_dict", "metrics"))
    room.policy = SimpleNamespace(  # type: ignore[assignment]
        measures="", update=lambda outcomes, asked: None,
        **{name: lambda *_, name=name: gives[name] for name in gives},
    )  # fmt: skip
    for given, said in [
        (None, "select gave 'None', where a list of ids"),
        ([1, 2], "select gave .* where a list of ids"),
        ([], "select gave no question of the"),
        (["nobody"], "select gave 1 questions"),
        (ids * 2, "select gave 4 questions, 2 of them different"),
    ]:
        gives["select"] = given
        with pytest.raises(RunError, match=f"curriculum.policy uniform: {said}"):
            choose(room, 1)
    gives["select"] = ids
    for counts in (
        None,
        [1, 2],
        {ids[0]: 2.5, ids[1]: 1},
        {ids[0]: True, ids[1]: 1},
        {ids[0]: "2", ids[1]: 1},
    ):
        gives["allocate"] = counts
        with pytest.raises(RunError, match="where a whole number for each id was expected"):
            choose(room, 1)
    for counts in ({ids[0]: 8, ids[1]: 0}, {ids[0]: 9, ids[1]: -1}, {ids[0]: 1}, {ids[0]: 8, ids[1]: 1}):
        gives["allocate"] = counts
        with pytest.raises(RunError, match="allocate gave"):
            choose(room, 1)
    gives["allocate"] = {ids[0]: 5, ids[1]: 3}
    assert choose(room, 1) == (ids, gives["allocate"])
    folder.write_json(1, "selected", ids)
    for lessons, said in [
        (None, "plan gave None"),
        ([Lesson("uniform", None)] * 3, "plan gave 3, where a list of 2"),
        (["uniform"], "where a Lesson was expected"),
        ([Lesson("harder", "nobody")], "from a question of the round"),
        ([Lesson("placed", None, cell=("alchemy", 1))], "skills and levels"),
        ([Lesson("worse", None)], "where a Lesson was expected"),  # type: ignore[arg-type]
    ]:
        gives["plan"] = lessons
        with pytest.raises(RunError, match=said):
            plan(room, 1, [], 2, "teach0")
    for state, metrics in [({"a": {1}}, {}), ({("s", 1): 2.0}, {}), ({}, {"a": "much"}), ({}, None)]:
        gives |= {"state_dict": state, "metrics": metrics}
        with pytest.raises(RunError, match="what it has learned cannot be kept"):
            learn(room, 1)
        assert folder.read_json(1, "policy") is None


@pytest.mark.parametrize("kept", ["[]", '{"state": {}, "metrics": 3}', '{"metrics": {}}', '"x"', '{"state"'])
def test_a_damaged_state_is_told_in_a_line(tmp_path: Path, kept: str) -> None:
    """And the report, which is written however a run ends, says nothing else in its place."""
    folder, config = RunFolder(tmp_path / "run"), load(None, [*SMALL, "curriculum.policy=adarft"])
    folder.write_json(1, "policy", {})
    (folder.round(1) / "policy.json").write_text(kept)
    room: Any = SimpleNamespace(folder=folder, config=config, policy=policy_of(config))
    with pytest.raises(RunError, match=r"policy\.json"):
        recall(room)
    if kept.endswith("}") or not kept.startswith("{"):
        assert policy_figures(folder, 1) == {}


def test_a_policy_by_entry_point(tmp_path: Path) -> None:
    """As an installed package would bring it: found by the name that the package gives it."""
    (tmp_path / "my_policies.py").write_text(MINE)
    info = tmp_path / "my_policies-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-policies\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[maieutic.policies]\nmy-newest = my_policies:Newest\n")
    code = (
        "from maieutic.config import load; from maieutic.curriculum.policies import policy_of; "
        "print(policy_of(load(None, ['curriculum.policy=my-newest', 'curriculum.options.worst=yes'])))"
    )
    asked = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert asked.stdout.strip() == "Newest(worst=True)", asked.stderr


def test_what_another_policy_learned_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    config = load(None, [*SMALL, "curriculum.policy=adarft"])
    begin(folder, config, gather(config))
    folder.write_json(1, "policy", {"state": {"values": {}}, "metrics": {}})
    with pytest.raises(RunError, match="cannot read what it knew"):
        room_in(folder, config)
