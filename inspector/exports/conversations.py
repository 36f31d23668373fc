"""Preference pairs as TRL's DPOTrainer reads them: `prompt`, `chosen`, `rejected`, each a list of messages.

The Solver was trained on messages, put through its chat template; pairs of plain text would be trained
on without it.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from ...config import RunConfig
from ...memory.run import without_halves

_FUNCTION = pa.struct([("name", pa.string()), ("arguments", pa.string())])
_CALL = pa.struct([("id", pa.string()), ("type", pa.string()), ("function", _FUNCTION)])
_PLAIN = [("role", pa.string()), ("content", pa.string())]
_WITH_TOOLS = [*_PLAIN, ("tool_calls", pa.list_(_CALL)), ("tool_call_id", pa.string()), ("name", pa.string())]

_BESIDE = {
    "id": pa.string(), "question_id": pa.string(), "round": pa.int64(), "kind": pa.string(),
    "weight": pa.float64(), "smoothing": pa.float64(), "stage": pa.int64(), "likelihood": pa.float64(),
}  # fmt: skip
"""Columns of a pair beside what TRL reads."""


def pair_schema(config: RunConfig) -> pa.Schema:
    """Messages have a place for calls of tools where the Solver had any."""
    messages = pa.list_(pa.struct(_WITH_TOOLS if config.solver.tools else _PLAIN))
    trl = [(name, messages) for name in ("prompt", "chosen", "rejected")]
    return pa.schema([*trl, *_BESIDE.items()])


def pair_columns(row: dict[str, Any], columns: pa.Schema) -> dict[str, Any]:
    """A recorded pair as a row of these columns."""
    fields = [field.name for field in columns.field("prompt").type.value_type]
    sides = {
        "prompt": [{"role": "user", "content": row["prompt"]}],
        "chosen": _said(row["chosen"], row["chosen_messages"]),
        "rejected": _said(row["rejected"], row["rejected_messages"]),
    }
    told = {side: [_message(each, fields) for each in messages] for side, messages in sides.items()}
    return told | {name: row[name] for name in _BESIDE}


def _said(text: str, messages: str | None) -> list[dict[str, Any]]:
    found = without_halves(json.loads(messages)) if messages else None
    return found if isinstance(found, list) else [{"role": "assistant", "content": text}]


def _message(message: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    made = {name: message.get(name) for name in fields}
    if calls := made.get("tool_calls"):
        made["tool_calls"] = [_call(call) for call in calls]
    return made


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "id": call.get("id"),
        "type": call.get("type", "function"),
        "function": {"name": function.get("name"), "arguments": text},
    }
