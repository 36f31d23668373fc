"""The node that admits new questions to the bank, or refuses them with a reason: vet."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Proposal, Question, short_id
from ..tasks.families.family import Unreadable, Unsolvable
from ..tasks.sets import keys_of
from .room import Room
from .state import LoopState

DRAFTED = ("text", "answer", "solution", "skill", "level", "checker", "data", "label", "confidence")
"""What a proposal has of the question that its author drafted."""

MOST_TURNS = 3
"""How often the Teacher is asked in a round, at most."""


async def vet(room: Room, state: LoopState) -> LoopState:
    """Every proposal is admitted to the bank, or refused with a reason."""
    round, turn = state["round"], state["turn"]
    if not room.folder.has(round, "vetted", turn):
        proposals = room.folder.read(round, f"proposals/teacher{turn}", Proposal)
        if turn == 0:
            proposals += room.folder.read(round, "proposals/generator", Proposal)
        proposals.sort(key=lambda proposal: proposal.id)
        room.progress.begin(round, "vet", len(proposals))
        vetted, questions = vetted_of(room, proposals)
        room.folder.write(round, "questions", turn, questions)
        room.folder.write(round, "vetted", turn, vetted)
        room.progress.advance(len(proposals))
    admitted = room.folder.read(round, "questions", Question)
    room.bank.add(admitted)
    curriculum = room.config.curriculum
    too_few = len(admitted) < curriculum.enough * curriculum.new
    return {"admitted": len(admitted), "turn": turn + 1, "again": too_few and turn < MOST_TURNS - 1}


def vetted_of(room: Room, proposals: Sequence[Proposal]) -> tuple[list[Proposal], list[Question]]:
    """The proposals with what became of each, and the questions that are new to the bank."""
    readable: dict[str, Question] = {}
    reasons: dict[str, str] = {}
    for proposal in proposals:
        try:
            readable[proposal.id] = _read(room, proposal)
        except Unsolvable:
            reasons[proposal.id] = "unsolvable"
        except Unreadable:
            reasons[proposal.id] = "unreadable"
    reasons |= _known(room, proposals, readable)
    candidates = [key for key in readable if key not in reasons]
    nearest = room.bank.nearest([readable[key].text for key in candidates])
    for key, (_, likeness) in zip(candidates, nearest, strict=True):
        if likeness >= room.config.curriculum.near_duplicate:
            reasons[key] = "near duplicate"
    admitted = {key: question for key, question in readable.items() if key not in reasons}
    vetted = [
        proposal.model_copy(
            update={
                "admitted": proposal.id in admitted,
                "reason": reasons.get(proposal.id, ""),
                "question_id": admitted[proposal.id].id if proposal.id in admitted else None,
            }
        )
        for proposal in proposals
    ]
    return vetted, list(admitted.values())


def _known(room: Room, proposals: Sequence[Proposal], readable: dict[str, Question]) -> dict[str, str]:
    """Reasons against readable proposals that need no look at their neighbours."""
    forbidden = room.sets.keys()
    seen = room.bank.known_ids([question.id for question in readable.values()])
    reasons: dict[str, str] = {}
    for proposal in proposals:
        question = readable.get(proposal.id)
        if question is None:
            continue
        if keys_of(question) & forbidden:
            reasons[proposal.id] = "held-out overlap"
        elif question.level > room.family.top:
            reasons[proposal.id] = "beyond the levels"
        elif question.id in seen:
            reasons[proposal.id] = "duplicate"
        seen.add(question.id)
    return reasons


def _read(room: Room, proposal: Proposal) -> Question:
    """The proposed question: as its author answered it, or with the answer that the family works out.

    Raises:
        Unreadable: there is neither.
    """
    lineage = {"origin": proposal.author, "parent_id": proposal.parent_id, "round": proposal.round}
    if not proposal.checker:
        return room.family.read(proposal.text).model_copy(update=lineage)
    given = {name: getattr(proposal, name) for name in DRAFTED}
    return Question(id=short_id("q", proposal.text), **lineage, **given)
