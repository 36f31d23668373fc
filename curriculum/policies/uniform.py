"""The control: every skill and level alike, whatever the Solver can do.

It spends the same budget as any other policy and looks at no outcome. What a curriculum gains is what it
gains over this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..policy import Asked, Base, Known


@dataclass
class Uniform(Base):
    """Looks at no outcome and has no options."""

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        """Questions never attempted first, in random order; then any others."""
        fresh = [k.question.id for k in bank if k.last is None]
        rest = [k.question.id for k in bank if k.last is not None]
        asked.rng.shuffle(fresh)
        asked.rng.shuffle(rest)
        return (fresh + rest)[: asked.count]
