"""`--to inspect`: logs that Inspect AI's viewer opens, made with its own classes.

A log for the held-out sets of each round, and one or more for its attempts, where several rollouts of one
question are its epochs.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...agents.solver import Solver
from ...errors import MissingPart
from ...graph.folders import read_prompts
from ...memory.run import schema_of
from ...records import Evaluation, Question, short_id
from .dataset import Advance, Verdicts
from .source import Source

Row = dict[str, Any]

_QUESTION = schema_of(Question).names

_MOST = 10_000
"""Samples of one log: a viewer and its writer hold them all."""

_VALUES = {"right": "C", "wrong": "I", "invalid": "N"}
"""Inspect's correct, incorrect and no answer. What is undecided has no score."""


_STAGE = re.compile(r"attempt|heldout[0-9]{0,9}", re.ASCII)
"""What is told of; it becomes part of a file's name, which no other text of a record may."""


def check_installed() -> None:
    """
    Raises:
        MissingPart: inspect_ai is not.
    """
    if importlib.util.find_spec("inspect_ai") is None:
        raise MissingPart("inspect_ai is not installed in this Python: pip install inspect_ai")


def write_logs(source: Source, folder: Path, advance: Advance) -> list[str]:
    """
    Returns:
        What was written, for a person.
    """
    from inspect_ai.log import write_eval_log

    asked, told = _Asked(source), []
    for number in source.rounds:
        for name, rows in _tasks(source.of(number), advance):
            log = _log(source, number, name, rows, asked)
            path = folder / f"round-{number:04d}-{name}.eval"
            write_eval_log(log, str(path), format="eval")
            told.append(f"{path.name}: {len(rows):,} samples")
    return told


def _tasks(source: Source, advance: Advance) -> Iterator[tuple[str, list[Row]]]:
    """A round's rollouts with their verdicts, by what they were for; attempts in parts of `_MOST`."""
    verdicts, waiting, parts = Verdicts(source), dict[str, list[Row]](), 0
    for batch in source.batches("rollouts"):
        advance(batch.num_rows)
        for row in verdicts.joined(batch).to_pylist():
            if _STAGE.fullmatch(row["stage"] or ""):
                waiting.setdefault(row["stage"], []).append(row)
        if len(waiting.get("attempt", ())) >= _MOST:
            parts += 1
            yield f"attempts-{parts:02d}", waiting.pop("attempt")
    for stage, rows in waiting.items():
        name = stage if stage != "attempt" else "attempts" + (f"-{parts + 1:02d}" if parts else "")
        yield name, rows


class _Asked:
    """Questions by their ids, and what the Solver is shown."""

    def __init__(self, source: Source) -> None:
        config = source.config
        prompts = read_prompts(source.folder, config)
        instructed = (config.solver.model or config.model) != "pocket"
        self._solver = Solver(config.rollouts, config.seed, prompts, instructed)
        self._known = {
            row["id"]: row
            for batch in itertools.chain(source.bank(), source.batches("heldout"))
            for row in batch.select(_QUESTION).to_pylist()
        }

    def of(self, name: str) -> tuple[Row, str]:
        row = self._known.get(name)
        if row is None:
            return {"id": name, "text": "", "answer": "", "skill": "", "level": 0}, ""
        filled = {key: value for key, value in row.items() if value is not None}
        return row, self._solver.prompt(Question.model_validate(filled))


def _log(source: Source, number: int, name: str, rows: Sequence[Row], asked: _Asked) -> Any:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalPlan, EvalPlanStep, EvalSpec

    ids = list(dict.fromkeys(row["question_id"] for row in rows))
    when = datetime.fromtimestamp((source.folder.round(number) / "gate.json").stat().st_mtime, UTC)
    checkpoints = sorted({row["checkpoint"] for row in rows})
    spec = EvalSpec(
        created=when.isoformat(timespec="seconds"),
        task=f"round {number}: {name}",
        task_id=short_id("task", source.name, name),
        eval_id=short_id("eval", source.name, number, name),
        run_id=short_id("run", source.name),
        dataset=EvalDataset(name=name, samples=len(ids), sample_ids=ids),
        model=f"maieutic/{','.join(checkpoints)}",
        config=EvalConfig(epochs=max(row["index"] for row in rows) + 1),
        metadata={"run": source.name, "round": number},
    )
    return EvalLog(
        status="success",
        eval=spec,
        plan=EvalPlan(steps=[EvalPlanStep(solver="maieutic")]),
        results=_results(source, number, name, rows),
        samples=[_sample(row, *asked.of(row["question_id"])) for row in rows],
    )


def _results(source: Source, number: int, name: str, rows: Sequence[Row]) -> Any:
    """Of a held-out set the accuracy of the report; of attempts the share of those decided."""
    from inspect_ai.log import EvalMetric, EvalResults, EvalScore

    scored = [row["verdict"] for row in rows if row["verdict"] in _VALUES]
    measured = source.folder.read_json(number, name) if name.startswith("heldout") else None
    share = Evaluation.model_validate(measured).accuracy if measured else (
        scored.count("right") / len(scored) if scored else 0.0
    )  # fmt: skip
    score = EvalScore(
        name="verdict",
        scorer="verdict",
        scored_samples=len(scored),
        unscored_samples=len(rows) - len(scored),
        metrics={"accuracy": EvalMetric(name="accuracy", value=share)},
    )
    return EvalResults(total_samples=len(rows), completed_samples=len(rows), scores=[score])


def _sample(row: Row, question: Mapping[str, Any], prompt: str) -> Any:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput
    from inspect_ai.scorer import Score

    value = _VALUES.get(row["verdict"])
    said = row["reason"] or row["verdict"]
    score = Score(value=value, answer=row["extracted"], explanation=said) if value else None
    shown = [ChatMessageUser(content=prompt), ChatMessageAssistant(content=row["completion"])]
    kept = ("round", "checkpoint", "truncated", "tokens", "verdict", "reason", "by")
    return EvalSample(
        id=row["question_id"],
        epoch=row["index"] + 1,
        input=question["text"],
        target=question["answer"],
        messages=shown,
        output=ModelOutput.from_content(row["checkpoint"], row["completion"]),
        scores={"verdict": score} if score else None,
        metadata={"question_id": row["question_id"], "rollout_id": row["id"], "skill": question["skill"],
                  "level": question["level"], **{name: row[name] for name in kept}},
    )  # fmt: skip
