"""What a checkpoint says of itself, for a server to repeat."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from maieutic.trainers.jobs import TrainingJob

PROMPTS = ["What is 3 + 4?", "What is 9 - 2?", "What is 8 * 6?", "What is 40 mod 7?"]


@pytest.mark.slow
def test_a_canary_is_the_checkpoints_own_text_as_far_as_it_is_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maieutic.trainers import common
    from maieutic.trainers.pocket_model import build_model, build_tokenizer

    tokenizer = build_tokenizer()
    mine, other = (build_model(len(tokenizer), hidden=32, layers=1, heads=1, seed=seed) for seed in (0, 1))
    job = TrainingJob(objective="dpo", model="", data="", output="", seed=0, learning_rate=1, batch_size=1)
    whole = dict(zip(PROMPTS, common.greedy(mine, tokenizer, PROMPTS, 64, 0.02), strict=True))

    def canary(before: object) -> dict[str, object]:
        monkeypatch.setattr(common, "before", lambda job, trained: contextlib.nullcontext(before))
        common.write_canary(tmp_path, mine, tokenizer, job, PROMPTS)
        return json.loads((tmp_path / "canary.json").read_text())  # type: ignore[no-any-return]

    assert canary(other)["distinguishes"]
    assert not canary(mine)["distinguishes"]
    for clear in (0.02, 0.5):
        monkeypatch.setitem(common._CLEAR, "float32", clear)
        for item in canary(other)["items"]:  # type: ignore[attr-defined]
            (again,) = common.greedy(mine, tokenizer, [item["prompt"]], item["max_tokens"], clear)
            assert item["expected"] == again.text
            assert whole[item["prompt"]].text.startswith(item["expected"])
            assert 0 < item["max_tokens"] <= 64
    monkeypatch.setitem(common._CLEAR, "float32", 1e9)
    assert canary(other)["items"] == []
