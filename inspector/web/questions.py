"""The questions of a run: the bank, the fixed sets, and what was proposed and refused."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from ..listing import Asked, questions, reasons, refusals
from .asked import Number, Page, Text
from .found import ThisRun, below
from .rendering import page
from .runs import Run
from .skills import levels_of, skills_of
from .trouble import trouble_of

router = APIRouter()
_PAGE = 50
SETS = {
    "bank": "In the bank", "refused": "Refused proposals", "validation": "Validation set",
    "heldout": "Held-out sets",
}  # fmt: skip
ORIGINS = ("seed", "teacher", "generator")
ZONES = ("mastered", "learning", "too_hard")
Set = Annotated[Literal["bank", "refused", "validation", "heldout", ""], Query(alias="set")]
In = Annotated[Literal["admitted", "asked", ""], Query(alias="in")]


@router.get("/questions", response_class=HTMLResponse)
def listed(
    run: ThisRun,
    of: Set = "",
    skill: Text = "",
    level: Number = None,
    origin: Text = "",
    zone: Text = "",
    round: Number = None,
    within: In = "",
    q: Text = "",
    refused: Text = "",
    at: Page = 1,
) -> HTMLResponse:
    if round is not None and round not in run.folder.rounds():
        raise HTTPException(404, f"this run has no round {round}")
    kept = of or ("refused" if refused else "bank")
    there: dict[str, object] = {
        "set": kept, "q": q, "skill": skill, "level": level, "origin": origin, "zone": zone, "round": round,
        "in": within, "refused": refused,
    }  # fmt: skip
    wanted = Asked(
        of="bank" if kept == "refused" else kept,
        skill=skill,
        level=level,
        origin=origin,
        zone=zone,
        admitted=None if within == "asked" else round,
        attempted=round if within == "asked" else None,
        text=q,
    )
    skip = _PAGE * (at - 1)
    if kept == "refused":
        rows, more = refusals(run, wanted, refused, origin, _PAGE, skip)
    else:
        rows, more = questions(run, wanted, _PAGE, skip)
    return page(
        "questions.jinja",
        run=run,
        trouble=trouble_of(run),
        of=kept,
        sets=SETS,
        asked=there,
        filtered=any(value not in (None, "") for key, value in there.items() if key != "set"),
        rows=rows,
        more=more,
        at=at,
        address_of=lambda at: below(run, "questions", **there, page=at),
        skills=skills_of(run),
        levels=levels_of(run),
        origins=ORIGINS[1:] if kept == "refused" else ORIGINS,
        zones=ZONES,
        reasons=reasons(run, round) if kept == "refused" else [],
        last=_last(run),
    )


def _last(run: Run) -> int:
    return max(run.folder.rounds(), default=0)
