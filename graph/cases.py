"""A round's questions with what the Solver said to them: what pairs and rows are made from."""

from __future__ import annotations

from ..curriculum.pairs import Case
from ..records import Attempt, Question, Rollout, Verdict
from ..tasks.arithmetic import ANSWER_MARK
from .attempt import STAGE, selected
from .room import Room


def cases(room: Room, round: int) -> list[Case]:
    """One for each question of the round, in their order, those without a rollout included."""
    judged = _judged(room, round)
    zones = {attempt.question_id: attempt.zone for attempt in room.folder.read(round, "attempts", Attempt)}
    training = room.config.training
    return [
        Case(
            question=_to_train_on(question, training.bare_references),
            judged=judged.get(question.id, []),
            prompt=room.solver.prompt(question),
            most=training.pairs_per_question,
            zone=zones.get(question.id),
            reference_first=_comes_first(question, room),
        )
        for question in selected(room, round)
    ]


def _to_train_on(question: Question, bare: bool) -> Question:
    """The question, without its reference where that is a bare answer and none is wanted."""
    if bare or _is_worked(question):
        return question
    return question.model_copy(update={"solution": ""})


def _comes_first(question: Question, room: Room) -> bool:
    """Whether a reference is learned in place of right rollouts; one without calls of tools would unlearn
    them."""
    wanted = room.config.training.references == "first" and not room.config.solver.tools
    return wanted and _is_worked(question)


def _is_worked(question: Question) -> bool:
    return bool(question.solution.rpartition(ANSWER_MARK)[0].strip())


def _judged(room: Room, round: int) -> dict[str, list[tuple[Rollout, Verdict]]]:
    verdicts = {v.rollout_id: v for v in room.folder.read(round, f"verdicts/{STAGE}", Verdict)}
    judged: dict[str, list[tuple[Rollout, Verdict]]] = {}
    for rollout in room.folder.read(round, f"rollouts/{STAGE}", Rollout):
        judged.setdefault(rollout.question_id, []).append((rollout, verdicts[rollout.id]))
    return judged
