"""How the nodes ask the curriculum policy, and where it keeps what it has learned."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from ..curriculum.policy import Asked, Known, Lesson, Skills
from ..errors import RunError
from ..records import Attempt, Move, SkillNote
from .budget import questions_left, rounds_expected
from .measuring import signals
from .room import Room

_FILE = "policy"


def asked(room: Room, round: int, count: int, purpose: str) -> Asked:
    """What the policy is asked with for one purpose of one round."""
    config = room.config
    return Asked(
        count=count,
        rng=room.rng(round, purpose),
        round=round,
        rounds=rounds_expected(room.folder, config, round),
        rollouts=config.rollouts.n,
        need=room.profile.needs(),
        cells=room.family.cells,
        moves=room.teacher.moves,
        top=room.policy_top,
        quota=config.teacher.quota if config.teacher.is_model else 1.0,
        embed=room.bank.embedded,
        signal=signals(room, room.policy.measures, round) if room.policy.measures else {},
        missing=lambda: _missing(room, round),
    )


def _missing(room: Room, round: int) -> dict[str, Skills]:
    """Those of questions that may still be asked, and of this round's."""
    for number in room.unread("skills", round):
        room.skills |= _named_in(room, number)
    there = {known.id for known, _ in room.bank.known()}
    room.skills = {name: skills for name, skills in room.skills.items() if name in there}
    return room.skills | _named_in(room, round)


def _named_in(room: Room, round: int) -> dict[str, Skills]:
    notes = room.folder.read(round, "skills", SkillNote)
    return {note.question_id: Skills(note.needed, note.missing) for note in notes}


def choose(room: Room, round: int) -> tuple[list[str], dict[str, int]]:
    """The questions that a round attempts, and the rollouts of each where the policy says how many."""
    bank = [Known(question, last) for question, last in room.bank.known()]
    question = asked(room, round, questions_left(room.folder, room.config, round), "select")
    ids = room.policy.select(bank, question)
    there = {known.question.id for known in bank}
    if not isinstance(ids, list | tuple) or not all(isinstance(name, str) for name in ids):
        raise RunError(f"{_named(room)}: select gave {str(ids)[:60]!r}, where a list of ids was expected")
    if bank and not ids:
        raise RunError(f"{_named(room)}: select gave no question of the {len(bank)} in the bank")
    if len(set(ids)) != len(ids) or len(ids) > question.count or not there >= set(ids):
        raise RunError(
            f"{_named(room)}: select gave {len(ids)} questions, "
            f"{len(set(ids))} of them different, where at most {question.count} of the bank were asked for"
        )
    counts = room.policy.allocate(bank, ids, question)
    if not isinstance(counts, Mapping) or not all(type(count) is int for count in counts.values()):
        raise RunError(
            f"{_named(room)}: allocate gave {str(counts)[:60]!r}, where a whole number for each id was "
            "expected"
        )
    most = question.rollouts * len(ids)
    if counts and (counts.keys() != set(ids) or min(counts.values()) < 1 or sum(counts.values()) > most):
        raise RunError(
            f"{_named(room)}: allocate gave {sum(counts.values())} "
            f"rollouts to {len(counts)} questions, where each of {len(ids)} needs one and {most} is the most"
        )
    return list(ids), dict(counts)


def _named(room: Room) -> str:
    return f"curriculum.policy {room.config.curriculum.policy}"


def plan(room: Room, round: int, attempts: Sequence[Attempt], count: int, purpose: str) -> list[Lesson]:
    """Lessons of the policy, on what the weakness profile says is worth most.

    Raises:
        RunError: they are none that can be given.
    """
    question = asked(room, round, count, purpose)
    lessons = room.policy.plan(attempts, question)
    there = set(room.folder.read_json(round, "selected"))
    if not isinstance(lessons, list | tuple) or len(lessons) > count:
        given = len(lessons) if isinstance(lessons, list | tuple) else str(lessons)[:60]
        raise RunError(f"{_named(room)}: plan gave {given}, where a list of {count} lessons was expected")
    wrong = next((lesson for lesson in lessons if not _can_be_given(lesson, there, question)), None)
    if wrong is not None:
        raise RunError(
            f"{_named(room)}: plan gave {str(wrong)[:120]}, where a Lesson was expected, from a question of "
            f"the round or at one of the {len(question.cells)} skills and levels that were asked about"
        )
    return list(lessons)


def _can_be_given(lesson: object, there: set[str], question: Asked) -> bool:
    if not isinstance(lesson, Lesson) or lesson.move not in get_args(Move):
        return False
    placed = lesson.cell is None or lesson.cell in question.cells
    return placed and (lesson.question_id is None or lesson.question_id in there)


def learn(room: Room, round: int) -> None:
    """Have the policy learn from a round, once, and keep what it knows then."""
    if room.folder.read_json(round, _FILE) is not None:
        return
    attempts = room.folder.read(round, "attempts", Attempt)
    questions = room.bank.get([attempt.question_id for attempt in attempts])
    outcomes = [Known(question, last) for question, last in zip(questions, attempts, strict=True)]
    room.policy.update(outcomes, asked(room, round, len(outcomes), "update"))
    try:
        metrics = room.policy.metrics().items()
        figures = {str(name): float(value) for name, value in metrics if math.isfinite(value)}
        kept: dict[str, Any] = {"state": room.policy.state_dict(), "metrics": figures}
        json.dumps(kept)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RunError(
            f"{_named(room)}: what it has learned cannot be kept ({error}); state_dict must give what JSON "
            "takes, and metrics numbers by name"
        ) from error
    room.folder.write_json(round, _FILE, kept)


def recall(room: Room) -> None:
    """Give the policy what it had learned when the run was last played.

    Raises:
        RunError: it cannot read its state.
    """
    for round in sorted(room.folder.rounds(), reverse=True):
        kept = room.folder.read_json(round, _FILE)
        if kept is None:
            continue
        try:
            if kept["state"] is None:  # of a fork that plays another policy from here on
                return
            room.policy.load_state_dict(kept["state"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                f"{room.folder.round(round) / _FILE}.json: the policy {room.config.curriculum.policy} cannot "
                f"read what it knew ({error!r}); was the run played with another one? Begin a new run"
            ) from error
        return
