"""The tools that a reply calls, read so that they can be run and sent back.

What a model said comes back to it as its own words. What is no valid message (a name that the API does
not take, arguments that are no JSON) is put right before that, or the endpoint would refuse all that
follows; it is marked then, because the words are no longer the model's.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from ..records import Call
from .tools import LONGEST_ARGUMENTS, json_object

MOST_CALLS = 8
"""Calls of one reply that are run; the others are told that they were not."""

_MOST_READ = 100
"""Calls of one reply that are looked at."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call as it is sent back to the model, and what to tell it where it cannot be run."""

    id: str
    name: str
    arguments: str
    sent: str
    """The arguments as an endpoint takes them: always a JSON object."""
    trouble: str = ""

    @property
    def as_it_came(self) -> bool:
        return self.sent == self.arguments and not self.trouble

    def message(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": self.sent}
        return {"id": self.id, "type": "function", "function": function}


def tool_calls_of(call: Call, turn: int) -> list[ToolCall]:
    """The tools that a reply calls, as they can be sent back, at most `MOST_CALLS` of them and one
    that says that there were more."""
    try:
        given = json.loads(call.tool_calls[0]) if call.tool_calls else []
    except (ValueError, RecursionError):
        given = []
    calls = given[:_MOST_READ] if isinstance(given, list) else []
    found: list[ToolCall] = []
    for place, one in enumerate(calls[: MOST_CALLS + 1]):
        read = _read(one, f"call{turn:02d}{place:03d}")
        if place == MOST_CALLS:
            trouble = f"error: {len(calls)} calls at once; only the first {MOST_CALLS} were run"
            read = replace(read, trouble=trouble)
        found.append(read)
    return found


def _read(one: Any, id: str) -> ToolCall:
    """One call; ids are ours, of the nine letters and digits that every endpoint takes."""
    function = one.get("function") if isinstance(one, dict) else None
    if not isinstance(function, dict):
        return ToolCall(id, "unknown", "", "{}", "error: that is no call of a function")
    name, arguments = function.get("name"), function.get("arguments", "{}")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return ToolCall(id, "unknown", "", "{}", "error: that is no name of a tool")
    if isinstance(arguments, dict):  # some endpoints send the object itself
        arguments = json.dumps(arguments)
    if not isinstance(arguments, str) or len(arguments) > LONGEST_ARGUMENTS:
        longest = f"error: arguments must be a JSON object of at most {LONGEST_ARGUMENTS} characters"
        return ToolCall(id, name, "", "{}", longest)
    if json_object(arguments) is None:
        shown = arguments.encode(errors="replace").decode()
        return ToolCall(id, name, shown, "{}", "error: the arguments are no JSON object")
    return ToolCall(id, name, arguments, arguments)
