"""What the behaviour handbook holds: it follows from the records, so that a lost memory is made anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ..records import Behaviour


@dataclass(frozen=True, slots=True)
class Counted:
    """A behaviour of the handbook."""

    behaviour: Behaviour
    count: int
    """How often it was found."""
    last: int
    """Round that found it last."""


def kept(found: Sequence[Behaviour], most: int) -> list[Counted]:
    """What the handbook holds after all that was found, in the order of the rounds.

    After each round it is cut to its size: what was found least often goes first, and of that
    what was not found for longest.
    """
    book: dict[str, Counted] = {}
    for round, group in groupby(found, key=lambda one: one.round):
        for one in group:
            if one.reason:
                continue
            if not one.known_as:
                book[one.id] = Counted(one, 1, round)
            elif one.known_as in book:
                before = book[one.known_as]
                book[one.known_as] = Counted(before.behaviour, before.count + 1, round)
        ranked = sorted(book.values(), key=lambda c: (-c.count, -c.last, c.behaviour.id))
        book = {entry.behaviour.id: entry for entry in ranked[:most]}
    return list(book.values())
