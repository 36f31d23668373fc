"""The node that admits new questions to the bank, or refuses them with a reason: vet."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..curriculum import diversity
from ..records import Diversity, Proposal, Question, short_id
from ..tasks.families.family import Unreadable, Unsolvable
from ..tasks.kinds import canonical
from ..tasks.sets import keys_of
from ..tasks.sifting import longest_question
from ..tasks.unsafe import unsafe
from .labels import audit, label
from .room import Room
from .state import LoopState

DRAFTED = ("text", "answer", "solution", "skill", "level", "checker", "data", "label", "confidence")
"""What a proposal has of the question that its author drafted."""

MOST_TURNS = 3
"""How often the Teacher is asked in a round, at most."""

_COPIED = 0.9
"""Share of words in common, in their order, from which a question with its parent's answer is a
copy of it."""

_BY_PROGRAM = ("family", "executed")


DRAFTS = "drafts/questions", "drafts/vetted"
"""What vetting would have admitted, and said of each proposal, until a person has read it."""


async def vet(room: Room, state: LoopState) -> LoopState:
    """Every proposal is admitted to the bank, or refused with a reason; where a person reviews
    them, what would be admitted is left for `review`."""
    round, turn = state["round"], state["turn"]
    read_by_a_person = room.config.review == "teach" or room.folder.has(round, DRAFTS[1], turn)
    series = DRAFTS if read_by_a_person else ("questions", "vetted")
    if not (room.folder.has(round, "vetted", turn) or room.folder.has(round, series[1], turn)):
        proposals = room.folder.read(round, f"proposals/teacher{turn}", Proposal)
        if turn == 0:
            proposals += room.folder.read(round, "proposals/generator", Proposal)
        proposals.sort(key=lambda proposal: proposal.id)
        room.progress.begin(round, "vet", len(proposals))
        found = screened(room, proposals)
        untold = [q for key, q in found.readable.items() if key not in found.reasons and q.label == "none"]
        labelled = await label(room, round, turn, untold, state["solver"])
        vetted, questions = decided(room, proposals, found, labelled)
        room.folder.write(round, series[0], turn, questions)
        room.folder.write(round, series[1], turn, vetted)
        room.progress.advance(len(proposals))
    return await admit(room, state) if room.folder.has(round, "vetted", turn) else {}


async def admit(room: Room, state: LoopState) -> LoopState:
    """What was vetted goes into the bank; once there is enough of it, its labels are audited."""
    round, turn = state["round"], state["turn"]
    admitted = room.folder.read(round, "questions", Question)
    room.bank.add(admitted)
    curriculum = room.config.curriculum
    too_few = len(admitted) < curriculum.enough * curriculum.new
    again = too_few and turn < MOST_TURNS - 1
    if not again:
        await audit(room, round)
        _note_diversity(room, round, admitted)
    return {"admitted": len(admitted), "turn": turn + 1, "again": again}


class Screened(NamedTuple):
    """What can be said of proposals before their answers are known, each by the proposal's id."""

    readable: Mapping[str, Question]
    reasons: Mapping[str, str]
    """Against those that are refused."""
    nearest: Mapping[str, tuple[str, float]]
    """Of those that nothing else spoke against, the question of the bank, or of those before, that is most
    like it, and their cosine similarity."""


def screened(room: Room, proposals: Sequence[Proposal]) -> Screened:
    """The questions that can be read, and what speaks against proposals."""
    readable: dict[str, Question] = {}
    reasons: dict[str, str] = {}
    for proposal in proposals:
        try:
            readable[proposal.id] = _read(room, proposal)
        except Unsolvable:
            reasons[proposal.id] = "unsolvable"
        except Unreadable:
            reasons[proposal.id] = "unreadable"
    found, nearest = against(room, readable)
    return Screened(readable, reasons | found, nearest)


def against(
    room: Room, readable: Mapping[str, Question]
) -> tuple[dict[str, str], dict[str, tuple[str, float]]]:
    """Reasons against questions that can be read: faults, and what is known already, from the bank
    or from those before them. And what is nearest to those without a fault."""
    reasons = _faults(room, readable)
    reasons |= _known(room, {key: q for key, q in readable.items() if key not in reasons})
    candidates = [key for key in readable if key not in reasons]
    found = room.bank.nearest([readable[key].text for key in candidates])
    nearest = {
        key: (_id_of(near, readable, candidates), like)
        for key, (near, like) in zip(candidates, found, strict=True)
    }
    for key, (_, likeness) in nearest.items():
        if likeness >= room.config.curriculum.near_duplicate:
            reasons[key] = "near duplicate"
    return reasons, nearest


def _id_of(near: str, readable: Mapping[str, Question], candidates: Sequence[str]) -> str:
    """The id of a question that the bank calls near: one of its own, or one of the texts given."""
    kind, _, place = near.partition(":")
    return readable[candidates[int(place)]].id if kind == "text" and place.isdecimal() else near


def decided(
    room: Room,
    proposals: Sequence[Proposal],
    found: Screened,
    labelled: Mapping[str, Question],
) -> tuple[list[Proposal], list[Question]]:
    """The proposals with what became of each, and the questions that are new to the bank.

    Args:
        labelled: by the question's id, those that came without a trusted answer and have one now.
    """
    vetted: list[Proposal] = []
    admitted: list[Question] = []
    for proposal in proposals:
        question, reason = found.readable.get(proposal.id), found.reasons.get(proposal.id, "")
        nearest, likeness = found.nearest.get(proposal.id, (None, None))
        if question and not reason:
            question = labelled.get(question.id, question)
            reason = _reason(room, question, question.id in labelled)
        new = None if reason else question
        admitted += [new] if new else []
        vetted.append(
            proposal.model_copy(
                update={
                    "admitted": not reason,
                    "reason": reason,
                    "question_id": new.id if new else None,
                    "label": new.label if new else "none",
                    "confidence": new.confidence if new else 0.0,
                    "nearest_id": nearest or None,
                    "likeness": likeness,
                }
            )
        )
    return vetted, admitted


def _reason(room: Room, question: Question, answered_now: bool) -> str:
    """What speaks against a question once its label is known; a copy may show itself only by that."""
    if question.label == "none" and answered_now:
        return "unsolvable"  # as the votes say
    if question.label == "none" or question.confidence < room.config.labels.threshold:
        return "label"
    parents = room.bank.get([question.parent_id]) if answered_now and question.parent_id else [None]
    return "copy of its parent" if is_copy(question, parents[0]) else ""


def _faults(room: Room, readable: Mapping[str, Question]) -> dict[str, str]:
    """Reasons against questions that lie in themselves, in their parents or in the fixed sets."""
    parents = [q.parent_id for q in readable.values() if q.parent_id]
    known = dict(zip(parents, room.bank.get(parents), strict=True))
    longest, reasons = longest_question(room.config), {}
    for key, question in readable.items():
        if len(question.text) > longest:
            reasons[key] = "too long"
        elif unsafe(question.text):
            reasons[key] = "unsafe"
        elif room.apart.holds(question):
            reasons[key] = "held-out overlap"
        elif question.level > room.policy_top:
            reasons[key] = "beyond the levels"
        elif is_copy(question, known.get(question.parent_id or "")):
            reasons[key] = "copy of its parent"
    return reasons


def is_copy(question: Question, parent: Question | None) -> bool:
    """Whether a question asks what its parent asks: the same terms, or nearly the same words with
    the same answer. What a family drew is compared by its terms alone."""
    if parent is None or question.id == parent.id:
        return False
    if keys_of(question) == keys_of(parent):
        return True
    if question.label in _BY_PROGRAM or canonical(question.answer) != canonical(parent.answer):
        return False
    words = (question.text.casefold().split(), parent.text.casefold().split())
    return difflib.SequenceMatcher(None, *words, autojunk=False).ratio() >= _COPIED


def _known(room: Room, readable: Mapping[str, Question]) -> dict[str, str]:
    """Questions that are in the bank already, or come twice: the first is not refused."""
    seen = room.bank.known_ids([question.id for question in readable.values()])
    reasons: dict[str, str] = {}
    for key, question in readable.items():
        if question.id in seen:
            reasons[key] = "duplicate"
        seen.add(question.id)
    return reasons


def _read(room: Room, proposal: Proposal) -> Question:
    """The proposed question: as its author answered it, or with the answer that the family works out.

    Raises:
        Unreadable: there is neither, and no Teacher that could be asked.
    """
    lineage = {"origin": proposal.author, "parent_id": proposal.parent_id, "round": proposal.round}
    if proposal.checker:
        given = {name: getattr(proposal, name) for name in DRAFTED}
        return Question(id=short_id("q", proposal.text), **lineage, **given)
    if room.family.reads or not room.config.teacher.is_model or not proposal.text:
        return room.family.read(proposal.text).model_copy(update=lineage)
    (parent,) = room.bank.get([proposal.parent_id]) if proposal.parent_id else (None,)
    return Question(
        id=short_id("q", proposal.text),
        text=proposal.text,
        answer="",
        solution="",
        skill=parent.skill if parent else "general",
        level=parent.level if parent else 1,
        checker="math",
        label="none",
        confidence=0.0,
        **lineage,
    )


def _note_diversity(room: Room, round: int, admitted: Sequence[Question]) -> None:
    """How different the round's questions are; said aloud where they collapse."""
    if not admitted or room.folder.has(round, "diversity"):
        return
    count = min(diversity.MOST, len(admitted))
    drawn = [question.text for question in room.rng(round, "diversity").sample(list(admitted), count)]
    now = Diversity(
        distinct=diversity.distinct(drawn, 2),
        spread=diversity.spread(room.bank.embedded(drawn)),
        skills=len({question.skill for question in admitted}),
        questions=count,
    )
    room.folder.write(round, "diversity", 0, [now])
    found = (room.folder.read(earlier, "diversity", Diversity) for earlier in range(1, round))
    first = next((figures for figures in found if figures), None)
    fell = diversity.collapsed(first[0], now) if first else ""
    if fell:
        room.progress.note(f"round {round}: its questions are much alike: {fell}")
