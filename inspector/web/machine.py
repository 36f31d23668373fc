"""The state machine of a run: the node now running, time in each, retries, and its checkpoints."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ...errors import RunError, printable
from ..troubled import FAILED
from .found import ThisRun
from .rendering import page
from .runs import Run
from .trouble import fork, resume, trouble_of

router = APIRouter()
_CHECKPOINTS = 60
_STEP, _WIDTH, _HEIGHT = 46, 180, 30
_BACK = {("review", "teach"): "too few admitted"}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a resume would go on, as LangGraph kept it."""

    at: datetime
    round: int
    next: str
    """Node that follows; empty at the end."""
    solver: str
    name: str
    fork: str
    """The command that begins a new run here; empty where no round is over."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node in the drawing."""

    name: str
    y: int
    seconds: float | None
    """In the round that is looked at."""
    total: float
    running: bool


@dataclass(frozen=True, slots=True)
class Arc:
    """An edge that leads to another node than the next below."""

    path: str
    said: str
    x: int
    y: int


@router.get("/graph", response_class=HTMLResponse)
def shown(run: ThisRun) -> HTMLResponse:
    kept, said = _checkpoints(run)
    playing = run.playing()
    now = kept[0].next if kept and playing else ""
    # At its end the graph stands before a round that is never played.
    round = kept[0].round if kept and kept[0].next else max(run.folder.rounds(), default=0)
    spent, total = spent_in(run, round), _total(run)
    boxes = [
        Box(name, place * _STEP + 8, spent.get(name), total.get(name, 0.0), name == now)
        for place, name in enumerate(prepare())
    ]
    return page(
        "machine.jinja",
        run=run,
        boxes=boxes,
        arcs=list(_arcs({box.name: box.y for box in boxes})),
        width=_WIDTH,
        height=_HEIGHT,
        whole=len(boxes) * _STEP + 8,
        now=now,
        since=kept[0].at if kept else None,
        clock=datetime.now(UTC),
        round=round,
        rounds=max(1, len(list(run.folder.rounds())) - 1),
        serve=(spent.get("serve"), total.get("serve", 0.0)),
        calls=_calls(run, round),
        checkpoints=kept,
        said=said,
        resume=resume(run),
        trouble=trouble_of(run),
    )


def prepare() -> list[str]:
    """Names of the nodes in the order of a run, which begins with measuring its base model. LangGraph is
    imported for it, which takes seconds the first time."""
    import langgraph.checkpoint.sqlite  # noqa: F401

    from ...graph.build import NODES

    first = ["evaluate", "gate"]
    return first + [name for name in NODES if name not in first]


def _checkpoints(run: Run) -> tuple[list[Checkpoint], str]:
    """The newest first, and why there are none where that is so."""
    if not run.folder.graph.exists():
        return [], "The graph has not begun: it has no checkpoint yet."
    try:
        found = list(_read(run))
    except Exception as error:  # whatever another program wrote there; the rest of the page stands
        return [], f"graph.sqlite cannot be read now ({printable(str(error))[:200]}); the page tries again."
    return (
        found,
        "" if found else f"graph.sqlite holds no checkpoint of a run called {run.name}: was it renamed?",
    )


def _read(run: Run) -> Iterator[Checkpoint]:
    from langgraph.checkpoint.sqlite import SqliteSaver

    from ...graph.plain import only_plain

    # Where nobody writes, nothing may be made beside it either, as SQLite else would to read.
    how = "mode=ro" if run.playing() else "mode=ro&immutable=1"
    with contextlib.closing(
        sqlite3.connect(f"{run.folder.graph.resolve().as_uri()}?{how}", uri=True, check_same_thread=False)
    ) as connection:
        connection.execute("PRAGMA query_only = 1")
        saver = SqliteSaver(connection, serde=only_plain())
        saver.is_setup = True  # it is there, and is not ours to set up
        where: Any = {"configurable": {"thread_id": run.name}}
        for found in saver.list(where, limit=_CHECKPOINTS):
            values = found.checkpoint["channel_values"]
            following = [key.removeprefix("branch:to:") for key in values if key.startswith("branch:to:")]
            round = int(values.get("round", 0))
            after_gate = round > 0 and (not following or following == ["select"])
            yield Checkpoint(
                at=datetime.fromisoformat(found.checkpoint["ts"]),
                round=round,
                next=", ".join(following),
                fork=fork(run, round - 1) if after_gate else "",
                solver=str(values.get("solver", "base")),
                name=str(found.checkpoint["id"]),
            )


def spent_in(run: Run, round: int) -> dict[str, float]:
    """Seconds of a round by node; what cannot be read is not shown."""
    try:
        found = run.folder.read_json(round, "seconds")
    except (RunError, OSError):
        return {}
    return accounted(found)


def accounted(found: object) -> dict[str, float]:
    """What of a file is seconds by node."""
    whole = found if isinstance(found, dict) else {}
    return {name: float(time) for name, time in whole.items() if type(time) in (int, float)}


def _total(run: Run) -> Counter[str]:
    report, total = run.report(), Counter[str]()
    for account in (report.start_seconds, *(entry.seconds for entry in report.rounds)) if report else ():
        total.update(account)
    return total


def _arcs(places: dict[str, int]) -> Iterator[Arc]:
    """Ways back within a round, drawn at the right; the last node leads to the first."""
    for (start, end), said in _BACK.items():
        if start not in places or end not in places:
            continue
        top, bottom = places[end] + _HEIGHT // 2, places[start] + _HEIGHT // 2
        out = _WIDTH + 34
        yield Arc(
            f"M{_WIDTH + 1} {bottom} C{out} {bottom}, {out} {top}, {_WIDTH + 9} {top}",
            said,
            out - 8,
            (top + bottom) // 2,
        )


def _calls(run: Run, round: int) -> list[dict[str, Any]]:
    return run.rows(
        f"SELECT role, stage, count(*) AS calls, count(*) FILTER ({FAILED}) AS failed, "  # noqa: S608
        "coalesce(sum(len(tried)), 0)::BIGINT AS again, sum(completion_tokens)::BIGINT AS tokens, "
        "sum(seconds) AS seconds FROM calls WHERE recorded_in = ? GROUP BY role, stage ORDER BY role, stage",
        [round],
    )
