"""The node that says what is right: verify. Checkers first; a model about what they leave open.

Some rollouts that a checker has decided are shown to the model as well: what it says of them decides
nothing, and tells how far it can be believed (`curriculum/calibration.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from ..agents.opinions import Case
from ..agents.verifier import concluded, weighed
from ..records import Opinion, Question, Rollout, Verdict
from .attempt import STAGE, selected
from .rollouts import asker
from .room import Room
from .state import LoopState

JUDGED = 512
"""Rollouts that are checked and written together."""

ASKED = 256
"""Rollouts that a model is asked about together, at least; all of one question are."""


async def verify(room: Room, state: LoopState) -> LoopState:
    """The Verifier judges every rollout."""
    round = state["round"]
    rollouts = room.folder.read(round, f"rollouts/{STAGE}", Rollout)
    room.progress.begin(round, "verify", len(rollouts))
    await verify_all(room, round, STAGE, selected(room, round), rollouts, room.config.verifier.calibration)
    room.progress.advance(len(rollouts))
    for summary in room.verifier.summaries():
        room.progress.note(summary)
    return {}


async def verify_all(
    room: Room,
    round: int,
    stage: str,
    questions: Sequence[Question],
    rollouts: Sequence[Rollout],
    calibration: int = 0,
) -> list[Verdict]:
    """A verdict for each rollout, in their order; what is there is not judged again.

    Args:
        calibration: rollouts that a checker decided of which the model is asked, too.
    """
    known = {question.id: question for question in questions}
    series = f"verdicts/{stage}"
    if not room.verifier.examiners:
        verdicts = await check(room, round, series, known, rollouts)
    else:
        checked = await check(room, round, f"checked/{stage}", known, rollouts)
        cases = _cases(room, round, stage, known, rollouts, checked, calibration)
        await _examine(room, round, stage, cases)
        _conclude(room, round, stage, checked)
        verdicts = {v.rollout_id: v for v in room.folder.read(round, series, Verdict)}
    return [verdicts[rollout.id] for rollout in rollouts]


async def check(
    room: Room, round: int, series: str, known: Mapping[str, Question], rollouts: Sequence[Rollout]
) -> dict[str, Verdict]:
    """What the checkers say, by rollout.

    In a thread, a part at a time: a checker may take long, and we must hear of a Ctrl-C.
    """
    there = {verdict.rollout_id for verdict in room.folder.read(round, series, Verdict)}
    todo = [rollout for rollout in rollouts if rollout.id not in there]
    for start in range(0, len(todo), JUDGED):
        part = [(known[rollout.question_id], rollout) for rollout in todo[start : start + JUDGED]]
        verdicts = await asyncio.to_thread(room.verifier.judge, part)
        room.folder.write(round, series, room.folder.following(round, series), verdicts)
    return {verdict.rollout_id: verdict for verdict in room.folder.read(round, series, Verdict)}


def _cases(
    room: Room,
    round: int,
    stage: str,
    known: Mapping[str, Question],
    rollouts: Sequence[Rollout],
    checked: Mapping[str, Verdict],
    calibration: int,
) -> list[Case]:
    """What the model is asked about: all that is undecided, and some that is right or wrong."""
    # Rollouts come in the order of their answers, which no two plays have in common.
    decided = sorted(r.id for r in rollouts if checked[r.id].outcome in ("right", "wrong"))
    count = min(calibration, len(decided))
    drawn = set(room.rng(round, f"calibration/{stage}").sample(decided, count))
    asked = [r for r in rollouts if r.id in drawn or checked[r.id].outcome == "undecided"]
    return [Case(known[r.question_id], r, checked[r.id].outcome) for r in asked]


async def _examine(room: Room, round: int, stage: str, cases: Sequence[Case]) -> None:
    """Ask the model, part by part; a part whose opinions are there is not asked about again."""
    for index, part in enumerate(_parts(cases)):
        if not room.folder.has(round, f"opinions/{stage}", index):
            room.progress.begin(round, "judge", 0)
            opinions = await _opinions(room, round, stage, index, part)
            room.folder.write(round, f"opinions/{stage}", index, opinions)


def _conclude(room: Room, round: int, stage: str, checked: Mapping[str, Verdict]) -> None:
    """Write the verdicts that are not there yet: they follow from what is recorded, and from nothing else."""
    opinions: dict[str, list[Opinion]] = {}
    for opinion in room.folder.read(round, f"opinions/{stage}", Opinion):
        opinions.setdefault(opinion.rollout_id, []).append(opinion)
    series = f"verdicts/{stage}"
    there = {verdict.rollout_id for verdict in room.folder.read(round, series, Verdict)}
    todo = [concluded(v, opinions.get(name, [])) for name, v in checked.items() if name not in there]
    for start in range(0, len(todo), JUDGED):
        room.folder.write(round, series, room.folder.following(round, series), todo[start : start + JUDGED])


def _parts(cases: Sequence[Case]) -> Iterator[list[Case]]:
    by_question: dict[str, list[Case]] = {}
    for case in cases:
        by_question.setdefault(case.question.id, []).append(case)
    part: list[Case] = []
    for group in by_question.values():
        part += group
        if len(part) >= ASKED:
            yield part
            part = []
    if part:
        yield part


async def _opinions(room: Room, round: int, stage: str, index: int, cases: Sequence[Case]) -> list[Opinion]:
    """What the methods say of each rollout, in their order; each is asked about what those before it
    left undecided, and about all that a checker has decided."""
    found: dict[str, list[Opinion]] = {case.rollout.id: [] for case in cases}
    ask = asker(room, round, stage, "verifier", f".{index}")
    for examiner in room.verifier.examiners:
        left = [case for case in cases if case.checked != "undecided" or _open(found[case.rollout.id])]
        for opinion in await examiner.opinions(left, round, stage, ask):
            found[opinion.rollout_id].append(weighed(opinion, room.config.verifier.threshold))
    return [opinion for opinions in found.values() for opinion in opinions]


def _open(opinions: Sequence[Opinion]) -> bool:
    return all(opinion.outcome == "undecided" for opinion in opinions)
