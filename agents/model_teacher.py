"""The Teacher as a model: it writes questions with solutions, and solves those of others."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..config import TeacherConfig
from ..prompts import Prompts
from ..records import Call, Move, Question, short_id
from ..serving.client import Request
from ..tasks.checkers.answers import final_answer
from ..tasks.labelling import same
from .asking import answered, ask_for
from .guidance import reveals
from .moves import LONGEST_ATTEMPT, MOVES, lead_of, of_failure, of_text
from .outputs import Designed, Hinted, Reworked, Skills, Split, drafted
from .seeds import call_seed
from .teacher import Ask, Assignment, Design, Missing, Seen


class ModelTeacher:
    """
    Args:
        seed: the run's; every call samples with a seed of its own that comes from it.
    """

    moves: frozenset[Move] = frozenset(MOVES)

    def __init__(self, config: TeacherConfig, seed: int, prompts: Prompts) -> None:
        self.config, self.seed, self.prompts = config, seed, prompts

    async def design(
        self, assignments: Sequence[Assignment], round: int, stage: str, rng: Random, ask: Ask
    ) -> list[Design | None]:
        leads = [lead_of(given) if given.question else None for given in assignments]
        names = [given.id or short_id("d", round, stage, place) for place, given in enumerate(assignments)]
        asked = [
            self._request(lead.template, name, round, stage, **lead.values)
            for lead, name in zip(leads, names, strict=True)
            if lead
        ]
        replies = await ask_for(asked, Designed, ask)
        designs: list[Design | None] = []
        for given, lead, name in zip(assignments, leads, names, strict=True):
            said = replies.get(name)
            question = drafted(said, given.question, lead.level) if said and lead and given.question else None
            designs.append(Design(question, why=said.why) if question and said else None)
        return designs

    async def hint(self, failed: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[str | None]:
        """Source: hints that guide and do not tell, as in Pedagogical Alignment, arXiv 2402.05000, and
        CLASS, arXiv 2305.13272. Differs: one hint, no conversation."""
        asked = [self._request("hint", s.rollout_id, round, stage, **of_failure(s)) for s in failed]
        replies = await ask_for(asked, Hinted, ask)
        hints = [said.hint if (said := replies.get(seen.rollout_id)) else None for seen in failed]
        return [
            hint if hint and not reveals(hint, seen.question) else None
            for hint, seen in zip(hints, failed, strict=True)
        ]

    async def split(self, failed: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[list[Question]]:
        """Source: the subproblems of CLASS, arXiv 2305.13272. Differs: each is a question of its own,
        which is vetted and asked like any other."""
        asked = [self._request("subproblems", s.rollout_id, round, stage, **of_failure(s)) for s in failed]
        replies = await ask_for(asked, Split, ask)
        found = []
        for seen in failed:
            said = replies.get(seen.rollout_id)
            level = max(1, seen.question.level - 1)
            drafts = [drafted(part, seen.question, level) for part in said.subproblems] if said else []
            found.append([draft for draft in drafts if draft is not None])
        return found

    async def missing(
        self, failed: Sequence[Seen], known: Sequence[str], round: int, stage: str, ask: Ask
    ) -> list[Missing | None]:
        names = ", ".join(known)
        asked = [
            self._request("skills", s.rollout_id, round, stage, known=names, **of_failure(s)) for s in failed
        ]
        replies = await ask_for(asked, Skills, ask)
        found = [replies.get(seen.rollout_id) for seen in failed]
        return [Missing(tuple(said.needed), tuple(said.missing)) if said else None for said in found]

    async def solve(
        self, questions: Sequence[Question], times: int, round: int, stage: str, ask: Ask
    ) -> list[list[str]]:
        asked = {
            (question.id, number): self._request(
                "solve", f"{question.id}.{number}", round, stage, question=question.text
            )
            for question in questions
            for number in range(times)
        }
        replies = await ask(list(asked.values()))
        return [
            [_said(replies.get(asked[question.id, number].subject_id)) for number in range(times)]
            for question in questions
        ]

    async def inject(self, worked: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[str | None]:
        """Source: RISE, arXiv 2410.06638, its kinds of errors in one prompt. Differs: see `Rise`."""
        return await self._reworked("inject", "solution", worked, round, stage, ask)

    async def correct(self, failed: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[str | None]:
        """Source: the refinement of SPaR, arXiv 2412.11605. Differs: see `Spar`."""
        return await self._reworked("correct", "attempt", failed, round, stage, ask)

    async def _reworked(
        self, template: str, shown_as: str, seen: Sequence[Seen], round: int, stage: str, ask: Ask
    ) -> list[str | None]:
        """Texts by their questions' ids; one that is too long to be shown whole is not asked about."""
        asked = [
            self._request(template, one.question.id, round, stage, **of_text(one, shown_as))
            for one in seen
            if len(one.completion) <= LONGEST_ATTEMPT
        ]
        replies = await ask_for(asked, Reworked, ask)
        return [said.solution if (said := replies.get(one.question.id)) else None for one in seen]

    async def audit(
        self, questions: Sequence[Question], round: int, stage: str, ask: Ask
    ) -> list[bool | None]:
        """A solution by another prompt; its answer is compared as the question's checker does."""
        asked = [self._request("audit", q.id, round, stage, question=q.text) for q in questions]
        replies = await ask(asked)
        said = [final_answer(_said(replies.get(question.id))) for question in questions]
        return [
            same(question, question.answer, answer) if answer else None
            for question, answer in zip(questions, said, strict=True)
        ]

    def _request(self, template: str, subject: str, round: int, stage: str, **values: str) -> Request:
        return Request.single(
            "teacher",
            subject,
            round,
            stage,
            self.prompts.versioned(template),
            self.prompts.render(template, **values),
            self.config.temperature,
            self.config.max_tokens,
            call_seed(self.seed, round, stage, subject),
        )


def _said(call: Call | None) -> str:
    return answered(call.completions[0]) if call else ""
