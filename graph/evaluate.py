"""Nodes that decide: evaluate and gate.

The validation set decides; the held-out set is measured and written down. Nothing in
`gate` reads it, and no other node does.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..curriculum.difficulty import generator_quota
from ..curriculum.gate import Decision, decide, right_marks, wilson
from ..records import Evaluation, GateDecision, Proposal, Question, Verdict, Worth
from .ending import ending
from .rollouts import roll_out
from .room import Room
from .state import LoopState
from .verify import verify_all


async def evaluate(room: Room, state: LoopState) -> LoopState:
    """Greedy answers of the candidate to the validation set and every held-out set."""
    round, candidate = state["round"], state["candidate"]
    sets = {"validation": room.sets.validation, "heldout": room.sets.heldout}
    sets |= {f"heldout{place}": part for place, part in enumerate(room.sets.further.values(), 2)}
    if round and candidate == state["solver"]:
        # Nothing was trained: the same weights give the same greedy answers.
        for name in sets:
            room.folder.write_json(round, name, room.folder.read_json(state["solver_round"], name))
    else:
        for name, questions in sets.items():
            await _measure(room, round, name, questions, candidate)
    tell_heldout(room)
    return {}


def tell_heldout(room: Room) -> None:
    """Show the held-out curve so far to whoever watches; nothing is decided by it."""
    for number in room.folder.rounds():
        if number not in room.heldout and (result := room.folder.read_json(number, "heldout")):
            room.heldout[number] = result["accuracy"]
    if room.heldout:
        room.progress.heldout([room.heldout[number] for number in sorted(room.heldout)])


async def _measure(room: Room, round: int, name: str, questions: Sequence[Question], checkpoint: str) -> None:
    rollouts = await roll_out(room, round, name, questions, checkpoint, room.solver.greedy)
    verdicts = await verify_all(room, round, name, questions, rollouts)
    result = measured(questions, verdicts)
    room.folder.write_json(round, name, result.model_dump())


def measured(questions: Sequence[Question], verdicts: Sequence[Verdict]) -> Evaluation:
    """Share of right answers, in all and by skill, level and both; no verdict counts as wrong."""
    marks = right_marks(questions, verdicts)
    groups: dict[str, dict[str, list[bool]]] = {"skill": {}, "level": {}, "cell": {}}
    for question, mark in zip(questions, marks, strict=True):
        groups["skill"].setdefault(question.skill, []).append(mark)
        groups["level"].setdefault(str(question.level), []).append(mark)
        groups["cell"].setdefault(f"{question.skill}/{question.level}", []).append(mark)
    shares = {
        name: {key: sum(part) / len(part) for key, part in group.items()} for name, group in groups.items()
    }
    return Evaluation(
        accuracy=sum(marks) / len(marks),
        n=len(marks),
        ci95=wilson(sum(marks), len(marks)),
        by_skill=shares["skill"],
        by_level=shares["level"],
        by_cell=shares["cell"],
    )


async def gate(room: Room, state: LoopState) -> LoopState:
    """Promote the candidate or keep the old checkpoint; then the next round, or the end."""
    round = state["round"]
    room.progress.begin(round, "gate", 1)
    candidate, before = state["candidate"], state["solver_round"]
    trained = round == 0 or candidate != state["solver"]
    decision = _decision(room, before, round if trained else before)
    promoted = trained and decision.promoted
    kept = candidate if promoted else state["solver"]
    made = GateDecision(
        round=round,
        candidate=candidate,
        against=state["solver"],
        against_round=before,
        trained=trained,
        promoted=promoted,
        kept=kept,
        difference=decision.difference,
        low=decision.low,
        high=decision.high,
    )
    room.folder.write(round, "gates", 0, [made])
    room.folder.write_json(
        round,
        "gate",
        {
            "promoted": promoted,
            "difference": decision.difference,
            "low": decision.low,
            "high": decision.high,
            "against_round": before,
        },
    )
    if trained and not promoted:
        room.progress.note(
            f"round {round}: {candidate} is worse on validation "
            f"({100 * decision.difference:+.1f} points); {state['solver']} stays"
        )
    refused = 0 if promoted else state["refused"] + trained
    over = ending(room, round, refused)
    if over is not None and over.status != "done":
        room.progress.note(f"{over.said}: the run ends early")
    room.after_round(over)
    return {
        "solver": kept,
        "solver_round": round if promoted else before,
        "round": round + 1,
        "quota": quota(room, round),
        "refused": refused,
        "over": over is not None,
    }


def _decision(room: Room, before: int, after: int) -> Decision:
    config = room.config.gate
    return decide(
        _marks(room, before),
        _marks(room, after),
        rule=config.rule,
        tolerance=config.tolerance,
        confidence=config.confidence,
        resamples=config.resamples,
        seed=room.config.seed,
    )


def _marks(room: Room, round: int) -> list[bool]:
    return right_marks(room.sets.validation, room.folder.read(round, "verdicts/validation", Verdict))


def quota(room: Room, round: int) -> int:
    """How many questions the next round asks of the Generator."""
    config = room.config.generator
    if config.most == 0 or not room.can_label:
        return 0
    mine = [p for p in room.folder.read(round, "vetted", Proposal) if p.author == "generator"]
    worths = [w for w in room.folder.read(round, "worths", Worth) if w.author == "generator"]
    admitted = sum(bool(p.admitted) for p in mine) / len(mine) if mine else 0.0
    usefulness = sum(w.utility for w in worths) / len(worths) if worths else 0.0
    # Half of what a round should add, and no more, so that the Teacher always has its part.
    most = min(config.most, room.config.curriculum.new // 2)
    return generator_quota(min(config.proposals, most), most, admitted, usefulness)
