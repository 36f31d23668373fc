"""Completions that others depend on: JSON by a schema, and one more try where there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ..serving.client import Request
from ..tasks.checkers.answers import without_thinking
from ..tasks.checkers.simple import last_json
from .shape import schema_of
from .teacher import Ask

M = TypeVar("M", bound=BaseModel)

_LONGEST_QUOTED = 4_000
"""Characters of an unreadable completion that are sent back with the repair."""


def answered(text: str) -> str:
    """A completion without what a model thought before it."""
    return without_thinking(text).strip()


async def ask_for(
    requests: Sequence[Request],
    model: type[M],
    ask: Ask,
    reading: Callable[[str], M | None] | None = None,
) -> dict[str, M]:
    """Ask for objects of a kind.

    Args:
        model: strings in it should have a `max_length`, and lists: see `schema_of`.
        reading: reads a completion more strictly than `read` does.
    Returns:
        The objects by their requests' subjects. A request that was refused, cut off or answered twice
        with something else is not among them.
    """
    shaped = {
        request.subject_id: replace(request, schema=schema_of(model, request.max_tokens))
        for request in requests
    }
    reads = reading or (lambda text: read(text, model))
    calls = await ask(list(shaped.values()))
    found = {name: reads(call.completions[0]) for name, call in calls.items()}
    repairs = {
        f"{name}.repair": repaired(shaped[name], calls[name].completions[0])
        for name, said in found.items()
        if said is None
    }
    again = await ask(list(repairs.values())) if repairs else {}
    for name, call in again.items():
        found[name.removesuffix(".repair")] = reads(call.completions[0])
    return {name: said for name, said in found.items() if said is not None}


_HALF = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u(?:d[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab]..\\u)d[c-f]..)", re.I
)
"""Half of a character that JSON writes in two, without the other: it stands for nothing."""


def read(text: str, model: type[M]) -> M | None:
    """The object that a completion holds, its last JSON; None where it is none of the kind.

    What vLLM's grammar lets through is read, too: control characters, and halves of characters.
    """
    try:
        return model.model_validate(last_json(_HALF.sub(r"\1\\ufffd", answered(text)), strict=False))
    except (ValidationError, RecursionError):
        return None


def repaired(request: Request, said: str) -> Request:
    """The request for another try, after a completion that is not what the schema asks for."""
    assert request.schema is not None
    wanted = json.dumps(request.schema.json, ensure_ascii=False)
    return replace(
        request,
        subject_id=f"{request.subject_id}.repair",
        messages=[
            *request.messages,
            {"role": "assistant", "content": said[:_LONGEST_QUOTED] or "…"},
            {
                "role": "user",
                "content": f"That is not what was asked for. Reply with one JSON object of this schema and "
                f"nothing else: {wanted}",
            },
        ],
    )
