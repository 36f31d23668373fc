"""What watches a training: its figures by hand, what it stops, and what is kept of it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")
pytest.importorskip("trl")

import tiny  # noqa: E402
from maieutic.config import AveragingConfig, GuardsConfig  # noqa: E402
from maieutic.memory.run import write_table  # noqa: E402
from maieutic.trainers import averaging, worker  # noqa: E402
from maieutic.trainers.common import rendered  # noqa: E402
from maieutic.trainers.guards import watching  # noqa: E402
from maieutic.trainers.jobs import TrainingJob, result_of, run_job, stopped_at  # noqa: E402
from maieutic.trainers.models import load  # noqa: E402
from maieutic.trainers.objectives import OBJECTIVES, objective_of  # noqa: E402
from maieutic.trainers.probe import Probe  # noqa: E402
from transformers import AutoModelForCausalLM, Trainer  # noqa: E402

MINE = '''
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field


@dataclass(frozen=True)
class Mine:
    """Likelihood, with a strength."""

    rows: ClassVar[str] = "completions"
    strength: Annotated[float, Field(gt=0)] = 1.0

    def train(self, job: Any, rows: Any, tokenizer: Any) -> Any:
        from datasets import Dataset
        from maieutic.trainers.common import arguments, figures
        from maieutic.trainers.models import load
        from trl import SFTConfig, SFTTrainer

        class Strong(SFTTrainer):
            def compute_loss(trainer, *args: Any, **given: Any) -> Any:
                return self.strength * super().compute_loss(*args, **given)

        texts = [{"prompt": row["prompt"], "completion": row["completion"]} for row in rows]
        trainer = Strong(
            model=load(job), args=SFTConfig(**arguments(job, len(rows))),
            train_dataset=Dataset.from_list(texts), processing_class=tokenizer,
        )
        trainer.train()
        return trainer.model, figures(trainer.state.log_history)


@dataclass(frozen=True)
class ByHand:
    """Without any Trainer, and to ruin."""

    rows: ClassVar[str] = "completions"

    def train(self, job: Any, rows: Any, tokenizer: Any) -> Any:
        import torch
        from maieutic.trainers.models import load

        model = load(job)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(4)
        return model, {"step": 1.0}
'''


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.save(folder / "base")
    tiny.save(folder / "other", seed=5)
    for kind, rows in tiny.BY_KIND.items():
        write_table(folder / f"{kind}.parquet", rows)
    return folder


def watched(base: Path, output: Path, name: str, **given: Any) -> TrainingJob:
    kind = objective_of(name, given.get("options", {})).rows
    settings = {"guards": GuardsConfig(every=1), "data": str(base / f"{kind}.parquet"), "objective": name}
    return tiny.job(base / "base", output, **(settings | given))


def test_figures_by_hand(base: Path) -> None:
    tokenizer = tiny.save(base / "base")
    job = tiny.job(base / "base", base)
    start, now = load(job).eval(), load(tiny.job(base / "other", base)).eval()
    probe = Probe(tiny.ROWS, tokenizer, job, 3)
    probe.look(start)
    found = probe.look(now)
    chosen, rejected, entropies, divergences, ranked = [], [], [], [], []
    from random import Random

    for row in Random(job.seed).sample(tiny.ROWS, 3):
        sums = []
        for side, kept in (("chosen", chosen), ("rejected", rejected)):
            shown, ids = rendered(tokenizer, row["prompt"], row[side])
            with torch.no_grad():
                both = [
                    model(torch.tensor([shown + ids])).logits[0, len(shown) - 1 : -1].log_softmax(-1)
                    for model in (now, start)
                ]
            each = [float(both[0][at, token]) for at, token in enumerate(ids)]
            kept += each
            sums.append(sum(each))
            if side == "chosen":
                for mine, theirs in zip(*both, strict=True):
                    entropies.append(-sum(math.exp(p) * p for p in mine.tolist()))
                    pairs = zip(mine.tolist(), theirs.tolist(), strict=True)
                    divergences.append(sum(math.exp(p) * (p - q) for p, q in pairs))
        ranked.append(sums[0] > sums[1])
    assert found == pytest.approx(
        {
            "guard/chosen": sum(chosen) / len(chosen),
            "guard/rejected": sum(rejected) / len(rejected),
            "guard/entropy": sum(entropies) / len(entropies),
            "guard/kl": sum(divergences[:128]) / len(divergences[:128]),
            "guard/ranking": sum(ranked) / 3,
        },
        abs=1e-4,
    )


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("dpo", {"learning_rate": 1e30}, "is not finite"),
        ("dpo", {"learning_rate": 5.0, "options": {"nll_weight": 0.0}}, "less likely by"),
        ("redi", {"options": {"alpha": 1}, "learning_rate": 5.0}, "less likely by"),
        ("sft", {"guards": GuardsConfig(every=1, divergence=1e-6)}, "the model moved"),
    ],
)
async def test_a_training_that_goes_wrong_is_stopped_and_kept(
    base: Path, tmp_path: Path, name: str, given: dict[str, Any], reason: str
) -> None:
    job = watched(base, tmp_path / "out", name, epochs=20, **given)
    worker.run(job)
    assert not Path(job.output).exists()
    result = result_of(job.output)
    assert result is not None and reason in result.stopped
    assert 1 <= result.steps < 40
    assert (stopped_at(job.output) / "model.safetensors").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.stopped"]

    async def nobody(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a job that was stopped is not done again")

    assert await run_job(job, tmp_path, "job", lambda done, of: None, nobody) == result


def test_what_is_not_finite_stops_a_job_that_nobody_watches(base: Path, tmp_path: Path) -> None:
    worker.run(watched(base, tmp_path / "out", "sft", epochs=20, learning_rate=1e30, guards=None))
    result = result_of(tmp_path / "out")
    assert result is not None and "is not finite" in result.stopped


_OF_KIND = {
    "pairs": {"guard/ranking", "guard/rejected", "rewards/accuracies", "logps/chosen"},
    "labelled": {"guard/rejected", "logps/chosen"},
    "completions": set(),
    "prompts": {"frac_reward_zero_std", "reward"},
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_whole_job_of_every_objective(base: Path, tmp_path: Path, name: str) -> None:
    """Rows through Parquet, to weights with a canary and figures of the guards."""
    kind = objective_of(name, {}).rows
    options = {"rollouts": 4} if kind == "prompts" else {}
    worker.run(watched(base, tmp_path / "out", name, options=options))
    result = result_of(tmp_path / "out")
    assert result is not None and result.stopped == ""
    figures = {"guard/chosen", "first/guard/chosen", "guard/kl", "guard/entropy", "grad_norm"}
    # What has no right answer to learn from is not told what it earns: hpt learns from references alone.
    wanted = _OF_KIND[kind] - ({"reward"} if name == "hpt" else set())
    assert figures | wanted <= result.metrics.keys()
    assert result.metrics["first/guard/kl"] == 0
    assert (result.rollouts > 0, result.tokens > 0) == ((kind == "prompts",) * 2)
    assert (tmp_path / "out/canary.json").exists()
    assert not stopped_at(tmp_path / "out").exists()


def test_checkers_with_processes_of_their_own_decide_in_a_training(base: Path, tmp_path: Path) -> None:
    """Those processes import the training's main module again, which must be light."""
    rows = [{**row, "checker": "unsure_checker:check"} for row in tiny.PROMPTS]
    write_table(tmp_path / "rows.parquet", rows)
    rewards = {"correctness": 1.0, "maieutic.trainers.rewards:Format": 1.0}
    options = {"rollouts": 4, "rewards": rewards, "loss": "grpo"}
    job = watched(base, tmp_path / "out", "grpo", options=options, data=str(tmp_path / "rows.parquet"))
    (tmp_path / "job.json").write_text(job.model_dump_json())
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "maieutic.trainers.worker", str(tmp_path / "job.json")],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    result = result_of(tmp_path / "out")
    assert result is not None and result.rollouts == 16
    # All of them were decided: what is undecided has no reward, and is left out of the mean.
    assert result.metrics["reward"] == 0.0


def test_one_of_the_users_is_trained_and_watched(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "their_training.py").write_text(MINE)
    monkeypatch.syspath_prepend(elsewhere)
    job = watched(base, tmp_path / "out", "their_training:Mine", options={"strength": 2.0}, averaging=_mean())
    worker.run(job)
    result = result_of(job.output)
    assert result is not None and result.stopped == "" and result.steps == 2
    assert result.metrics["first/guard/chosen"] < result.metrics["guard/chosen"]
    job = watched(base, tmp_path / "ruined", "their_training:ByHand")
    worker.run(job)
    result = result_of(job.output)
    assert result is not None and "less likely by" in result.stopped


def test_nobody_is_watched_afterwards(base: Path) -> None:
    import transformers.trainer

    before = list(transformers.trainer.DEFAULT_CALLBACKS)
    job = tiny.job(base / "base", base, averaging=_mean())
    tokenizer = tiny.save(base / "base")

    def fail() -> None:
        with watching(job, tiny.ROWS, tokenizer):
            assert len(transformers.trainer.DEFAULT_CALLBACKS) == len(before) + 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert before == transformers.trainer.DEFAULT_CALLBACKS


def test_watching_changes_nothing(base: Path, tmp_path: Path) -> None:
    for name, guards in (("with", GuardsConfig(every=1)), ("without", None)):
        worker.run(watched(base, tmp_path / name, "dpo", guards=guards))
    one, other = (
        AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict() for name in ("with", "without")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def _mean(**given: Any) -> AveragingConfig:
    return AveragingConfig(**({"kind": "mean", "every": 1, "last": 3} | given))


@pytest.mark.parametrize("kind", ["mean", "ema"])
def test_weights_are_averaged(base: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    taken: list[Any] = []
    step = averaging.Averaging.on_step_end

    def seen(self: Any, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        taken.append(model.lm_head.weight.detach().clone())
        step(self, args, state, control, model=model)

    monkeypatch.setattr(averaging.Averaging, "on_step_end", seen)
    job = tiny.job(base / "base", base, objective="sft", epochs=3, averaging=_mean(kind=kind, decay=0.5))
    with watching(job, tiny.COMPLETIONS, tiny.save(base / "base")):
        model, _ = objective_of("sft", {}).train(job, tiny.COMPLETIONS, tiny.save(base / "base"))
    assert len(taken) == 6
    if kind == "mean":
        expected = sum(taken[-3:]) / 3
    else:
        expected = taken[0]
        for weight in taken[1:]:
            expected = 0.5 * expected + 0.5 * weight
    assert torch.allclose(model.lm_head.weight, expected, atol=1e-6)
    assert not torch.allclose(taken[-1], expected, atol=1e-6)


def test_a_cosine_ends_where_it_is_told(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    monkeypatch.setattr(Trainer, "log", lambda self, logs, *_: rates.append(logs.get("learning_rate", 0)))
    job = tiny.job(base / "base", base, objective="sft", epochs=4, schedule="cosine", final_rate=0.25)
    objective_of("sft", {}).train(job, tiny.COMPLETIONS, tiny.save(base / "base"))
    # Logged is the rate of the step that follows.
    assert min(rate for rate in rates if rate) == pytest.approx(0.25e-3, rel=0.2)
