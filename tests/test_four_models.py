"""All four roles as models over HTTP: adapters on real vLLM, a Teacher and a judge on a scripted server,
and a Teacher on vLLM that nobody ever trained."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from maieutic.agents.asking import read
from maieutic.agents.outputs import Designed
from maieutic.memory.run import RunFolder
from maieutic.records import Call, PreferencePair, Proposal, Question, RunReport, Verdict
from scripted import TROUBLES, Answer, completion, scripted, troubled

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROUNDS = 3
"""The Generator is trained for the first time in round 2, and writes with that in round 3."""

SMALL = [
    f"rounds={ROUNDS}", "pocket.examples=9600", "pocket.seed=7", "sets.per_cell=2", "curriculum.questions=40",
    "curriculum.new=16", "training.least_pairs=1", "training.epochs=1", "training.method=lora",
    "labels.audit=4", "labels.solves=2", "generator.proposals=4", "gate.rule=no_sure_fall",
]  # fmt: skip


def played(runs: Path, *arguments: str, settings: list[str]) -> RunFolder:
    """A whole run in a process of its own, which can import this folder's checkers."""
    given = [part for setting in [*SMALL, *settings] for part in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, "-m", "maieutic", "run", "--name", "four", "--runs-dir", str(runs), *arguments,
         *given],
        capture_output=True, text=True, timeout=560, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return RunFolder(runs / "four")


def seeds(folder: Path) -> Path:
    file = folder / "mine.jsonl"
    rows = [
        {"question": f"What is {n} + {2 + 3 * n % 7}?", "answer": n + 2 + 3 * n % 7} for n in range(2, 26)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def both(body: dict[str, Any]) -> Answer:
    """Teacher and judge: which of them is asked, its prompt tells."""
    text = body["messages"][-1]["content"]
    if '"verdict"' in text:
        reference = re.search(r"BEGIN REFERENCE[^\n]*\n(.*?)\n", text)
        attempt = re.search(r"BEGIN (?:ANSWER|ATTEMPT|COMPLETION)[^\n]*\n(.*?)\nEND", text, re.DOTALL)
        right = reference and attempt and attempt[1].strip().endswith(f"#### {reference[1]}")
        return completion(json.dumps({"reason": "compared", "verdict": "right" if right else "wrong"}))
    if "Reply with one JSON object" in text:
        one, two = 2 + body["seed"] % 40, 2 + body["seed"] // 100 % 8
        said = {"why": "sums", "question": f"What is {one} + {two}?", "answer": str(one + two)}
        return completion(json.dumps({**said, "solution": f"{one} + {two} = {one + two}"}))
    sums = re.findall(r"^What is ([0-9]+) \+ ([0-9]+)\?$", text, re.MULTILINE)
    return completion(f"so #### {sum(map(int, sums[-1]))}" if sums else "#### none")


def designs(body: dict[str, Any]) -> bool:
    """Whether the Teacher is asked for an object."""
    text = body["messages"][-1]["content"]
    return "JSON object" in text and '"verdict"' not in text


def calls_of(folder: RunFolder, round: int, role: str) -> list[Call]:
    series = {path.name.rpartition("-")[0] for path in (folder.round(round) / "calls").glob("*.parquet")}
    calls = [call for name in sorted(series) for call in folder.read(round, f"calls/{name}", Call)]
    return [call for call in calls if call.role == role]


def test_four_models_play_a_run_whatever_the_teacher_sends(tmp_path: Path) -> None:
    """Half of what the Teacher is asked for meets trouble, of each kind in turn."""
    with scripted(troubled(both, designs, hangs=5.0)) as (url, asked):
        folder = played(
            tmp_path, "--seeds", str(seeds(tmp_path)), "--checker", "unsure_checker:check",
            settings=[
                f"teacher.endpoint={url}/v1", "teacher.model=big", f"verifier.endpoint={url}/v1",
                "verifier.model=judge", "verifier.calibration=6", "teacher.deadline_s=4", "serving.retries=1",
                "teacher.max_tokens=1024",
            ],
        )  # fmt: skip
    report = RunReport.model_validate_json(folder.report.read_text())
    assert report.status == "done"
    assert len(report.rounds) == ROUNDS
    assert {body["model"] for body in asked} == {"big", "judge"}

    # Every round has an adapter of its own name for each trained role, and is asked for by it.
    for entry in report.rounds:
        name = f"solver-{entry.round:04d}"
        assert (folder.checkpoint(name) / "adapter_model.safetensors").exists()
        assert not (folder.checkpoint(name) / "model.safetensors").exists()
        measured = [call for call in calls_of(folder, entry.round, "solver") if call.stage == "heldout"]
        assert {(call.model, call.checkpoint) for call in measured} == {(name, name)}
        assert entry.train.objective == "dpo"
    writers = [{call.model for call in calls_of(folder, n, "generator")} for n in (1, 2, 3)]
    assert writers == [{"maieutic"}, {"maieutic"}, {"generator-0002"}]
    assert (folder.checkpoint("generator-0003") / "adapter_model.safetensors").exists()
    log = (folder.logs / "vllm.log").read_text()
    assert log.count("Started server process") == 1
    assert not list(folder.logs.glob("vllm-*.log"))

    # What the checker left open, the judge decided; and where it did not, the judge is measured.
    verdicts = [v for n in range(1, ROUNDS + 1) for v in folder.read(n, "verdicts/attempt", Verdict)]
    assert {"checker", "judge"} <= {verdict.by for verdict in verdicts}
    figures = [entry.verifier for entry in report.rounds if entry.verifier]
    assert figures
    assert any(entry.calibration for entry in figures)
    pairs = [pair for n in range(1, ROUNDS + 1) for pair in folder.read(n, "pairs", PreferencePair)]
    assert pairs
    written = [question for n in range(1, ROUNDS + 1) for question in folder.read(n, "questions", Question)]
    assert [q for q in written if q.origin == "teacher" and q.text.startswith("What is")]
    for role in ("solver", "generator", "teacher", "verifier"):
        assert report.calls[role].asked > 0

    # Each kind of trouble is counted, and none of it is in what was admitted or trained on.
    counted = report.calls["teacher"]
    assert counted.passed["rate_limited"] >= 1
    for kind in ("server_error", "timeout", "malformed", "schema", "empty", "too_long"):
        assert counted.failed[kind] >= 1, kind
    kept = "\n".join(record.model_dump_json() for record in [*written, *pairs])
    assert not [trouble for trouble in TROUBLES if trouble in kept]


def test_a_teacher_that_nobody_trained_teaches_nothing_and_stops_nothing(tmp_path: Path) -> None:
    import torch
    from test_tool_training import bytes_tokenizer
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    template = (
        "{% for m in messages %}<u>{{ m.content }}<e>{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
    )
    tokenizer = bytes_tokenizer(template, ascii_alone=True)  # a character is a token
    shape = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=32, max_position_embeddings=8192,
        tie_word_embeddings=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(shape)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0)
    tokenizer.save_pretrained(tmp_path / "tiny")
    model.save_pretrained(tmp_path / "tiny")

    folder = played(
        tmp_path, "--seeds", str(seeds(tmp_path)),
        settings=[
            "rounds=1", "teacher.endpoint=local", f"teacher.model={tmp_path / 'tiny'}",
            "teacher.max_tokens=700", "teacher.max_model_len=8192", "teacher.skills=2",
            "teacher.hints=2", "teacher.subproblems=1", "curriculum.new=10", "labels.ask_solver=false",
        ],
    )  # fmt: skip
    report = RunReport.model_validate_json(folder.report.read_text())
    assert report.status == "done"
    calls = [call for n in range(1, ROUNDS + 1) for call in calls_of(folder, n, "teacher")]
    assert calls
    structured = [call for call in calls if call.template.partition("@")[0] not in ("solve", "audit")]
    assert len(structured) > 20
    assert {"skills", "hints", "subproblems", "teach0"} <= {call.stage for call in structured}
    designs = [
        call for call in structured if call.template.partition("@")[0] in ("refine", "harder", "simplify")
    ]
    assert designs
    assert all(call.finished == [True] for call in structured)  # none ran out of tokens within its schema
    assert not [call for call in structured if call.failure or call.error]
    assert all(read(call.completions[0], Designed) for call in designs)
    assert not [call for call in calls if call.subject_id.endswith(".repair")]

    vetted = [
        p for n in range(1, ROUNDS + 1) for p in folder.read(n, "vetted", Proposal) if p.author == "teacher"
    ]
    assert not [proposal for proposal in vetted if proposal.admitted]
    written = [
        q
        for n in range(1, ROUNDS + 1)
        for q in folder.read(n, "questions", Question)
        if q.origin == "teacher"
    ]
    assert written == []
    assert (folder.logs / "vllm-teacher.log").exists()
