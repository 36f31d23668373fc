"""No text of a model or a file becomes code: who could carry one out is named here, and is in the sandbox."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from maieutic.errors import MissingPart
from maieutic.tasks.checkers.registry import CHECKERS, named

ROOT = Path(__file__).parent.parent
OURS = [
    path
    for path in ROOT.rglob("*.py")
    if not {"tests", "benchmarks", "build"} & set(path.relative_to(ROOT).parts)
    and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
]
EVALUATES = {"eval", "exec", "compile", "__import__", "system", "popen", "sympify", "parse_expr", "getoutput"}
UNPICKLES = {"pickle.load", "pickle.loads", "torch.load", "joblib.load", "marshal.loads", "yaml.load"}
ALLOWED = {
    "tasks/sandbox/inside.py": "exec, compile: within the sandbox",
    "tasks/families/guarded.py": "parse_expr: of what is_formula lets through",
    "graph/run.py": "compile: of a LangGraph graph",
    "graph/build.py": "compile: of a LangGraph graph",
    "graph/studio.py": "compile: of a LangGraph graph",
}
"""`re.compile` is none of them."""


def called(path: Path) -> Iterator[str]:
    """Calls that could carry out a text, or what bytes say."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if any(k.arg == "shell" and getattr(k.value, "value", 1) for k in node.keywords):
            yield "shell"
        name = ast.unparse(node.func)
        if name.endswith(".eval") and not node.args:
            continue  # of a model: no more dropout
        if name in UNPICKLES or (name.rpartition(".")[2] in EVALUATES and name != "re.compile"):
            # Weights alone are tensors and plain values.
            if name == "torch.load" and any(k.arg == "weights_only" for k in node.keywords):
                continue
            yield name


def test_nothing_of_ours_carries_out_a_text() -> None:
    assert len(OURS) > 200
    found = {str(path.relative_to(ROOT)): names for path in OURS if (names := sorted(set(called(path))))}
    assert {path: names for path, names in found.items() if path not in ALLOWED} == {}
    assert not [names for names in found.values() if "shell" in names]


@pytest.mark.parametrize(
    "spec", ["python", "python?seconds=1", "python?sandbox=bwrap", "python?sandbox=podman"]
)
def test_no_option_runs_a_program_without_a_sandbox(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingPart):
        named(spec)


@pytest.mark.parametrize("option", ["sandbox=none", "sandbox=false", "sandbox=/bin/sh", "unsafe=1"])
def test_there_is_no_option_that_turns_it_off(option: str) -> None:
    with pytest.raises(Exception, match=r"sandbox|no option") as caught:
        named(f"python?{option}")
    assert caught.typename in ("ConfigError", "MissingPart")


def test_only_one_checker_runs_programs() -> None:
    asking = [
        name for name, kind in CHECKERS.items() if "sandbox" in getattr(kind, "__dataclass_fields__", {})
    ]
    assert asking == ["python"]
