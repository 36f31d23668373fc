"""The questions of a round, each with the attempt that an author of new ones is shown."""

from __future__ import annotations

from ..agents.teacher import Seen
from ..records import Rollout, Verdict
from .attempt import STAGE, selected
from .room import Room


class Parents:
    """What new questions of a round are made from."""

    def __init__(self, room: Room, round: int) -> None:
        self.questions = {question.id: question for question in selected(room, round)}
        verdicts = room.folder.read(round, f"verdicts/{STAGE}", Verdict)
        self._outcome = {verdict.rollout_id: verdict.outcome for verdict in verdicts}
        self.shown: dict[str, Rollout] = {}
        # A wrong answer says more about a weakness than one that was cut off.
        rank = {"right": 0, "undecided": 1, "invalid": 2, "wrong": 3}
        rollouts = room.folder.read(round, f"rollouts/{STAGE}", Rollout)
        for rollout in sorted(rollouts, key=lambda r: rank[self._outcome[r.id]]):
            self.shown[rollout.question_id] = rollout

    def attempt(self, question_id: str) -> Rollout | None:
        return self.shown.get(question_id)

    def failed(self) -> list[Seen]:
        """The questions with a wrong answer, and it, in a stable order."""
        wrong = [rollout for rollout in self.shown.values() if self._outcome[rollout.id] == "wrong"]
        found = [Seen(self.questions[r.question_id], r.id, r.completion) for r in wrong]
        return sorted(found, key=lambda seen: seen.question.id)
