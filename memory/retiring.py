"""Which questions leave the bank when it holds more than it may: a pure function of how each last went."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..records import Attempt, Question

_ORDER = {"mastered": 0, "too_hard": 1, "learning": 2}
_NEVER_ASKED = 3


def retired(
    rows: Iterable[tuple[Question, Attempt | None]], active: int, keep: Collection[str] = ()
) -> list[str]:
    """Ids of the questions that leave, those that leave first at the front.

    What is mastered goes first, then what is too hard, then what is being learned, each the longest unseen
    first; what was never asked goes last, the oldest first. Ties are settled by the id.

    Args:
        active: questions that may stay; 0 for no bound.
        keep: ids that stay, whatever they are: those that the current round refers to.
    """
    there = list(rows)
    over = len(there) - active
    if not active or over <= 0:
        return []
    ranked = sorted(_rank(*row) for row in there if row[0].id not in keep)
    return [name for *_, name in ranked[:over]]


def _rank(question: Question, last: Attempt | None) -> tuple[int, int, str]:
    if last is None:
        return (_NEVER_ASKED, question.round, question.id)
    return (_ORDER[last.zone], last.round, question.id)
