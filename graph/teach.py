"""Nodes that write and admit new questions: teach, generate, vet."""

from __future__ import annotations

from collections.abc import Sequence

from ..agents.teacher import Assignment
from ..curriculum.policy import Lesson
from ..memory.profile import Failure
from ..records import Attempt, Proposal, Question, Rollout, Verdict, short_id
from ..tasks import arithmetic
from ..tasks.seeds import family_question
from .attempt import STAGE, selected
from .rollouts import ask_all
from .room import Room
from .state import LoopState


class _Parents:
    """The round's questions, each with the attempt that an author is shown."""

    def __init__(self, room: Room, round: int) -> None:
        self.questions = {question.id: question for question in selected(room, round)}
        outcome = {v.rollout_id: v.outcome for v in room.folder.read(round, f"verdicts/{STAGE}", Verdict)}
        self.shown: dict[str, Rollout] = {}
        # A wrong answer says more about a weakness than one that was cut off.
        rank = {"right": 0, "undecided": 1, "invalid": 2, "wrong": 3}
        rollouts = room.folder.read(round, f"rollouts/{STAGE}", Rollout)
        for rollout in sorted(rollouts, key=lambda r: rank[outcome[r.id]]):
            self.shown[rollout.question_id] = rollout

    def attempt(self, question_id: str) -> Rollout | None:
        return self.shown.get(question_id)


def _plan(room: Room, round: int, attempts: Sequence[Attempt], count: int, purpose: str) -> list[Lesson]:
    """Lessons of the policy, on what the weakness profile says is worth most."""
    weaknesses = room.profile.worst(len(arithmetic.CELLS))
    worth = {(weakness.skill, weakness.level): weakness.worth for weakness in weaknesses}
    return room.policy.plan(attempts, worth, count, room.rng(round, purpose))


async def teach(room: Room, state: LoopState) -> LoopState:
    """The Teacher writes questions on the weaknesses, from attempts of this round."""
    round, turn = state["round"], state["turn"]
    series = f"proposals/teacher{turn}"
    if room.folder.has(round, series):
        return {}
    wanted = room.config.curriculum.new - state["admitted"] - (state["quota"] if turn == 0 else 0)
    attempts = room.folder.read(round, "attempts", Attempt)
    lessons = _plan(room, round, attempts, max(0, wanted), f"teach{turn}")
    room.progress.begin(round, "teach", len(lessons))
    parents = _Parents(room, round)
    texts = [_text(parents, lesson) for lesson in lessons]
    similar = room.profile.failures_like([text for text in texts if text], 3)
    assignments = _assignments(parents, lessons, similar)
    designs = await room.teacher.design(assignments, room.rng(round, f"design{turn}"))
    proposals = []
    for index, (lesson, given, design) in enumerate(zip(lessons, assignments, designs, strict=True)):
        if design is None:
            continue
        # What the Generator learns to answer is what the Teacher really looked at.
        rollout = parents.attempt(lesson.question_id) if lesson.question_id else None
        parent_id, rollout_id, prompt = lesson.question_id, rollout.id if rollout else None, ""
        if design.source:
            parent_id, rollout_id = design.source.question_id, design.source.rollout_id
            prompt = room.generator.prompt(design.source.question, design.source.completion)
        elif given.question:
            prompt = room.generator.prompt(given.question.text, given.attempt)
        proposals.append(
            Proposal(
                id=short_id("p", "teacher", round, turn, index),
                round=round,
                turn=turn,
                author="teacher",
                move=lesson.move,
                parent_id=parent_id,
                rollout_id=rollout_id,
                text=design.text,
                solution=design.solution,
                prompt=prompt,
            )
        )
    room.folder.write(round, series, 0, proposals)
    room.progress.advance(len(lessons))
    return {}


def _text(parents: _Parents, lesson: Lesson) -> str:
    return parents.questions[lesson.question_id].text if lesson.question_id else ""


def _assignments(
    parents: _Parents, lessons: Sequence[Lesson], similar: Sequence[list[Failure]]
) -> list[Assignment]:
    """Lessons with their parents' texts; `similar` has an entry for each that has a parent."""
    remembered = iter(similar)
    assignments = []
    for lesson in lessons:
        if lesson.question_id is None:
            assignments.append(Assignment(lesson.move, None, ""))
            continue
        rollout = parents.attempt(lesson.question_id)
        assignments.append(
            Assignment(
                lesson.move,
                parents.questions[lesson.question_id],
                rollout.completion if rollout else "",
                lesson.steps,
                tuple(next(remembered)),
            )
        )
    return assignments


async def generate(room: Room, state: LoopState) -> LoopState:
    """The Generator proposes questions from failures; once a round."""
    round, turn = state["round"], state["turn"]
    series = "proposals/generator"
    if turn > 0 or state["quota"] == 0:
        return {}
    there = {proposal.id for proposal in room.folder.read(round, series, Proposal)}
    parents = _Parents(room, round)
    attempts = room.folder.read(round, "attempts", Attempt)
    failed = [a for a in attempts if a.zone == "learning"] or attempts
    lessons = _plan(room, round, failed, state["quota"], "generate")
    drawn = room.rng(round, "generate/parents")
    ids = sorted(parents.shown)
    proposals: dict[str, Proposal] = {}
    for index, lesson in enumerate(lessons):
        parent = lesson.question_id or drawn.choice(ids)
        rollout = parents.attempt(parent)
        proposal = Proposal(
            id=short_id("p", "generator", round, turn, index),
            round=round,
            turn=turn,
            author="generator",
            move="design",
            parent_id=parent,
            rollout_id=rollout.id if rollout else None,
            text="",
            prompt=room.generator.prompt(
                parents.questions[parent].text, rollout.completion if rollout else ""
            ),
        )
        proposals[proposal.id] = proposal
    room.progress.begin(round, "generate", len(proposals))
    room.progress.advance(len(there))
    await room.serve(state["writer"], round)
    await ask_all(
        room,
        round,
        series,
        [
            room.generator.request(p.prompt, p.id, round, "generate", state["writer"])
            for p in proposals.values()
            if p.id not in there
        ],
        lambda request, reply: [
            proposals[request.subject_id].model_copy(update={"text": room.generator.proposed(text)})
            for text in reply.completions
        ],
    )
    return {}


async def vet(room: Room, state: LoopState) -> LoopState:
    """Every proposal is admitted to the bank, or refused with a reason."""
    round, turn = state["round"], state["turn"]
    if not room.folder.has(round, "vetted", turn):
        proposals = room.folder.read(round, f"proposals/teacher{turn}", Proposal)
        if turn == 0:
            proposals += room.folder.read(round, "proposals/generator", Proposal)
        proposals.sort(key=lambda proposal: proposal.id)
        room.progress.begin(round, "vet", len(proposals))
        vetted, questions = _vet(room, proposals)
        room.folder.write(round, "questions", turn, questions)
        room.folder.write(round, "vetted", turn, vetted)
        room.progress.advance(len(proposals))
    admitted = room.folder.read(round, "questions", Question)
    room.bank.add(admitted)
    return {"admitted": len(admitted), "turn": turn + 1}


def _vet(room: Room, proposals: Sequence[Proposal]) -> tuple[list[Proposal], list[Question]]:
    forbidden = room.sets.texts()
    readable: dict[str, Question] = {}
    reasons: dict[str, str] = {}
    for proposal in proposals:
        try:
            readable[proposal.id] = _read(proposal)
        except arithmetic.OutOfRange:
            reasons[proposal.id] = "unsolvable"
        except arithmetic.NotArithmetic:
            reasons[proposal.id] = "unreadable"
    seen = room.bank.known_ids([question.id for question in readable.values()])
    for key, question in readable.items():
        if question.text in forbidden:
            reasons[key] = "held-out overlap"
        elif question.level > arithmetic.MAX_LEVEL:
            reasons[key] = "beyond the levels"
        elif question.id in seen:
            reasons[key] = "duplicate"
        seen.add(question.id)
    candidates = [key for key in readable if key not in reasons]
    nearest = room.bank.nearest([readable[key].text for key in candidates])
    for key, (_, likeness) in zip(candidates, nearest, strict=True):
        if likeness >= room.config.curriculum.near_duplicate:
            reasons[key] = "near duplicate"
    vetted, questions = [], []
    for proposal in proposals:
        reason = reasons.get(proposal.id, "")
        accepted = None if reason else readable[proposal.id]
        if accepted is not None:
            questions.append(accepted)
        vetted.append(
            proposal.model_copy(
                update={
                    "admitted": accepted is not None,
                    "reason": reason,
                    "question_id": accepted.id if accepted else None,
                }
            )
        )
    return vetted, questions


def _read(proposal: Proposal) -> Question:
    """The proposed question with the answer that the checker works out, whoever wrote it."""
    return family_question(
        proposal.text, origin=proposal.author, parent_id=proposal.parent_id, round=proposal.round
    )


def enough(room: Room, state: LoopState) -> str:
    """After vetting: ask the Teacher again, at most twice, when too little was admitted."""
    curriculum = room.config.curriculum
    if state["admitted"] < curriculum.enough * curriculum.new and state["turn"] <= 2:
        return "teach"
    return "pair"
