"""What an objective is trained on: rows of one of four kinds, made from a round's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, Literal

from ..records import PreferencePair
from .pairs import Case, Said

Kind = Literal["pairs", "labelled", "completions", "prompts"]
Row = dict[str, Any]


def pair_rows(pairs: Iterable[PreferencePair], tools: str) -> list[Row]:
    """Pairs as the trainer reads them, those of an earlier stage first.

    Args:
        tools: those that the Solver was offered, JSON. Where it was offered any, every prompt is shown
            to it with them, also one whose answer called none.
    """
    return [pair_row(pair, tools) for pair in sorted(pairs, key=lambda pair: pair.stage)]


def pair_row(pair: PreferencePair, tools: str) -> Row:
    row: Row = {
        "prompt": pair.prompt,
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "weight": pair.weight,
        "smoothing": pair.smoothing,
        "stage": pair.stage,
        "kind": pair.kind,
    }
    if not tools:
        return row
    sides = {"chosen_messages": pair.chosen_messages, "rejected_messages": pair.rejected_messages}
    return row | {"tools": tools} | sides


def completion_rows(cases: Iterable[Case], rng: Random) -> list[Row]:
    """Right completions, each once and at most `case.most` of a question; where none is right, the
    worked reference of what was got wrong. What is mastered is among them. With `training.references:
    first`, a worked reference in place of right completions.

    Source: rejection sampling fine-tuning, RFT, arXiv 2308.01825. Differs: chosen by chance among the
    distinct texts, not by their equations.
    """
    return [_row(case, said) | {"weight": 1.0} for case in cases for said in _good(case, rng, case.most)]


def labelled_rows(cases: Iterable[Case], rng: Random) -> list[Row]:
    """Right completions as above, and wrong ones, as many of a question at most.

    How the two sides weigh against each other is the objective's affair (KTO, arXiv 2402.01306, section
    4.2).
    """
    there = list(cases)
    good = [_good(case, rng, case.most) for case in there]
    bad = [_some(case.wrongs, rng, case.most) for case in there]
    rows: list[Row] = []
    for case, right, wrong in zip(there, good, bad, strict=True):
        rows += [_row(case, said) | {"label": True} for said in right]
        rows += [_row(case, said) | {"label": False} for said in wrong]
    return [row | {"weight": 1.0} for row in rows]


def prompt_rows(
    cases: Iterable[Case],
    rates: Mapping[str, float],
    hints: Mapping[str, str],
    allocated: Mapping[str, int],
    rollouts: int,
) -> list[Row]:
    """Questions for an objective that writes its own completions, in the round's order.

    Args:
        rates: pass rates of this round; a question without one, which nobody could judge, is left out.
        allocated: rollouts that the policy gives to a question.
        rollouts: what each has without that.
    """
    return [
        {
            "prompt": case.prompt,
            "question_id": case.question.id,
            "text": case.question.text,
            "answer": case.question.answer,
            "checker": case.question.checker,
            "data": case.question.data,
            "solution": case.question.solution,
            "hint": hints.get(case.question.id, ""),
            "times": allocated.get(case.question.id, rollouts) / rollouts,
        }
        for case in cases
        if case.question.id in rates
    ]


def _good(case: Case, rng: Random, most: int) -> list[Said]:
    right = case.rights
    if right and case.model_answer:
        return [case.model_answer]
    if right:
        return _some(right, rng, most)
    return [case.reference] if case.wrongs and case.reference else []


def _some(said: Sequence[Said], rng: Random, most: int) -> list[Said]:
    return list(said) if len(said) <= most else rng.sample(said, most)


def _row(case: Case, said: Said) -> Row:
    return {"prompt": case.prompt, "completion": said.text}
