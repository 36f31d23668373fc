"""A small run folder written by hand, for tests of what shows it: two rounds, hostile texts on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from maieutic.config import dump, load
from maieutic.memory.run import RunFolder, write_whole
from maieutic.records import (
    Attempt,
    Call,
    Evaluation,
    GateDecision,
    GateFigures,
    GeneratorFigures,
    PreferencePair,
    Proposal,
    Question,
    QuestionCounts,
    Rollout,
    RolloutCounts,
    RoundReport,
    RunReport,
    Status,
    Training,
    TrainingFigures,
    Verdict,
    ZoneCounts,
)

HOSTILE = (
    "<script>alert(1)</script><svg onload=alert(2)><img src=x onerror=alert(3)> {{ 7 * 7 }} {% raw %} "
    "\x1b[31mred\x1b]0;title\x07 \u202eright to left\u202c '\"`</title></textarea> ../../etc/passwd "
    "$\\href{javascript:alert(4)}{x}$ $</math><script>alert(5)</script>$ \\(x^{2}\\)"
)
EVIL_ID = "../<b>'\"&?#%zz"


def evaluation(accuracy: float) -> Evaluation:
    return Evaluation(
        accuracy=accuracy,
        n=42,
        ci95=(accuracy - 0.1, accuracy + 0.1),
        by_skill={"addition": accuracy},
        by_level={"1": accuracy, "2": accuracy},
        by_cell={"addition/1": accuracy, "addition/2": accuracy / 2},
    )


def entry(number: int, accuracy: float, promoted: bool = True) -> RoundReport:
    return RoundReport(
        round=number,
        heldout=evaluation(accuracy),
        validation=evaluation(accuracy),
        promoted=promoted,
        gate=GateFigures(difference=0.1, low=0.01, high=0.2),
        questions=QuestionCounts(attempted=2, proposed=3, admitted=1, refused={"duplicate": 2}),
        zones=ZoneCounts(mastered=1, learning=1, too_hard=0),
        pass_rates={"addition/1": 0.5},
        rollouts=RolloutCounts(n=4, tokens=80, seconds=1.0, tokens_per_second=80),
        generator=GeneratorFigures(proposed=1, admitted=0, share=0, utility=None, teacher_utility=None),
        train=TrainingFigures(objective="dpo", examples=1, metrics={"guard/kl": 0.1, "first/guard/kl": 0}),
        swap_seconds=0.1,
        seconds={"attempt": 1.5, "train_solver": 2.5},
    )  # fmt: skip


def report(status: Status = "done", rounds: int = 2) -> RunReport:
    return RunReport(
        name="small",
        status=status,
        seed=0,
        policy="socratic",
        baseline=evaluation(0.4),
        final=evaluation(0.6),
        seconds=12.5,
        start_seconds={"evaluate": 1.0},
        versions={"python": "3.11"},
        rounds=[entry(number, 0.4 + number / 10) for number in range(1, rounds + 1)],
    )


def question(name: str, text: str = "What is 3 + 4?", **more: Any) -> Question:
    told: dict[str, Any] = {
        "answer": "7", "solution": "3 + 4 = 7", "skill": "addition", "level": 1, "origin": "seed",
    }  # fmt: skip
    return Question.model_validate({"id": name, "text": text, **told, **more})


def rollout(name: str, of: str, round: int, completion: str, **more: Any) -> Rollout:
    told: dict[str, Any] = {
        "stage": "attempt", "checkpoint": "base", "index": 0, "tokens": 9, "truncated": False,
        "call_id": "call-1",
    }  # fmt: skip
    return Rollout.model_validate(
        {"id": name, "question_id": of, "round": round, "completion": completion, **told, **more}
    )


def call(name: str, round: int, said: str, **more: Any) -> Call:
    told: dict[str, Any] = {
        "stage": "attempt", "role": "solver", "model": "pocket", "checkpoint": "base", "template": "solver@1",
        "subject_id": "q-seed", "sampling": '{"n": 1}', "prompt_tokens": 5, "completion_tokens": 9,
        "seconds": 0.5,
    }  # fmt: skip
    messages = json.dumps([{"role": "user", "content": said}])
    return Call.model_validate(
        {"id": name, "round": round, "messages": messages, "completions": [said], **told, **more}
    )


def write(
    path: Path, said: str = "3 + 4 = 7 #### 7", status: Status = "done", name: str = "q-child"
) -> RunFolder:
    """A seed that was failed, the question that was made of it, and what was trained on."""
    folder = RunFolder(path)
    folder.write(0, "questions", 0, [question("q-seed")])
    folder.write(0, "sets/validation", 0, [question("q-val")])
    folder.write(0, "sets/heldout", 0, [question("q-held", said)])
    for number in (1, 2):
        _round(folder, number, said, name)
    for number, accuracy in ((0, 0.4), (1, 0.5), (2, 0.6)):
        folder.write_json(number, "heldout", {"accuracy": accuracy})
    folder.write_json(1, "seconds", {"attempt": 1.5})
    write_whole(folder.prompts / "solver.jinja", "{{ question }}")
    write_whole(folder.report, report(status).model_dump_json())
    write_whole(folder.config, dump(load()))
    return folder


def _round(folder: RunFolder, number: int, said: str, name: str) -> None:
    asked = "q-seed" if number == 1 else name
    right = number == 2
    proposal = Proposal(
        id=f"p-{number}", round=number, turn=0, author="teacher", move="harder", parent_id="q-seed",
        rollout_id=f"r-{number}", text=said, why=said, admitted=right, reason="" if right else "duplicate",
        question_id=name if not right else None, nearest_id="q-seed", likeness=0.7,
    )  # fmt: skip
    if number == 1:
        child = question(name, said, parent_id="q-seed", round=1, origin="teacher", label="executed")
        folder.write(1, "questions", 0, [child])
        proposal = proposal.model_copy(update={"admitted": True, "reason": ""})
    attempt = Attempt(
        question_id=asked, skill="addition", level=1, round=number, right=int(right), decided=1,
        pass_rate=float(right), zone="mastered" if right else "learning",
    )  # fmt: skip
    pair = PreferencePair(
        id=f"pair-{number}", question_id=asked, round=number, kind="rollouts", prompt=said, chosen=said,
        rejected=said,
    )  # fmt: skip
    training = Training(
        id=f"solver-000{number}", round=number, role="solver", start="base", objective="dpo", rows=1, steps=1,
        seconds=1.0, stopped="", metrics="{}",
    )  # fmt: skip
    gate = GateDecision(
        round=number, candidate=training.id, against="base", against_round=number - 1, trained=True,
        promoted=True, kept=training.id, difference=0.1, low=0.01, high=0.2,
    )  # fmt: skip
    folder.write(
        number, "calls/rollouts-attempt", 0, [call(f"call-{number}", number, said, subject_id=asked)]
    )
    folder.write(
        number, "rollouts/attempt", 0, [rollout(f"r-{number}", asked, number, said, call_id=f"call-{number}")]
    )
    verdict = Verdict(
        rollout_id=f"r-{number}", question_id=asked, outcome="right" if right else "wrong", extracted="7"
    )
    folder.write(number, "verdicts/attempt", 0, [verdict])
    for series, record in (
        ("attempts", attempt), ("vetted", proposal), ("pairs", pair), ("trainings/solver", training),
        ("gates", gate),
    ):  # fmt: skip
        folder.write(number, series, 0, [record])
