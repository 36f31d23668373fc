"""What the policies share that learn to tell a question's pass rate from its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ..policy import Asked, Known
from ..values import ValueModel
from .scored import Scored


@dataclass
class Valued(Scored):
    """
    Options:
        stiffness: how dearly the value model pays for leaving its last weights.
    """

    stiffness: Annotated[float, Field(ge=1e-6)] = 1.0
    model: ValueModel = field(init=False)

    def __post_init__(self) -> None:
        self.model = ValueModel(self.stiffness)

    def values(self, bank: Sequence[Known], asked: Asked) -> list[float]:
        """(questions,) pass rates by the value model."""
        return [float(v) for v in self.model.values(asked.embed([known.question.text for known in bank]))]

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        """On the round that was just played, so that the values are always one round old."""
        seen = [(known.question.text, known.last.pass_rate) for known in outcomes if known.last]
        if seen:
            texts, rates = zip(*seen, strict=True)
            self.model.fit(asked.embed(texts), rates)

    def state_dict(self) -> dict[str, Any]:
        return self.model.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state)

    def metrics(self) -> dict[str, float]:
        return {"explained": self.model.explained}
