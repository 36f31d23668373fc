"""The Generator: a model that learns to write questions as the Teacher does."""

from __future__ import annotations

from ..config import GeneratorConfig
from ..prompts import Prompts
from ..serving.client import Request
from .asking import answered
from .seeds import call_seed

_PLAIN, _TOLD = "generator", "generator_told"
_LONGEST = 20_000
"""Characters of a proposed question; vetting has a limit of its own."""


class Generator:
    """Turns a question and an attempt at it into a request for a new question."""

    def __init__(self, config: GeneratorConfig, seed: int, prompts: Prompts) -> None:
        self.config, self.seed, self.prompts = config, seed, prompts

    def prompt(self, question: str, attempt: str, missing: str = "") -> str:
        """The user message for a question and an attempt at it; training uses the very same.

        Args:
            missing: skills that are often missing. The pocket model was made without: it is not told.
        """
        if missing:
            return self.prompts.render(_TOLD, question=question, attempt=attempt, weaknesses=missing)
        return self.prompts.render(_PLAIN, question=question, attempt=attempt)

    def request(
        self, prompt: str, subject: str, round: int, stage: str, checkpoint: str, told: bool = False
    ) -> Request:
        """The call that proposes one question.

        Args:
            told: whether the prompt says what is often missing.
        """
        return Request.single(
            "generator",
            subject,
            round,
            stage,
            self.prompts.versioned(_TOLD if told else _PLAIN),
            prompt,
            self.config.temperature,
            self.config.max_tokens,
            call_seed(self.seed, round, stage, subject),
            checkpoint,
        )

    def proposed(self, completion: str, finished: bool, one_line: bool) -> str:
        """The question that a completion proposes; none where it was cut off before its end.

        Args:
            one_line: whether questions are a single line, and what comes after it is none.
        """
        said = answered(completion)
        text, more, _ = said.partition("\n") if one_line else (said, "", "")
        return text[:_LONGEST] if finished or more else ""
