"""What belongs to calls: rollouts with their verdicts, results of tools, the questions they were made for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from .tables import Row, Tables


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a prompt."""

    role: str
    text: str
    tools: list[tuple[str, str]] = field(default_factory=list)
    """Calls of tools that it asks for: name, arguments."""


@dataclass(frozen=True, slots=True)
class Output:
    """One completion and what came of it."""

    text: str
    length: int
    whole: bool
    """Its tokens did not run out."""
    reasoning: str
    tools: list[tuple[str, str]]
    rollout: Row | None
    """With its verdict."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A call as it is shown."""

    call: Row
    messages: list[Said]
    outputs: list[Output]
    results: list[Row]
    """Of the tools that it called."""
    question: Row | None
    proposal: Row | None
    """The subject is one of these, where it is known."""


def talks(tables: Tables, calls: Sequence[Row]) -> list[Talk]:
    """Calls with all that belongs to them, read together."""
    if not calls:
        return []
    names, rounds = [row["id"] for row in calls], [row["recorded_in"] for row in calls]
    span = [min(rounds), max(rounds)]
    rollouts = _grouped(_rollouts(tables, names, span), "call_id")
    results = _grouped(_in(tables, "tools", "call_id", names, span, "place"), "call_id")
    subjects = list({part for row in calls for part in (row["subject_id"], _base(row["subject_id"]))})
    questions = {row["id"]: row for row in _questions(tables, subjects)}
    proposals = {row["id"]: row for row in _in(tables, "proposals", "id", subjects, span, "recorded_in")}
    return [
        Talk(
            call=row,
            messages=messages_of(row["messages"]),
            outputs=_outputs(row, rollouts.get(row["id"], [])),
            results=results.get(row["id"], []),
            question=questions.get(row["subject_id"]) or questions.get(_base(row["subject_id"])),
            proposal=proposals.get(row["subject_id"]) or proposals.get(_base(row["subject_id"])),
        )
        for row in calls
    ]


def _base(subject: str) -> str:
    """The question or proposal that a subject begins with: a repair, a turn, a judge's vote add a word."""
    return subject.partition(".")[0]


def messages_of(text: str | None) -> list[Said]:
    """The messages of a prompt; what is no JSON of messages is shown as it stands."""
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        return [Said("not read", text or "")]
    return [_said(one) for one in found]


def _said(one: object) -> Said:
    if not isinstance(one, dict):
        return Said("not read", json.dumps(one))
    content = one.get("content")
    text = content if isinstance(content, str) else "" if content is None else json.dumps(content)
    return Said(str(one.get("role", "?")), text, tools_of(one.get("tool_calls")))


def tools_of(asked: object) -> list[tuple[str, str]]:
    """Names and arguments of a list of tool calls, given as JSON or as read."""
    if isinstance(asked, str):
        try:
            asked = json.loads(asked or "[]")
        except (ValueError, RecursionError):
            return [("not read", str(asked))]
    found = []
    for one in asked if isinstance(asked, list) else []:
        function = one.get("function") if isinstance(one, dict) else None
        told = function if isinstance(function, dict) else one if isinstance(one, dict) else {}
        arguments = told.get("arguments", "")
        found.append(
            (str(told.get("name", "?")), arguments if isinstance(arguments, str) else json.dumps(arguments))
        )
    return found


def _outputs(row: Row, rollouts: list[Row]) -> list[Output]:
    texts = row["completions"] or []
    # The last call of a conversation with tools is the one that its rollout names.
    by_index = {rollout["index"]: rollout for rollout in rollouts}
    if len(texts) == 1 and len(rollouts) == 1:
        by_index = {0: rollouts[0]}

    def at(column: str, place: int, missing: object) -> object:
        values = row[column] or []
        return values[place] if place < len(values) else missing

    return [
        Output(
            text=text or "",
            length=int(str(at("lengths", place, 0) or 0)),
            whole=at("finished", place, True) is not False,
            reasoning=str(at("reasoning", place, "") or ""),
            tools=tools_of(at("tool_calls", place, "[]")),
            rollout=by_index.get(place),
        )
        for place, text in enumerate(texts)
    ]


def _rollouts(tables: Tables, calls: Sequence[str], span: Sequence[int]) -> list[Row]:
    rows = tables.rows(
        "SELECT id, question_id, call_id, index, truncated, tokens, stage, recorded_in FROM rollouts "
        "WHERE recorded_in BETWEEN ? AND ? AND call_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY index",
        [*span, calls],
    )
    verdicts = {
        (row["rollout_id"], row["recorded_in"]): row
        for row in _in(tables, "verdicts", "rollout_id", [row["id"] for row in rows], span, "recorded_in")
    }
    return [{**row, "verdict": verdicts.get((row["id"], row["recorded_in"]))} for row in rows]


def _in(
    tables: Tables, view: str, column: str, values: Sequence[str], span: Sequence[int], order: str
) -> list[Row]:
    if not values:
        return []
    return tables.rows(
        f"SELECT * FROM {view} WHERE recorded_in BETWEEN ? AND ? "  # noqa: S608
        f"AND {column} IN (SELECT unnest(?::VARCHAR[])) ORDER BY {order}",
        [*span, values],
    )


def _questions(tables: Tables, ids: Sequence[str]) -> list[Row]:
    parts = " UNION ALL ".join(
        f"SELECT id, text, skill, level FROM {view} WHERE id IN (SELECT unnest(?::VARCHAR[]))"  # noqa: S608
        for view in ("questions", "labelled", "validation", "heldout")
    )
    return tables.rows(parts, [ids] * 4)


def _grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[column], []).append(row)
    return found
