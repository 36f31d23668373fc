"""The kept checkpoint as others load it, its card, and what is sent to the hub."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from finished import a_run
from maieutic.config import load
from maieutic.errors import RunError
from maieutic.inspector.exports import checkpoint as checkpoint_module
from maieutic.inspector.exports import hub
from maieutic.inspector.exports.destination import MARK
from maieutic.inspector.exports.export import Options, export
from maieutic.memory.run import RunFolder

SETTINGS = ["gate.resamples=100"]


def written(run: RunFolder, place: str, **options: Any) -> list[str]:
    return export(run, load(run.config), "hf", place, Options(**options), lambda rows: None)


def a_checkpoint(run: RunFolder, name: str) -> Path:
    """Files that a checkpoint has; the weights are nobody's."""
    folder = run.checkpoint(name)
    folder.mkdir(parents=True)
    for file in ("model.safetensors", "pytorch_model.bin", "modeling.py", "result.json", "canary.json"):
        (folder / file).write_text("{}")
    (folder / "config.json").write_text('{"model_type": "qwen3", "_name_or_path": "/home/me/secret"}')
    (folder / "tokenizer_config.json").write_text('{"local_files_only": true, "pad_token": "<|pad|>"}')
    (folder / "README.md").write_text("/home/me/secret")
    return folder


def front(card: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(card.read_text(encoding="utf-8").split("---\n")[1]))


def test_the_kept_checkpoint_with_a_card_that_says_what_it_gained(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    a_checkpoint(run, "solver-0002")
    told = written(run, str(tmp_path / "out"))
    made = tmp_path / "out" / "model"
    assert "model: solver-0002" in told
    assert {path.name for path in made.iterdir()} == {
        "README.md", "config.json", "model.safetensors", "tokenizer_config.json",
    }  # fmt: skip
    card = (made / "README.md").read_text()
    assert "held-out: 0.0 % → 100.0 %, +100.0 points, 95 % interval +100.0 to +100.0" in card
    assert "which the gate kept" in card and "Objective dpo" in card and "policy socratic" in card
    assert "- Round 2: 1 rows, 1 steps" in card and "- Round 3" not in card
    assert "secret" not in "".join(path.read_text() for path in made.iterdir())
    assert json.loads((made / "tokenizer_config.json").read_text()) == {"pad_token": "<|pad|>"}
    assert front(made / "README.md")["library_name"] == "transformers"


def test_another_checkpoint_by_name(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    for name in ("solver-0001", "generator-0002", "base"):
        a_checkpoint(run, name)
    for name, said in (("solver-0001", "did not keep it"), ("generator-0002", "is not measured by itself"),
                       ("base", "began with")):  # fmt: skip
        written(run, str(tmp_path / name), checkpoint=name)
        assert said in (tmp_path / name / "model" / "README.md").read_text()
    card = (tmp_path / "solver-0001" / "model" / "README.md").read_text()
    assert "0.0 % → 50.0 %" in card


def test_where_nothing_was_kept_of_a_model_of_others_none_is_written(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", load(None, [*SETTINGS, "model=Qwen/Qwen3-0.6B"]), rounds=0)
    told = written(run, str(tmp_path / "out"))
    assert any("did not make" in line for line in told) and not (tmp_path / "out" / "model").exists()


@pytest.mark.slow
def test_transformers_loads_it(tmp_path: Path) -> None:
    import torch
    from maieutic.trainers import pocket_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = a_run(tmp_path / "r")
    saved = run.checkpoint("solver-0002")
    pocket_model.save_untrained(saved, hidden=32, layers=1, heads=2, seed=0)
    written(run, str(tmp_path / "out"))
    place = tmp_path / "out" / "model"
    shutil.rmtree(run.path)
    tokenizer, model = AutoTokenizer.from_pretrained(place), AutoModelForCausalLM.from_pretrained(place)
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 3 + 4?"}], add_generation_prompt=True, return_tensors="pt",
        return_dict=True,
    )  # fmt: skip
    assert torch.isfinite(model(asked["input_ids"]).logits).all()


@pytest.mark.slow
def test_peft_loads_an_adapter_over_the_base_that_comes_with_it(tmp_path: Path) -> None:
    import torch
    from maieutic.trainers import pocket_model
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    run = a_run(tmp_path / "r", load(None, [*SETTINGS, "training.method=lora"]))
    base = run.checkpoint("base")
    pocket_model.save_untrained(base, hidden=32, layers=1, heads=2, seed=0)
    settings = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype="float32"), settings)
    adapted.save_pretrained(str(run.checkpoint("solver-0002")))
    tokens = torch.tensor([[5, 6, 7]])
    wanted = adapted(tokens).logits
    told = written(run, str(tmp_path / "out"))
    assert "model: solver-0002, a PEFT adapter" in told
    place = tmp_path / "out" / "model"
    assert front(place / "README.md")["library_name"] == "peft"
    assert str(tmp_path) not in (place / "adapter_config.json").read_text()
    shutil.rmtree(run.path)
    again = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(place / "base", dtype="float32"), place
    )
    assert torch.allclose(again(tokens).logits, wanted)


def test_an_adapter_of_a_model_of_the_hub_names_it(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", load(None, [*SETTINGS, "training.method=lora", "model=Qwen/Qwen3-0.6B"]))
    saved = a_checkpoint(run, "solver-0002")
    (saved / "adapter_config.json").write_text('{"base_model_name_or_path": "/home/me/secret"}')
    written(run, str(tmp_path / "out"))
    place = tmp_path / "out" / "model"
    assert json.loads((place / "adapter_config.json").read_text()) == {
        "base_model_name_or_path": "Qwen/Qwen3-0.6B"
    }
    assert front(place / "README.md")["base_model"] == "Qwen/Qwen3-0.6B" and not (place / "base").exists()


@dataclass
class Hub:
    """What a hub would keep."""

    kept: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    private: dict[tuple[str, str], bool] = field(default_factory=dict)
    broken: str = ""

    def repo_exists(self, repo_id: str, *, repo_type: str) -> bool:
        return (repo_id, repo_type) in self.kept

    def repo_info(self, repo_id: str, *, repo_type: str) -> Any:
        return SimpleNamespace(private=self.private[repo_id, repo_type])

    def list_repo_files(self, repo_id: str, *, repo_type: str) -> list[str]:
        return sorted(self.kept[repo_id, repo_type])

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> None:
        if self.broken == repo_type:
            raise ConnectionError("no network for hf_secret\nmore")
        self.private.setdefault((repo_id, repo_type), private)

    def upload_folder(self, **what: Any) -> None:
        folder = Path(what["folder_path"])
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        kept = {name for name in files if not (what["ignore_patterns"] and name.startswith("model/"))}
        self.kept[what["repo_id"], what["repo_type"]] = kept


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(hub, "api_of", lambda: made)
    return made


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = a_run(tmp_path / "r")
    a_checkpoint(made, "solver-0002")
    return made


def test_the_hub_gets_both_in_private(run: RunFolder, there: Hub) -> None:
    told = written(run, "hub:me/run")
    assert there.private == {("me/run", "dataset"): True, ("me/run", "model"): True}
    assert "questions/train-00000.parquet" in there.kept["me/run", "dataset"]
    assert MARK in there.kept["me/run", "model"] and "model.safetensors" in there.kept["me/run", "model"]
    assert not [name for name in there.kept["me/run", "dataset"] if name.startswith("model")]
    assert told[-2:] == ["https://huggingface.co/datasets/me/run", "https://huggingface.co/me/run"]


def test_the_hub_keeps_what_is_not_to_be_replaced(run: RunFolder, there: Hub) -> None:
    written(run, "hub:me/run", public=True)
    with pytest.raises(RunError, match="--force"):
        written(run, "hub:me/run", public=True)
    with pytest.raises(RunError, match="is public"):
        written(run, "hub:me/run", force=True)
    written(run, "hub:me/run", force=True, public=True)
    there.kept["me/run", "dataset"] = {"precious.csv"}
    with pytest.raises(RunError, match="no export of ours"):
        written(run, "hub:me/run", force=True, public=True)


def test_a_hub_that_fails_says_what_is_there_and_no_token(run: RunFolder, there: Hub) -> None:
    there.broken = "model"
    with pytest.raises(RunError, match=r"datasets/me/run is there") as told:
        written(run, "hub:me/run")
    assert "hf_secret" not in str(told.value) and "\n" not in str(told.value)


def test_a_link_out_of_the_run_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"key": 1}')
    weights = tmp_path / "runs" / "small" / "checkpoints" / "solver-0001"
    weights.mkdir(parents=True)
    (weights / "config.json").write_text("{}")
    (weights / "other.json").symlink_to(tmp_path / "secret.json")
    (weights.parent / "shared.json").write_text("{}")
    (weights / "generation_config.json").symlink_to(weights.parent / "shared.json")
    checkpoint_module._copy(weights, tmp_path / "out")
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert there == {"config.json", "generation_config.json"}
