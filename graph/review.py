"""A person in the loop: the node that waits until every new question has been read.

The graph is paused by LangGraph's `interrupt`, so that a run can be left and resumed days later.
Decisions are records, each written as it is made; what the pause itself holds is ids.
"""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.types import interrupt
from pydantic import ValidationError

from ..errors import MaieuticError
from ..records import Decision, Proposal, Question, Review, short_id
from ..tasks.arithmetic import ANSWER_MARK
from ..tasks.checkers.registry import JUDGE, named
from ..tasks.families.chain import parts_of
from ..tasks.families.family import Unreadable
from ..tasks.labelling import suited, with_answer
from .room import Room
from .state import LoopState
from .vet import DRAFTED, DRAFTS, admit, against

REFUSED = "reviewer"
"""The reason against what a person refused."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that would be admitted, as a person is shown it."""

    proposal: Proposal
    question: Question
    parent: Question | None


class Faulty(ValueError):
    """An edited question that cannot be taken as it is; the message says why, to the person."""


class Desk:
    """The questions of one turn that wait for a person, and where the decisions go."""

    def __init__(self, room: Room, round: int, turn: int) -> None:
        self.room, self.round, self.turn = room, round, turn
        self._by = _whoever()

    def waiting(self) -> list[Asked]:
        """Those without a decision, in the order of their proposals."""
        decided = {review.proposal_id for review in _reviews(self.room, self.round, self.turn)}
        left = [
            asked for asked in _asked(self.room, self.round, self.turn) if asked.proposal.id not in decided
        ]
        parents = [asked.question.parent_id for asked in left if asked.question.parent_id]
        known = dict(zip(parents, self.room.bank.get(parents), strict=True))
        return [Asked(a.proposal, a.question, known.get(a.question.parent_id or "")) for a in left]

    def decide(self, asked: Sequence[Asked], decision: Decision, reason: str = "") -> None:
        """Accept or refuse; written before this returns."""
        self._write([self._review(one, decision, one.question, reason) for one in asked])

    def edit(self, asked: Asked, text: str, answer: str, solution: str) -> None:
        """Put another question in its place.

        Raises:
            Faulty: it would be refused; nothing is written.
        """
        changed = edited(self.room, asked.question, text, answer, solution)
        others = {a.proposal.id: a.question for a in _asked(self.room, self.round, self.turn)}
        others.pop(asked.proposal.id)
        reasons, _ = against(self.room, {**others, asked.proposal.id: changed})
        if reason := reasons.get(asked.proposal.id):
            raise Faulty(f"it would be refused: {reason}")
        self._write([self._review(asked, "edited", changed, "")])

    def _review(self, asked: Asked, decision: Decision, left: Question, reason: str) -> Review:
        return Review(
            proposal_id=asked.proposal.id,
            decision=decision,
            before=asked.question.text,
            text=left.text,
            answer=left.answer,
            solution=left.solution,
            reason=reason,
            by=self._by,
        )

    def _write(self, reviews: Sequence[Review]) -> None:
        series = _series(self.turn)
        if reviews:
            self.room.folder.write(
                self.round, series, self.room.folder.following(self.round, series), reviews
            )


Reviewer = Callable[[Desk], Awaitable[None]]
"""Has a person decide; one who leaves something undecided wants to go on another day."""


async def review(room: Room, state: LoopState) -> LoopState:
    """A person accepts, edits or refuses what vetting would admit; then it is admitted."""
    round, turn = state["round"], state["turn"]
    if not room.folder.has(round, DRAFTS[1], turn):
        return {}
    if not room.folder.has(round, "vetted", turn):
        # Run anew from its beginning after every pause: what was decided meanwhile is on disk.
        while room.config.review == "teach" and (left := Desk(room, round, turn).waiting()):
            ids = [asked.proposal.id for asked in left]
            _take(room, round, turn, interrupt({"round": round, "turn": turn, "proposals": ids}))
        vetted, questions = settled(room, round, turn)
        room.folder.write(round, "questions", turn, questions)
        room.folder.write(round, "vetted", turn, vetted)
    return await admit(room, state)


def _take(room: Room, round: int, turn: int, said: Any) -> None:
    """Decisions that came with the resume itself, as LangGraph's own tools send them.

    A list of objects with `proposal_id` and `decision`, for an edit with `text`, `answer` and
    `solution`; what is none of these is left undecided.
    """
    desk = Desk(room, round, turn)
    left = {asked.proposal.id: asked for asked in desk.waiting()}
    for entry in said if isinstance(said, list) else []:
        asked = left.get(str(entry.get("proposal_id"))) if isinstance(entry, dict) else None
        if asked is None:
            continue
        try:
            whole = Review.model_validate({**_unchanged(asked), **entry})
            if whole.decision == "edited":
                desk.edit(asked, whole.text, whole.answer, whole.solution)
            else:
                desk.decide([asked], whole.decision, whole.reason)
            left.pop(whole.proposal_id)
        except (ValidationError, Faulty) as error:
            room.progress.note(f"{asked.proposal.id}: {str(error).splitlines()[0][:200]}")


def _unchanged(asked: Asked) -> dict[str, str]:
    given = asked.question
    return {"before": given.text, "text": given.text, "answer": given.answer, "solution": given.solution}


def settled(room: Room, round: int, turn: int) -> tuple[list[Proposal], list[Question]]:
    """The turn's proposals with what became of each once a person has spoken, and the new questions.

    Without a decision a question stands: the review may have been called off.
    """
    drafted = room.folder.part(round, DRAFTS[1], turn, Proposal)
    asked = {one.proposal.id: one.question for one in _asked(room, round, turn)}
    said = {one.proposal_id: one for one in _reviews(room, round, turn)}
    reasons = {key: REFUSED for key, one in said.items() if one.decision == "refused"}
    changed: dict[str, Question] = {}
    for key, one in said.items():
        if one.decision == "edited":
            try:
                changed[key] = edited(room, asked[key], one.text, one.answer, one.solution)
            except Faulty:
                reasons[key] = "label"
    standing = {key: q for key, q in asked.items() if key not in said or said[key].decision == "accepted"}
    found, _ = against(room, {**standing, **changed})
    reasons |= {key: found[key] for key in changed if key in found}
    for key in sorted(changed.keys() & found.keys()):
        room.progress.note(f"the edited {key} is refused: {found[key]}")
    vetted = [_told(proposal, asked, changed, reasons) for proposal in drafted]
    return vetted, [(asked | changed)[p.id] for p in vetted if p.admitted]


def _told(
    proposal: Proposal,
    asked: Mapping[str, Question],
    changed: Mapping[str, Question],
    reasons: Mapping[str, str],
) -> Proposal:
    """A proposal with what became of it; its text is what the person left of it."""
    if proposal.id not in asked:
        return proposal
    reason, question = reasons.get(proposal.id, ""), changed.get(proposal.id)
    update: dict[str, Any] = {name: getattr(question, name) for name in DRAFTED} if question else {}
    if question:
        update["question_id"] = question.id
    if reason:
        update |= {
            "admitted": False,
            "reason": reason,
            "question_id": None,
            "label": "none",
            "confidence": 0.0,
        }
    return proposal.model_copy(update=update)


def edited(room: Room, question: Question, text: str, answer: str, solution: str) -> Question:
    """The question that a person made of another, its answer trusted as that person's.

    Raises:
        Faulty: something is missing, or answer, solution and checker do not go together.
    """
    text, answer, solution = text.strip(), answer.strip(), solution.strip()
    if not text:
        raise Faulty("the question is empty")
    if not answer and question.answer:
        raise Faulty("the answer is empty")
    changed = question.model_copy(
        update={
            "id": short_id("q", text),
            "text": text,
            "answer": answer,
            # The parts of a chain say what its old text asked.
            "data": "" if parts_of(question) else question.data,
            "label": "human",
            "confidence": 1.0,
        }
    )
    changed = _worked_out(room, changed)
    changed = changed.model_copy(update={"checker": _checker(changed)})
    work = with_answer(changed, solution) if solution else f"{ANSWER_MARK} {answer}"
    if work is None:
        raise Faulty("the solution comes to another answer; mend it, or empty it")
    return changed.model_copy(update={"solution": work if answer else solution})


def _worked_out(room: Room, question: Question) -> Question:
    """With the skill and the level that the family reads in it, where it can."""
    if not room.family.reads:
        return question
    try:
        read = room.family.read(question.text)
    except Unreadable:
        return question
    if read.answer != question.answer:
        raise Faulty(f"worked out by a program, its answer is {read.answer}")
    return question.model_copy(update={"id": read.id, "skill": read.skill, "level": read.level})


def _checker(question: Question) -> str:
    """The checker that takes its answer for right: the one it had, else one that suits the answer."""
    if not question.answer or question.checker.partition("?")[0] == JUDGE:
        return question.checker
    for spec in dict.fromkeys((question.checker, suited(question, question.answer))):
        if spec and _takes(question.model_copy(update={"checker": spec}), spec):
            return spec
    raise Faulty(f"no checker can compare with the answer {question.answer[:60]!r}; make it short and plain")


def _takes(question: Question, spec: str) -> bool:
    """Whether a checker says right of the reference itself, or would have to think about it."""
    try:
        found = named(spec).quick(question, f"{ANSWER_MARK} {question.answer}")
    except MaieuticError:
        return False
    return found is None or found.outcome == "right"


def _asked(room: Room, round: int, turn: int) -> list[Asked]:
    questions = {q.id: q for q in room.folder.part(round, DRAFTS[0], turn, Question)}
    drafted = room.folder.part(round, DRAFTS[1], turn, Proposal)
    return [Asked(p, questions[p.question_id], None) for p in drafted if p.question_id]


def _reviews(room: Room, round: int, turn: int) -> list[Review]:
    return room.folder.read(round, _series(turn), Review)


def _series(turn: int) -> str:
    return f"reviews/turn{turn}"


def _whoever() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
