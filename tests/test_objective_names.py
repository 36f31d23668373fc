"""Objectives by name, without torch: what is checked before anything is loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from maieutic.config import SolverTraining, load
from maieutic.errors import ConfigError
from maieutic.serving.hardware import Hardware
from maieutic.trainers import objectives
from maieutic.trainers.objectives import OBJECTIVES, ROWS, check_objective, configured, objective_of
from maieutic.trainers.options import PAIR_LOSSES, Dpo
from maieutic.trainers.sampled_options import Grpo, Sampling

MINE = """
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar
from pydantic import Field

@dataclass(frozen=True)
class Mine:
    rows: ClassVar[str] = "completions"
    strength: Annotated[float, Field(gt=0)] = 1.0

    def train(self, job: Any, rows: Any, tokenizer: Any) -> Any:
        import nothing_of_that_name

class NotADataclass:
    rows = "pairs"
    def train(self, job, rows, tokenizer): ...

@dataclass
class Aimless:
    pass

@dataclass(frozen=True)
class Several(Mine):
    rows = ["pairs", "prompts"]
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "their_objective.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    return "their_objective"


@pytest.mark.parametrize("name", OBJECTIVES)
def test_ours_by_name(name: str) -> None:
    objective = objective_of(name, {})
    assert objective.rows in ROWS
    check_objective(load(None, [f"training.objective={name}"]))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.objective=dpoo"], "did you mean dpo"),
        (["training.objective=nowhere:Thing"], "cannot be imported"),
        (["training.options.betta=1"], "no option 'betta'; options: beta"),
        (["training.options.beta=0"], "training.options.beta '0': Input should be greater than 0"),
        (["training.options.loss=simpler"], "no loss"),
        (
            ["training.options.loss=[sigmoid, hinge]", "training.options.weights=[1]"],
            "1 weights for 2 losses",
        ),
        (["training.options.loss=ipo", "training.options.beta_rejected=0.1"], "beta_rejected is for"),
        (["training.options.smoothing=0.5"], "less than 0.5"),
        (["training.objective=grpo", "training.options.rollouts=1"], "greater than or equal to 2"),
        (["training.objective=grpo", "training.options.rollouts=6"], "multiple of the 6 rollouts"),
        (["training.objective=grpo", "training.options.loss=ppo"], "training.options.loss 'ppo'"),
        (["training.objective=grpo", "training.options.rewards={speed: 1}"], "no 'speed'"),
        (["training.objective=rloo", "training.options.rewards={}"], "there is none"),
        (["training.objective=grpo", "training.options.vllm=colocate"], "needs a GPU"),
        (["training.objective=grpo", "training.options.vllm=server"], "needs vllm_url"),
        (["training.objective=kto", "training.batch_size=1"], "set training.batch_size to 2"),
        (["training.objective=sft", "solver.tools=[python]", "serving.tool_parser=hermes"], "has tools"),
    ],
)
def test_what_cannot_be_is_told_at_once(
    overrides: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objectives.hardware, "found", lambda: Hardware(ram=1))
    with pytest.raises(ConfigError, match=message):
        check_objective(load(None, overrides))


def test_settings_of_dpo_stand_in_for_options() -> None:
    def made(**given: Any) -> Any:
        return configured(SolverTraining(**given))

    assert made() == Dpo(beta=0.05, nll_weight=10.0)
    assert made(beta=0.2, nll_weight=0.0).weighed == [("sigmoid", 1.0), ("sft", 0.0)]
    assert made(beta=0.2, options={"beta": 0.3, "loss": ["ipo", "sft"], "weights": [1, 2]}).weighed == [
        ("ipo", 1.0),
        ("sft", 2.0),
    ]
    assert made(beta=0.2, objective="rloo").beta == 0.05
    assert {name for name in PAIR_LOSSES if made(options={"loss": name})} == set(PAIR_LOSSES)


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        ("grpo", {"loss_type": "grpo"}),
        ("dapo", {"loss_type": "dapo", "epsilon_high": 0.28, "mask_truncated_completions": True}),
        ("dr_grpo", {"loss_type": "dr_grpo", "scale_rewards": "none"}),
        ("gspo", {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4}),
        ("cispo", {"loss_type": "cispo", "epsilon_high": 5.0, "scale_rewards": "batch"}),
        ("luspo", {"loss_type": "luspo", "importance_sampling_level": "sequence"}),
    ],
)
def test_a_loss_comes_with_its_companions(loss: Any, settings: dict[str, Any]) -> None:
    assert settings.items() <= Grpo(loss=loss).settings.items()
    assert Grpo(loss=loss, epsilon_high=0.5).settings["epsilon_high"] == 0.5


def test_one_of_the_users(mine: str) -> None:
    objective = objective_of(f"{mine}:Mine", {"strength": 2})
    assert (objective.rows, objective.strength) == ("completions", 2.0)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"training\.options\.strength '-1'"):
        objective_of(f"{mine}:Mine", {"strength": -1})
    with pytest.raises(ConfigError, match="is no dataclass"):
        objective_of(f"{mine}:NotADataclass", {})
    with pytest.raises(ConfigError, match="needs `rows`"):
        objective_of(f"{mine}:Aimless", {})
    with pytest.raises(ConfigError, match="needs `rows`"):
        objective_of(f"{mine}:Several", {})


@pytest.mark.slow
def test_nothing_heavy_is_imported_for_options() -> None:
    import subprocess

    code = (
        "import sys; from maieutic.trainers.objectives import OBJECTIVES, objective_of; "
        "[objective_of(name, {}) for name in OBJECTIVES]; "
        "print(sorted({'torch', 'trl', 'transformers', 'peft', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_step_holds_whole_groups() -> None:
    Sampling(rollouts=4).check(2, 2)
    with pytest.raises(ValueError, match="6 completions are sampled together"):
        Sampling(rollouts=4).check(6, 1)
