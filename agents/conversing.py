"""Conversations in which a model calls tools: many at once, turn by turn, every turn a recorded call.

The protocol is that of the OpenAI API: a reply that asks for tools is answered with one message of
role `tool` for each, and the model is asked again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..records import Call, Question, ToolResult, short_id
from ..serving.client import Request
from .shape import fits
from .teacher import Ask
from .tool_calls import ToolCall, tool_calls_of
from .tools import About, Toolbox

_LONGEST_SAID = 32_000
"""Characters of a reply that are sent again."""

_NO_TOOLS = "Your calls of tools are used up. Give your answer now."
_IN_SHAPE = "Give your answer now, in the form that was asked for and with nothing else."


class Results(Protocol):
    """Where results of tools are kept, so that a resumed conversation goes on as it began."""

    def known(self) -> Mapping[str, ToolResult]:
        """All that were kept, by id."""
        ...

    def keep(self, results: Sequence[ToolResult]) -> None: ...


@dataclass(slots=True)
class Conversation:
    """What came of one request."""

    request: Request
    calls: list[Call] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    """Everything after the prompt; the answer is the last, once there is one."""
    answer: str = ""
    whole: bool = False
    """False where a request was refused or cut off, or turns ran out and nothing was said."""
    altered: set[int] = field(default_factory=set)
    """Places of messages in which the model's own words had to be put right: not to be trained on."""
    shaping: bool = False
    """Whether it is asked for its answer in the form of its schema, and for nothing more."""

    @property
    def tools_called(self) -> bool:
        return any(message["role"] == "tool" for message in self.messages)

    @property
    def asks_for_shape(self) -> bool:
        """Whether its last word is ours, which asks for the shape of its answer."""
        return self.shaping and self.messages[-1]["role"] == "user"

    def transcript(self) -> str:
        """JSON of everything after the prompt, with `altered` on what is not the model's own."""
        marked = enumerate(self.messages)
        return json.dumps([{**m, "altered": True} if place in self.altered else m for place, m in marked])

    def heard(self, call: Call, turn: int, last: bool) -> list[ToolCall]:
        """Take a reply in; the tools that it calls, where any may be called still."""
        self.calls.append(call)
        said = call.completions[0]
        ends = last or self.shaping or not all(call.finished)
        wanted = [] if ends else tool_calls_of(call, turn)
        message: dict[str, Any] = {"role": "assistant", "content": said}
        self.messages.append(message)
        if wanted:
            message |= {"content": said[:_LONGEST_SAID], "tool_calls": [each.message() for each in wanted]}
            if len(said) > _LONGEST_SAID or not all(each.as_it_came for each in wanted):
                self.altered.add(len(self.messages) - 1)
        elif ends or self.request.schema is None or fits(self.request.schema, said):
            self.answer, self.whole = said, all(call.finished) and bool(said.strip())
        else:
            self.shaping = True
            message["content"] = said[:_LONGEST_SAID] or "…"  # some endpoints take no empty message
            self.messages.append({"role": "user", "content": _IN_SHAPE})
        return wanted

    def next(self, name: str, turn: int, last: bool, tools: tuple[dict[str, Any], ...]) -> Request:
        """The request of a turn."""
        if last and not self.shaping:
            self.messages.append({"role": "user", "content": _IN_SHAPE if self.request.schema else _NO_TOOLS})
        ends = last or self.shaping
        return replace(
            self.request,
            subject_id=name,
            messages=[*self.request.messages, *self.messages],
            seed=(self.request.seed + turn - 1) & 0x7FFF_FFFF,
            tools=() if ends else tools,
            schema=self.request.schema if ends else None,
        )


async def converse(
    requests: Sequence[Request],
    toolbox: Toolbox,
    most_turns: int,
    ask: Ask,
    results: Results,
    about: Mapping[str, Question] | None = None,
) -> dict[str, Conversation]:
    """Play conversations in step with each other.

    Args:
        most_turns: replies that may call tools; then the model is asked once more, without any.
        ask: gets the requests of a turn, with subjects `<id>.t1`, `<id>.t2` …
        results: read on a resume, and written before a model is told.
        about: the questions to be answered, by subject, where the requests are that.
    Returns:
        Every conversation by its request's subject, whatever became of it.
    """
    talks = {request.subject_id: Conversation(request) for request in requests}
    going = list(talks.values())
    kept = results.known()
    for turn in range(1, most_turns + 2):
        last = turn > most_turns
        asked = {f"{talk.request.subject_id}.t{turn}": talk for talk in going}
        replies = await ask([t.next(name, turn, last, toolbox.specs) for name, t in asked.items()])
        wanting: list[_Wanting] = []
        for name, talk in asked.items():
            call = replies.get(name)
            if call is not None and call.completions:
                wanting.append((talk, call, talk.heard(call, turn, last)))
        kept = await _told(wanting, toolbox, results, kept, about or {})
        going = [talk for talk, _, wanted in wanting if wanted or talk.asks_for_shape]
        if not going:
            break
    return talks


_Wanting = tuple[Conversation, Call, list[ToolCall]]


async def _told(
    wanting: Sequence[_Wanting],
    toolbox: Toolbox,
    results: Results,
    kept: Mapping[str, ToolResult],
    about: Mapping[str, Question],
) -> Mapping[str, ToolResult]:
    """Run what a turn asked for, keep the results, and put them into the conversations."""

    async def run(talk: Conversation, call: Call, place: int, wanted: ToolCall) -> ToolResult:
        id = short_id("tool", call.id, place)
        if id in kept:
            return kept[id]
        started = time.monotonic()
        prompt = "\n".join(str(message.get("content")) for message in talk.request.messages)
        what = About(prompt, about.get(talk.request.subject_id))
        said = wanted.trouble or await toolbox.run(wanted.name, wanted.arguments, what)
        return ToolResult(
            id=id,
            call_id=call.id,
            place=place,
            name=wanted.name,
            arguments=wanted.arguments,
            result=said,
            seconds=time.monotonic() - started,
        )

    runs = [
        (talk, each, run(talk, call, place, each))
        for talk, call, wanted in wanting
        for place, each in enumerate(wanted)
    ]
    done = await asyncio.gather(*(running for _, _, running in runs))
    fresh = [result for result in done if result.id not in kept]
    if fresh:
        results.keep(fresh)
    for (talk, each, _), result in zip(runs, done, strict=True):
        talk.messages.append({"role": "tool", "tool_call_id": each.id, "content": result.result})
    return {**kept, **{result.id: result for result in fresh}}


def with_tools(ask: Ask, toolbox: Toolbox, most_turns: int, results: Results) -> Ask:
    """An Ask of which every request is a conversation with tools.

    Agents that ask need not know: they get the call that holds the answer, under the subject that
    they asked for. A request with a schema is held to it in its last turn alone, since a reply that
    must be an object can call no tool.
    """

    async def asking(requests: Sequence[Request]) -> dict[str, Call]:
        talks = await converse(requests, toolbox, most_turns, ask, results)
        return {
            name: talk.calls[-1].model_copy(update={"subject_id": name})
            for name, talk in talks.items()
            if talk.whole
        }

    return asking
