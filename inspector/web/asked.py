"""What the query of an address may say. A form sends an empty text for what was left out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, Field


def _given(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


_MOST = 1_000_000_000
Number = Annotated[Annotated[int, Field(ge=0, le=_MOST)] | None, BeforeValidator(_given), Query()]
Page = Annotated[int, Query(alias="page", ge=1, le=100_000)]
Text = Annotated[str, Query(max_length=300)]
RoundOrAll = Annotated[str, Query(pattern=r"^(\d{0,9}|all)$")]
"""A round's number, `all`, or nothing."""
