"""What the Teacher writes for pair builders: solutions with an error, and attempts put right.

Its calls are records, and so is what the checker says of them: a resume asks and checks what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..agents.teacher import Seen
from ..curriculum.pairs import Builder, Case, Changed, Said
from ..curriculum.pairs.case import Asking
from ..records import Rollout
from ..trainers.objectives import configured
from .rollouts import asker
from .room import Room
from .verify import check

_WANTED = {"inject": "wrong", "correct": "right"}
"""What the checker must call a text of the Teacher's."""

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_]+")
"""What a builder's name may have, and the name of a file may not."""

Drawn = Sequence[tuple[Case, Said]]


async def reworked(
    room: Room, round: int, name: str, builder: Builder, there: Sequence[Case]
) -> Sequence[Case]:
    """The cases, some with what the Teacher made of what the builder of that name showed it."""
    calls = room.config.pairs.calls
    read = configured(room.config.training).rows == "pairs"
    if not (isinstance(builder, Asking) and calls and room.config.teacher.is_model and read):
        return there  # nobody is paid for pairs that no objective reads
    stage = f"{builder.asks}-{_NOT_PLAIN.sub('-', name)[:60]}"
    rng = room.rng(round, f"pair/{stage}")
    wishes = [(case, said) for case in there if (said := builder.wish(case, rng))]
    drawn = rng.sample(wishes, min(calls, len(wishes)))
    texts = await _written(room, round, stage, builder.asks, drawn)
    wanted = await _checked(room, round, stage, _WANTED[builder.asks], drawn, texts)
    return [replace(case, changed=wanted.get(case.question.id)) for case in there]


async def _written(room: Room, round: int, stage: str, asks: str, drawn: Drawn) -> Mapping[str, str]:
    """The Teacher's texts by question; a reply that could not be read is not among them."""
    room.progress.begin(round, "pair", len(drawn))
    seen = [Seen(case.question, "", said.text) for case, said in drawn]
    rework = room.teacher.inject if asks == "inject" else room.teacher.correct
    texts = await rework(seen, round, stage, asker(room, round, stage))
    return {one.question.id: text for one, text in zip(seen, texts, strict=True) if text}


async def _checked(
    room: Room, round: int, stage: str, wanted: str, drawn: Drawn, texts: Mapping[str, str]
) -> dict[str, Changed]:
    """Those that the question's own checker calls what they should be."""
    written = [(case, said, texts[case.question.id]) for case, said in drawn if case.question.id in texts]
    rollouts = [_as_rollout(case, text, stage) for case, _, text in written]
    known = {case.question.id: case.question for case, _, _ in written}
    verdicts = await check(room, round, f"verdicts/{stage}", known, rollouts)
    return {
        case.question.id: Changed(said, text)
        for (case, said, text), rollout in zip(written, rollouts, strict=True)
        if verdicts[rollout.id].outcome == wanted
    }


def _as_rollout(case: Case, text: str, stage: str) -> Rollout:
    """What a checker looks at; nobody else sees this as a rollout of the Solver's."""
    return Rollout(
        id=f"{case.question.id}.{case.round}.{stage}",
        question_id=case.question.id,
        round=case.round,
        stage=stage,
        checkpoint="",
        index=0,
        completion=text,
        tokens=0,
        truncated=False,
        call_id="",
    )
