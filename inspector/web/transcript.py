"""What the agents were asked and said in a round, in the order in which it happened; one call in whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel

from .. import conversation
from ..conversation import Wanted
from ..spoken import messages_of, talks
from ..tables import Row
from .asked import Number, Page, RoundOrAll, Text
from .found import ThisRun, below
from .machine import spent_in
from .rendering import page
from .runs import Run
from .skills import skills_of
from .trouble import trouble_of

router = APIRouter()
_PAGE = 40
_WHOLE = 100_000
"""Signs of a text on the page of a call; all of it is in the text beside it."""
ROLES = ("teacher", "solver", "generator", "verifier", "canary")
VERDICTS = ("right", "wrong", "invalid", "undecided")


class Search(BaseModel):
    """What the form asks for; what is empty asks for nothing."""

    round: RoundOrAll = ""
    role: Text = ""
    skill: Text = ""
    verdict: Text = ""
    stage: Text = ""
    failed: bool = False
    q: Text = ""
    at: Page = 1
    until: Number = None
    """Of all rounds, the one to begin at."""

    def there(self) -> dict[str, object]:
        """As the address of a page says it, but for where in the list it is."""
        told = self.model_dump(exclude={"at", "until"})
        return {**told, "failed": "true" if self.failed else ""}

    def wanted(self) -> Wanted:
        return Wanted(self.role, self.skill, self.verdict, self.stage, self.failed, self.q)


@router.get("/transcript", response_class=HTMLResponse)
def transcript(run: ThisRun, search: Annotated[Search, Query()]) -> HTMLResponse:
    newest = conversation.newest_round(run)
    number = newest if search.round in ("", "all") else int(search.round)
    _known(run, number)
    found = _found(run, number, search)
    stages = conversation.stages(run, number) if number is not None else []
    asked, everything = search.there(), search.round == "all"
    return page(
        "transcript.jinja",
        run=run,
        trouble=trouble_of(run),
        round=None if everything else number,
        asked=asked,
        filtered=any(value for key, value in asked.items() if key != "round"),
        talks=talks(run, found.calls),
        more=found.more,
        until=found.until,
        at=search.at,
        address_of=lambda at: below(run, "transcript", **asked, until=search.until, page=at),
        further=below(run, "transcript", **asked, until=(found.until or 1) - 1),
        strip=_strip(run, number, stages) if number is not None else [],
        stages=stages,
        neighbours=(None, None) if everything else _neighbours(run, number),
        skills=skills_of(run),
        roles=ROLES,
        verdicts=VERDICTS,
        hashes=_Hashes(run),
    )


def _found(run: Run, number: int | None, search: Search) -> conversation.Found:
    """Calls of a round, or of all up to it; none where no model was asked yet."""
    skip = _PAGE * (search.at - 1)
    if number is None:
        return conversation.Found([], False)
    if search.round != "all":
        return conversation.of_round(run, number, search.wanted(), _PAGE, skip)
    newest = number if search.until is None else min(search.until, number)
    return conversation.of_all(run, newest, search.wanted(), _PAGE, skip)


def _known(run: Run, number: int | None) -> None:
    if number is not None and number not in run.folder.rounds():
        raise HTTPException(404, f"this run has no round {number}")


def _neighbours(run: Run, number: int | None) -> tuple[int | None, int | None]:
    rounds = list(run.folder.rounds())
    if number not in rounds:
        return None, None
    at = rounds.index(number)
    return (rounds[at - 1] if at else None), (rounds[at + 1] if at + 1 < len(rounds) else None)


def _strip(run: Run, number: int, stages: Sequence[Row]) -> list[dict[str, Any]]:
    """The nodes that a round went through, with their time and what they asked of models."""
    seconds = spent_in(run, number)
    by_node: dict[str, list[Row]] = {}
    for row in stages:
        by_node.setdefault(row["node"], []).append(row)
    order = list(dict.fromkeys([*(node for node in NODES if node in seconds or node in by_node), *by_node]))
    return [{"node": name, "seconds": seconds.get(name), "stages": by_node.get(name, [])} for name in order]


NODES = (
    "select", "attempt", "verify", "profile", "reflect", "teach", "generate", "vet", "review", "pair",
    "train_solver", "train_generator", "evaluate", "gate",
)  # fmt: skip
"""As graph/build.py wires them; it is not imported, for all that it would bring along."""


@router.get("/transcript/call/{call_id}", response_class=HTMLResponse)
def call(run: ThisRun, call_id: str) -> HTMLResponse:
    found = _call(run, call_id)
    return page(
        "call.jinja",
        run=run,
        name=call_id,
        talks=talks(run, found),
        most=_WHOLE,
        hashes=_Hashes(run),
    )


@router.get("/transcript/call/{call_id}/text", response_class=PlainTextResponse)
def call_text(run: ThisRun, call_id: str) -> PlainTextResponse:
    """All of a call as text, however long."""
    return PlainTextResponse("\n\n".join(_as_text(row) for row in _call(run, call_id)))


def _call(run: Run, name: str) -> list[Row]:
    found = conversation.call(run, name) if len(name) <= 100 else []
    if not found:
        raise HTTPException(404, f"this run has no call {name[:60]!r}")
    return found


def _as_text(row: Row) -> str:
    """Its columns one below the other, its texts as they are."""
    plain = ("messages", "completions", "reasoning", "tool_calls", "lengths", "length", "step", "node")
    lines = [f"{key}: {json.dumps(value, default=str)}" for key, value in row.items() if key not in plain]
    parts = ["\n".join(lines)]
    parts += [f"=== {said.role} ===\n{said.text}" for said in messages_of(row["messages"])]
    for place, text in enumerate(row["completions"] or []):
        thought = (row["reasoning"] or [])[place : place + 1]
        parts += [f"=== reasoning {place + 1} ===\n{one}" for one in thought if one]
        parts.append(f"=== completion {place + 1} ===\n{text}")
        tools = (row["tool_calls"] or [])[place : place + 1]
        parts += [f"=== calls of tools {place + 1} ===\n{one}" for one in tools if one and one != "[]"]
    return "\n\n".join(parts)


@router.get("/template/{template_name}", response_class=HTMLResponse)
def template(run: ThisRun, template_name: str) -> HTMLResponse:
    """A prompt template as the run keeps it."""
    there = _templates(run)
    if template_name not in there:
        raise HTTPException(404, f"this run keeps no template {template_name[:60]!r}")
    data = there[template_name].read_bytes()
    return page(
        "template.jinja",
        run=run,
        name=template_name,
        text=data.decode("utf-8", "replace"),
        sha256=hashlib.sha256(data).hexdigest(),
        others=sorted(there),
    )


def _templates(run: Run) -> dict[str, Path]:
    """Names are compared with what is there, and never made a path."""
    return {path.stem: path for path in run.folder.prompts.glob("*.jinja") if path.is_file()}


class _Hashes:
    """Short hashes of the templates that the run keeps, each read once."""

    def __init__(self, run: Run) -> None:
        self._there, self._known = _templates(run), dict[str, str]()

    def __call__(self, template: str) -> str:
        """Of a template as a call names it, such as `hint@2`; empty where the run does not keep it."""
        name = template.partition("@")[0]
        if name in self._there and name not in self._known:
            self._known[name] = hashlib.sha256(self._there[name].read_bytes()).hexdigest()[:8]
        return self._known.get(name, "")
