"""The node that names recurring moves in a round's right solutions: reflect."""

from __future__ import annotations

from random import Random

from ..agents.handbook import Reflecting
from ..memory.behaviours import kept
from ..records import Attempt, Behaviour, Question, Rollout, Verdict
from .attempt import STAGE, selected
from .rollouts import asker
from .room import Room
from .state import LoopState


async def reflect(room: Room, state: LoopState) -> LoopState:
    """The Teacher names the moves of right solutions; they go into the handbook, known ones counted."""
    round, config = state["round"], room.config.handbook
    if not config.per_round:
        return {}
    if not room.folder.has(round, "behaviours"):
        solved = _solved(room, round, room.rng(round, "reflect"))
        room.progress.begin(round, "reflect", len(solved))
        teacher = Reflecting(room.config.teacher, room.config.seed, room.solver.prompts)
        found = await teacher.reflect(solved, round, "reflect", asker(room, round, "reflect"))
        good = [one for one in found if not one.reason]
        known = room.handbook.repeated(good, config.same)
        said = {one.id: name for one, name in zip(good, known, strict=True)}
        found = [one.model_copy(update={"known_as": said.get(one.id, "")}) for one in found]
        room.folder.write(round, "behaviours", 0, found)
        new = known.count("")
        room.progress.note(
            f"{len(found)} behaviours were named: {new} new, {len(known) - new} known, "
            f"{len(found) - len(good)} refused"
        )
    every = [one for past in range(1, round + 1) for one in room.folder.read(past, "behaviours", Behaviour)]
    room.handbook.hold(kept(every, config.most))
    return {}


def _solved(room: Room, round: int, rng: Random) -> list[tuple[Question, Rollout]]:
    """Questions with a right rollout of each, drawn by chance; those that are being learned first."""
    zones = {attempt.question_id: attempt.zone for attempt in room.folder.read(round, "attempts", Attempt)}
    right = {
        v.rollout_id for v in room.folder.read(round, f"verdicts/{STAGE}", Verdict) if v.outcome == "right"
    }
    rollouts: dict[str, list[Rollout]] = {}
    for rollout in sorted(room.folder.read(round, f"rollouts/{STAGE}", Rollout), key=lambda r: r.id):
        if rollout.id in right and not rollout.truncated:
            rollouts.setdefault(rollout.question_id, []).append(rollout)
    solved = sorted((q for q in selected(room, round) if q.id in rollouts), key=lambda q: q.id)
    rng.shuffle(solved)
    solved.sort(key=lambda question: zones.get(question.id) != "learning")
    chosen = solved[: room.config.handbook.per_round]
    return [(question, rng.choice(rollouts[question.id])) for question in chosen]
