"""How the nodes ask the curriculum policy, and where it keeps what it has learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..curriculum.policy import Asked, Known, Lesson, Skills
from ..errors import RunError
from ..records import Attempt, SkillNote
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
        signal=signals(room, room.policy.measures) if room.policy.measures else {},
        missing=lambda: _missing(room, round),
    )


def _missing(room: Room, round: int) -> dict[str, Skills]:
    notes = [
        note for number in room.folder.rounds() if number <= round
        for note in room.folder.read(number, "skills", SkillNote)
    ]  # fmt: skip
    return {note.question_id: Skills(note.needed, note.missing) for note in notes}


def choose(room: Room, round: int) -> tuple[list[str], dict[str, int]]:
    """The questions that a round attempts, and the rollouts of each where the policy says how many."""
    bank = [Known(question, last) for question, last in room.bank.known()]
    question = asked(room, round, questions_left(room.folder, room.config, round), "select")
    ids = room.policy.select(bank, question)
    there = {known.question.id for known in bank}
    if len(set(ids)) != len(ids) or len(ids) > question.count or not there >= set(ids):
        raise RunError(
            f"curriculum.policy {room.config.curriculum.policy}: select gave {len(ids)} questions, "
            f"{len(set(ids))} of them different, where at most {question.count} of the bank were asked for"
        )
    counts = room.policy.allocate(bank, ids, question)
    most = question.rollouts * len(ids)
    if counts and (counts.keys() != set(ids) or min(counts.values()) < 1 or sum(counts.values()) > most):
        raise RunError(
            f"curriculum.policy {room.config.curriculum.policy}: allocate gave {sum(counts.values())} "
            f"rollouts to {len(counts)} questions, where each of {len(ids)} needs one and {most} is the most"
        )
    return ids, counts


def plan(room: Room, round: int, attempts: Sequence[Attempt], count: int, purpose: str) -> list[Lesson]:
    """Lessons of the policy, on what the weakness profile says is worth most."""
    return room.policy.plan(attempts, asked(room, round, count, purpose))


def learn(room: Room, round: int) -> None:
    """Have the policy learn from a round, once, and keep what it knows then."""
    if room.folder.read_json(round, _FILE) is not None:
        return
    attempts = room.folder.read(round, "attempts", Attempt)
    questions = room.bank.get([attempt.question_id for attempt in attempts])
    outcomes = [Known(question, last) for question, last in zip(questions, attempts, strict=True)]
    room.policy.update(outcomes, asked(room, round, len(outcomes), "update"))
    figures = {name: value for name, value in room.policy.metrics().items() if math.isfinite(value)}
    room.folder.write_json(round, _FILE, {"state": room.policy.state_dict(), "metrics": figures})


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
            room.policy.load_state_dict(kept["state"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                f"{room.folder.round(round) / _FILE}.json: the policy {room.config.curriculum.policy} cannot "
                f"read what it knew ({error!r}); was the run played with another one? Begin a new run"
            ) from error
        return
