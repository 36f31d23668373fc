"""`--to verifiers`: the question bank and its checkers as an environment of the `verifiers` library.

Its reward calls `maieutic.tasks.checking.check`; no question of a fixed set is in it.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa

from ... import __version__
from ...agents.solver import Solver
from ...graph.folders import read_prompts
from ...memory.run import schema_of
from ...records import Question
from .dataset import Advance, allowed, apart_of
from .source import Source

_FIELDS = ("id", "text", "answer", "checker", "data", "skill", "level", "origin", "round")

_PROJECT = """[project]
name = "{name}"
version = "0.1.0"
description = "Questions of a Maieutic run, judged by Maieutic's checkers"
requires-python = ">=3.11"
dependencies = ["verifiers>=0.4,<0.5", "jsonschema>=4.18", "math-verify[antlr4_13_2]==0.9.*", "psutil>=5.9.4"]

[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[tool.setuptools]
packages = ["{module}"]

[tool.setuptools.package-data]
"{module}" = ["*.jsonl"]
"""

_README = """# {name}

{rows} questions of a Maieutic run as a taskset of verifiers 0.4, each judged by the checker that the run
judged it by: right is 1, all else 0. No held-out and no validation question is in it.

```
pip install .
pip install --no-deps CHECKOUT
vf-eval {name} -n 5 -m MODEL --client.base-url URL --client.api-key-var KEY \\
    --env.agent.runtime.type subprocess --push false
```

MODEL is at URL (with `/v1`), and KEY names the environment variable that has its key. vf-eval wants uv on the
path; without the last two options it plays in sandboxes of Prime Intellect, and uploads what came out.

CHECKOUT is the folder of a clone of maieutic's repository (version {version} wrote this). The second line is
by itself, and `--no-deps`, because maieutic as a whole and verifiers 0.4 ask for different versions of the
`openai` package, which checkers do not use. Checkers of your own (`module:function`) must be importable;
`python` needs a sandbox (`maieutic doctor`), `judge` its model.

`--env.taskset.seeds false` leaves out what the run began with; `--env.taskset.skill NAME` and
`--env.taskset.least-level N` take a part. Checkers used: {checkers}.
"""


def write_environment(source: Source, folder: Path, advance: Advance) -> list[str]:
    """Write a package that can be installed.

    Returns:
        What was written, for a person.
    """
    module = module_of(source.name)
    name = module.replace("_", "-")
    inside = folder / module
    inside.mkdir()
    rows, checkers = _write_questions(source, inside / "questions.jsonl", advance)
    shutil.copyfile(Path(__file__).with_name("environment.py"), inside / "taskset.py")
    (inside / "__init__.py").write_text(
        "from .taskset import MaieuticHarness, MaieuticTaskset\n\n"
        '__all__ = ["MaieuticHarness", "MaieuticTaskset"]\n',
        encoding="utf-8",
    )
    (folder / "pyproject.toml").write_text(_PROJECT.format(name=name, module=module), encoding="utf-8")
    shown = ", ".join(f"`{name}`" for name in sorted(checkers)) or "none"
    card = _README.format(name=name, rows=f"{rows:,}", version=__version__, checkers=shown)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return [f"{module}: {rows:,} questions; install it as its README.md says"]


def module_of(run: str) -> str:
    """A name that Python and an index take, whatever the run is called."""
    plain = re.sub(r"[^a-z0-9]+", "_", run.lower()).strip("_")[:60]
    return f"maieutic_{plain or 'run'}"


def _write_questions(source: Source, path: Path, advance: Advance) -> tuple[int, set[str]]:
    apart, _ = apart_of(source)
    solver = _solver(source)
    rows, checkers = 0, set[str]()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for batch in source.bank():
            for row in _rows(batch, apart):
                asked = Question.model_validate(
                    {key: value for key, value in row.items() if value is not None}
                )
                shown = {"prompt": solver.prompt(asked), **{name: getattr(asked, name) for name in _FIELDS}}
                file.write(json.dumps(shown, ensure_ascii=False) + "\n")
                checkers.add(re.sub(r"[^\w.:-]", "", asked.checker.partition("?")[0])[:60])
                rows += 1
            advance(batch.num_rows)
    return rows, checkers


def _rows(batch: pa.RecordBatch, apart: pa.Array) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = allowed(batch, "id", apart).select(schema_of(Question).names).to_pylist()
    return found


def _solver(source: Source) -> Solver:
    """As the run has it: it knows what its model is shown."""
    config = source.config
    prompts = read_prompts(source.folder, config)
    return Solver(config.rollouts, config.seed, prompts, (config.solver.model or config.model) != "pocket")
