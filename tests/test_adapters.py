"""Adapters on a real vLLM server: each answers for itself, also from the prefix cache."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from maieutic.config import ServingConfig, load
from maieutic.errors import ServerError
from maieutic.graph.canary import canary_request
from maieutic.graph.remote import adapt, client_of
from maieutic.serving.command import Hosting
from maieutic.serving.hosted import Hosted
from maieutic.serving.server import VllmServer

pytestmark = pytest.mark.slow

PROMPT = "What is 3 + 4? " * 8
"""Long enough to fill blocks of the prefix cache."""

TOKENS = 24


def make(folder: Path, names: list[str]) -> dict[str, str]:
    """An untrained model and adapters over it that say different things; what each says greedily, as
    far as transformers is sure of it."""
    import torch
    from maieutic.trainers import common, pocket_model
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = folder / "base"
    pocket_model.save_untrained(base, hidden=64, layers=2, heads=2, seed=0)
    tokenizer = AutoTokenizer.from_pretrained(base)

    def said(model: Any) -> str:
        return common.greedy(model, tokenizer, [PROMPT], TOKENS, 0.002)[0].text

    found = {"base": said(AutoModelForCausalLM.from_pretrained(base, dtype="float32"))}
    for number, name in enumerate(names):
        torch.manual_seed(number)
        model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
        settings = LoraConfig(r=8, lora_alpha=64, target_modules="all-linear", init_lora_weights=False)
        get_peft_model(model, settings).save_pretrained(folder / name)
        again = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
        found[name] = said(PeftModel.from_pretrained(again, folder / name))
    return found


async def test_an_adapter_never_answers_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"solver-{number:04d}" for number in range(1, 7)]
    expected = make(tmp_path, names)
    assert len(set(expected.values())) > 4
    assert min(len(text) for text in expected.values()) > 2
    config = ServingConfig(max_model_len=256, tool_parser="pythonic")
    log = tmp_path / "vllm.log"
    server = VllmServer(Hosting(tmp_path / "base", log, rank=8), config)
    model = Hosted([server], config)

    async def said(name: str) -> str:
        await model.ready()
        if name not in model.proven:
            await model.put(name, tmp_path / name)
        model.prove(name)
        reply = await model.client(name).ask(canary_request(name, 0, PROMPT, TOKENS))
        return reply.completions[0]

    async def check(order: list[str]) -> None:
        for name in order:
            assert (await said(name)).startswith(expected[name]), name

    try:
        await check(["base", *names, *reversed(names), "base"])
        Random(0).shuffle(order := names * 2)
        await check(order)
        assert len(server.adapters) <= 4
        with pytest.raises(ServerError, match="another adapter needs a new name"):
            await server.adapt(model.proven[-1], tmp_path / "elsewhere")
        with pytest.raises(ServerError, match="did not take the adapter"):
            await server.adapt("solver-0099", tmp_path / "nowhere")
        assert json.loads(json.dumps(list(server.adapters)))  # the refused one is not among them
        assert "solver-0099" not in server.adapters

        # Its memory is needed: ended, started again, and adapters are loaded anew.
        await model.rest(sleep=False)
        assert not server.alive
        await check([names[2], "base", names[3]])
        assert server.starts == 2

        # As a server elsewhere, it is given an adapter over HTTP, and answers by its name there.
        monkeypatch.setenv("ELSEWHERE_KEY", server.key)
        told = [f"solver.endpoint={server.url}/v1", "solver.model=maieutic", "solver.key=ELSEWHERE_KEY"]
        run = load(None, [*told, "model=elsewhere", "training.method=lora"])
        for _ in range(2):  # a resumed run asks for it again
            named = await adapt("solver", run.solver, names[0], tmp_path / names[0])
            assert named.startswith(f"{names[0]}-")
        other = client_of("solver", run.solver.model_copy(update={"model": named}), run)
        try:
            asked = canary_request(names[0], 0, PROMPT, TOKENS)
            reply = await other.ask(asked)
            assert reply.completions[0].startswith(expected[names[0]])
            assert reply.call.model == named
            tool = {"type": "function", "function": {"name": "python", "parameters": {"type": "object"}}}
            assert (await other.ask(replace(asked, tools=(tool,)))).call.error == ""
        finally:
            await other.close()
    finally:
        await model.stop()
