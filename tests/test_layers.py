"""The floors of the house: a file imports downwards only, and rooms on one floor never each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = [
    {"records", "errors", "scratch"},
    {"config", "completions", "endpoints", "plugins", "processes"},
    {"prompts", "tasks", "curriculum", "serving", "memory"},
    {"agents", "trainers"},
    {"graph"},
    {"inspector"},
    {"cli"},
    {"__main__"},
]
HEAVY = {"torch", "peft", "trl", "transformers", "datasets", "tokenizers", "vllm"}
NAMED_BY_USERS = {"tasks/sources.py": {"datasets"}}
"""What a command imports when its user asks for it by name, and then only."""
TRAINING_PROCESS = {
    "worker", "dpo", "sft", "kto", "grpo", "rloo", "reinforce", "ghpo", "relift", "hpt", "sampling", "common",
    "conversations", "models", "pocket_model", "pair_losses", "pair_training", "guards", "probe", "averaging",
    "angles", "columns", "tracking", "resuming",
}  # fmt: skip


def floor_of(room: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if room in floor)


def modules() -> list[Path]:
    rooms = {room for floor in FLOORS for room in floor}
    found = [ROOT / f"{room}.py" for room in rooms if (ROOT / f"{room}.py").exists()]
    return sorted(found + [path for room in rooms for path in (ROOT / room).glob("**/*.py")])


def imports(path: Path) -> list[str]:
    """Dotted names a file imports, relative ones resolved to `maieutic.…`."""
    package = ["maieutic", *path.relative_to(ROOT).parts[:-1]]
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = [*base, node.module] if node.module else base
            names += [".".join([*stem, alias.name]) for alias in node.names]
    return names


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downwards(path: Path) -> None:
    here = room_of(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "maieutic" or len(parts) < 2 or parts[1] == "__version__":
            continue
        there = parts[1]
        assert there == here or floor_of(there) < floor_of(here), f"{path} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_stay_in_training_processes(path: Path) -> None:
    if room_of(path) == "trainers" and path.stem in TRAINING_PROCESS:
        return
    allowed = NAMED_BY_USERS.get(str(path.relative_to(ROOT)), set())
    assert not {name.split(".")[0] for name in imports(path)} & HEAVY - allowed


def test_the_walk_sees_every_package() -> None:
    listed = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert listed == {room for floor in FLOORS for room in floor if (ROOT / room).is_dir()}


@pytest.mark.parametrize(
    ("module", "beside"), [("cli", {"pyarrow"}), ("inspector.views", set()), ("graph.lock", set())]
)
def test_what_only_looks_imports_nothing_heavy(module: str, beside: set[str]) -> None:
    """`--help` is there at once, and `show` before its user wonders."""
    heavy = HEAVY | {"chromadb", "langgraph", "openai"} | beside
    code = f"import sys, maieutic.{module}; print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
