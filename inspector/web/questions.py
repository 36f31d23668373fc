"""The questions of a run: the bank, the fixed sets, and what was proposed and refused."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from ..listing import Asked, questions, reasons, refusals
from ..tables import Row
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


class Search(BaseModel):
    """What the form asks for; what is empty asks for nothing."""

    of: Annotated[Literal["bank", "refused", "validation", "heldout", ""], Field(alias="set")] = ""
    skill: Text = ""
    level: Number = None
    origin: Text = ""
    zone: Text = ""
    round: Number = None
    within: Annotated[Literal["admitted", "asked", ""], Field(alias="in")] = ""
    """What a question has to do with the round."""
    q: Text = ""
    refused: Text = ""
    """The reason."""
    at: Page = 1

    @property
    def kept(self) -> str:
        """Which of `SETS`."""
        return self.of or ("refused" if self.refused else "bank")

    def there(self) -> dict[str, object]:
        """As the address of a page says it, but for the page's number."""
        return {**self.model_dump(by_alias=True, exclude={"at"}), "set": self.kept}

    def wanted(self) -> Asked:
        return Asked(
            of="bank" if self.kept == "refused" else self.kept,
            skill=self.skill,
            level=self.level,
            origin=self.origin,
            zone=self.zone,
            admitted=None if self.within == "asked" else self.round,
            attempted=self.round if self.within == "asked" else None,
            text=self.q,
        )


@router.get("/questions", response_class=HTMLResponse)
def listed(run: ThisRun, search: Annotated[Search, Query()]) -> HTMLResponse:
    if search.round is not None and search.round not in run.folder.rounds():
        raise HTTPException(404, f"this run has no round {search.round}")
    rows, more = _found(run, search)
    there, refused = search.there(), search.kept == "refused"
    return page(
        "questions.jinja",
        run=run,
        trouble=trouble_of(run),
        of=search.kept,
        sets=SETS,
        asked=there,
        filtered=any(value not in (None, "") for key, value in there.items() if key != "set"),
        rows=rows,
        more=more,
        at=search.at,
        address_of=lambda at: below(run, "questions", **there, page=at),
        skills=skills_of(run),
        levels=levels_of(run),
        origins=ORIGINS[1:] if refused else ORIGINS,
        zones=ZONES,
        reasons=reasons(run, search.round) if refused else [],
        last=_last(run),
    )


def _found(run: Run, search: Search) -> tuple[list[Row], bool]:
    """Those of the page, and whether more follow."""
    skip = _PAGE * (search.at - 1)
    if search.kept == "refused":
        return refusals(run, search.wanted(), search.refused, search.origin, _PAGE, skip)
    return questions(run, search.wanted(), _PAGE, skip)


def _last(run: Run) -> int:
    return max(run.folder.rounds(), default=0)
