"""DPO on whole conversations: what tools said gets no loss, counted by hand and in a real training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")
trl = pytest.importorskip("trl")

from maieutic.memory.run import write_table  # noqa: E402
from maieutic.trainers import dpo, worker  # noqa: E402
from maieutic.trainers.conversations import (  # noqa: E402
    ConversationDPO,
    OwnTokens,
    Renderer,
    prepared,
    tokenised,
)
from maieutic.trainers.jobs import TrainingJob, TrainingResult  # noqa: E402
from maieutic.trainers.options import Dpo  # noqa: E402
from maieutic.trainers.pocket_model import build_model, build_tokenizer  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: E402
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast  # noqa: E402

PLAIN = (
    "{% if tools %}<s>{{ tools | tojson }}<e>{% endif %}"
    "{% for m in messages %}"
    "{% if m.role == 'assistant' %}<a>{{ m.content }}"
    "{% for c in m.tool_calls or [] %}"
    "[{{ c.function.name }} {{ c.function.arguments | tojson }}]{% endfor %}<e>"
    "{% elif m.role == 'tool' %}<t>{{ m.content }}<e>"
    "{% else %}<u>{{ m.content }}<e>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
)
"""Every turn is rendered the same whatever follows."""

QWEN3 = (Path(trl.__file__).parent / "chat_templates/qwen3.jinja").read_text(encoding="utf-8")
FORGETFUL = PLAIN.replace("{{ m.content }}{% for c", "{% if loop.last %}!{% endif %}{{ m.content }}{% for c")
DEAF = "{% for m in messages %}<u>{{ m.content }}<e>{% endfor %}"

TOOLS = json.dumps([{"type": "function", "function": {"name": "up", "parameters": {"type": "object"}}}])


def bytes_tokenizer(template: str, ascii_alone: bool = False) -> PreTrainedTokenizerFast:
    """One token for each byte, or for those of ASCII, and the signs of the templates."""
    signs = ["<pad>", "<s>", "<u>", "<a>", "<t>", "<e>", "<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if ascii_alone:
        alphabet = [sign for sign in alphabet if sign.isascii() or sign in "ĠĊ"]
    vocabulary = {token: place for place, token in enumerate([*signs, *alphabet])}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    found = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<e>", chat_template=template,
        additional_special_tokens=signs[1:], clean_up_tokenization_spaces=False,
    )  # fmt: skip
    return found


def using(word: str) -> dict[str, Any]:
    function = {"name": "up", "arguments": json.dumps({"w": word})}
    return {"id": "c", "type": "function", "function": function}


def conversation(word: str, told: str, answer: str) -> str:
    return json.dumps([
        {"role": "assistant", "content": "hm", "tool_calls": [using(word)]},
        {"role": "tool", "tool_call_id": "c", "content": told},
        {"role": "assistant", "content": answer},
    ])  # fmt: skip


ROW = {
    "prompt": "go", "chosen": "yes", "rejected": "no", "tools": TOOLS,
    "chosen_messages": conversation("a", "TOLD é", "yes"),
    "rejected_messages": conversation("b", "SAID", "no"),
}  # fmt: skip


def own_text(tokenizer: Any, ids: list[int], mask: list[int]) -> str:
    return str(tokenizer.decode([i for i, own in zip(ids, mask, strict=True) if own]))


def test_the_mask_by_hand() -> None:
    tokenizer = bytes_tokenizer(PLAIN)
    row = tokenised(ROW, Renderer(tokenizer), 1000)
    assert row is not None
    assert tokenizer.decode(row["prompt_ids"]) == f"<s>{json.dumps(json.loads(TOOLS))}<e><u>go<e><a>"
    assert tokenizer.decode(row["chosen_ids"]) == 'hm[up {"w": "a"}]<e><t>TOLD é<e><a>yes<e>'
    #      h m [up {"w": "a"}] <e> <t> T O L D _ é(2 bytes) <e> <a> y e s <e>
    hand = [1] * 17 + [1] + [0] + [0] * 7 + [0] + [0] + [1] * 3 + [1]
    assert row["chosen_mask"] == hand
    assert own_text(tokenizer, row["rejected_ids"], row["rejected_mask"]) == 'hm[up {"w": "b"}]<e>no<e>'


def test_qwen3_by_trl_s_training_form() -> None:
    """Its template takes the thinking out of earlier turns, so no turn is what it was."""
    tokenizer = bytes_tokenizer(QWEN3)
    renderer = Renderer(tokenizer)
    assert renderer.marked
    row = tokenised(ROW, renderer, 5000)
    assert row is not None
    call = '<tool_call>\n{"name": "up", "arguments": {"w": "a"}}\n</tool_call>'
    think = "<think>\n\n</think>\n\n"
    said = own_text(tokenizer, row["chosen_ids"], row["chosen_mask"])
    assert said == f"{think}hm\n{call}<|im_end|>\n{think}yes<|im_end|>\n"
    whole = tokenizer.decode(row["chosen_ids"])
    assert "<tool_response>\nTOLD é\n</tool_response>" in whole and "TOLD" not in said


def test_a_plain_completion_beside_a_conversation() -> None:
    tokenizer = bytes_tokenizer(PLAIN)
    row = tokenised({**ROW, "chosen_messages": ""}, Renderer(tokenizer), 1000)
    assert row is not None
    assert (tokenizer.decode(row["chosen_ids"]), row["chosen_mask"]) == ("yes<e>", [1] * 4)
    assert tokenised(ROW, Renderer(tokenizer), len(row["prompt_ids"])) is None


@pytest.mark.parametrize(
    ("tokenizer", "said"),
    [
        (bytes_tokenizer(DEAF), "no place for calls"),
        (bytes_tokenizer(FORGETFUL), "renders a turn differently"),
        (build_tokenizer(), "no place for calls"),
    ],
)
def test_a_template_that_cannot_be_trained_on(tokenizer: Any, said: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        prepared([ROW], tokenizer, 1000)
    assert said in capsys.readouterr().err


def test_the_collator_cuts_and_pads() -> None:
    one = {
        "prompt_ids": [1, 2], "chosen_ids": [3, 4, 5], "chosen_mask": [1, 0, 1], "rejected_ids": [6],
        "rejected_mask": [1],
    }  # fmt: skip
    two = {
        "prompt_ids": [1], "chosen_ids": [7], "chosen_mask": [1], "rejected_ids": [8, 9, 8, 9],
        "rejected_mask": [1, 0, 0, 1],
    }  # fmt: skip
    batch = OwnTokens(pad_token_id=0, max_length=4)([one, two])
    assert batch["completion_mask"].tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4], [1, 7, 0, 0], [1, 2, 6, 0], [1, 8, 9, 8]]


def saved_model(folder: Path, template: str) -> Any:
    tokenizer = bytes_tokenizer(template)
    tokenizer.save_pretrained(folder)
    model = build_model(len(tokenizer), hidden=32, layers=1, heads=2, seed=1)
    model.save_pretrained(folder, safe_serialization=True)
    return tokenizer


@pytest.mark.slow
def test_a_real_training_gives_the_tools_words_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = saved_model(tmp_path / "base", PLAIN)
    rows = [ROW, {**ROW, "prompt": "come", "chosen_messages": conversation("c", "OTHER", "yes")}]
    job = TrainingJob(
        objective="dpo", model=str(tmp_path / "base"), data="", output=str(tmp_path / "out"), seed=1,
        learning_rate=1e-2, batch_size=2, epochs=6, max_length=400,
    )  # fmt: skip
    batches: list[Any] = []
    compute = ConversationDPO._compute_loss

    def seen(self: Any, model: Any, inputs: Any, return_outputs: bool) -> Any:
        batches.append({name: value.clone() for name, value in inputs.items()})
        return compute(self, model, inputs, return_outputs)

    monkeypatch.setattr(ConversationDPO, "_compute_loss", seen)
    before = AutoModelForCausalLM.from_pretrained(job.model, dtype="float32").eval()
    model, metrics = dpo.train(job, rows, tokenizer, Dpo(nll_weight=1.0))
    assert len(batches) == 6
    batch = batches[0]
    own = [
        own_text(tokenizer, ids.tolist(), mask.tolist())
        for ids, mask in zip(batch["input_ids"], batch["completion_mask"], strict=True)
    ]
    assert sorted(own) == sorted(
        f'hm[up {{"w": "{word}"}}]<e>{answer}<e>'
        for word, answer in [("a", "yes"), ("c", "yes"), ("b", "no"), ("b", "no")]
    )
    # TRL's own figure of the first step is the sum over just these tokens.
    with torch.no_grad():
        logits = before(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    logps = logits[:, :-1].log_softmax(-1).gather(2, batch["input_ids"][:, 1:, None])[..., 0]
    by_hand = (logps * batch["completion_mask"][:, 1:]).sum(1)[:2].mean().item()
    assert metrics["first/logps/chosen"] == pytest.approx(by_hand, abs=1e-2)
    assert metrics["loss"] < metrics["first/loss"]
    assert metrics["rewards/margins"] > 0
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    after = logits[:, :-1].log_softmax(-1).gather(2, batch["input_ids"][:, 1:, None])[..., 0]
    mask = batch["completion_mask"][:2, 1:].bool()
    assert after[:2][mask].mean() > logps[:2][mask].mean() + 0.5


@pytest.mark.slow
def test_a_whole_job(tmp_path: Path) -> None:
    """Rows as the graph writes them, through Parquet, to weights with a canary."""
    saved_model(tmp_path / "base", PLAIN)
    plain = {**ROW, "prompt": "come", "chosen_messages": "", "rejected_messages": ""}
    write_table(tmp_path / "rows.parquet", [ROW, plain])
    job = TrainingJob(
        objective="dpo", model=str(tmp_path / "base"), data=str(tmp_path / "rows.parquet"),
        output=str(tmp_path / "out"), seed=1, learning_rate=1e-2, batch_size=1, max_length=400,
        canary_tokens=4,
    )  # fmt: skip
    worker.run(job)
    result = TrainingResult.model_validate_json((tmp_path / "out/result.json").read_text())
    assert (result.examples, result.steps) == (2, 2)
    assert json.loads((tmp_path / "out/canary.json").read_text())["items"]


def test_what_a_tool_said_is_never_a_target() -> None:
    """The same labels whatever the tool said: masked places are never targets."""
    tokenizer = bytes_tokenizer(PLAIN)
    other = {**ROW, "chosen_messages": conversation("a", "XXXX é", "yes")}
    data, collator = prepared([ROW, other], tokenizer, 400)
    batch = collator([data[0], data[1]])
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    assert labels[0].tolist() == labels[1].tolist()
    assert batch["input_ids"][0].tolist() != batch["input_ids"][1].tolist()
