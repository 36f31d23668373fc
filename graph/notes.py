"""What a Teacher that is a model says of failures beside its questions: skills, hints, smaller questions.

Each is asked once a round, of as many failures as `teacher.skills`, `.hints` and `.subproblems` say, and
kept as records: skills are read by the prompts of this round and the next, hints by who trains with them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..agents.context import missing_text, often_missing, weakness_text
from ..agents.teacher import Seen
from ..records import Attempt, Hint, Question, SkillNote
from .parents import Parents
from .rollouts import asker
from .room import Room

_ROUNDS = 3
"""Rounds whose missing skills still count: what was learned since is missing no more."""

_NAMES = 24
"""Names of skills that the Teacher is told, so that it says one thing one way."""


async def note_skills(room: Room, round: int, parents: Parents) -> None:
    """Have the skills named that some of the round's wrong answers lacked."""
    count = room.config.teacher.skills
    if not (room.config.teacher.is_model and count) or room.folder.has(round, "skills"):
        return
    failed = parents.failed()
    drawn = room.rng(round, "skills").sample(failed, min(count, len(failed)))
    known = [name for name, _ in often_missing(_notes(room, round - 1), _NAMES)]
    said = await room.teacher.missing(drawn, known, round, "skills", asker(room, round, "skills"))
    notes = [
        SkillNote(
            question_id=seen.question.id,
            rollout_id=seen.rollout_id,
            round=round,
            needed=list(found.needed),
            missing=list(found.missing),
        )
        for seen, found in zip(drawn, said, strict=True)
        if found is not None
    ]
    room.folder.write(round, "skills", 0, notes)


def weaknesses(room: Room, round: int) -> str:
    """What the Teacher is told of the Solver's weaknesses; a family is told nothing."""
    if not room.config.teacher.is_model:
        return ""
    return weakness_text(room.profile.worst(), often_missing(_notes(room, round)))


def missing(room: Room, round: int) -> str:
    """What the Generator is told; the pocket model was made without, and could not read it."""
    model = room.config.generator.model or room.config.model
    told = room.config.teacher.is_model and model != "pocket"
    return missing_text(often_missing(_notes(room, round))) if told else ""


def _notes(room: Room, last: int) -> list[SkillNote]:
    numbers = range(max(1, last - _ROUNDS + 1), last + 1)
    return [note for number in numbers for note in room.folder.read(number, "skills", SkillNote)]


async def give_hints(room: Room, round: int, parents: Parents) -> None:
    """Have hints written for the most failed questions."""
    count = room.config.teacher.hints
    if not (room.config.teacher.is_model and count) or room.folder.has(round, "hints"):
        return
    failed = most_failed(room, round, parents, count)
    said = await room.teacher.hint(failed, round, "hints", asker(room, round, "hints"))
    pairs = zip(failed, said, strict=True)
    room.folder.write(
        round,
        "hints",
        0,
        [Hint(question_id=s.question.id, round=round, kind="hint", text=text) for s, text in pairs if text],
    )


async def smaller(room: Room, round: int, parents: Parents) -> list[tuple[Seen, Question]]:
    """Smaller questions that lead to the most failed ones, each with the failure it came from.

    Their texts, in order, are kept as guidance, too. Asked again it gives the same, from the records.
    """
    count = room.config.teacher.subproblems
    if not (room.config.teacher.is_model and count):
        return []
    failed = most_failed(room, round, parents, count)
    found = await room.teacher.split(failed, round, "subproblems", asker(room, round, "subproblems"))
    if not room.folder.has(round, "hints/subproblems"):
        pairs = [(seen, parts) for seen, parts in zip(failed, found, strict=True) if len(parts) > 1]
        room.folder.write(
            round,
            "hints/subproblems",
            0,
            [
                Hint(question_id=s.question.id, round=round, kind="subproblems", text=_listed(parts))
                for s, parts in pairs
            ],
        )
    return [(seen, part) for seen, parts in zip(failed, found, strict=True) for part in parts]


def most_failed(room: Room, round: int, parents: Parents, count: int) -> list[Seen]:
    """Failures on the questions with the lowest pass rates."""
    rates = {a.question_id: a.pass_rate for a in room.folder.read(round, "attempts", Attempt)}
    failed = [seen for seen in parents.failed() if seen.question.id in rates]
    return sorted(failed, key=lambda seen: (rates[seen.question.id], seen.question.id))[:count]


def _listed(parts: Sequence[Question]) -> str:
    return "\n".join(f"{number}. {part.text}" for number, part in enumerate(parts, 1))
