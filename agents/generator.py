"""The Generator: a model that learns to write questions as the Teacher does."""

from __future__ import annotations

from ..config import GeneratorConfig
from ..prompts import Prompts
from ..serving.client import Request
from .seeds import call_seed

_LONGEST = 20_000
"""Characters of a proposed question; vetting has a limit of its own."""


class Generator:
    """Turns a question and an attempt at it into a request for a new question."""

    def __init__(self, config: GeneratorConfig, seed: int, prompts: Prompts) -> None:
        self.config, self.seed, self.prompts = config, seed, prompts

    def prompt(self, question: str, attempt: str) -> str:
        """The user message for a question and an attempt at it; training uses the very same."""
        return self.prompts.render("generator", question=question, attempt=attempt)

    def request(self, prompt: str, subject: str, round: int, stage: str, checkpoint: str) -> Request:
        """The call that proposes one question."""
        return Request(
            subject_id=subject,
            role="generator",
            checkpoint=checkpoint,
            stage=stage,
            round=round,
            template=self.prompts.versioned("generator"),
            messages=[{"role": "user", "content": prompt}],
            n=1,
            temperature=self.config.temperature,
            top_p=1.0,
            max_tokens=self.config.max_tokens,
            seed=call_seed(self.seed, round, stage, subject),
        )

    def proposed(self, completion: str, finished: bool, one_line: bool) -> str:
        """The question that a completion proposes; none where it was cut off before its end.

        Args:
            one_line: whether questions are a single line, and what comes after it is none.
        """
        text, more, _ = completion.strip().partition("\n") if one_line else (completion.strip(), "", "")
        return text[:_LONGEST] if finished or more else ""
