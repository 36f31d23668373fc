"""Which of a completion's tokens its final answer is written in, without a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

from ..tasks.checkers.answers import MARK, final_answer


def of_answer(completion: str, tokens: Sequence[str], logprobs: Sequence[float]) -> list[float]:
    """The log-probabilities of the tokens that hold any of the final answer.

    Args:
        tokens: their texts, as the endpoint sends them; some may come before the completion (a thought)
            or after it (an end mark).
    Returns:
        [] where no answer is stated, where it does not stand in the completion as it is read, or where
        the texts do not add up to it, such as for signs that are split between two tokens.
    """
    place = _place(completion)
    begins = "".join(tokens).rfind(completion) if completion else -1
    if place is None or begins < 0:
        return []
    start, end = (begins + at for at in place)
    found, at = [], 0
    for token, logprob in zip(tokens, logprobs, strict=True):
        if at < end and at + len(token) > start:
            found.append(logprob)
        at += len(token)
    return found


def _place(completion: str) -> tuple[int, int] | None:
    """Where the final answer stands: after the last mark, box or mention of an answer."""
    said = final_answer(completion)
    if not said:
        return None
    marks = (MARK, "\\boxed", "answer", "Answer")
    at = completion.find(said, max(0, *(completion.rfind(mark) for mark in marks)))
    at = at if at >= 0 else completion.rfind(said)
    return (at, at + len(said)) if at >= 0 else None
