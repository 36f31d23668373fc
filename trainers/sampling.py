"""What objectives that sample completions share: prompts, grading and rewards, counting, settings for TRL."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ..records import Outcome
from .common import figures, shared
from .grading import Grader, question_of, rewarded
from .groups import counts, spread
from .jobs import TrainingJob
from .resuming import fit
from .rewards import Reward, Sampled, rewards_of
from .sampled_options import Sampling

Row = dict[str, Any]
Trained = tuple[Any, dict[str, float]]

_COLUMNS = ("question_id", "text", "answer", "checker", "data", "solution", "hint")


class Scorer:
    """The configured rewards as TRL calls them; each completion is graded once.

    Args:
        weights: of the rewards, by name.
        round: of the run; what changes with the steps goes on from round to round.
    """

    def __init__(self, weights: Mapping[str, float], max_tokens: int, round: int) -> None:
        self.grader, self.max_tokens, self.round = Grader(), max_tokens, round
        self.ends: set[int] = set()
        """Tokens that end a completion."""
        self.left_out: set[int] = set()
        """Places of the batch that are no rollouts of the model, and get no reward."""
        self.functions = [self._function(name, reward) for name, reward in rewards_of(weights).items()]
        self._known: dict[tuple[str, str, bool], Outcome] = {}

    def begin(self) -> None:
        """A new batch."""
        self._known.clear()
        self.left_out.clear()

    def outcomes(
        self, rows: Sequence[Row], texts: Sequence[str], ids: Sequence[Sequence[int]]
    ) -> list[Outcome]:
        """What each completion came to; what is known already is not graded again."""
        ended = [self._ended(one) for one in ids]
        keys = [(row["question_id"], text, end) for row, text, end in zip(rows, texts, ended, strict=True)]
        new = [i for i, key in enumerate(keys) if key not in self._known]
        found = self.grader.outcomes([rows[i] for i in new], [texts[i] for i in new], [ended[i] for i in new])
        self._known |= {keys[i]: outcome for i, outcome in zip(new, found, strict=True)}
        return [self._known[key] for key in keys]

    def _ended(self, ids: Sequence[int]) -> bool:
        return bool(ids) and ids[-1] in self.ends

    def _function(self, name: str, reward: Reward) -> Callable[..., list[float | None]]:
        def score(
            prompts: Any, completions: Any, completion_ids: Any, trainer_state: Any, **columns: Any
        ) -> list[float | None]:
            rows = [{c: columns[c][i] for c in _COLUMNS} for i in range(len(completions))]
            texts = [text_of(one) for one in completions]
            outcomes = self.outcomes(rows, texts, completion_ids)
            step = trainer_state.global_step + (self.round - 1) * trainer_state.max_steps
            said = [
                Sampled(text, len(ids), self._ended(ids), outcome, step, self.max_tokens, question_of(row))
                for text, ids, outcome, row in zip(texts, completion_ids, outcomes, rows, strict=True)
            ]
            given = rewarded(reward, said)
            return [None if place in self.left_out else value for place, value in enumerate(given)]

        score.__name__ = name
        return score


def text_of(completion: Any) -> str:
    """What TRL hands over as a message."""
    return str(completion[0]["content"])


class Counting:
    """For a TRL trainer that samples: counts what it sampled, and knows the rows and the groups of a batch.

    Where it stands among the bases, TRL's trainer comes after it.
    """

    scorer: Scorer
    rows: list[Row]
    rollouts = 0
    tokens = 0
    epochs_before = 0
    """Passes over the prompts that were through when the training was cut short."""
    _step: int
    _buffered_inputs: Any

    def sampled_state(self) -> Row:
        """What was sampled and is not used up, and where in it the training is."""
        return {
            "step": self._step, "buffered": self._buffered_inputs, "rollouts": self.rollouts,
            "tokens": self.tokens,
        }  # fmt: skip

    def load_sampled_state(self, state: Row) -> None:
        self._step, self._buffered_inputs = state["step"], state["buffered"]
        self.rollouts, self.tokens = state["rollouts"], state["tokens"]

    def _get_train_sampler(self, *given: Any) -> Any:
        """TRL's draws an order for each pass from one seed: where passes were through, theirs are drawn."""
        sampler = super()._get_train_sampler(*given)  # type: ignore[misc]
        for _ in range(self.epochs_before):
            next(iter(sampler))
        return sampler

    def _generate(self, prompts: list[Any]) -> Any:
        made = super()._generate(prompts)  # type: ignore[misc]
        self.rollouts += len(prompts)
        self.tokens += sum(len(ids) for ids in made[1])
        return made

    def _generate_and_score_completions(self, inputs: list[Row]) -> Any:
        self.rows = inputs
        self.scorer.begin()
        return super()._generate_and_score_completions(inputs)  # type: ignore[misc]

    def groups(self) -> list[range]:
        """Places of each prompt's completions in the batch."""
        size = self.num_generations  # type: ignore[attr-defined]
        return [range(start, start + size) for start in range(0, len(self.rows), size)]

    def failed(self, texts: Sequence[Any], ids: Sequence[Sequence[int]], solved: int = 0) -> list[range]:
        """The groups with no more than so many right completions, where a checker could say so of each."""
        found = self.scorer.outcomes(self.rows, [text_of(one) for one in texts], ids)
        lost = []
        for group in self.groups():
            outcomes = [found[place] for place in group]
            if outcomes.count("right") <= solved and "undecided" not in outcomes:
                lost.append(group)
        return lost


@contextmanager
def sampler(
    trainer_of: Any, config_of: Any, job: TrainingJob, rows: list[Row], tokenizer: Any, options: Sampling
) -> Iterator[Any]:
    """A TRL trainer on prompts, ready to train; checkers end with it."""
    from .models import load

    # TRL prints whole rows where nobody could decide about a completion: here that is no trouble.
    logging.getLogger("trl.trainer").setLevel(logging.ERROR)
    settings = options.settings
    max_tokens = options.max_tokens or job.max_tokens
    batches = options.batches(job.whole_batch, job.accumulation // job.parts, job.epochs)
    if "steps_per_generation" in settings:
        # A batch that was divided: as many completions are sampled together as before.
        settings["steps_per_generation"] *= job.parts
    if 0 < options.prompts < len(rows):
        rows = Random(job.seed).sample(rows, options.prompts)
    times = [float(row.get("times", 1.0)) for row in rows]
    steps = batches.steps(sum(counts(times)))
    rows = spread(rows, times, batches.least)
    scorer = Scorer(options.rewards, max_tokens, job.round)
    try:
        trainer = trainer_of(
            model=load(job),
            args=config_of(**shared(job, steps), **settings, max_completion_length=max_tokens),
            reward_funcs=scorer.functions,
            train_dataset=Dataset.from_list([_example(row) for row in rows]),
            processing_class=tokenizer,
        )
        trainer.scorer = scorer
        scorer.ends = {*trainer.eos_token_ids, tokenizer.pad_token_id}
        yield trainer
    finally:
        scorer.grader.close()


def _example(row: Row) -> Row:
    prompt = [{"role": "user", "content": row["prompt"]}]
    return {"prompt": prompt} | {name: str(row.get(name) or "") for name in _COLUMNS}


def trained(
    trainer_of: Any,
    config_of: Any,
    job: TrainingJob,
    rows: list[Row],
    tokenizer: PreTrainedTokenizerBase,
    options: Sampling,
) -> Trained:
    """Train on prompts; the model, and figures with what was sampled."""
    with sampler(trainer_of, config_of, job, rows, tokenizer, options) as trainer:
        fit(trainer)
        return trainer.model, told(trainer)


def told(trainer: Any) -> dict[str, float]:
    counted = {"rollouts": float(trainer.rollouts), "rollout_tokens": float(trainer.tokens)}
    return figures(trainer.state.log_history) | counted | {"step": float(trainer.state.global_step)}
