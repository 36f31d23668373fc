"""What a policy wants measured of every question by the Solver, once, before it is first selected from."""

from __future__ import annotations

from ..errors import ConfigError
from ..trainers.measuring import MEASURES, Measured, MeasuringJob, run_measuring
from .room import Room


def signals(room: Room, kind: str, round: int) -> dict[str, float]:
    """What has been measured of the questions that may be asked, by their id."""
    for number in room.unread(kind, round):
        room.measured |= room.folder.read_json(number, kind) or {}
    there = {known.id for known, _ in room.bank.known()}
    room.measured = {name: value for name, value in room.measured.items() if name in there}
    return room.measured | (room.folder.read_json(round, kind) or {})


async def measure(room: Room, round: int, checkpoint: str) -> None:
    """Measure the questions of the bank that were not yet, with the checkpoint that is about to play.

    Raises:
        ConfigError: the policy asks for what nobody measures.
        TrainingError: the measuring process failed.
    """
    kind = room.policy.measures
    if not kind or room.folder.read_json(round, kind) is not None:
        return
    if kind not in MEASURES:
        raise ConfigError(
            f"curriculum.policy {room.config.curriculum.policy} measures {kind[:40]!r}; there are: angles"
        )
    there = signals(room, kind, round)
    new = [question for question, _ in room.bank.known() if question.id not in there]
    if not new:
        return
    await room.rest()
    room.progress.begin(round, "measure", len(new))
    name, training = f"{kind}-{round:04d}", room.config.training
    job = MeasuringJob(
        model=str(room.weights(checkpoint)),
        base=str(room.base_of("solver")),
        lora=training.lora if training.method == "lora" else None,
        dtype=training.dtype,
        max_length=room.config.context_of(["solver"]),
        questions=[Measured(id=q.id, prompt=room.solver.prompt(q), text=q.text) for q in new],
        output=str(room.folder.round(round) / f"{kind}.json"),
    )
    await run_measuring(job, room.folder.jobs, name, room.fleet.gpus, room.launcher)
