"""Preference pairs from the rollouts of one question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from ..records import Outcome, PairKind, PreferencePair, Question, Rollout, Verdict, short_id


@dataclass(frozen=True, slots=True)
class Said:
    """What the Solver said: a completion, and the conversation that led to it where there was one."""

    text: str
    messages: str = ""

    @property
    def parts(self) -> list[str]:
        """What tells it from another."""
        return [self.text, self.messages] if self.messages else [self.text]

    @property
    def altered(self) -> bool:
        """Whether some of it had to be put right before it was sent again, and is not the Solver's own."""
        return bool(self.messages) and any(one.get("altered") for one in json.loads(self.messages))

    def ending(self, text: str) -> Said:
        """The same conversation with another answer at its end."""
        if not self.messages:
            return Said(text)
        *before, last = json.loads(self.messages)
        return Said(text, json.dumps([*before, {**last, "content": text}]))


def trainer_row(pair: PreferencePair, tools: str) -> dict[str, str]:
    """A pair as the trainer reads it.

    Args:
        tools: those that the Solver was offered, JSON. Where it was offered any, every prompt is shown
            to it with them, also one whose answer called none.
    """
    row = {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
    if not tools:
        return row
    return row | {
        "tools": tools,
        "chosen_messages": pair.chosen_messages,
        "rejected_messages": pair.rejected_messages,
    }


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
    and undecided rollouts take no part: they say nothing about the answer. A rollout that called
    tools takes part as the whole conversation.

    Source: Socratic-Zero, arXiv 2509.24726, section 3 (pairs, reference fall-back).
    Differs: invalid rollouts are not among the rejected; the last rule is RISE's error
    injection (2410.06638), with a changed digit in place of a model's edit. Whole conversations as
    the two sides, with the tools' words left out of the loss, are M-DPO's (2409.02392).
    """
    right = _distinct(judged, "right")
    wrong = _distinct(judged, "wrong")
    kind: PairKind
    if right and wrong:
        kind, chosen = "rollouts", right
    elif wrong and question.solution:
        kind, chosen = "reference", [Said(question.solution)]
    elif right:
        kind, chosen = "anchor", right
        slip = change_digit(right[0].text, rng)
        wrong = [right[0].ending(slip)] if slip is not None else []
    else:
        return []
    couples = [(good, bad) for bad in wrong for good in chosen if good != bad]
    rng.shuffle(couples)
    couples = _spread(couples)[:most]
    return [
        PreferencePair(
            id=short_id("pair", question.id, judged[0][0].round, *good.parts, *bad.parts),
            question_id=question.id,
            round=judged[0][0].round,
            kind=kind,
            prompt=prompt,
            chosen=good.text,
            rejected=bad.text,
            chosen_messages=good.messages,
            rejected_messages=bad.messages,
        )
        for good, bad in couples
    ]


def _distinct(judged: Sequence[tuple[Rollout, Verdict]], outcome: Outcome) -> list[Said]:
    said = [Said(rollout.completion, rollout.messages) for rollout, v in judged if v.outcome == outcome]
    return [one for one in dict.fromkeys(said) if not one.altered]


Couple = tuple[Said, Said]


def _spread(couples: list[Couple]) -> list[Couple]:
    """Couples with an unused rejected text first, so that one mistake does not fill the quota."""
    seen: set[Said] = set()
    first: list[Couple] = []
    rest: list[Couple] = []
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
