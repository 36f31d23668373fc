"""Nodes that learn from a round: train_solver, train_generator; and see pair.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..agents.seeds import call_seed
from ..curriculum.difficulty import utility
from ..memory.run import write_table
from ..memory.store import set_aside
from ..records import Attempt, Proposal, Training, Worth
from ..serving.models import cut_off
from ..trainers.jobs import Tracking, TrainingJob, run_job, stopped_at
from ..trainers.objectives import configured, options_of
from .budget import payable
from .room import Room
from .rows import training_rows
from .state import LoopState

_CALLED = {
    "pairs": "pairs",
    "labelled": "labelled completions",
    "completions": "completions",
    "prompts": "prompts",
}


async def train_solver(room: Room, state: LoopState) -> LoopState:
    """The configured objective on the round's rows, from the checkpoint that played it."""
    round, training = state["round"], room.config.training
    objective = configured(training)
    kind = objective.rows
    rows = training_rows(room, round, kind)
    if len(rows) < training.least_pairs:
        later = "; they are kept for later" if kind == "pairs" else ""
        room.progress.note(
            f"round {round}: {len(rows)} {_CALLED[kind]} are too few to train on (training.least_pairs is "
            f"{training.least_pairs}){later}"
        )
        return {"candidate": state["solver"]}
    left = room.spending.tokens_left(f"solver-{round:04d}")
    rows = payable(room.folder, room.config, round, rows, objective, room.rng(round, "prompts"), left)
    if not rows:
        room.progress.note(f"round {round}: what is left of the budget pays for no training")
        return {"candidate": state["solver"]}
    name = await _train(
        room,
        round,
        "solver",
        state["solver"],
        rows,
        objective=training.objective,
        options=options_of(training),
        learning_rate=training.learning_rate,
        batch_size=training.batch_size,
        epochs=training.epochs,
        warmup_steps=training.warmup_steps,
        schedule=training.schedule,
        final_rate=training.final_rate,
        averaging=training.averaging,
        least_batch=getattr(objective, "least_batch", 1),
        max_tokens=room.config.rollouts.max_tokens,
    )
    return {"candidate": name or state["solver"]}


async def train_generator(room: Room, state: LoopState) -> LoopState:
    """Note what last round's questions were worth to the updated Solver; train the Generator on it."""
    round, config = state["round"], room.config.generator
    _note_worths(room, round)
    if config.most == 0 or not room.can_label:
        return {}
    worths = room.designs.up_to(round)
    if not worths:
        return {}
    rows = [{"prompt": worth.prompt, "completion": worth.text, "weight": worth.utility} for worth in worths]
    name = await _train(
        room,
        round,
        "generator",
        state["writer"],
        rows,
        objective="sft",
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        epochs=config.epochs,
        schedule="cosine",
        warmup_steps=4,
    )
    return {"writer": name or state["writer"]}


def _note_worths(room: Room, round: int) -> None:
    """Pass rate and utility of the questions that the last round admitted.

    They were attempted in this round, by the Solver that their round had updated where the
    gate kept it, so no rollouts are spent on measuring alone.

    Source: Socratic-Zero, arXiv 2509.24726, algorithm 1, line 16. Differs: the Solver is the
    checkpoint that the gate kept; a question that was not selected for this round is not
    measured, and neither are those of the last round.
    """
    if room.folder.has(round, "worths"):
        return
    config = room.config.generator
    proposals = {
        p.question_id: p for p in room.folder.read(round - 1, "vetted", Proposal) if p.question_id is not None
    }
    worths = []
    for attempt in room.folder.read(round, "attempts", Attempt):
        proposal = proposals.get(attempt.question_id)
        if proposal is None:
            continue
        worths.append(
            Worth(
                question_id=attempt.question_id,
                author=proposal.author,
                pass_rate=attempt.pass_rate,
                utility=utility(attempt.pass_rate, config.utility_mean, config.utility_deviation),
                prompt=proposal.prompt,
                text=proposal.text,
            )
        )
    room.folder.write(round, "worths", 0, worths)


async def _train(
    room: Room, round: int, role: str, checkpoint: str, rows: Sequence[dict[str, Any]], **objective: Any
) -> str:
    """Train a role from a checkpoint, once the servers have made room.

    Returns:
        The new checkpoint's name; empty where a guard stopped the training.
    """
    name, training = f"{role}-{round:04d}", room.config.training
    await room.rest()
    room.progress.begin(round, f"train_{role}", 0)
    data, output = room.folder.round(round) / f"{name}.parquet", room.folder.checkpoint(name)
    write_table(data, rows)
    output.parent.mkdir(parents=True, exist_ok=True)
    if cut := cut_off(output):
        aside = set_aside(output)
        room.tell(f"{output / cut} is cut off; it is kept in {aside.name}, and {name} is trained again")
    job = TrainingJob(
        model=str(room.weights(checkpoint, role)),
        base=str(room.base_of(role)),
        data=str(data),
        output=str(output),
        seed=call_seed(room.config.seed, round, name),
        round=round,
        lora=training.lora if training.method == "lora" else None,
        dtype=training.dtype,
        accumulation=training.accumulation,
        gradient_checkpointing=training.gradient_checkpointing,
        max_length=training.max_length,
        guards=training.guards,
        liger=training.liger,
        attention=training.attention,
        tracking=_tracking(room, name),
        checkpoint_s=training.checkpoint_s,
        **objective,
    )
    result = await run_job(
        job, room.folder.jobs, name, room.progress.done, launcher=room.launcher, gpus=room.fleet.gpus
    )
    if role == "solver":
        room.accounts.trained()[name] = result.tokens
    done = Training(
        id=name,
        round=round,
        role=role,
        start=checkpoint,
        objective=job.objective,
        rows=len(rows),
        steps=result.steps,
        seconds=result.seconds,
        stopped=result.stopped,
        notes=result.notes,
        metrics=json.dumps(result.metrics),
    )
    room.folder.write(round, f"trainings/{role}", 0, [done])
    for said in result.notes:
        room.progress.note(f"round {round}: training of the {role.capitalize()}: {said}")
    if result.stopped:
        room.progress.note(
            f"round {round}: the training of the {role.capitalize()} was stopped: {result.stopped}. The "
            f"round goes on with {checkpoint}; what it came to is kept in {stopped_at(output)}"
        )
        return ""
    return name


def _tracking(room: Room, name: str) -> Tracking | None:
    if not room.config.report_to:
        return None
    path = room.folder.path.resolve()
    return Tracking(to=list(room.config.report_to), run=path.name, name=name, folder=str(path))
