"""What travels between the nodes: ids, names and small numbers; never a text."""

from __future__ import annotations

from typing import TypedDict


class LoopState(TypedDict, total=False):
    """State of the loop. Everything else is in the run folder, under the round's number."""

    round: int
    """0 while the base model is measured; then 1 and up."""
    turn: int
    """How often the Teacher has been asked in this round, less one."""
    solver: str
    """Checkpoint that plays: the last one promoted."""
    candidate: str
    """Checkpoint that this round trained."""
    writer: str
    """The Generator's checkpoint."""
    admitted: int
    """Questions added in this round so far."""
    again: bool
    """Too few were: the Teacher is asked once more."""
    refused: int
    """Checkpoints in a row that the gate has refused."""
    quota: int
    """Questions to ask of the Generator in this round."""
    over: bool
    """The gate has closed the last round."""
    solver_round: int
    """Round whose validation answers are those of `solver`."""
