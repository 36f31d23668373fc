"""What a run left behind, in a form in which two runs can be compared; and what differs between two.

Left out is what no two runs have in common, undisturbed ones included: times, ports, and what a
server said of itself after each start (canaries).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

_OF_ONE_PLAY = {
    "seconds",
    "endpoint",
    "swap_seconds",
    "started",
    "versions",
    "tried",
    "nearest_id",
    "likeness",
}
"""Fields that are of one play alone; the nearest question among them, for Chroma's index is approximate and
built anew by a resume."""

_PLAYED = {"seconds.json", "swaps.json", "report.json", "calls_so_far.json"}

Entry = tuple[str, str]
"""A kind of record with its round, and the record as JSON."""


@dataclass
class Left:
    """What a run left."""

    records: Counter[Entry] = field(default_factory=Counter)
    memory: dict[str, Any] = field(default_factory=dict)
    """By collection and id: document and metadata."""
    state: dict[str, Any] = field(default_factory=dict)
    """The graph's last."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Checkpoints' weights."""


def left_by(run: Path) -> Left:
    """Read a run that is over."""
    left = Left(records=Counter(_records(run)), memory=_memory(run), state=_state(run))
    for path in sorted((run / "checkpoints").glob("*/*.safetensors")):
        left.files[str(path.relative_to(run))] = path.read_bytes()
    return left


def _records(run: Path) -> Iterator[Entry]:
    for folder in sorted((run / "rounds").iterdir()):
        for path in sorted(folder.rglob("*.parquet")):
            kind = path.parent.name if path.parent != folder else path.stem
            series = path.stem.rpartition("-")[0] if path.parent != folder else ""
            if series != "canary":
                for row in pq.read_table(path).to_pylist():
                    yield f"{folder.name}/{kind}/{series}", _plain(row)
        for path in sorted(folder.glob("*.json")):
            if path.name not in _PLAYED:
                yield f"{folder.name}/{path.name}", _plain(json.loads(path.read_text()))


def _plain(value: Any) -> str:
    return json.dumps(_comparable(value), sort_keys=True)


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _comparable(inner) for key, inner in value.items() if key not in _OF_ONE_PLAY}
    return [_comparable(inner) for inner in value] if isinstance(value, list) else value


def _memory(run: Path) -> dict[str, Any]:
    """Every entry of every collection, without a client that would stay in this process."""
    from maieutic.memory.embedding import NgramEmbedding
    from maieutic.memory.shelf import FREE
    from maieutic.memory.store import Store

    store, found = Store(run / "memory", NgramEmbedding()), {}
    try:
        for name in ("questions", "weaknesses", "failures", "behaviours"):
            there = store.collection(name).get(include=["documents", "metadatas", "embeddings"])
            rows = zip(
                there["ids"],
                there["documents"] or [],
                there["metadatas"] or [],
                [[round(float(x), 6) for x in one] for one in there["embeddings"]],
                strict=True,
            )
            for entry, document, metadata, vector in rows:
                if metadata.get("zone") == FREE:
                    continue  # kept for the next that comes
                key = metadata.get("key", entry)
                found[f"{name}/{key}"] = json.dumps([document, dict(metadata), vector], sort_keys=True)
    finally:
        store.close()
    return found


def _state(run: Path) -> dict[str, Any]:
    """The channel values of the graph's last checkpoint."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    with sqlite3.connect(f"file:{run / 'graph.sqlite'}?mode=ro", uri=True) as database:
        row = database.execute(
            "select type, checkpoint from checkpoints order by checkpoint_id desc limit 1"
        ).fetchone()
    values: dict[str, Any] = JsonPlusSerializer().loads_typed(row)["channel_values"]
    return {name: value for name, value in values.items() if not name.startswith(("branch:", "__"))}


def differences(one: Left, other: Left) -> list[str]:
    """What two runs do not have in common, a line each; nothing where they are the same run."""
    found = []
    for key in sorted({kind for kind, _ in (one.records - other.records) + (other.records - one.records)}):
        missing = _of(one.records - other.records, key)
        more = _of(other.records - one.records, key)
        found.append(
            f"{key}: {missing.total()} missing, {more.total()} more, such as {_first(more, missing)}"
        )
    for what in ("memory", "state", "files"):
        found += _unlike(what, getattr(one, what), getattr(other, what))
    return found


def _of(records: Counter[Entry], kind: str) -> Counter[Entry]:
    return Counter({entry: count for entry, count in records.items() if entry[0] == kind})


def _first(*some: Counter[Entry]) -> str:
    return next((entry[1][:200] for counter in some for entry in counter), "")


def _unlike(what: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(one.keys() | other.keys()):
        if one.get(key) != other.get(key):
            yield f"{what}: {key}: {str(one.get(key))[:100]} became {str(other.get(key))[:100]}"


def doubled(run: Path) -> list[str]:
    """Ids that occur twice within their kind and round, canaries apart."""
    seen: Counter[str] = Counter()
    for folder in sorted((run / "rounds").iterdir()):
        for path in folder.rglob("*.parquet"):
            series = path.stem.rpartition("-")[0]
            if path.parent == folder or series == "canary":
                continue
            names = pq.read_schema(path).names
            key = next((name for name in ("id", "rollout_id", "question_id") if name in names), None)
            if key is not None and path.parent.name != "opinions":
                # A question may have hints of several kinds, each in a series of its own.
                place = f"{folder.name}/{path.parent.name}" + f"/{series}" * (path.parent.name == "hints")
                seen.update(f"{place} {x}" for x in pq.read_table(path, columns=[key])[key].to_pylist())
    return sorted(name for name, count in seen.items() if count > 1)


def leftovers(run: Path) -> list[str]:
    """Files of half a write: hidden, and named for the process that wrote them."""
    hidden = [path for path in run.rglob(".*") if path.is_file() or path.is_dir()]
    return sorted(str(path.relative_to(run)) for path in hidden)
