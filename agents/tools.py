"""Tools that a model may call through the OpenAI tool protocol: what each is, and how one is run.

What a model sends is data: a name that nobody has, arguments that are no JSON, programs that never
end. Each becomes a result that the model is told; none is an error of ours.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..memory.search import Found
from ..records import Question
from ..tasks.sandbox.find import find_sandbox
from ..tasks.sandbox.running import Limits, Ran, Sandbox, run

LONGEST_RESULT = 4_000
"""Characters of a result that a model is told."""

LONGEST_ARGUMENTS = 20_000
"""Characters of arguments that are looked at."""

_SHOWN = 500
"""Characters of an entry of the memory, each of its texts."""


@dataclass(frozen=True, slots=True)
class About:
    """What a conversation is about: no tool may give its answer away."""

    prompt: str
    """Everything that the model was asked with."""
    question: Question | None = None
    """The question to be answered, where it is one."""


class Arguments(BaseModel):
    """Base of what a tool takes: nothing that nobody declared."""

    model_config = ConfigDict(extra="forbid", title="arguments")


class Tool(Protocol):
    """One function that a model may call."""

    name: ClassVar[str]
    description: ClassVar[str]
    takes: ClassVar[type[Arguments]]

    async def run(self, given: Any, about: About) -> str:
        """What the model is told; `given` is an object of `takes`."""
        ...


class ProgramArguments(Arguments):
    code: str = Field(max_length=LONGEST_ARGUMENTS)


class PythonTool:
    """Runs a program in the sandbox of the `python` checker.

    Args:
        sandbox: none is made here, so that a run without one is told before it begins.
        seconds: processor time of one program.
    """

    name: ClassVar[str] = "python"
    description: ClassVar[str] = (
        "Run a Python 3 program, with the standard library alone and no network, and see what it prints. "
        "Nothing is kept from one run to the next. Use print() for what you want to see."
    )
    takes: ClassVar[type[Arguments]] = ProgramArguments

    def __init__(self, sandbox: Sandbox, seconds: float = 5.0) -> None:
        self._sandbox, self._limits = sandbox, Limits(seconds=seconds)
        # Each is a process tree of its own; more at once would only take each other's time.
        self._slots = asyncio.Semaphore(os.cpu_count() or 1)

    async def run(self, given: ProgramArguments, about: About) -> str:
        task = {"mode": "program", "code": given.code, "stdin": ""}
        async with self._slots:
            ran = await asyncio.to_thread(run, self._sandbox, task, self._limits)
        return self._told(ran)

    def _told(self, ran: Ran) -> str:
        if ran.status == "failed":
            # Why is for the log of the sandbox: it may name places of this machine.
            return "error: the program could not be run"
        printed = ran.stdout.decode("utf-8", "replace")
        if ran.status != "ended":
            return f"{shortened(printed)}\nerror: it took too much {ran.status} and was ended".strip()
        if ran.code:
            said = ran.stderr.decode("utf-8", "replace").strip()[-_SHOWN:]
            return f"{shortened(printed)}\nerror: it ended with status {ran.code}\n{said}".strip()
        return printed or "(it printed nothing)"


@cache
def working_sandbox() -> Sandbox:
    """The sandbox that works here, tried once.

    Raises:
        MissingPart: none does; the message says what to install.
    """
    return find_sandbox()


class SearchArguments(Arguments):
    query: str = Field(max_length=2_000)


Look = Callable[[str, About], Sequence[Found]]


class SearchTool:
    """Looks into the run's memory.

    Args:
        look: what is found for a query; whoever makes it decides what must not be found.
    """

    name: ClassVar[str] = "search"
    description: ClassVar[str] = (
        "Search what is remembered: questions like the query, with worked solutions where there are any."
    )
    takes: ClassVar[type[Arguments]] = SearchArguments

    def __init__(self, look: Look) -> None:
        self._look = look

    async def run(self, given: SearchArguments, about: About) -> str:
        found = [_entry(one) for one in self._look(given.query, about)]
        return json.dumps(found, ensure_ascii=False) if found else "nothing was found"


def _entry(found: Found) -> dict[str, str]:
    texts = {"question": found.question, "answer": found.answer, "solution": found.solution}
    texts["failed attempt"] = found.attempt
    return {name: text[:_SHOWN] for name, text in texts.items() if text}


class Toolbox:
    """The tools of a role, and the one place where a call becomes a result."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    @property
    def specs(self) -> tuple[dict[str, Any], ...]:
        """As the API takes them."""
        return tuple(
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.takes.model_json_schema(),
                },
            }
            for tool in self._tools.values()
        )

    async def run(self, name: str, arguments: str, about: About) -> str:
        """What a model is told for its call, whatever it sent."""
        tool = self._tools.get(name)
        if tool is None:
            return f"error: there is no tool of that name; there are: {', '.join(self._tools)}"
        if len(arguments) > LONGEST_ARGUMENTS:
            return f"error: the arguments are longer than {LONGEST_ARGUMENTS} characters"
        value = json_object(arguments)
        if value is None:
            return "error: the arguments are no JSON object"
        try:
            given = tool.takes.model_validate(value)
        except ValidationError as wrong:
            return f"error: {_complaint(wrong)}"
        try:
            return shortened(await tool.run(given, about))
        except (OSError, ValueError, RuntimeError) as trouble:
            return f"error: the tool failed ({type(trouble).__name__})"


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object of a text; None where it is none, also to those who refuse what Python adds to
    JSON (NaN), or where it holds what is no text (half of a surrogate pair)."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _complaint(wrong: ValidationError) -> str:
    """The first thing that is wrong, without repeating what was sent."""
    first = wrong.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:100]
    return f"{place or 'arguments'}: {first['msg'][:200]}"


def shortened(text: str) -> str:
    """A text that fits a result: its beginning and its end."""
    if len(text) <= LONGEST_RESULT:
        return text
    half = LONGEST_RESULT // 2 - 20
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
