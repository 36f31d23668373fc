"""The node that turns a round's verdicts into what is trained on: pair."""

from __future__ import annotations

from ..curriculum.pairs import build_pairs
from ..records import PreferencePair, Rollout, Verdict
from ..tasks.arithmetic import ANSWER_MARK
from .attempt import STAGE, selected
from .room import Room
from .state import LoopState


async def pair(room: Room, state: LoopState) -> LoopState:
    """Preference pairs of this round, and a share of earlier ones."""
    round = state["round"]
    if room.folder.has(round, "pairs"):
        return {}
    room.progress.begin(round, "pair", 1)
    training = room.config.training
    rng = room.rng(round, "pair")
    judged = _judged(room, round)
    pairs: list[PreferencePair] = []
    for question in selected(room, round):
        prompt = room.solver.prompt(question)
        if not (training.bare_references or question.solution.rpartition(ANSWER_MARK)[0].strip()):
            question = question.model_copy(update={"solution": ""})
        pairs += build_pairs(question, judged.get(question.id, []), prompt, rng, training.pairs_per_question)
    earlier = [
        old
        for past in range(1, round)
        for old in room.folder.read(past, "pairs", PreferencePair)
        if not old.replayed
    ]
    again = rng.sample(earlier, min(len(earlier), int(training.replay * len(pairs))))
    pairs += [old.model_copy(update={"replayed": True}) for old in again]
    room.folder.write(round, "pairs", 0, pairs)
    return {}


def _judged(room: Room, round: int) -> dict[str, list[tuple[Rollout, Verdict]]]:
    verdicts = {v.rollout_id: v for v in room.folder.read(round, f"verdicts/{STAGE}", Verdict)}
    judged: dict[str, list[tuple[Rollout, Verdict]]] = {}
    for rollout in room.folder.read(round, f"rollouts/{STAGE}", Rollout):
        judged.setdefault(rollout.question_id, []).append((rollout, verdicts[rollout.id]))
    return judged
