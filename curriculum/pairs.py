"""Preference pairs from the rollouts of one question."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..records import PairKind, PreferencePair, Question, Rollout, Verdict, short_id


def build_pairs(
    question: Question,
    judged: Sequence[tuple[Rollout, Verdict]],
    prompt: str,
    rng: Random,
    most: int = 2,
) -> list[PreferencePair]:
    """Chosen and rejected completions of one question, at most `most`.

    Some right, some wrong: right against wrong. None right: the worked reference
    against wrong, where the question has one. All right: a right one against itself with
    one digit changed, which keeps what is mastered in the training data. Truncated, invalid
    and undecided rollouts take no part: they say nothing about the answer.

    Source: Socratic-Zero, arXiv 2509.24726, section 3 (pairs, reference fall-back).
    Differs: invalid rollouts are not among the rejected; the last rule is RISE's error
    injection (2410.06638), with a changed digit in place of a model's edit.
    """
    right = _distinct(rollout.completion for rollout, v in judged if v.outcome == "right")
    wrong = _distinct(rollout.completion for rollout, v in judged if v.outcome == "wrong")
    kind: PairKind
    if right and wrong:
        kind, chosen = "rollouts", right
    elif wrong and question.solution:
        kind, chosen = "reference", [question.solution]
    elif right:
        kind, chosen = "anchor", right
        wrong = [text for text in (change_digit(right[0], rng),) if text is not None]
    else:
        return []
    couples = [(good, bad) for bad in wrong for good in chosen if good != bad]
    rng.shuffle(couples)
    couples = _spread(couples)[:most]
    return [
        PreferencePair(
            id=short_id("pair", question.id, judged[0][0].round, good, bad),
            question_id=question.id,
            round=judged[0][0].round,
            kind=kind,
            prompt=prompt,
            chosen=good,
            rejected=bad,
        )
        for good, bad in couples
    ]


def _distinct(texts: object) -> list[str]:
    return list(dict.fromkeys(texts))  # type: ignore[call-overload]


def _spread(couples: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Couples with an unused rejected text first, so that one mistake does not fill the quota."""
    seen: set[str] = set()
    first: list[tuple[str, str]] = []
    rest: list[tuple[str, str]] = []
    for couple in couples:
        (rest if couple[1] in seen else first).append(couple)
        seen.add(couple[1])
    return first + rest


def change_digit(text: str, rng: Random) -> str | None:
    """The text with one of its digits replaced; None where it has none."""
    places = [i for i, sign in enumerate(text) if sign.isascii() and sign.isdigit()]
    if not places:
        return None
    at = rng.choice(places)
    digit = rng.choice([d for d in "0123456789" if d != text[at]])
    return text[:at] + digit + text[at + 1 :]
