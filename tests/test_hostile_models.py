"""Model folders of strangers: nothing in one is carried out, and what would have to be is refused before."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from maieutic import config
from maieutic.config import ServingConfig
from maieutic.errors import ConfigError
from maieutic.graph.local import check_models
from maieutic.serving.command import Hosting, command
from maieutic.serving.models import check_folder, check_weights

HEADER = b'{"__metadata__":{"format":"pt"}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER


class Order:
    """What leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> object:
        return (open, (self.trace, "w"))


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "carried-out"


@pytest.fixture
def folder(tmp_path: Path, trace: Path) -> Path:
    """A model of a known kind, with code and pickles beside its weights."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(
        json.dumps({"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]})
    )
    (made / "model.safetensors").write_bytes(WEIGHTS)
    order = f"open({str(trace)!r}, 'w')\n"
    for name in ("modeling_qwen3.py", "configuration_evil.py", "tokenization_evil.py", "__init__.py"):
        (made / name).write_text(order)
    for name in (
        "pytorch_model.bin",
        "training_args.bin",
        "optimizer.pt",
        "adapter_model.bin",
        "rng_state.pth",
    ):
        (made / name).write_bytes(pickle.dumps(Order(trace)))
    return made


def test_the_pickles_of_this_test_do_what_they_are_told(folder: Path, trace: Path) -> None:
    pickle.loads((folder / "pytorch_model.bin").read_bytes())
    assert trace.exists()


def test_weights_that_need_unpickling_are_refused_for_every_role(folder: Path, trace: Path) -> None:
    (folder / "model.safetensors").unlink()
    for settings in (
        {"model": str(folder)},
        {"teacher": {"model": str(folder), "endpoint": "local", "max_tokens": 64}},
    ):
        with pytest.raises(ConfigError, match=r"has no \*.safetensors; .* can run any code"):
            check_models(config.load(given=settings))
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95",
        b"PK\x03\x04" + b"\0" * 99,  # as torch.save packs its pickles
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        b"\xff" * 64,
    ],
)
def test_a_pickle_by_another_name_is_refused(folder: Path, trace: Path, content: bytes) -> None:
    (folder / "model-00002.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match="holds no safetensors, whatever it is called"):
        check_weights(folder, "model")
    assert not trace.exists()


def test_code_of_its_own_is_never_run(folder: Path, trace: Path) -> None:
    check_folder(folder, "model", replaced=False)  # whatever else lies in it
    shape = {"model_type": "evil", "auto_map": {"AutoConfig": "configuration_evil.Config"}}
    (folder / "config.json").write_text(json.dumps(shape))
    with pytest.raises(ConfigError, match="needs code that comes with it"):
        check_folder(folder, "teacher.model", replaced=False)
    # What transformers knows needs none: the map is let lie.
    (folder / "config.json").write_text(json.dumps({**shape, "model_type": "qwen3"}))
    check_folder(folder, "teacher.model", replaced=False)
    assert not trace.exists()


def test_the_server_is_told_to_take_safetensors_alone(folder: Path) -> None:
    line = command(Hosting(folder, Path("vllm.log")), "m", 1, ServingConfig())
    assert line[line.index("--load-format") + 1] == "safetensors"
    assert "--trust-remote-code" not in line
    assert line[line.index("--host") + 1] == "127.0.0.1"


@pytest.mark.slow
def test_a_training_job_loads_nothing_else(folder: Path, trace: Path, tmp_path: Path) -> None:
    import tiny
    from maieutic.trainers.models import load

    tokenizer = tiny.save(tmp_path / "tiny")
    for path in folder.glob("*"):
        if path.name not in ("config.json", "model.safetensors"):
            path.rename(tmp_path / "tiny" / path.name)
    shape = json.loads((tmp_path / "tiny" / "config.json").read_text())
    shape["auto_map"] = {"AutoModelForCausalLM": "modeling_qwen3.Model", "AutoConfig": "configuration_evil.C"}
    (tmp_path / "tiny" / "config.json").write_text(json.dumps(shape))
    model = load(tiny.job(tmp_path / "tiny", tmp_path / "out"))
    assert model.num_parameters() > 0 and tokenizer is not None
    (tmp_path / "tiny" / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"has no \*.safetensors"):
        load(tiny.job(tmp_path / "tiny", tmp_path / "out"))
    assert not trace.exists()
