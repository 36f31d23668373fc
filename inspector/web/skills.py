"""The skills and levels of a run, for lists to choose from."""

from __future__ import annotations

from .runs import Run


def skills_of(run: Run) -> list[str]:
    """Those of the questions, whatever they are for."""
    measured = report.baseline.by_skill if (report := run.report()) and report.baseline else {}
    asked = run.rows("SELECT DISTINCT skill FROM questions ORDER BY skill LIMIT 500")
    return sorted({*measured, *(row["skill"] for row in asked if row["skill"])})


def levels_of(run: Run) -> list[int]:
    found = run.rows("SELECT DISTINCT level FROM questions ORDER BY level LIMIT 100")
    return [row["level"] for row in found if row["level"] is not None]
