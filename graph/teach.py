"""Nodes that write new questions: teach, generate."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..agents.teacher import Assignment, Design, Seen
from ..curriculum.policy import Lesson
from ..memory.profile import Failure
from ..records import Attempt, Move, Proposal, Question, short_id
from .curriculum import plan
from .notes import give_hints, missing, note_skills, smaller, weaknesses
from .parents import Parents
from .rollouts import ask_all, asker
from .room import Room
from .state import LoopState
from .vet import DRAFTED


async def teach(room: Room, state: LoopState) -> LoopState:
    """The Teacher writes questions on the weaknesses, from attempts of this round."""
    round, turn = state["round"], state["turn"]
    series = f"proposals/teacher{turn}"
    if room.folder.has(round, series):
        return {}
    parents = Parents(room, round)
    await note_skills(room, round, parents)
    lessons = _lessons(room, state, parents)
    room.progress.begin(round, "teach", len(lessons))
    texts = [_text(parents, lesson) for lesson in lessons]
    similar = _seen(room, room.profile.failures_like([text for text in texts if text], 3))
    ids = [_proposal_id(round, turn, index) for index in range(len(lessons))]
    assignments = _assignments(parents, lessons, similar, ids, weaknesses(room, round))
    rng, stage = room.rng(round, f"design{turn}"), f"teach{turn}"
    designs = await room.teacher.design(assignments, round, stage, rng, asker(room, round, stage))
    writer = _Writer(room, round, turn, parents)
    proposals = [
        writer.proposal(given, design)
        for given, design in zip(assignments, designs, strict=True)
        if design is not None
    ]
    if turn == 0:
        await give_hints(room, round, parents)
        proposals += [writer.smaller(*found) for found in await smaller(room, round, parents)]
    room.folder.write(round, series, 0, proposals)
    room.progress.advance(len(lessons))
    return {}


def _lessons(room: Room, state: LoopState, parents: Parents) -> list[Lesson]:
    """What the Teacher is asked for in this turn."""
    round, turn = state["round"], state["turn"]
    wanted = room.config.curriculum.new - state["admitted"] - (state["quota"] if turn == 0 else 0)
    attempts = room.folder.read(round, "attempts", Attempt)
    lessons = plan(room, round, attempts, max(0, wanted), f"teach{turn}")
    if not room.config.teacher.is_model:
        return lessons
    # A model needs something to start from, also where the policy looks at no outcome.
    drawn = room.rng(round, f"teach{turn}/parents")
    return [x if x.question_id else _from_a_parent(x, parents, drawn) for x in lessons]


def _from_a_parent(lesson: Lesson, parents: Parents, rng: Random) -> Lesson:
    """A lesson that starts from a question of the round: any, or one that is near to where it is placed."""
    there = sorted(parents.questions)
    if lesson.cell is None:
        return Lesson("diversify", rng.choice(there))
    skill, level = lesson.cell
    away = {name: (q.skill != skill, abs(q.level - level)) for name, q in parents.questions.items()}
    parent = rng.choice([name for name in there if away[name] == min(away.values())])
    climb = level - parents.questions[parent].level
    if climb > 0:
        return Lesson("harder", parent, climb)
    return Lesson("simplify", parent, -climb) if climb < 0 else Lesson("diversify", parent)


class _Writer:
    """Writes down what a turn's Teacher proposes."""

    def __init__(self, room: Room, round: int, turn: int, parents: Parents) -> None:
        self.room, self.round, self.turn, self.parents = room, round, turn, parents
        self.missing = missing(room, round)

    def proposal(self, given: Assignment, design: Design) -> Proposal:
        """What the Generator learns to answer is what the Teacher really looked at."""
        parent, rollout = given.question, None
        prompt = ""
        if design.source:
            parent, rollout = design.source.question, design.source.rollout_id
            prompt = self._prompt(parent, design.source.completion)
        elif parent:
            shown = self.parents.attempt(parent.id)
            rollout = shown.id if shown else None
            prompt = self._prompt(parent, given.attempt)
        return self._written(given.id, given.move, parent, rollout, prompt, design.question, design.why)

    def smaller(self, seen: Seen, question: Question) -> Proposal:
        """One of the smaller questions that lead to one that was failed."""
        name = short_id("p", "teacher", self.round, self.turn, seen.rollout_id, question.id)
        prompt = self._prompt(seen.question, seen.completion)
        return self._written(name, "subproblem", seen.question, seen.rollout_id, prompt, question, "")

    def _prompt(self, question: Question, attempt: str) -> str:
        return self.room.generator.prompt(question.text, attempt, self.missing)

    def _written(
        self,
        name: str,
        move: Move,
        parent: Question | None,
        rollout_id: str | None,
        prompt: str,
        question: Question,
        why: str,
    ) -> Proposal:
        return Proposal(
            id=name,
            round=self.round,
            turn=self.turn,
            author="teacher",
            move=move,
            parent_id=parent.id if parent else None,
            rollout_id=rollout_id,
            prompt=prompt,
            why=why,
            **{field: getattr(question, field) for field in DRAFTED},
        )


def _seen(room: Room, failures: Sequence[list[Failure]]) -> list[list[Seen]]:
    """Remembered failures with their questions from the bank."""
    ids = list({failure.question_id for each in failures for failure in each})
    known = dict(zip(ids, room.bank.get(ids), strict=True))
    return [[Seen(known[f.question_id], f.rollout_id, f.completion) for f in each] for each in failures]


def _text(parents: Parents, lesson: Lesson) -> str:
    return parents.questions[lesson.question_id].text if lesson.question_id else ""


def _proposal_id(round: int, turn: int, index: int) -> str:
    """What the Teacher's proposal is known by, and its call, where it made one."""
    return short_id("p", "teacher", round, turn, index)


def _assignments(
    parents: Parents,
    lessons: Sequence[Lesson],
    similar: Sequence[list[Seen]],
    ids: Sequence[str],
    weaknesses: str,
) -> list[Assignment]:
    """Lessons with their parents' texts; `similar` has an entry for each that has a parent."""
    remembered = iter(similar)
    assignments = []
    for name, lesson in zip(ids, lessons, strict=True):
        if lesson.question_id is None:
            assignments.append(Assignment(lesson.move, None, "", id=name, cell=lesson.cell))
            continue
        rollout = parents.attempt(lesson.question_id)
        assignments.append(
            Assignment(
                lesson.move,
                parents.questions[lesson.question_id],
                rollout.completion if rollout else "",
                lesson.levels,
                tuple(next(remembered)),
                weaknesses,
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
    parents = Parents(room, round)
    attempts = room.folder.read(round, "attempts", Attempt)
    failed = [a for a in attempts if a.zone == "learning"] or attempts
    lessons = plan(room, round, failed, state["quota"], "generate")
    drawn, told = room.rng(round, "generate/parents"), missing(room, round)
    ids = sorted(parents.shown)
    proposals: dict[str, Proposal] = {}
    for index, lesson in enumerate(lessons):
        parent = _from_a_parent(lesson, parents, drawn).question_id or ids[0]
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
                parents.questions[parent].text, rollout.completion if rollout else "", told
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
            room.generator.request(p.prompt, p.id, round, "generate", state["writer"], bool(told))
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
