"""How LangGraph's checkpoints are read and written: as plain values.

As LangGraph reads them by itself, a checkpoint may name any function of any module, which is then called
with what stands beside it. A run folder may be a stranger's, and graph.sqlite with it.
"""

from __future__ import annotations

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer


def only_plain() -> JsonPlusSerializer:
    """A serializer that makes nothing but LangGraph's own types and Python's plain ones."""
    return JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
