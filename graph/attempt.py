"""Nodes that find out what the Solver can do: select, attempt, profile; and see verify.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..curriculum.difficulty import zone_of
from ..errors import MemoryDamaged
from ..memory.bank import QuestionBank
from ..memory.behaviours import kept
from ..memory.store import FILLED
from ..records import Attempt, Behaviour, Question, Rollout, Verdict
from .curriculum import choose, learn
from .labels import label_seeds
from .measuring import measure
from .rollouts import roll_out
from .room import Room
from .state import LoopState

STAGE = "attempt"


def selected(room: Room, round: int) -> list[Question]:
    """The questions of a round, once select has chosen them."""
    return room.bank.get(room.folder.read_json(round, "selected"))


async def select(room: Room, state: LoopState) -> LoopState:
    """Begin a round: the policy chooses its questions from the bank."""
    round = state["round"]
    if room.folder.read_json(round, "selected") is None:
        await label_seeds(room, state)
        room.progress.begin(round, "select", 1)
        await measure(room, round, state["solver"])
        ids, counts = choose(room, round)
        room.folder.write_json(round, "allocated", counts)
        room.folder.write_json(round, "selected", ids)
    return {"turn": 0, "admitted": 0}


async def attempt(room: Room, state: LoopState) -> LoopState:
    """The Solver attempts every selected question several times."""
    round, questions = state["round"], selected(room, state["round"])
    shown = room.handbook.like(questions, room.config.solver.handbook)
    counts: dict[str, int] = room.folder.read_json(round, "allocated") or {}
    await roll_out(room, round, STAGE, questions, state["solver"], room.solver.sampling, shown, counts)
    return {}


async def profile(room: Room, state: LoopState) -> LoopState:
    """Pass rates, zones and failures go into the memory."""
    round = state["round"]
    room.progress.begin(round, "profile", 1)
    if not room.folder.has(round, "attempts"):
        verdicts = room.folder.read(round, f"verdicts/{STAGE}", Verdict)
        room.folder.write(round, "attempts", 0, summed_up(selected(room, round), verdicts, round))
    _remember(room, round)
    learn(room, round)
    room.bank.retire(set(room.folder.read_json(round, "selected")))
    return {}


def _remember(room: Room, round: int) -> None:
    """Take a round's attempts and failures from the records into the memory."""
    attempts = room.folder.read(round, "attempts", Attempt)
    rollouts = {r.id: r for r in room.folder.read(round, f"rollouts/{STAGE}", Rollout)}
    verdicts = room.folder.read(round, f"verdicts/{STAGE}", Verdict)
    known = {question.id: question for question in room.bank.get([a.question_id for a in attempts])}
    failures = [
        (known[verdict.question_id], rollouts[verdict.rollout_id])
        for verdict in verdicts
        if verdict.outcome == "wrong"
    ]
    room.profile.update(round, attempts, failures)
    room.bank.note(attempts)


def restore(room: Room) -> None:
    """Fill the memory from the records: at the start of a run, or where it was lost.

    A mark in its folder says that this was done to the end.
    """
    mark = room.folder.memory / FILLED
    # One that was emptied says nothing of it.
    if mark.exists() and (room.bank.count() or not room.folder.count(0, "questions")):
        return
    mark.unlink(missing_ok=True)
    room.profile.clear()
    with room.bank.filled():
        for round in room.folder.rounds():
            # In the order in which it happened: what a round adds is vetted after what it asked is known.
            if room.folder.has(round, "attempts"):
                _remember(room, round)
                room.bank.retire(set(room.folder.read_json(round, "selected")))
            for questions in _added(room, round):
                room.bank.add(questions)
    found = [
        one for round in room.folder.rounds() for one in room.folder.read(round, "behaviours", Behaviour)
    ]
    room.handbook.hold(kept(found, room.config.handbook.most))
    mark.touch()


def refill(room: Room, why: MemoryDamaged) -> None:
    """Put a damaged memory aside, and fill a new one from the records: all that is in it follows from them.

    Raises:
        MemoryDamaged: it cannot be put aside.
    """
    if room.store is None:
        raise why
    aside = room.store.renew()
    # It knows by heart what was there.
    room.bank = QuestionBank(room.store, room.config.memory.active)
    room.__dict__.pop("apart", None)
    room.tell(f"{why.said}; it is kept as {aside.name}, and a new memory is filled from the records")
    restore(room)


def _added(room: Room, round: int) -> Iterator[list[Question]]:
    """What a round added to the bank, in the order in which it did."""
    if round == 0:
        yield room.folder.read(0, "labelled", Question)
    for turn in range(room.folder.count(round, "vetted") if round else 1):
        yield room.folder.part(round, "questions", turn, Question)


def summed_up(questions: Sequence[Question], verdicts: Sequence[Verdict], round: int) -> list[Attempt]:
    """Pass rate and zone of each question; one whose rollouts nobody could judge is left out."""
    outcomes: dict[str, list[bool]] = {}
    for verdict in verdicts:
        if verdict.outcome != "undecided":
            outcomes.setdefault(verdict.question_id, []).append(verdict.outcome == "right")
    return [
        Attempt(
            question_id=question.id,
            skill=question.skill,
            level=question.level,
            round=round,
            right=sum(marks),
            decided=len(marks),
            pass_rate=sum(marks) / len(marks),
            zone=zone_of(sum(marks) / len(marks)),
        )
        for question in questions
        if (marks := outcomes.get(question.id))
    ]
