"""Which requests to models went badly, as SQL over the table `calls`: one meaning for terminal and pages."""

from __future__ import annotations

FAILED = "(coalesce(failure, '') <> '' OR coalesce(error, '') <> '')"
"""Came to nothing, after all tries."""
AGAIN = "len(coalesce(tried, [])) > 0"
"""Was sent more than once."""
CUT_OFF = "list_contains(coalesce(finished, []), false)"
"""Of at least one reply the tokens ran out."""
TROUBLED = f"({FAILED} OR {AGAIN} OR {CUT_OFF})"
"""What `--failed` and the transcript's choice of trouble show."""
