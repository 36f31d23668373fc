"""The list of questions: what is shown of each, filters, fixed sets, refused proposals, hostile text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from maieutic.memory.run import RunFolder
from maieutic.records import PreferencePair, Proposal
from web_pages import HOSTILE, attempt, pages, question, read, rollout, run_folder, verdict


def pair(of: str, name: str, **more: object) -> PreferencePair:
    told = {"id": name, "question_id": of, "round": 1, "kind": "rollouts", "prompt": "p", "chosen": "c"}
    return PreferencePair.model_validate({**told, "rejected": "r", **more})


def refused(name: str, reason: str, **more: object) -> Proposal:
    told = {"id": name, "round": 1, "turn": 0, "author": "teacher", "move": "harder", "parent_id": "q-1"}
    given = {"rollout_id": None, "text": f"What is {name}?", "skill": "addition", "level": 1}
    return Proposal.model_validate({**told, **given, "admitted": False, "reason": reason, **more})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = run_folder(tmp_path)
    one, two = question("q-1"), question("q-2", HOSTILE, skill="mod", level=3)
    new = question("q-3", "What is 9?", origin="teacher", round=1, parent_id="q-1")
    made.write(0, "questions", 0, [one, two])
    made.write(0, "labelled", 0, [question("q-4", "Without an answer", label="teacher")])
    made.write(0, "sets/validation", 0, [question("v-1", "To decide")])
    made.write(0, "sets/heldout", 0, [question("h-1", "To report")])
    made.write(1, "questions", 0, [new])
    made.write(1, "attempts", 0, [attempt(one, 1, 1), attempt(two, 1, 0)])
    made.write(2, "attempts", 0, [attempt(one, 2, 4), attempt(new, 2, 2)])
    made.write(1, "pairs", 0, [pair("q-1", "a"), pair("q-1", "b")])
    made.write(2, "pairs", 0, [pair("q-1", "a", replayed=True)])
    near = refused("p-1", "near duplicate", nearest_id="q-2", likeness=0.987, why=HOSTILE)
    made.write(1, "vetted", 0, [near, refused("p-2", "duplicate"), refused("p-3", "", admitted=True)])
    said = rollout("h-1", "c", round=2).model_copy(update={"stage": "heldout"})
    made.write(2, "rollouts/heldout", 0, [said])
    made.write(2, "verdicts/heldout", 0, [verdict(said, "wrong")])
    return made


def ids(page: str) -> list[str]:
    return re.findall(r'scope="row" class="id"><a href="/run/r/question/([^"]+)"', page)


def test_the_newest_first_with_what_became_of_each(tmp_path: Path, folder: RunFolder) -> None:
    with pages(tmp_path) as client:
        page = client.get("/run/r/questions").text
        assert ids(page) == ["q-3", "q-1", "q-2", "q-4"]
        row = read(client, "/run/r/questions?q=q-1").said
        assert "2 times, 2 100 % mastered 2" in row, (
            "its last attempt, and its pairs without the replayed one"
        )
        assert HOSTILE[:20] in read(client, "/run/r/questions").said


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("skill=mod", ["q-2"]), ("level=3&origin=seed", ["q-2"]), ("origin=teacher", ["q-3"]),
        ("zone=mastered", ["q-1"]), ("zone=learning", ["q-3"]), ("round=1", ["q-3"]),
        ("round=1&in=asked", ["q-1", "q-2"]), ("round=1&in=asked&zone=learning", ["q-1"]),
        ("q=WHAT+IS+9", ["q-3"]), ("q=q-4", ["q-4"]), ("set=validation", ["v-1"]), ("set=heldout", ["h-1"]),
        ("set=heldout&skill=mod", []), ("page=2", []), ("q=%00", []), ("round=&level=&skill=", ["q-3"]),
        ("level=1000000000", []),
    ],
)  # fmt: skip
def test_filters(tmp_path: Path, folder: RunFolder, asked: str, found: list[str]) -> None:
    with pages(tmp_path) as client:
        answer = client.get(f"/run/r/questions?{asked}")
        assert answer.status_code == 200 and ids(answer.text)[: len(found) or 9] == found
        read(client, f"/run/r/questions?{asked}")


def test_refused_proposals_with_what_they_are_like(tmp_path: Path, folder: RunFolder) -> None:
    with pages(tmp_path) as client:
        page = read(client, "/run/r/questions?set=refused")
        assert page.rows == 2 and "0.987" in page.said and "/run/r/question/q-2" in page.links
        assert "near duplicate 1" in page.said and HOSTILE[:20] in page.said
        assert read(client, "/run/r/questions?refused=duplicate").rows == 1
        assert read(client, "/run/r/questions?set=refused&refused=nonsense").rows == 0
        assert read(client, "/run/r/questions?set=refused&round=1&origin=generator").rows == 0


def test_a_held_out_question_shows_its_last_answer(tmp_path: Path, folder: RunFolder) -> None:
    with pages(tmp_path) as client:
        assert "✗ wrong round 2" in read(client, "/run/r/questions?set=heldout").said


def test_fifty_a_page(tmp_path: Path, folder: RunFolder) -> None:
    folder.write(3, "questions", 0, [question(f"q-x{n:03}", round=3) for n in range(60)])
    with pages(tmp_path) as client:
        first, second = (client.get(f"/run/r/questions?page={at}").text for at in (1, 2))
        assert len(ids(first)) == 50 and 'rel="next"' in first
        assert len(ids(second)) == 14 and 'rel="next"' not in second and 'rel="prev"' in second
        assert not set(ids(first)) & set(ids(second))


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("round=99", 404), ("round=x", 400), ("level=-1", 400), ("level=" + "9" * 50, 400),
        ("set=secret", 400),        ("in=never", 400), ("q=" + "x" * 10_000, 400), ("page=999999999", 400),
    ],
)  # fmt: skip
def test_odd_queries(tmp_path: Path, folder: RunFolder, asked: str, status: int) -> None:
    with pages(tmp_path) as client:
        read(client, f"/run/r/questions?{asked}", status)


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    run_folder(tmp_path)
    with pages(tmp_path) as client:
        assert "There is no question yet" in read(client, "/run/r/questions").said
        assert "None was refused" in read(client, "/run/r/questions?set=refused").said
