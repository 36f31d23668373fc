"""What only an NVIDIA GPU can show: its memory comes back before training, asleep or ended, and what
woke up or was started again answers as before."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from maieutic.config import ServingConfig
from maieutic.graph.canary import canary_request
from maieutic.serving.command import Hosting, on_cpu
from maieutic.serving.fleet import Fleet, memory_used
from maieutic.serving.hosted import Hosted
from maieutic.serving.server import VllmServer
from test_adapters import PROMPT, TOKENS, make

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(on_cpu(), reason="vLLM computes on the CPU"),
]


@pytest.mark.parametrize("how", ["sleep", "stop"])
async def test_the_memory_is_back_before_training(tmp_path: Path, how: Literal["sleep", "stop"]) -> None:
    expected = make(tmp_path, ["solver-0001"])
    config = ServingConfig(max_model_len=256, gpu_memory_utilization=0.3)
    hosting = Hosting(tmp_path / "base", tmp_path / "vllm.log", gpus=(0,), rank=8, sleeps=how == "sleep")
    model = Hosted([VllmServer(hosting, config)], config, how)
    fleet = Fleet({"solver": model}, tmp_path / "server.json", gpus=(0,))
    before = memory_used()[0]

    async def said(name: str) -> str:
        await fleet.ready("solver")
        if name not in model.proven:
            await model.put(name, tmp_path / name)
        model.prove(name)
        return (await model.client(name).ask(canary_request(name, 0, PROMPT, TOKENS))).completions[0]

    try:
        for name in ("base", "solver-0001"):
            assert (await said(name)).startswith(expected[name])
        assert memory_used()[0] > before + 2**30
        notes: list[str] = []
        await fleet.rest(notes.append)  # raises where the memory is not back
        assert notes == []
        assert (how == "sleep") == model.any_alive
        for name in ("solver-0001", "base"):
            assert (await said(name)).startswith(expected[name])
        assert model.servers[0].starts == (1 if how == "sleep" else 2)
    finally:
        await fleet.stop()
