"""Labels: found out for what no program can answer, and checked once more by chance.

A question keeps the answer that the evidence speaks for (`curriculum/trust.py`), with how it
was made and how far it is trusted. Below the threshold it is refused, and never trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..curriculum.trust import UNANSWERABLE, Evidence, Label, label_of
from ..errors import RunError
from ..records import Audit, LabelCheck, Question
from ..tasks.arithmetic import ANSWER_MARK
from ..tasks.checkers.answers import final_answer
from ..tasks.families.family import Unreadable
from ..tasks.kinds import canonical
from ..tasks.labelling import grouped, suited, with_answer
from .rollouts import asker, roll_out
from .room import Room
from .state import LoopState


async def label_seeds(room: Room, state: LoopState) -> None:
    """Have the Teacher label the seeds that came without an answer: once, before the first round."""
    unlabelled = room.folder.read(0, "unlabelled", Question)
    if unlabelled and not room.folder.has(0, "labelled"):
        labelled = await label(room, 0, 0, unlabelled, state["solver"])
        trusted = [labelled[q.id] for q in unlabelled if q.id in labelled and labelled[q.id].answer]
        room.folder.write(0, "labelled", 0, trusted)
        room.progress.note(f"{len(trusted)} of {len(unlabelled)} seeds without an answer were labelled")
    # Again after a kill, too, which may have come between the file and the bank.
    room.bank.add(room.folder.read(0, "labelled", Question))
    if not room.bank.count():
        raise RunError(
            "no seed has an answer that is trusted: the Teacher's solutions are in rounds/0000/labels; see "
            "labels.threshold, ask another Teacher, or add answers"
        )


async def label(
    room: Room, round: int, turn: int, questions: Sequence[Question], solver: str
) -> dict[str, Question]:
    """The questions whose answer is trusted, by id, each with its label.

    One that the votes say has no answer comes back without one; the others are left out.
    """
    if not questions:
        return {}
    config, stage = room.config.labels, f"label{turn}"
    room.progress.begin(round, "label", len(questions))
    executed = {question.id: _executed(room, question) for question in questions}
    asked = [question for question in questions if executed[question.id] is None]
    taught = await room.teacher.solve(asked, config.solves, round, stage, asker(room, round, stage))
    solutions = dict(zip([question.id for question in asked], taught, strict=True))
    solved: dict[str, list[str]] = {}
    if config.ask_solver and asked:
        for rollout in await roll_out(room, round, stage, asked, solver, room.solver.sampling):
            solved.setdefault(rollout.question_id, []).append("" if rollout.truncated else rollout.completion)
    checks = []
    labelled: dict[str, Question] = {}
    for question in questions:
        votes = (solutions.get(question.id, []), solved.get(question.id, []))
        check, trusted = _checked(room, question, executed[question.id], *votes)
        checks.append(check)
        labelled |= {question.id: trusted} if trusted else {}
    room.folder.write(round, "labels", turn, checks)
    return labelled


def _executed(room: Room, question: Question) -> Question | None:
    """The question as the family reads it, with the answer that it works out; None where it cannot."""
    if not room.family.reads:
        return None
    try:
        return room.family.read(question.text)
    except Unreadable:
        return None


def _checked(
    room: Room,
    question: Question,
    executed: Question | None,
    teacher: Sequence[str],
    solver: Sequence[str],
) -> tuple[LabelCheck, Question | None]:
    answers = [final_answer(text) if text else None for text in (*teacher, *solver)]
    claimed, *votes = grouped(question, [question.answer or None, *answers])
    found = label_of(
        Evidence(
            claimed=claimed,
            by_teacher=question.origin == "teacher",
            executed=executed.answer if executed else None,
            teacher=tuple(votes[: len(teacher)]),
            solver=tuple(votes[len(teacher) :]),
        )
    )
    trusted = None
    if executed is not None or _reproduced(question, claimed, votes[: len(teacher)]):
        trusted = _labelled(room, question, executed, found, teacher)
    said = [answer or "" for answer in answers]
    check = LabelCheck(
        question_id=question.id,
        claimed=question.answer,
        teacher=said[: len(teacher)],
        solver=said[len(teacher) :],
        answer=found.answer or "",
        source=found.source,
        confidence=found.confidence,
        trusted=trusted is not None and bool(trusted.answer),
    )
    return check, trusted


def _reproduced(question: Question, claimed: str | None, solved: Sequence[str | None]) -> bool:
    """Whether the Teacher comes to the answer of its own question once more; others need not.

    Source: Socratic-Zero, arXiv 2509.24726, appendix C: what it cannot reproduce is dropped. Differs:
    asked of every question of its own, not of those alone that no rollout solves.
    """
    return question.origin != "teacher" or claimed is None or claimed in solved


def _labelled(
    room: Room, question: Question, executed: Question | None, found: Label, solutions: Sequence[str]
) -> Question | None:
    if found.answer is None or found.confidence < room.config.labels.threshold:
        return None
    if executed is not None:
        kept = ("answer", "solution", "checker", "label", "confidence")
        return question.model_copy(update={name: getattr(executed, name) for name in kept})
    if canonical(found.answer) == UNANSWERABLE:
        return question.model_copy(update={"answer": "", "label": "none"})
    checker = room.config.checker or suited(question, found.answer)
    if checker is None:
        return None
    labelled = question.model_copy(
        update={
            "answer": found.answer,
            "checker": checker,
            "label": found.source,
            "confidence": found.confidence,
        }
    )
    # The author's own work, else that of a solution which comes to this answer, else the bare answer.
    works = (with_answer(labelled, text) for text in (question.solution, *solutions) if text.strip())
    reference = next((work for work in works if work is not None), f"{ANSWER_MARK} {found.answer}")
    return labelled.model_copy(update={"solution": reference})


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
