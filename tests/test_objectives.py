"""Every objective trains a tiny model, and its loss is what it says, worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")
pytest.importorskip("trl")

import tiny  # noqa: E402
from maieutic.config import LoraConfig  # noqa: E402
from maieutic.trainers import dpo, ghpo, hpt, relift  # noqa: E402
from maieutic.trainers.common import arguments, rendered  # noqa: E402
from maieutic.trainers.models import load  # noqa: E402
from maieutic.trainers.objectives import objective_of  # noqa: E402
from maieutic.trainers.options import PAIR_LOSSES, TRL_LOSSES, Dpo, Redi  # noqa: E402
from maieutic.trainers.pair_losses import LOSSES, Pairs  # noqa: E402
from maieutic.trainers.pair_training import PairTrainer  # noqa: E402
from maieutic.trainers.reinforce import signed  # noqa: E402
from maieutic.trainers.sampled_options import Grpo  # noqa: E402
from trl import DPOConfig, DPOTrainer  # noqa: E402


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.save(folder / "base")
    tiny.save(folder / "other", seed=5)
    return folder


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    return tiny.save(base / "base")


def trained(base: Path, tokenizer: Any, name: str, rows: Any = None, **given: Any) -> tuple[Any, Any]:
    options = given.pop("options", {})
    job = tiny.job(base / "base", base / f"out-{name}", objective=name, options=options, **given)
    objective = objective_of(name, options)
    return objective.train(job, [dict(r) for r in rows or tiny.BY_KIND[objective.rows]], tokenizer)


def weights(model: Any) -> Any:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


SAMPLED = {"rollouts": 4}
EVERY = [
    ("sft", {}), ("sft", {"loss": "dft"}), ("dpo", {}), ("dpo", {"loss": "cdpo", "smoothing": 0.1}),
    ("dpo", {"loss": "robust", "smoothing": 0.1}), ("dpo", {"beta_rejected": 0.02}),
    ("dpo", {"loss": ["sigmoid", "bco_pair", "sft"], "weights": [0.8, 0.2, 1]}), ("redi", {}), ("kto", {}),
    ("kto", {"loss": "apo_zero_unpaired"}), ("rloo", SAMPLED), ("grpo", SAMPLED),
    *(
        ("grpo", {**SAMPLED, "loss": loss})
        for loss in ("grpo", "dr_grpo", "bnpo", "cispo", "gspo", "sapo", "vespo")
    ),
    ("grpo", {**SAMPLED, "loss": "luspo", "beta": 0.01, "entropy": 0.01}),
    ("w_reinforce", SAMPLED), ("w_reinforce", {**SAMPLED, "right": 0}),
    ("w_reinforce", {**SAMPLED, "right": 1, "wrong": 0}), ("ghpo", SAMPLED), ("relift", SAMPLED),
    ("hpt", SAMPLED),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), EVERY, ids=lambda v: v if isinstance(v, str) else str(v)[:40])
def test_every_objective_trains(base: Path, tokenizer: Any, name: str, options: dict[str, Any]) -> None:
    sampled = "rollouts" in options
    # What the checker says of an untrained model is always the same: the format tells its texts apart.
    rewards = {"rewards": {"correctness": 1, __name__ + ":Short": 1}} if sampled else {}
    if name == "w_reinforce":
        rewards = {"rewards": {__name__ + ":Short": 1}}
    model, metrics = trained(base, tokenizer, name, options=options | rewards)
    start = load(tiny.job(base / "base", base))
    moved = float((weights(model) - weights(start)).abs().max())
    assert 1e-4 < moved < 0.1
    assert math.isfinite(metrics["loss"])
    assert metrics["step"] == {"prompts": 4, "labelled": 3}.get(objective_of(name, options).rows, 2)
    if sampled:
        assert metrics["rollouts"] >= 16
        assert metrics["rollouts"] <= metrics["rollout_tokens"] <= 8 * metrics["rollouts"]


from dataclasses import dataclass  # noqa: E402


@dataclass(frozen=True)
class Short:
    """A reward that an untrained model can get."""

    def __call__(self, said: Any) -> float:
        return float(len(said.completion) % 2)


@dataclass(frozen=True)
class Digits:
    """A reward that can be learned in seconds."""

    def __call__(self, said: Any) -> float:
        return float(sum(sign.isdigit() for sign in said.completion) >= 10)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("grpo", {"loss": "dr_grpo"}),
        ("grpo", {"loss": "gspo"}),
        ("rloo", {}),
        ("w_reinforce", {"right": 1.0}),
        ("w_reinforce", {"right": 0.0}),
    ],
)
def test_what_is_rewarded_becomes_likelier(
    base: Path, tokenizer: Any, name: str, options: dict[str, Any]
) -> None:
    given = {**options, "rollouts": 8, "ahead": 2, "rewards": {__name__ + ":Digits": 1}}
    settings = {"learning_rate": 1e-2, "batch_size": 32, "epochs": 24}
    _, metrics = trained(base, tokenizer, name, options=given, **settings)
    assert metrics["first/reward"] < 0.5 < 0.8 < metrics["reward"]


# ------------------------------------------------------------------ pairs


def by_hand(model: Any, batch: Any) -> tuple[Any, Any]:
    """Log-probability of each completion, and its tokens."""
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    each = logits[:, :-1].log_softmax(-1).gather(2, batch["input_ids"][:, 1:, None])[..., 0]
    mask = batch["completion_mask"][:, 1:]
    return (each * mask).sum(1), mask.sum(1)


@pytest.fixture(scope="module")
def setting(base: Path, tokenizer: Any) -> Any:
    """TRL's trainer with a reference that is another model than the policy, and a batch."""
    from datasets import Dataset

    job = tiny.job(base / "base", base / "out-trl", batch_size=8)
    given = {
        "args": DPOConfig(**arguments(job, 8), beta=0.3, label_smoothing=0.1),
        "train_dataset": Dataset.from_list([dpo._example(row) for row in tiny.ROWS]),
        "processing_class": tokenizer,
    }
    other = load(tiny.job(base / "other", base))
    theirs = DPOTrainer(model=load(job), ref_model=other, **given)
    ours = PairTrainer(
        model=load(job), ref_model=load(tiny.job(base / "other", base)), loss=None, betas=(0.3, 0.3), **given
    )
    batch = next(iter(theirs.get_train_dataloader()))
    return SimpleNamespace(theirs=theirs, ours=ours, batch=batch)


def pairs_of(setting: Any, smoothing: float, betas: tuple[float, float] = (0.3, 0.3)) -> Pairs:
    logps, tokens = by_hand(setting.theirs.model.eval(), setting.batch)
    ref, _ = by_hand(setting.theirs.ref_model, setting.batch)
    eps = torch.full((8,), smoothing)
    return Pairs(*logps.chunk(2), *ref.chunk(2), *tokens.chunk(2), eps, *betas)


@pytest.mark.parametrize("name", TRL_LOSSES)
def test_our_losses_of_a_pair_are_trls(setting: Any, name: str) -> None:
    theirs = setting.theirs
    theirs.loss_types, theirs.loss_weights = [name], [1.0]
    expected = float(theirs._compute_loss(theirs.model, dict(setting.batch), False).detach())
    smoothing = 0.1 if name in ("robust", "exo_pair", "aot", "aot_unpaired") else 0.0
    assert float(LOSSES[name](pairs_of(setting, smoothing)).mean()) == pytest.approx(expected, abs=2e-4)


def test_weights_smoothing_and_two_betas_by_hand(setting: Any) -> None:
    weight = torch.tensor([1.0, 0, 2, 0.5, 1, 1, 3, 0])
    smoothing = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 0, 0, 0])
    plain = pairs_of(setting, 0.0)
    z = (
        (0.3 * (plain.chosen - plain.ref_chosen) - 0.1 * (plain.rejected - plain.ref_rejected))
        .double()
        .tolist()
    )
    for name in ("cdpo", "robust"):
        expected = 0.0
        for at, w, e in zip(z, weight.tolist(), smoothing.tolist(), strict=True):
            right, flipped = math.log1p(math.exp(-at)), math.log1p(math.exp(at))
            value = (1 - e) * right + e * flipped
            if name == "robust":
                value = ((1 - e) * right - e * flipped) / (1 - 2 * e)
            expected += w * value / 8
        options = Dpo(loss=name, nll_weight=0.0)
        ours = setting.ours
        ours.betas = (0.3, 0.1)
        ours.loss = lambda pairs, weight, o=options: dpo._summed(pairs, weight, o.weighed)
        batch = {**setting.batch, "weight": weight, "smoothing": smoothing}
        with torch.no_grad():
            loss = float(ours._compute_loss(ours.model.eval(), batch, False))
        assert loss == pytest.approx(expected, abs=1e-4)


def test_redi_by_hand(setting: Any) -> None:
    plain = pairs_of(setting, 0.0)
    columns = (plain.chosen, plain.chosen_tokens, plain.rejected, plain.rejected_tokens)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    expected = sum(-c / nc + 0.8 * r / nr for c, nc, r, nr in rows) / 8
    from maieutic.trainers.pair_losses import redi

    assert float(redi(plain, Redi().alpha).mean()) == pytest.approx(expected, abs=1e-4)


def test_every_pair_loss_has_a_name() -> None:
    assert set(LOSSES) == set(PAIR_LOSSES)


def test_plain_dpo_is_trls_own_bit_for_bit(base: Path, tokenizer: Any) -> None:
    """What a run trained by before there were other objectives."""
    from datasets import Dataset
    from maieutic.trainers.common import like_length

    model, _ = trained(base, tokenizer, "dpo", epochs=3)
    job = tiny.job(base / "base", base / "out-plain", epochs=3)
    rows = like_length(tiny.ROWS, [len(r["chosen"]) + len(r["rejected"]) for r in tiny.ROWS], 4, job.seed)
    sides = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    data = [{k: [{"role": role, "content": row[k]}] for k, role in sides.items()} for row in rows]
    trainer = DPOTrainer(
        model=load(job),
        args=DPOConfig(
            **arguments(job, 8), beta=0.05, loss_type=["sigmoid", "sft"], loss_weights=[1.0, 10.0]
        ),
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
    )
    trainer.train()
    assert torch.equal(weights(model), weights(trainer.model))


def test_ours_trains_as_trls_where_both_can(base: Path, tokenizer: Any) -> None:
    theirs, _ = trained(base, tokenizer, "dpo", epochs=2)
    ours, figures = trained(base, tokenizer, "dpo", epochs=2, options={"loss": "cdpo"})
    assert float((weights(theirs) - weights(ours)).abs().max()) < 1e-4
    assert {"rewards/accuracies", "logps/chosen", "logps/rejected", "entropy"} <= figures.keys()


def test_a_pair_without_weight_teaches_nothing(base: Path, tokenizer: Any) -> None:
    one = [{**row, "weight": float(place < 4)} for place, row in enumerate(tiny.ROWS)]
    other = [{**row, "rejected": row["rejected"] if row["weight"] else "#### 77777"} for row in one]
    models = [
        trained(base, tokenizer, "dpo", rows, batch_size=8, options={"nll_weight": 0.0})[0]
        for rows in (one, other)
    ]
    assert float((weights(models[0]) - weights(models[1])).abs().max()) < 1e-5


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=4, alpha=8)])
def test_each_stage_starts_from_what_the_last_came_to(
    base: Path, tokenizer: Any, lora: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, trainers = dpo._fitted, []

    def seen(*args: Any) -> Any:
        trainers.append((fitted(*args), args[0], args[1]))
        return trainers[-1][0]

    monkeypatch.setattr(dpo, "_fitted", seen)
    rows = [{**row, "stage": place % 3} for place, row in enumerate(tiny.ROWS)]
    _, figures = trained(
        base, tokenizer, "dpo", rows, epochs=4, lora=lora, options={"nll_weight": 0.0, "beta": 1.0}
    )
    assert [{row["stage"] for row in part} for _, _, part in trainers] == [{0}, {1}, {2}]
    assert figures["step"] == 12
    for trainer, _, _ in trainers:
        losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
        # Its reference is where it starts: the first loss is that of no difference, the last is less.
        assert losses[0] == pytest.approx(math.log(2), abs=1e-4)
        assert losses[-1] < losses[0] - 1e-3
    assert len({job.model for _, job, _ in trainers}) == 3


def test_an_adapter_alone_is_trained(base: Path, tokenizer: Any) -> None:
    for name, options in [("dpo", {"loss": "cdpo"}), ("kto", {}), ("hpt", SAMPLED), ("relift", SAMPLED)]:
        rows = tiny.BY_KIND[objective_of(name, options).rows][:4]
        model, _ = trained(base, tokenizer, name, rows, options=options, lora=LoraConfig(rank=4, alpha=8))
        moved = {n for n, p in model.named_parameters() if p.requires_grad}
        assert moved and all("lora_" in n for n in moved)
        assert any(float(p.abs().max()) > 0 for n, p in model.named_parameters() if "lora_B.default" in n)


# ------------------------------------------------------------------ completions


def test_dft_weighs_each_token_by_its_probability(base: Path, tokenizer: Any) -> None:
    _, metrics = trained(base, tokenizer, "sft", batch_size=8, options={"loss": "dft"})
    model, total, tokens = load(tiny.job(base / "base", base)), 0.0, 0
    for row in tiny.COMPLETIONS:
        shown, ids = rendered(tokenizer, row["prompt"], row["completion"])
        with torch.no_grad():
            logps = model(torch.tensor([shown + ids])).logits[0].log_softmax(-1)
        for at, token in enumerate(ids, len(shown) - 1):
            value = float(logps[at, token])
            total += -math.exp(value) * value
            tokens += 1
    assert metrics["loss"] == pytest.approx(total / tokens, abs=1e-4)


def test_kto_weighs_rows_and_balances_sides(base: Path, tokenizer: Any) -> None:
    """At the start every loss is ½: what is left are the weights."""
    rows = [{**row, "weight": 0.5 if row["label"] else 2.0} for row in tiny.LABELLED]
    assert [row["label"] for row in rows].count(True) == 8 and len(rows) == 12
    for options, good, bad in [({}, 0.5, 1.0), ({"desirable": 3.0, "undesirable": 0.1}, 3.0, 0.1)]:
        given = {"loss": "apo_zero_unpaired", **options}
        _, metrics = trained(base, tokenizer, "kto", rows, batch_size=12, options=given)
        expected = (8 * 0.5 * good * 0.5 + 4 * 2.0 * bad * 0.5) / 12
        assert metrics["loss"] == pytest.approx(expected, abs=1e-4)


# ------------------------------------------------------------------ prompts


def test_fewer_prompts_and_sampling_ahead(
    base: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maieutic.trainers import grpo, rloo

    for name, trainer_of in (("grpo", grpo.Sampler), ("rloo", rloo.Sampler)):
        batches = spied(monkeypatch, trainer_of)
        options = {**SAMPLED, "prompts": 2, "ahead": 2}
        _, metrics = trained(base, tokenizer, name, options=options)
        assert (metrics["rollouts"], metrics["step"]) == (8, 2)
        assert [len(inputs) for _, inputs, _ in batches] == [8]


def test_rewards_of_reinforce() -> None:
    rewards = torch.tensor([0.0, 0.5, 0.6, 1.0, float("nan")])
    assert signed(rewards, 0.1, 1.0).tolist() == pytest.approx([-1, -1, 0.1, 0.1, 0])
    assert signed(rewards, 0.0, 1.0).tolist() == [-1, -1, 0, 0, 0]
    assert signed(rewards, 1.0, 0.0).tolist() == [0, 0, 1, 1, 0]


def spied(monkeypatch: pytest.MonkeyPatch, trainer_of: Any) -> list[Any]:
    """What a trainer makes of each batch."""
    batches: list[Any] = []
    make = trainer_of._generate_and_score_completions

    def seen(self: Any, inputs: Any) -> Any:
        scored = make(self, inputs)
        batches.append((self, [dict(row) for row in inputs], scored))
        return scored

    monkeypatch.setattr(trainer_of, "_generate_and_score_completions", seen)
    return batches


def test_references_take_the_place_of_what_failed(
    base: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = spied(monkeypatch, hpt.Demonstrating)
    rows = [dict(row) for row in tiny.PROMPTS]
    rows[0]["solution"] = ""
    _, metrics = trained(base, tokenizer, "hpt", rows, options={**SAMPLED, "sft_weight": 0.5})
    # They are no success of the model: all of its own failed, and nothing is made of them.
    assert metrics.get("reward", 0.0) == 0.0
    for trainer, inputs, scored in batches:
        texts = tokenizer.batch_decode(scored["completion_ids"], skip_special_tokens=True)
        for row, text, advantage in zip(inputs, texts, scored["advantages"].tolist(), strict=True):
            assert advantage == (0.5 if row["solution"] else 0.0)
            if row["solution"]:
                assert row["solution"].startswith(text) and text
        assert trainer.rollouts % 4 == 0


def test_a_reference_s_gradient_is_that_of_its_likelihood(
    base: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = spied(monkeypatch, hpt.Demonstrating)
    trained(base, tokenizer, "hpt", tiny.PROMPTS[:1], options={**SAMPLED, "max_tokens": 32})
    trainer, _, scored = batches[0]
    model = trainer.model.train()
    model.zero_grad()
    trainer._compute_loss(model, dict(scored)).backward()
    theirs = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.zero_grad()
    ids = torch.cat([scored["prompt_ids"], scored["completion_ids"]], 1)
    mask = torch.cat([scored["prompt_mask"], scored["completion_mask"]], 1)
    logps = model(input_ids=ids, attention_mask=mask).logits[:, :-1].log_softmax(-1)
    each = logps.gather(2, ids[:, 1:, None])[..., 0][:, scored["prompt_ids"].shape[1] - 1 :]
    own = scored["completion_mask"]
    (-((each * own).sum(1) / own.sum(1)).mean()).backward()
    ours = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert float((theirs - ours).abs().max()) < 1e-4 * float(ours.abs().max()) + 1e-6


def test_failed_prompts_are_tried_again_with_hints(
    base: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = spied(monkeypatch, ghpo.Hinting)
    rows = [{**row, "hint": "add" if place == 0 else ""} for place, row in enumerate(tiny.PROMPTS)]
    rows[1]["solution"] = ""
    _, metrics = trained(base, tokenizer, "ghpo", rows, options={**SAMPLED, "shares": [0.25, 0.5]})
    # 4 prompts of 4; the first has three tries more, the second none, the others two.
    assert metrics["rollouts"] == 4 * (4 + 3 + 2 * 2)
    for _, inputs, scored in batches:
        shown = tokenizer.batch_decode(scored["prompt_ids"], skip_special_tokens=True)
        for row, text in zip(inputs, shown, strict=True):
            half = row["solution"][: len(row["solution"]) // 2]
            assert (half in text and "beginning part" in text) if row["solution"] else "part" not in text


def test_hints_come_before_longer_and_longer_beginnings() -> None:
    row = {"prompt": [{"content": "Q"}], "hint": "think", "solution": "abcdefgh"}
    said = [text.removeprefix("Q\n\n") for text in ghpo.hints(row, [0.25, 0.5])]
    assert said[0] == "Hint: think"
    assert [text.rpartition("\n")[2] for text in said[1:]] == ["ab", "abcd"]
    assert ghpo.hints({**row, "hint": "", "solution": ""}, [0.5]) == []


def test_a_full_buffer_makes_a_supervised_step(
    base: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    supervise = relift.Gathering.supervise

    def seen(self: Any, references: Any, weight: float) -> None:
        made.append(len(references))
        supervise(self, references, weight)

    monkeypatch.setattr(relift.Gathering, "supervise", seen)
    model, metrics = trained(base, tokenizer, "relift", options={**SAMPLED, "buffer": 3}, schedule="cosine")
    assert made == [3, 1]
    assert metrics["supervised"] == 4
    prompt, ids = rendered(tokenizer, tiny.ROWS[0]["prompt"], tiny.ROWS[0]["chosen"])

    def likelihood(of: Any) -> float:
        with torch.no_grad():
            logps = of(torch.tensor([prompt + ids])).logits[0].log_softmax(-1)
        return sum(float(logps[len(prompt) - 1 + at, token]) for at, token in enumerate(ids))

    assert likelihood(model) > likelihood(load(tiny.job(base / "base", base))) + 0.3


def test_what_no_checker_decides_trains_nothing(base: Path, tokenizer: Any) -> None:
    """Not even the format, which could be told."""
    rows = [{**row, "checker": "unsure_checker:never"} for row in tiny.PROMPTS]
    rewards = {"correctness": 1, __name__ + ":Short": 1}
    model, _ = trained(base, tokenizer, "grpo", rows, options={**SAMPLED, "rewards": rewards})
    assert torch.equal(weights(model), weights(load(tiny.job(base / "base", base))))


def test_settings_reach_trl() -> None:
    from trl import GRPOConfig

    args = GRPOConfig(
        output_dir="x", use_cpu=True, bf16=False, per_device_train_batch_size=8, **Grpo().settings
    )
    assert (args.loss_type, args.epsilon_high, args.mask_truncated_completions) == ("dapo", 0.28, True)
