"""JSON schemas of replies, cut to what a request has tokens for.

An untrained model that is held to a schema never ends a text by itself: only its greatest length does.
So that such a reply ends, too, all texts together must fit into the tokens of the request.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from ..serving.client import Schema
from ..tasks.checkers.answers import without_thinking
from ..tasks.checkers.simple import last_json

_TEXT_SHARE = 0.75
"""Of a request's tokens for the texts of a reply, at one character a token, which is the worst that
happens with plain letters; the rest is for the JSON around them."""

_LEAST = 48
"""Characters that every text keeps."""


def schema_of(model: type[BaseModel], max_tokens: int | None = None) -> Schema:
    """The JSON schema of a pydantic model as endpoints want it: every property required and no others,
    nothing referred to.

    Args:
        max_tokens: of the request; texts are cut to fit, the long ones by more characters.
    """
    whole = model.model_json_schema()
    shape = _plain(whole, whole.get("$defs", {}))
    if max_tokens is not None:
        most, least = _characters(shape, _longest), _characters(shape, _least)
        room = _TEXT_SHARE * max_tokens - least
        _cut(shape, min(1.0, max(0.0, room / max(1, most - least))))
    return Schema(model.__name__.strip("_").lower(), shape)


def fits(schema: Schema, said: str) -> bool:
    """Whether a completion is of a schema; texts may be longer than it says, which is there so that they
    come to an end: what is no character is counted once by vLLM, and read as several."""
    validator = _validator(json.dumps(schema.json, sort_keys=True))
    try:
        faults = list(validator.iter_errors(last_json(without_thinking(said), strict=False)))
    except RecursionError:
        return False
    return all(fault.validator == "maxLength" for fault in faults)


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def _plain(node: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return _plain(known[node["$ref"].rpartition("/")[2]], known)
    shape = {key: node[key] for key in node if key not in ("$defs", "title", "default", "description")}
    if "properties" in node:
        inner = {name: _plain(value, known) for name, value in node["properties"].items()}
        shape |= {"properties": inner, "required": list(inner), "additionalProperties": False}
    if "items" in node:
        shape["items"] = _plain(node["items"], known)
    return shape


def _longest(node: dict[str, Any]) -> int:
    return int(node.get("maxLength", 0))


def _least(node: dict[str, Any]) -> int:
    return min(_LEAST, _longest(node))


def _characters(node: dict[str, Any], of: Callable[[dict[str, Any]], int]) -> int:
    """Of all texts together."""
    inner = sum(_characters(value, of) for value in node.get("properties", {}).values())
    listed = node.get("maxItems", 1) * _characters(node["items"], of) if "items" in node else 0
    return of(node) + inner + listed


def _cut(node: dict[str, Any], share: float) -> None:
    """Leave each text its least, and this share of what it may have beyond."""
    if "maxLength" in node:
        node["maxLength"] = _least(node) + int(share * (_longest(node) - _least(node)))
    for value in (*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])):
        _cut(value, share)
