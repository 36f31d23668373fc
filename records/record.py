"""What every record is, and how its id is made."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of all records: frozen, and no field that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def short_id(prefix: str, *parts: object) -> str:
    """A stable id from what identifies a thing, the same on every machine and resume."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()
    return f"{prefix}-{digest[:12]}"
