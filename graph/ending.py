"""When a run ends: after its last round, or before, where its settings say so.

Nothing here reads the held-out set. What a run learns, and how long it learns, is decided by the
validation set alone; else what is reported of the held-out set would be chosen by it.
"""

from __future__ import annotations

from ..curriculum.gate import paired_interval, right_marks
from ..records import Ending, Verdict
from .budget import over
from .budget import spent as sampled_so_far
from .room import Room
from .watch import alarms_of


def ending(room: Room, round: int, refused: int) -> Ending | None:
    """Why a run ends with this round; None where another is to be played.

    Args:
        refused: checkpoints in a row that the gate has refused.
    """
    config = room.config
    if round >= config.rounds:
        said = f"all {config.rounds} rounds were played"
        return Ending(status="done", by="rounds", limit=config.rounds, spent=round, said=said)
    return (
        _out_of_patience(room, refused)
        or _plateau(room, round)
        or _alarmed(room, round)
        or _out_of_rollouts(room, round)
        or room.spending.reached(round)
    )


def _out_of_patience(room: Room, refused: int) -> Ending | None:
    patience = room.config.gate.patience
    if refused < patience:
        return None
    said = f"{refused} checkpoints in a row were refused (gate.patience = {patience})"
    return Ending(status="plateau", by="gate.patience", limit=patience, spent=refused, said=said)


def _plateau(room: Room, round: int) -> Ending | None:
    """Whether the best checkpoint is no more surely better than the best of `gate.plateau` rounds ago.

    The best of several is picked on the very questions it is judged by, so a gain seems larger than it is
    and the run goes on rather too long than too short.
    """
    config = room.config.gate
    if not config.plateau or round < config.plateau:
        return None
    for number in room.unread("promoted", round + 1):
        if room.folder.read_json(number, "gate")["promoted"]:
            room.promoted[number] = room.folder.read_json(number, "validation")["accuracy"]
    accuracy = room.promoted
    best = max(accuracy, key=lambda number: accuracy[number])
    reference = max(
        (number for number in accuracy if number <= round - config.plateau),
        key=lambda number: accuracy[number],
    )
    before, after = (_marks(room, number) for number in (reference, best))
    low, high = paired_interval(before, after, config.confidence, config.resamples, room.config.seed)
    if low > 0:
        return None
    gain = accuracy[best] - accuracy[reference]
    said = (
        f"no sure gain on the validation set in {config.plateau} rounds (gate.plateau): "
        f"{100 * gain:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] since round {reference}"
    )
    return Ending(
        status="plateau", by="gate.plateau", limit=config.plateau, spent=round - reference, said=said
    )


def _marks(room: Room, round: int) -> list[bool]:
    return right_marks(room.sets.validation, room.folder.read(round, "verdicts/validation", Verdict))


def _alarmed(room: Room, round: int) -> Ending | None:
    if room.config.watch.reward_hacking != "stop":
        return None
    alarms = alarms_of(room.folder, room.config, round, "validation")
    if not alarms:
        return None
    alarm = alarms[0]
    return Ending(
        status="alarm",
        by="watch.reward_hacking",
        limit=0,
        spent=alarm.reward.change - alarm.result.change,
        said=alarm.said,
    )


def _out_of_rollouts(room: Room, round: int) -> Ending | None:
    if not over(room.folder, room.config, round + 1):
        return None
    limit = room.config.budget.rollouts
    spent = sampled_so_far(room.folder, round + 1)
    said = f"budget.rollouts = {limit} is spent: {spent:,} were sampled, and what is left pays for no round"
    return Ending(status="budget", by="budget.rollouts", limit=limit, spent=spent, said=said)
