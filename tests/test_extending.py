"""docs/extending.md as its reader would use it: every example in a folder and a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parent.parent / "docs" / "extending.md"


def examples() -> dict[str, str]:
    """File name → its text, for each block of Python that begins with its name."""
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return dict(blocks)


def asked(folder: Path, code: str) -> str:
    for name, text in examples().items():
        (folder / name).write_text(text)
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_the_policy(tmp_path: Path) -> None:
    said = asked(
        tmp_path,
        "from maieutic.config import load; from maieutic.curriculum.policies import policy_of\n"
        "from maieutic.curriculum.simulate import simulate\n"
        "policy = policy_of(load(None, ['curriculum.policy=my_policies:Longest']))\n"
        "trace = simulate(policy, 0)\n"
        "print(trace.accuracy[-1] > trace.accuracy[0], policy.metrics()['words'])",
    )
    assert said.split()[0] == "True" and float(said.split()[1]) > 1


def test_the_pair_builder(tmp_path: Path) -> None:
    said = asked(
        tmp_path,
        "from maieutic.config import load; from maieutic.curriculum.pairs import builders_of, Case\n"
        "from maieutic.errors import ConfigError\n"
        "from maieutic.records import Question, Rollout, Verdict\n"
        "from random import Random\n"
        "named = ['pairs.builders=my_pairs:Surest']\n"
        "try: builders_of(load(None, named))\n"
        "except ConfigError as error: print(error)\n"
        "builder = builders_of(load(None, [*named, 'rollouts.logprobs=true']))['my_pairs:Surest']\n"
        "question = Question(id='q', text='t', answer='1', solution='', skill='s', level=1, origin='seed')\n"
        "def one(i, text, right, logprob):\n"
        "    rollout = Rollout(id=str(i), question_id='q', round=1, stage='attempt', checkpoint='base',\n"
        "        index=i, completion=text, tokens=1, truncated=False, call_id='c', logprobs=[logprob])\n"
        "    outcome = 'right' if right else 'wrong'\n"
        "    return rollout, Verdict(rollout_id=str(i), question_id='q', outcome=outcome)\n"
        "judged = [one(0, 'a', True, -1), one(1, 'b', False, -2), one(2, 'c', False, -0.5)]\n"
        "(pair,) = builder.pairs(Case(question, judged, 'prompt'), Random(0))\n"
        "print(pair.kind, pair.chosen, pair.rejected)",
    )
    assert said.splitlines() == [
        "pairs.builders surest: needs rollouts.logprobs; set it to true",
        "surest a c",
    ]


def test_the_objective(tmp_path: Path) -> None:
    said = asked(
        tmp_path,
        "from pathlib import Path\n"
        "from maieutic.memory.run import write_table\n"
        "from maieutic.trainers import worker\n"
        "from maieutic.trainers.jobs import TrainingJob, result_of\n"
        "from maieutic.trainers.pocket_model import save_untrained\n"
        "save_untrained(Path('base'), hidden=32, layers=1, heads=2, seed=1)\n"
        "rows = [{'prompt': f'{n} + 1', 'completion': f'#### {n + 1}', 'weight': 1.0} for n in range(4)]\n"
        "write_table(Path('rows.parquet'), rows)\n"
        "def trained(objective, **options):\n"
        "    job = TrainingJob(objective=objective, options=options, model='base', data='rows.parquet',\n"
        "        output=objective[:3], seed=0, learning_rate=1e-2, batch_size=4, epochs=4)\n"
        "    worker.run(job)\n"
        "    return result_of(Path(objective[:3]))\n"
        "result, ours = trained('my_objectives:Strong', strength=2.0), trained('sft')\n"
        "print(result.objective, result.steps, result.metrics['loss'] < result.metrics['first/loss'])\n"
        "print(result.metrics['first/loss'] / ours.metrics['first/loss'])",
    )
    *_, what, ratio = said.splitlines()
    assert what == "my_objectives:Strong 4 True"
    # The same tokens are trained on: chat template and the end of the turn included.
    assert float(ratio) == pytest.approx(2.0, rel=1e-3)
