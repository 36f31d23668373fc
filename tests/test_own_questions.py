"""Runs on other people's questions, on real parts: vLLM, TRL, Chroma, LangGraph; small, nothing replaced.

The Teacher that is a model is scripted: a server that speaks the OpenAI API and adds numbers up.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from maieutic.memory.run import RunFolder
from maieutic.records import Audit, Call, LabelCheck, PreferencePair, Question, RunReport, Verdict
from maieutic.tasks.families.chain import parts_of
from scripted import completion, scripted

pytestmark = pytest.mark.slow

GYM = importlib.util.find_spec("reasoning_gym") is not None
EXAMPLES = Path(__file__).parent.parent / "examples"
SMALL = [
    "rounds=1", "pocket.examples=9600", "pocket.seed=7", "sets.per_cell=2", "curriculum.questions=40",
    "curriculum.new=24", "training.least_pairs=1", "training.epochs=1", "labels.audit=6",
]  # fmt: skip


def played(runs: Path, *arguments: str, environment: dict[str, str] | None = None) -> tuple[RunFolder, str]:
    """A whole run in a process of its own; the folder, and what it printed."""
    settings = [part for setting in SMALL for part in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, "-m", "maieutic", "run", "--name", "own", "--runs-dir", str(runs), *settings,
         *arguments],
        capture_output=True, text=True, timeout=500, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return RunFolder(runs / "own"), done.stdout


def report_of(folder: RunFolder) -> RunReport:
    return RunReport.model_validate_json(folder.report.read_text())


def test_a_dozen_questions_of_a_csv(tmp_path: Path) -> None:
    others = tmp_path / "others.jsonl"
    rows = [{"question": f"What is {n} and {n}?", "answer": 2 * n} for n in range(30, 36)]
    others.write_text("\n".join(map(json.dumps, rows)))
    folder, printed = played(
        tmp_path, "--seeds", str(EXAMPLES / "dozen.csv"), "--heldout", str(others),
        "--heldout", str(EXAMPLES / "gsm.jsonl"), *(["--heldout", "gym:chain_sum"] if GYM else []),
    )  # fmt: skip
    report = report_of(folder)
    assert report.status == "done"
    assert report.baseline
    assert report.baseline.n == 6
    further = {part.name: part for part in report.further}
    assert list(further) == ["gsm.jsonl", *(["gym:chain_sum"] if GYM else [])]
    assert all(part.baseline.n > 0 for part in further.values())
    if GYM:
        assert set(further["gym:chain_sum"].baseline.by_level) == {"1", "2", "3", "4", "5", "6"}
        checked = folder.read(1, "verdicts/heldout3", Verdict)
        assert checked
        assert not [v for v in checked if v.outcome == "undecided"]
        assert "SyntaxWarning" not in printed
    assert re.search(r"^gsm\.jsonl [\d.]+ % → [\d.]+ %", printed, re.MULTILINE)

    seeds = folder.read(0, "questions", Question)
    assert {(q.label, q.checker, q.level) for q in seeds} == {("seed", "math", 1)}
    validation = folder.read(0, "sets/validation", Question)
    chains = folder.read(1, "questions", Question)
    assert chains
    own = {q.text for q in seeds}
    for question in chains:
        assert {part["text"] for part in parts_of(question)} <= own
        assert question.level == len(parts_of(question)) > 1
        assert question.answer == parts_of(question)[-1]["answer"]
    kept_apart = {q.text for q in validation if not parts_of(q)}
    assert kept_apart
    assert not own & kept_apart
    judged = folder.read(1, "verdicts/attempt", Verdict)
    assert judged
    assert {v.outcome for v in judged} <= {"right", "wrong", "invalid"}
    assert {pair.question_id for pair in folder.read(1, "pairs", PreferencePair)} <= {q.id for q in seeds}
    assert folder.read(1, "pairs", PreferencePair)
    (entry,) = report.rounds
    assert entry.labels is not None
    assert entry.labels.sources == {"seed": len(chains)}
    assert entry.labels.accuracy is None  # nobody here could solve a stranger's question

    shown = subprocess.run(
        [sys.executable, "-m", "maieutic", "show", "own", "--runs-dir", str(tmp_path), "--question",
         chains[0].id],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert re.search(r"label: seed, confidence 0\.9", shown)


def adding(number: int, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """A Teacher: designs a sum, solves sums; each of its calls asks for one completion."""
    text = body["messages"][-1]["content"]
    if "Reply with one JSON object" in text:
        one, two = 10 + body["seed"] % 80, 10 + body["seed"] // 100 % 80
        question = f"Nell has {one} stamps and is given {two}. What is the total?"
        return completion(
            json.dumps({"question": question, "solution": f"{one} + {two}", "answer": one + two})
        )
    problem = next((line for line in text.splitlines() if "What is the total?" in line), None)
    if problem is None:  # what an untrained Generator writes has no answer
        return completion("#### none")
    return completion(f"added up #### {sum(map(int, re.findall(r'[0-9]+', problem)))}")


def test_a_teacher_labels_seeds_without_an_answer(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = [
        f"Ann has {n} pens and finds {2 * n + 1}. What is the total?,{3 * n + 1 if n < 9 else ''}"
        for n in range(1, 13)
    ]
    file.write_text("question,answer\n" + "\n".join(rows) + "\n", encoding="utf-8-sig")

    with scripted(adding) as (url, asked):
        folder, printed = played(
            tmp_path, "--seeds", str(file), "--set", f"teacher.endpoint={url}/v1",
            "--set", "teacher.model=big", "--set", "teacher.key=OWN_KEY", "--set", "generator.proposals=4",
            environment={**os.environ, "OWN_KEY": "sk-not-to-be-seen"},
        )  # fmt: skip
    assert "4 of 4 seeds without an answer were labelled" in printed
    for question in folder.read(0, "labelled", Question):
        numbers = [int(n) for n in re.findall(r"\d+", question.text)]
        assert (question.answer, question.label) == (str(sum(numbers)), "teacher")
        assert 0.9 < question.confidence < 1
    written = folder.read(1, "questions", Question)
    assert any(q.text.startswith("Nell has") and q.label in ("teacher", "vote") for q in written)
    checks = {check.question_id: check for check in folder.read(1, "labels", LabelCheck)}
    assert all(checks[q.id].trusted for q in written)
    audits = folder.read(1, "audits", Audit)
    assert audits
    assert all(audit.agreed for audit in audits)
    calls = folder.read(1, "calls/teacher-teach0", Call)
    assert {call.model for call in calls} == {"big"}
    moves = {"refine@1", "harder@1", "simplify@1", "diversify@1"}
    assert {call.template for call in calls} <= moves
    assert len({body["seed"] for body in asked}) == len(asked)  # none was sent twice
    kept = b"".join(path.read_bytes() for path in folder.path.rglob("*") if path.is_file())
    assert b"sk-not-to-be-seen" not in kept
    assert "sk-not-to-be-seen" not in printed
