"""What an objective is trained on: rows of one of four kinds, made from a round's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any, Literal

from ..records import PreferencePair
from .pairs import Case, Said

Kind = Literal["pairs", "labelled", "completions", "prompts"]
Row = dict[str, Any]

MOST_RIGHT = 4 / 3
"""KTO's own bound: the weight of all right rows over that of all wrong ones is between 1 and this."""


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


def completion_rows(cases: Iterable[Case], rng: Random, tools: str) -> list[Row]:
    """Right completions, each once and at most `case.most` of a question; where none is right, the
    worked reference of what was got wrong. What is mastered is among them.

    Source: rejection sampling fine-tuning, RFT, arXiv 2308.01825. Differs: chosen by chance among the
    distinct texts, not by their equations.
    """
    return [
        _row(case, said, tools) | {"weight": 1.0} for case in cases for said in _good(case, rng, case.most)
    ]


def labelled_rows(cases: Iterable[Case], rng: Random, tools: str) -> list[Row]:
    """Right completions as above, and wrong ones, as many of a question at most.

    Source: KTO, arXiv 2402.01306, section 4.2: λ_D n_D / λ_U n_U in [1, 4/3]. Differs: λ is the rows'
    `weight`, by how many of each a round has; no row weighs less than 1.
    """
    there = list(cases)
    good = [_good(case, rng, case.most) for case in there]
    bad = [_some(case.wrongs, rng, case.most) for case in there]
    rows: list[Row] = []
    for case, right, wrong in zip(there, good, bad, strict=True):
        rows += [_row(case, said, tools) | {"label": True} for said in right]
        rows += [_row(case, said, tools) | {"label": False} for said in wrong]
    weights = label_weights(sum(row["label"] for row in rows), sum(not row["label"] for row in rows))
    return [row | {"weight": weights[row["label"]]} for row in rows]


def label_weights(right: int, wrong: int) -> dict[bool, float]:
    """The weight of a right and of a wrong row: 1, or more for the kind that has too few.

    >>> label_weights(2, 4), label_weights(8, 3)
    ({True: 2.0, False: 1.0}, {True: 1.0, False: 2.0})
    """
    if not right or not wrong:
        return {True: 1.0, False: 1.0}
    return {True: max(1.0, wrong / right), False: max(1.0, right / (MOST_RIGHT * wrong))}


def prompt_rows(
    cases: Iterable[Case],
    rates: Mapping[str, float],
    hints: Mapping[str, str],
    allocated: Mapping[str, int],
) -> list[Row]:
    """Questions for an objective that writes its own completions, in the round's order.

    Args:
        rates: pass rates of this round; a question without one, which nobody could judge, is left out.
        allocated: rollouts that the policy gives to a question.
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
            "pass_rate": rates[case.question.id],
            "n": max(0, int(allocated.get(case.question.id, 0))),
        }
        for case in cases
        if case.question.id in rates
    ]


def _good(case: Case, rng: Random, most: int) -> list[Said]:
    if right := case.rights:
        return _some(right, rng, most)
    return [case.reference] if case.wrongs and case.reference else []


def _some(said: Sequence[Said], rng: Random, most: int) -> list[Said]:
    return list(said) if len(said) <= most else rng.sample(said, most)


def _row(case: Case, said: Said, tools: str) -> Row:
    row: Row = {"prompt": case.prompt, "completion": said.text}
    return row | {"tools": tools, "messages": said.messages} if tools else row
