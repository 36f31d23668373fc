"""Nodes that write new questions: teach, generate."""

from __future__ import annotations

from collections.abc import Sequence

from ..agents.teacher import Assignment, Seen
from ..curriculum.policy import Lesson
from ..memory.profile import Failure
from ..records import Attempt, Proposal, Rollout, Verdict, short_id
from .attempt import STAGE, selected
from .rollouts import ask_all, asker
from .room import Room
from .state import LoopState
from .vet import DRAFTED


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
    return room.policy.plan(attempts, room.profile.needs(), count, room.rng(round, purpose))


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
    if room.config.teacher.is_model:
        # A model needs something to start from, also where the policy looks at no outcome.
        drawn, there = room.rng(round, f"teach{turn}/parents"), sorted(parents.questions)
        lessons = [x if x.question_id else Lesson("neighbour", drawn.choice(there)) for x in lessons]
    texts = [_text(parents, lesson) for lesson in lessons]
    similar = _seen(room, room.profile.failures_like([text for text in texts if text], 3))
    ids = [_proposal_id(round, turn, index) for index in range(len(lessons))]
    assignments = _assignments(parents, lessons, similar, ids)
    rng, stage = room.rng(round, f"design{turn}"), f"teach{turn}"
    designs = await room.teacher.design(assignments, round, stage, rng, asker(room, round, stage))
    proposals = []
    for index, (lesson, given, design) in enumerate(zip(lessons, assignments, designs, strict=True)):
        if design is None:
            continue
        # What the Generator learns to answer is what the Teacher really looked at.
        rollout = parents.attempt(lesson.question_id) if lesson.question_id else None
        parent_id, rollout_id, prompt = lesson.question_id, rollout.id if rollout else None, ""
        if design.source:
            parent_id, rollout_id = design.source.question.id, design.source.rollout_id
            prompt = room.generator.prompt(design.source.question.text, design.source.completion)
        elif given.question:
            prompt = room.generator.prompt(given.question.text, given.attempt)
        proposals.append(
            Proposal(
                id=_proposal_id(round, turn, index),
                round=round,
                turn=turn,
                author="teacher",
                move=lesson.move,
                parent_id=parent_id,
                rollout_id=rollout_id,
                prompt=prompt,
                **{name: getattr(design.question, name) for name in DRAFTED},
            )
        )
    room.folder.write(round, series, 0, proposals)
    room.progress.advance(len(lessons))
    return {}


def _seen(room: Room, failures: Sequence[list[Failure]]) -> list[list[Seen]]:
    """Remembered failures with their questions from the bank."""
    ids = list({failure.question_id for each in failures for failure in each})
    known = dict(zip(ids, room.bank.get(ids), strict=True))
    return [[Seen(known[f.question_id], f.rollout_id, f.completion) for f in each] for each in failures]


def _text(parents: _Parents, lesson: Lesson) -> str:
    return parents.questions[lesson.question_id].text if lesson.question_id else ""


def _proposal_id(round: int, turn: int, index: int) -> str:
    """What the Teacher's proposal is known by, and its call, where it made one."""
    return short_id("p", "teacher", round, turn, index)


def _assignments(
    parents: _Parents, lessons: Sequence[Lesson], similar: Sequence[list[Seen]], ids: Sequence[str]
) -> list[Assignment]:
    """Lessons with their parents' texts; `similar` has an entry for each that has a parent."""
    remembered = iter(similar)
    assignments = []
    for name, lesson in zip(ids, lessons, strict=True):
        if lesson.question_id is None:
            assignments.append(Assignment(lesson.move, None, "", id=name))
            continue
        rollout = parents.attempt(lesson.question_id)
        assignments.append(
            Assignment(
                lesson.move,
                parents.questions[lesson.question_id],
                rollout.completion if rollout else "",
                lesson.levels,
                tuple(next(remembered)),
                name,
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
    client = await room.serve("generator", state["writer"], round)
    await ask_all(
        room,
        client,
        round,
        series,
        [
            room.generator.request(p.prompt, p.id, round, "generate", state["writer"])
            for p in proposals.values()
            if p.id not in there
        ],
        lambda request, reply: [
            proposals[request.subject_id].model_copy(
                update={"text": room.generator.proposed(text, finished, room.family.reads)}
            )
            for text, finished in zip(reply.completions, reply.finished, strict=True)
        ],
    )
    return {}
