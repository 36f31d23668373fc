"""The plan: its arithmetic by hand for one model, its rules, its promises on any hardware."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maieutic.cli import app
from maieutic.config import RunConfig, load, profiles
from maieutic.errors import ConfigError
from maieutic.inspector.plan import brief, planned, show
from maieutic.serving import footprint, workload
from maieutic.serving.hardware import GIB, Hardware, found, imagined, visible
from maieutic.serving.shapes import KNOWN, shape_of
from maieutic.trainers.estimates import course_of, plan_of
from rich.console import Console
from typer.testing import CliRunner

CONFIGS = Path(__file__).parent.parent / "configs"

LORA = (
    "serving.dtype=bfloat16",
    "serving.gpu_memory_utilization=0.8",
    "training.method=lora",
    "training.dtype=bfloat16",
    "training.gradient_checkpointing=true",
    "training.batch_size=1",
    "generator.batch_size=1",
)


def config(*settings: str) -> RunConfig:
    # Short enough for the default context, where a test has them served here.
    return load(None, ["teacher.max_tokens=100", "verifier.max_tokens=100", *settings])


def work_of(given: RunConfig) -> workload.Work:
    return workload.work(given, course_of(given))


def test_qwen3_8b_by_hand() -> None:
    shape = KNOWN["qwen3-8b"]
    # A layer: q and o 4096×4096, k and v 4096×1024, three of 4096×12288, norms 2×4096 and 2×128.
    layer = 2 * 16_777_216 + 2 * 4_194_304 + 3 * 50_331_648 + 8192 + 256
    assert layer == 192_946_432
    # 36 layers, embeddings and head of 151936×4096 each, the last norm.
    assert shape.parameters() == 36 * 192_946_432 + 2 * 622_329_856 + 4096 == 8_190_735_360
    assert footprint.weight_bytes(shape, "bfloat16") == 16_381_470_720
    # 2 (key and value) × 36 layers × 8 heads × 128 × 2 bytes.
    assert footprint.kv_bytes(shape, "bfloat16") == 147_456
    # Rank 64 × the sum of both widths of q 8192, k 5120, v 5120, o 8192, gate, up, down 16384 each.
    assert footprint.lora_parameters(shape, 64) == 64 * 36 * 75_776 == 174_587_904
    # Two moments of float32: 8 bytes a parameter.
    assert footprint.adamw_bytes(174_587_904, 4) == 1_396_703_232
    assert footprint.adamw_bytes(shape.parameters(), 4) == 65_525_882_880


def test_training_qwen3_8b_by_hand() -> None:
    shape, count, adapter = KNOWN["qwen3-8b"], 8_190_735_360, 174_587_904
    full = footprint.training_bytes(shape, "full", "float32", 1, False, 64, preference=True)
    assert (full.weights, full.gradients, full.optimiser) == (4 * count, 4 * count, 8 * count)
    assert (full.reference, full.adapter) == (4 * count, 0)
    lora = footprint.training_bytes(shape, "lora", "bfloat16", 1, False, 64, preference=True)
    assert (lora.weights, lora.adapter) == (2 * count, 4 * adapter)
    assert (lora.gradients, lora.optimiser, lora.reference) == (4 * adapter, 8 * adapter, 4 * adapter)
    sft = footprint.training_bytes(shape, "lora", "bfloat16", 1, False, 64, preference=False)
    assert sft.reference == 0
    assert lora.total - sft.total == lora.reference


def test_activations_by_hand() -> None:
    shape = KNOWN["qwen3-8b"]
    # A token and layer: 6×4096 + 3×4096 + 4×1024 + 4×12288 values, and 4×4096 of float32.
    layer = (24_576 + 12_288 + 4096 + 49_152) * 2 + 65_536
    assert layer == 245_760
    assert footprint.activation_bytes(shape, 1000, 2, checkpointing=False) == 36 * 1000 * layer
    # With checkpointing: 4096 values of each layer, and one layer whole.
    assert footprint.activation_bytes(shape, 1000, 2, checkpointing=True) == 1000 * (36 * 8192 + layer)


def test_serving_is_split_by_tensor_parallelism() -> None:
    shape = KNOWN["qwen3-32b"]
    one = footprint.serving_bytes(shape, "bfloat16", 4096, 64)
    four = footprint.serving_bytes(shape, "bfloat16", 4096, 64, parallel=4)
    assert one.kv_token == 2 * 64 * 8 * 128 * 2
    assert (four.weights * 4, four.kv_token * 4) == (one.weights, one.kv_token)
    # 8 key-value heads cannot be split among 16: each GPU holds one whole.
    assert footprint.serving_bytes(shape, "bfloat16", 4096, 64, parallel=16).kv_token * 8 == one.kv_token
    eager = footprint.serving_bytes(shape, "bfloat16", 4096, 64, eager=True)
    assert one.overhead - eager.overhead == int(0.7 * GIB)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # As the safetensors at the hub count them.
        ("Qwen/Qwen3-0.6B", 596_049_920),
        ("Qwen/Qwen3-1.7B-Base", 1_720_574_976),
        ("Qwen/Qwen3-4B-Instruct-2507", 4_022_468_096),
        ("Qwen/Qwen3-14B", 14_768_307_200),
        ("Qwen/Qwen3-32B", 32_762_123_264),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", 30_532_122_624),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", 235_093_634_560),
    ],
)
def test_the_table_has_the_published_sizes(name: str, parameters: int) -> None:
    shape = shape_of(name)
    assert shape.parameters() == parameters
    assert "published" in shape.source and not shape.rough


def test_a_mixture_is_as_fast_as_what_a_token_passes() -> None:
    assert shape_of("Qwen/Qwen3-30B-A3B").parameters(active=True) == pytest.approx(3.3e9, rel=0.05)
    assert shape_of("Qwen/Qwen3-235B-A22B").parameters(active=True) == pytest.approx(22e9, rel=0.05)


def test_a_name_says_roughly_how_large_it_is() -> None:
    shape = shape_of("someone/Marvel-7B-chat")
    assert (shape.parameters(), shape.rough) == (7_000_000_000, True)
    assert shape.layers == KNOWN["qwen3-8b"].layers
    made = plan_of(config("model=someone/Marvel-7B", *LORA), imagined("1x80GB"))
    assert made.fits and "rough" in made.notes[0]
    assert shape_of("x/tiny-350m").parameters() == 350_000_000


@pytest.mark.parametrize("name", ["someone/Marvel", "x/v2.5Beta", "/nowhere/at-all", "x/0B"])
def test_a_name_that_says_nothing(name: str) -> None:
    with pytest.raises(ConfigError, match="nothing here says how large it is"):
        shape_of(name)


def _written(folder: Path, **values: object) -> Path:
    folder.mkdir(parents=True)
    shape = {
        "model_type": "qwen2", "num_hidden_layers": 24, "hidden_size": 896, "num_attention_heads": 14,
        "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151_936,
        "tie_word_embeddings": True,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({**shape, **values}))
    return folder


def test_a_folder_is_read(tmp_path: Path) -> None:
    shape = shape_of(str(_written(tmp_path / "qwen2.5-0.5b")))
    assert (shape.parameters(), shape.head_dim) == (494_032_768, 64)  # as published
    inner = json.loads((tmp_path / "qwen2.5-0.5b" / "config.json").read_text())
    (tmp_path / "wrapped").mkdir()
    (tmp_path / "wrapped" / "config.json").write_text(json.dumps({"text_config": inner}))
    assert shape_of(str(tmp_path / "wrapped")) == shape


def test_the_hub_cache_is_read_and_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    _written(tmp_path / "models--Some--One" / "snapshots" / "abc", num_hidden_layers=2)
    assert shape_of("Some/One").layers == 2
    with pytest.raises(ConfigError):
        shape_of("../Some/One")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"text_config": 3}', "[" * 100_000, '{"num_hidden_layers": "many"}']
)
def test_a_bad_config_json_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"does not describe a decoder"):
        shape_of(str(tmp_path))


@pytest.mark.parametrize("layers", [0, -1, 10**9, 1.5, None, [1]])
def test_impossible_shapes_are_told(tmp_path: Path, layers: object) -> None:
    with pytest.raises(ConfigError):
        shape_of(str(_written(tmp_path / "m", num_hidden_layers=layers)))


def test_imagined_hardware() -> None:
    assert [gpu.total // GIB for gpu in imagined("2x24GB, 1x80").gpus] == [24, 24, 80]
    assert imagined("1x24GB").ram == 48 * GIB
    assert imagined("1x8GB").ram == 32 * GIB
    assert imagined("1x24GB", 16).ram == 16 * GIB
    assert imagined("0", 8) == Hardware(ram=8 * GIB, imagined=True)
    for text in ("", "24GB", "0x24GB", "1x0GB", "1x24TB", "x", "-1x24GB"):
        with pytest.raises(ConfigError, match="expected such as 1x24GB"):
            imagined(text)


SMI = """0, GPU-aa11, NVIDIA A100, 81920, 10
1, GPU-bb22, NVIDIA A100, 81920, 81000
2, GPU-bb33, Odd One, [N/A], [N/A]
"""


@pytest.mark.parametrize(
    ("variable", "indices"),
    [
        (None, [0, 1]),
        ("", []),
        ("1", [1]),
        ("1,0", [1, 0]),
        ("GPU-bb22,0", [1, 0]),
        ("0,7,1", [0]),
        ("-1", []),
    ],
)
def test_visible_gpus(variable: str | None, indices: list[int]) -> None:
    seen = visible(SMI, variable)
    assert [gpu.index for gpu in seen] == indices
    assert all(gpu.total == 80 * GIB for gpu in seen)
    assert visible("No devices were found\n", None) == ()


def test_this_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\ncat <<'END'\n{SMI}END\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    monkeypatch.setattr("maieutic.serving.hardware.on_cpu", lambda: False)
    there = found()
    assert [(gpu.index, gpu.free // 2**20) for gpu in there.gpus] == [(1, 920), (0, 81_910)]
    assert not there.imagined
    # What others hold of a GPU is not given out.
    made = plan_of(config("model=Qwen/Qwen3-4B", *LORA, "serving.gpu_memory_utilization=0.5"), there)
    assert made.fits and made.servers[0].replicas == [[0]]
    smi.write_text("#!/bin/sh\nexit 9\n")
    assert found().gpus == ()
    monkeypatch.setattr("maieutic.serving.hardware.on_cpu", lambda: True)
    assert found().gpus == ()


@pytest.mark.parametrize(
    ("gpus", "ram", "told", "mode", "where"),
    [
        ("2x24GB", 48, "auto", "stay", [1]),  # one is left over
        ("1x24GB", 48, "auto", "sleep", [0]),  # the weights wait in host memory
        ("1x24GB", 8, "auto", "stop", [0]),  # which is too small for them
        ("1x24GB", 48, "stop", "stop", [0]),
        ("1x80GB", 160, "sleep", "sleep", [0]),
    ],
)
def test_what_servers_do_while_training(gpus: str, ram: int, told: str, mode: str, where: list[int]) -> None:
    given = config("model=Qwen/Qwen3-4B", *LORA, f"serving.while_training={told}")
    made = plan_of(given, imagined(gpus, ram))
    assert made.problems == []
    assert (made.while_training, made.training[0].gpus) == (mode, where)
    assert made.servers[0].while_training == mode


def test_both_fit_on_one_gpu() -> None:
    given = config("model=Qwen/Qwen3-4B", *LORA, "serving.gpu_memory_utilization=0.5")
    made = plan_of(given, imagined("1x80GB"))
    assert (made.while_training, made.training[0].gpus) == ("stay", [0])


def test_only_servers_on_the_gpu_of_training_make_room() -> None:
    given = config("model=Qwen/Qwen3-4B", *LORA, "verifier.endpoint=local", "verifier.model=Qwen/Qwen3-8B")
    made = plan_of(given, imagined("2x24GB"))
    assert made.problems == []
    by_gpu = {server.replicas[0][0]: server.while_training for server in made.servers}
    (trained_on,) = made.training[0].gpus
    assert by_gpu[trained_on] != "stay" and by_gpu[1 - trained_on] == "stay"


def test_roles_share_a_server_with_their_model() -> None:
    given = config("model=Qwen/Qwen3-4B", *LORA, "teacher.endpoint=local", "verifier.endpoint=local",
                   "verifier.model=Qwen/Qwen3-0.6B")  # fmt: skip
    made = plan_of(given, imagined("2x24GB"))
    assert {s.model: s.roles for s in made.servers} == {
        "Qwen/Qwen3-4B": ["solver", "generator", "teacher"], "Qwen/Qwen3-0.6B": ["verifier"],
    }  # fmt: skip


def test_replicas_and_tensor_parallelism_have_gpus_of_their_own() -> None:
    given = config("model=Qwen/Qwen3-32B", *LORA, "serving.replicas=3", "serving.tensor_parallel=2")
    made = plan_of(given, imagined("8x80GB"))
    (server,) = made.servers
    assert made.problems == []
    assert sorted(gpu for gpus in server.replicas for gpu in gpus) == [0, 1, 2, 3, 4, 5]
    assert made.training[0].gpus[0] in (6, 7)


@pytest.mark.parametrize(
    ("settings", "gpus", "message"),
    [
        (["model=Qwen/Qwen3-8B", "serving.dtype=bfloat16", "serving.gpu_memory_utilization=0.9"], "1x24GB",
         "training.method=lora, training.dtype=bfloat16 takes"),
        (["model=Qwen/Qwen3-32B", *LORA], "1x24GB", "raise serving.tensor_parallel"),
        (["model=Qwen/Qwen3-8B", *LORA, "serving.dtype=float32"], "1x24GB", "serving.dtype=bfloat16"),
        (["model=Qwen/Qwen3-4B", *LORA, "serving.gpu_memory_utilization=0.3"], "1x24GB",
         "serving.gpu_memory_utilization=0."),
        (["model=Qwen/Qwen3-8B", *LORA, "serving.max_model_len=40000", "serving.gpu_memory_utilization=0.92"],
         "1x24GB", "serving.max_model_len="),
        (["model=Qwen/Qwen3-4B", *LORA, "serving.while_training=stay"], "1x24GB",
         "serving.while_training=auto"),
        (["model=Qwen/Qwen3-4B", *LORA, "serving.replicas=2"], "1x24GB",
         "lower serving.gpu_memory_utilization"),
        (["model=Qwen/Qwen3-4B", *LORA, "serving.tensor_parallel=3"], "4x24GB", "does not divide"),
        (["model=Qwen/Qwen3-4B", *LORA, "training.method=full"], "1x80GB", "training.method=lora"),
        (["model=Qwen/Qwen3-4B", "serving.while_training=sleep", "training.method=lora"], "0", "needs GPUs"),
        (["model=Qwen/Qwen3-32B", "training.method=lora"], "0", "take a smaller model"),
        (["serving.tensor_parallel=2"], "0", "serving.tensor_parallel needs GPUs"),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_what_to_change(settings: list[str], gpus: str, message: str) -> None:
    made = plan_of(config(*settings), imagined(gpus, 64))
    assert [problem for problem in made.problems if message in problem]


@pytest.mark.parametrize(
    ("settings", "gpus", "message"),
    [
        (["model=Qwen/Qwen3-4B", *LORA, "serving.replicas=2"], "1x24GB", "0 have so much left"),
        (["model=Qwen/Qwen3-4B", *LORA, "serving.tensor_parallel=3"], "4x24GB", "does not divide"),
        (["model=Qwen/Qwen3-4B", "serving.while_training=sleep", "training.method=lora"], "0", "needs GPUs"),
        (["model=Qwen/Qwen3-4B", *LORA, "serving.tensor_parallel=2"], "0", "parallel needs GPUs"),
        (["model=Qwen/Qwen3-32B", *LORA], "1x24GB", None),
        (["model=Qwen/Qwen3-8B", "serving.while_training=stay"], "0", None),
    ],
)  # fmt: skip
def test_a_run_stops_at_what_cannot_be_and_at_no_estimate(
    settings: list[str], gpus: str, message: str | None
) -> None:
    made = plan_of(config(*settings), imagined(gpus, 64))
    assert made.problems
    if message is None:
        made.require()
    else:
        with pytest.raises(ConfigError, match=message):
            made.require()


def test_the_remedies_work() -> None:
    """What a message says to set is enough, each time, until it fits."""
    told = ["model=Qwen/Qwen3-8B", "serving.dtype=bfloat16", "serving.gpu_memory_utilization=0.9"]
    problem = plan_of(config(*told), imagined("1x24GB", 64)).problems[0]
    remedy = problem.rpartition(": ")[2].rpartition(" takes ")[0]
    assert plan_of(config(*told, *remedy.split(", ")), imagined("1x24GB", 64)).problems == []
    told = [
        "model=Qwen/Qwen3-8B",
        *LORA,
        "serving.max_model_len=40000",
        "serving.gpu_memory_utilization=0.92",
    ]
    problem = plan_of(config(*told), imagined("1x24GB")).problems[0]
    remedy = problem.rpartition(": ")[2].partition(" is ")[0]
    assert plan_of(config(*told, remedy), imagined("1x24GB")).problems == []


MODELS = st.sampled_from(["pocket", "Qwen/Qwen3-0.6B", "Qwen/Qwen3-4B", "Qwen/Qwen3-8B", "Qwen/Qwen3-32B"])
GIVEN = st.fixed_dictionaries(
    {
        "model": MODELS,
        "verifier.model": MODELS.filter(lambda model: model != "pocket"),
        "verifier.endpoint": st.sampled_from(["none", "local"]),
        "training.method": st.sampled_from(["full", "lora"]),
        "training.gradient_checkpointing": st.booleans(),
        "training.batch_size": st.sampled_from([1, 4, 16]),
        "serving.dtype": st.sampled_from(["float32", "bfloat16"]),
        "serving.gpu_memory_utilization": st.sampled_from([0.2, 0.4, 0.6, 0.9]),
        "serving.tensor_parallel": st.sampled_from([1, 2, 4]),
        "serving.replicas": st.integers(1, 3),
        "serving.while_training": st.sampled_from(["auto", "stay", "sleep", "stop"]),
    }
)


@given(
    GIVEN, st.integers(1, 8), st.integers(1, 8), st.sampled_from([8, 24, 80]), st.sampled_from([0, 16, 56])
)
@settings(max_examples=200, deadline=None)
@pytest.mark.slow
def test_more_gpus_or_larger_ones_never_stop_it_fitting(
    chosen: dict[str, object], count: int, more: int, size: int, larger: int
) -> None:
    made = chosen_config(chosen)
    if plan_of(made, imagined(f"{count}x{size}GB", 256)).fits:
        assert plan_of(made, imagined(f"{count + more}x{size}GB", 256)).fits
        assert plan_of(made, imagined(f"{count}x{size + larger}GB", 256)).fits


def chosen_config(chosen: dict[str, object]) -> RunConfig:
    return config(*(f"{key}={json.dumps(value)}" for key, value in chosen.items()))


@given(GIVEN, st.integers(1, 8), st.sampled_from([8, 24, 80]))
@settings(max_examples=200, deadline=None)
@pytest.mark.slow
def test_no_gpu_is_given_out_twice(chosen: dict[str, object], count: int, size: int) -> None:
    made = plan_of(
        chosen_config(chosen),
        imagined(f"{count}x{size}GB", 64),
    )
    held = dict.fromkeys(range(count), 0)
    for server in made.servers:
        for gpus in server.replicas:
            assert len(set(gpus)) == len(gpus)
            for gpu in gpus:
                held[gpu] += server.share
                if server.while_training == "stay" and made.fits:
                    heaviest = max(job.bytes.total for job in made.training)
                    taken = heaviest if gpu in made.training[0].gpus else 0
                    assert held[gpu] + taken <= size * GIB
    assert all(share <= size * GIB for share in held.values())


@given(st.sampled_from(sorted(KNOWN)), st.integers(128, 20_000), st.integers(1, 20_000), st.integers(1, 8))
def test_longer_never_takes_less(name: str, length: int, more: int, parallel: int) -> None:
    shape = KNOWN[name]
    short = footprint.serving_bytes(shape, "bfloat16", length, 64, parallel)
    assert footprint.serving_bytes(shape, "bfloat16", length + more, 64, parallel).least > short.least
    for checkpointing in (True, False):
        few = footprint.activation_bytes(shape, length, 2, checkpointing)
        assert footprint.activation_bytes(shape, length + more, 2, checkpointing) > few


def test_tokens_and_price_by_hand() -> None:
    given = config(
        "model=Qwen/Qwen3-4B", "rounds=2", "curriculum.questions=100", "curriculum.new=50", "rollouts.n=8",
        "rollouts.max_tokens=300", "sets.per_cell=1", "teacher.endpoint=https://t.example/v1",
        "teacher.model=t", "teacher.max_tokens=3000",
        "teacher.price.prompt=2", "teacher.price.completion=10", "labels.solves=3",
        "labels.audit=5", "labels.ask_solver=false",
    )  # fmt: skip
    roles = {role.role: role for role in work_of(given).roles}
    # 2 rounds × 100 questions × 8, and 3 evaluations of 2 × 42 questions, of 100 tokens each.
    assert roles["solver"].completion == (1600 + 252) * 100
    assert roles["solver"].prompt == (200 + 252) * 200
    # 100 designs, 32 failures whose skills are named, 300 solutions, 10 audits, of 1,000 tokens each.
    assert roles["teacher"].completion == 442 * 1000
    assert roles["teacher"].prompt == 132 * 600 + 310 * 200
    assert roles["teacher"].price == pytest.approx((141_200 * 2 + 442_000 * 10) / 1e6)
    assert "verifier" not in roles


def test_what_else_a_teacher_and_a_verifier_are_asked_is_counted() -> None:
    told = [
        "model=Qwen/Qwen3-4B", "rounds=1", "curriculum.new=10", "labels.solves=2", "labels.audit=0",
        "teacher.endpoint=https://t.example/v1", "teacher.model=t", "teacher.skills=1",
        "verifier.endpoint=https://v.example/v1", "verifier.model=v", "verifier.calibration=7",
        "verifier.max_tokens=300", "verifier.then=[vote, judge, debate]",
    ]  # fmt: skip
    asked = ["teacher.hints=3", "teacher.subproblems=5", "handbook.per_round=4"]
    roles = {role.role: role for role in work_of(config(*told, *asked)).roles}
    # 10 designs and 1 + 3 + 5 + 4 failures and solutions; 10 questions and 5 × 4 smaller ones, solved twice.
    assert roles["teacher"].prompt == 23 * 600 + 60 * 200
    reworked = ["pairs.builders=[socratic, rise, spar]", "pairs.calls=6"]
    more = {role.role: role for role in work_of(config(*told, *asked, *reworked)).roles}
    assert more["teacher"].prompt == roles["teacher"].prompt + 2 * 6 * 600
    # 3 votes, 3 in each of two orders, and 3 turns of two sides before as many.
    assert roles["verifier"].completion == 7 * (3 + 6 + 12) * 100


SMALL = (
    "model=Qwen/Qwen3-4B", "rounds=3", "curriculum.questions=64", "rollouts.n=4", "rollouts.max_tokens=300",
    "sets.per_cell=1", "training.batch_size=8", "training.epochs=2", "training.replay=0.5",
    "training.pairs_per_question=1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "trained", "sampled"),
    [
        # 3 rounds × 64 questions × (1 pair and half a kept one) of two texts, of 300 tokens, twice.
        ((), 3 * 64 * 3 * 300 * 2, 0),
        # One completion of each question, and nothing is kept for later rounds.
        (("training.objective=sft",), 3 * 64 * 300 * 2, 0),
        (("training.objective=kto",), 3 * 64 * 2 * 300 * 2, 0),
        # 64 prompts × 8 rollouts × 2 epochs in each round, of 100 tokens, with their prompts trained on once.
        (("training.objective=grpo",), 3 * 1024 * 300, 3 * 1024 * 100),
        (
            ("training.objective=grpo", "training.options.iterations=2", "training.options.prompts=16"),
            2 * 3 * 256 * 300,
            3 * 256 * 100,
        ),
    ],
)
def test_what_an_objective_trains_on_is_counted(
    settings: tuple[str, ...], trained: int, sampled: int
) -> None:
    made = work_of(config(*SMALL, *settings))
    assert (made.solver_trained, made.solver_sampled) == (trained, sampled)


def test_a_budget_of_rollouts_ends_a_plan() -> None:
    # 400 / 4 = 100 questions: a round of 64 and one of 36.
    course = course_of(config(*SMALL, "budget.rollouts=400"))
    assert (course.rounds, course.questions, course.sampled) == (2, 100, 0)
    # A question costs its 4 attempts and 16 more in training: 20 questions, one round.
    course = course_of(config(*SMALL, "budget.rollouts=400", "training.objective=grpo"))
    assert (course.rounds, course.questions, course.sampled) == (1, 20, 320)
    assert course_of(config(*SMALL, "budget.rollouts=1000000")).rounds == 3
    # One question can be attempted, as the run will do, and nothing is left to train on it.
    course = course_of(config(*SMALL, "budget.rollouts=4", "training.objective=grpo"))
    assert (course.rounds, course.questions) == (1, 1)


def test_a_reference_and_a_second_side_take_memory_only_where_there_are_any() -> None:
    whole = [
        "model=Qwen/Qwen3-4B",
        "serving.dtype=bfloat16",
        "training.dtype=bfloat16",
        "training.method=full",
    ]

    def bytes_of(*settings: str) -> footprint.TrainingBytes:
        jobs = plan_of(config(*whole, *settings), imagined("8x80GB")).training
        return next(job.bytes for job in jobs if job.role == "solver")

    dpo, redi, sft = (bytes_of(f"training.objective={name}") for name in ("dpo", "redi", "sft"))
    assert dpo.reference == dpo.weights and redi.reference == sft.reference == 0
    assert dpo.activations == redi.activations == 2 * sft.activations
    assert bytes_of("training.objective=grpo").reference == 0
    assert bytes_of("training.objective=grpo", "training.options.beta=0.01").reference == dpo.weights


def test_hours_follow_what_is_stated() -> None:
    given = config("model=Qwen/Qwen3-4B", *LORA)
    slow, fast = (plan_of(given, imagined("1x24GB"), rate) for rate in (100, 200))
    written = sum(role.completion for role in slow.work.roles)
    assert slow.hours_serving == pytest.approx(written / 100 / 3600)
    assert fast.hours_serving == pytest.approx(slow.hours_serving / 2)


def test_the_run_begins_with_a_brief_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maieutic.inspector.plan.found", lambda: imagined("1x24GB"))
    text = brief(config("model=Qwen/Qwen3-4B", *LORA))
    assert "serve Qwen/Qwen3-4B for solver, generator on GPU 0, 19.2 GiB each" in text
    assert "train solver (lora) on GPU 0" in text and "servers sleep while it trains" in text
    assert "may not fit" in brief(config("model=Qwen/Qwen3-32B", *LORA))
    # What cannot be known is said, and stops no run.
    assert brief(config("model=x/unknown")).startswith("plan: none (model x/unknown")


@pytest.mark.parametrize("gpus", ["0", "1x24GB", "8x80GB"])
@pytest.mark.parametrize("profile", profiles.names())
def test_a_plan_fits_eighty_columns(profile: str, gpus: str) -> None:
    console = Console(width=80, record=True, force_terminal=False)
    made = plan_of(load(CONFIGS / f"{profile}.yaml"), imagined(gpus, 64))
    show(console, made)
    text = console.export_text()
    tables = [line for line in text.splitlines() if line.startswith(" ")]
    assert tables and max(map(len, tables)) <= 80 and "…" not in text


def test_the_command(tmp_path: Path) -> None:
    def call(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["plan", *arguments])
        return done.exit_code, done.output

    code, text = call(str(CONFIGS / "single-gpu.yaml"), "--gpus", "1x24GB")
    assert (code, "servers sleep while it trains" in text) == (0, True)
    code, text = call(str(CONFIGS / "single-gpu.yaml"), "--gpus", "1x8GB", "--json")
    assert code == 2 and json.loads(text)["problems"]
    code, text = call("--set", "model=Qwen/Qwen3-8B", "--gpus", "1x24GB")
    assert code == 2 and "training.method=lora" in text
    code, text = call()
    assert code == 0 and "pocket" in text


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("curriculum.policy=socratik", "did you mean socratic"),
        ("curriculum.options.leep=3", "no option 'leep'"),
        ("pairs.builders=lenghts", "did you mean lengths"),
        ("pairs.builders=crew", "set rollouts.logprobs to true"),
        ("training.batch_size=1", "multiple of the 8 rollouts"),
        ("training.options.vllm=colocate", "needs a GPU"),
        ("training.objective=kto training.batch_size=1", "set training.batch_size to 2"),
    ],
)
def test_what_a_run_would_refuse_is_not_planned(setting: str, message: str) -> None:
    given = config("training.objective=grpo", *setting.split())
    with pytest.raises(ConfigError, match=message):
        planned(given, "0", None, 0.0)


def test_an_objective_may_sample_on_imagined_gpus() -> None:
    given = config("training.objective=grpo", "training.options.vllm=colocate")
    assert planned(given, "1x24GB", None, 0.0).fits


def test_names_of_files_do_not_reach_the_terminal_raw(tmp_path: Path) -> None:
    folder = _written(tmp_path / "evil\x1b[31m[bold]7B")
    console = Console(width=80, record=True, force_terminal=False)
    show(console, plan_of(config(f"model={json.dumps(str(folder))}", *LORA), imagined("1x80GB")))
    text = console.export_text()
    assert "\x1b" not in text and "[bold]7B" in text


@pytest.mark.parametrize(
    "setting",
    ["training.epochs=1e308", "generator.epochs=1e308", "training.replay=1e308", "solver.price.prompt=1e308",
     "serving.tool_parser=--api-key", "serving.reasoning_parser=../x"],
)  # fmt: skip
def test_settings_that_no_plan_can_count_with(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting.partition("=")[0]):
        config(setting)


def test_advice_can_be_followed() -> None:
    given = ["model=Qwen/Qwen3-4B", *LORA]
    note = plan_of(config(*given), imagined("4096x80GB")).notes[-1]
    advised = re.search(r"serving\.replicas=\d+", note)
    assert advised
    assert plan_of(config(*given, advised.group()), imagined("4096x80GB")).problems == []
    with pytest.raises(ConfigError, match="more than 4096 GPUs"):
        imagined("9999x80GB")
