"""Labels: found out for what no program can answer, and checked once more by chance.

A question keeps the answer that the evidence speaks for (`curriculum/trust.py`), with how it
was made and how far it is trusted. Below the threshold it is refused, and never trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..curriculum.trust import Evidence, Label, label_of
from ..records import Audit, LabelCheck, Question, Rollout
from ..tasks.arithmetic import ANSWER_MARK
from ..tasks.checkers.answers import final_answer
from ..tasks.columns import SeedRow
from ..tasks.kinds import SUITED, canonical, kind_of
from .rollouts import asker, roll_out
from .room import Room
from .state import LoopState


async def label_seeds(room: Room, state: LoopState) -> None:
    """Have the Teacher label the seeds that came without an answer: once, before the first round."""
    unlabelled = room.folder.read(0, "unlabelled", Question)
    if not unlabelled or room.folder.has(0, "labelled"):
        return
    labelled = await label(room, 0, 0, unlabelled, state["solver"])
    room.folder.write(0, "labelled", 0, list(labelled.values()))
    room.bank.add(list(labelled.values()))
    room.progress.note(f"{len(labelled)} of {len(unlabelled)} seeds without an answer were labelled")


async def label(
    room: Room, round: int, turn: int, questions: Sequence[Question], solver: str
) -> dict[str, Question]:
    """The questions whose answer is trusted, by id, each with its label; the others are left out."""
    if not questions:
        return {}
    config, stage = room.config.labels, f"label{turn}"
    room.progress.begin(round, "label", len(questions))
    taught = await room.teacher.solve(questions, config.solves, round, stage, asker(room, round, stage))
    solved: dict[str, list[str]] = {}
    if config.ask_solver:
        await room.serve(solver, round)
        rollouts = await roll_out(room, round, stage, questions, solver, room.solver.sampling)
        for rollout in rollouts:
            solved.setdefault(rollout.question_id, []).append(_said(rollout))
    checks = [
        _checked(question, answers, solved.get(question.id, []), config.threshold)
        for question, answers in zip(questions, taught, strict=True)
    ]
    room.folder.write(round, "labels", turn, [check for check, _ in checks])
    return {labelled.id: labelled for _, labelled in checks if labelled}


def _said(rollout: Rollout) -> str:
    return "" if rollout.truncated else (final_answer(rollout.completion) or "")


def _checked(
    question: Question, teacher: Sequence[str], solver: Sequence[str], threshold: float
) -> tuple[LabelCheck, Question | None]:
    found = label_of(
        Evidence(
            claimed=canonical(question.answer) if question.answer else None,
            by_teacher=question.origin == "teacher",
            teacher=tuple(canonical(answer) if answer else None for answer in teacher),
            solver=tuple(canonical(answer) if answer else None for answer in solver),
        )
    )
    labelled = _labelled(question, found, [question.answer, *teacher, *solver], threshold)
    check = LabelCheck(
        question_id=question.id,
        claimed=question.answer,
        teacher=list(teacher),
        solver=list(solver),
        answer=found.answer or "",
        source=found.source,
        confidence=found.confidence,
        admitted=labelled is not None,
    )
    return check, labelled


def _labelled(question: Question, found: Label, answers: Sequence[str], threshold: float) -> Question | None:
    if found.answer is None or found.confidence < threshold:
        return None
    # As somebody wrote it: the canonical form is for comparing.
    answer = next(answer for answer in answers if answer and canonical(answer) == found.answer)
    checker = SUITED[kind_of(SeedRow("", question.text, answer))]
    if checker is None:
        return None
    same = bool(question.answer) and canonical(question.answer) == found.answer
    return question.model_copy(
        update={
            "answer": answer,
            # A worked solution that comes to another answer would teach the mistake.
            "solution": question.solution if same else f"{ANSWER_MARK} {answer}",
            "checker": checker,
            "label": found.source,
            "confidence": found.confidence,
        }
    )


async def audit(room: Room, round: int) -> None:
    """Check some of a round's labels, drawn by chance, in another way; nothing is decided by it."""
    if room.folder.has(round, "audits"):
        return
    admitted = room.folder.read(round, "questions", Question)
    count = min(room.config.labels.audit, len(admitted))
    drawn = room.rng(round, "audit").sample(admitted, count)
    stage = "audit"
    agreed = await room.teacher.audit(drawn, round, stage, asker(room, round, stage))
    audits = [
        Audit(question_id=q.id, source=q.label, confidence=q.confidence, agreed=same)
        for q, same in zip(drawn, agreed, strict=True)
    ]
    room.folder.write(round, "audits", 0, audits)
