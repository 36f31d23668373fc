"""A small run folder as a finished run leaves it, made by hand: for what reads one."""

from __future__ import annotations

import json
from pathlib import Path

from maieutic.config import RunConfig, dump, load
from maieutic.graph.report import write_report
from maieutic.memory.run import RunFolder, write_whole
from maieutic.records import (
    Attempt,
    Evaluation,
    PreferencePair,
    Question,
    Rollout,
    Training,
    Verdict,
)

HOSTILE = "=cmd|' /C calc'!A0 <script>é\u202e\n# [x](http://x) `` ``` 中 '\""


def question(name: str, text: str, round: int = 0, answer: str = "7", **more: object) -> Question:
    told = {"solution": f"3 + 4 = 7\n#### {answer}", "skill": "addition", "level": 1, "origin": "seed"}
    return Question.model_validate(
        {"id": name, "text": text, "answer": answer, "round": round, **told, **more}
    )


def rollout(asked: str, round: int, stage: str, index: int, text: str, checkpoint: str = "base") -> Rollout:
    return Rollout(
        id=f"{asked}.{round}.{stage}.{index}", question_id=asked, round=round, stage=stage,
        checkpoint=checkpoint, index=index, completion=text, tokens=3, truncated=False, call_id="c",
    )  # fmt: skip


def verdict(of: Rollout, outcome: str) -> Verdict:
    told = {"rollout_id": of.id, "question_id": of.question_id, "outcome": outcome, "extracted": "7"}
    return Verdict.model_validate(told)


def pair(name: str, asked: str, round: int, **more: object) -> PreferencePair:
    told = {"id": name, "question_id": asked, "round": round, "kind": "rollouts", "prompt": "What is 3 + 4?"}
    return PreferencePair.model_validate({**told, "chosen": "#### 7", "rejected": "#### 8", **more})


def measured(share: float) -> dict[str, object]:
    return Evaluation(
        accuracy=share, n=2, ci95=(0.0, 1.0), by_skill={"addition": share}, by_level={"1": share},
        by_cell={"addition/1": share},
    ).model_dump()  # fmt: skip


def a_round(folder: RunFolder, number: int, checkpoint: str, right: int, promoted: bool) -> None:
    """Evaluation and gate of a round."""
    for stage in ("validation", "heldout"):
        done = [rollout(f"{stage[0]}{i}", number, stage, 0, "#### 7", checkpoint) for i in (1, 2)]
        folder.write(number, f"rollouts/{stage}", 0, done)
        said = [verdict(each, "right" if place < right else "wrong") for place, each in enumerate(done)]
        folder.write(number, f"verdicts/{stage}", 0, said)
        folder.write_json(number, stage, measured(right / 2))
    folder.write_json(number, "seconds", {"attempt": 1.0})
    gate = {"promoted": promoted, "difference": 0.5, "low": 0.0, "high": 1.0, "against_round": 0}
    folder.write_json(number, "gate", gate)


def a_run(path: Path, config: RunConfig | None = None, rounds: int = 2) -> RunFolder:
    """Round 0, `rounds` more that are over, and one more that has begun; the last one's Solver is kept."""
    config, folder = config or load(None, ["gate.resamples=100"]), RunFolder(path)
    folder.write(0, "questions", 0, [question("q1", "What is 3 + 4?"), question("q2", HOSTILE, answer="-5")])
    folder.write(0, "sets/heldout", 0, [question("h1", "What is 30 + 4?"), question("h2", "What is 5 + 2?")])
    folder.write(0, "sets/validation", 0, [question("v1", "Is 3 + 4?"), question("v2", "And 6 + 1?")])
    folder.write_json(0, "sets", {"further": []})
    write_whole(folder.config, dump(config))
    a_round(folder, 0, "base", 0, True)
    for number in range(1, rounds + 2):
        asked = [rollout(name, number, "attempt", i, f"#### {i}") for name in ("q1", "q2") for i in (0, 1)]
        folder.write(number, "rollouts/attempt", 0, asked[:2])
        folder.write(number, "rollouts/attempt", 1, asked[2:])
        folder.write(number, "rollouts/label0", 0, [rollout("n1", number, "label0", 0, "#### 7")])
        said = [verdict(each, "right" if each.index else "wrong") for each in asked[:3]]
        folder.write(number, "verdicts/attempt", 0, said)
        tried = Attempt(question_id="q1", skill="addition", level=1, round=number, right=1, decided=2,
                        pass_rate=0.5, zone="learning")  # fmt: skip
        folder.write(number, "attempts", 0, [tried])
        new = question(f"n{number}", f"What is 3 + {number}0?", number, origin="teacher", parent_id="q1")
        folder.write(number, "questions", 0, [new])
        again = [pair("p1", "q1", 1, replayed=True)] if number > 1 else []
        folder.write(number, "pairs", 0, [pair(f"p{number}", "q1", number), *again])
        job = Training(id=f"solver-{number:04d}", round=number, role="solver", start="base", objective="dpo",
                       rows=1, steps=1, seconds=1.0, stopped="", metrics="{}")  # fmt: skip
        folder.write(number, "trainings/solver", 0, [job])
        if number <= rounds:
            a_round(folder, number, f"solver-{number:04d}", min(number, 2), True)
    write_report(folder, config, "running")
    return folder


def listed(folder: RunFolder) -> str:
    """All that is in a run folder, to see that nothing was touched."""
    return json.dumps(sorted((str(p), p.stat().st_mtime_ns) for p in folder.path.rglob("*") if p.is_file()))
