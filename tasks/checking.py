"""Checkers for programs of others: one function, safe to be called from several threads.

>>> question = {"text": "What is 3 + 4?", "answer": "7", "checker": "numeric"}
>>> check(question, "3 + 4 = 7, so the answer is 7.").outcome
'right'
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Mapping
from typing import Any

from ..records import Question
from .checkers.finding import Checks, Finding
from .checkers.registry import opened

_lock = threading.Lock()
_open: dict[str, tuple[Checks, threading.Lock]] = {}


def check(question: Mapping[str, Any], completion: str) -> Finding:
    """What a question's checker makes of a completion.

    A checker that takes long works in processes of its own, which end with this one; it is never
    waited for without a limit, and what it could not decide is `undecided`.

    Args:
        question: its `answer` and its `checker` (`math` where there is none); `text` and `data` where the
            checker looks at them. Other keys are let go.
    Returns:
        `outcome` (right, wrong, invalid, undecided), `extracted` and `reason`.
    Raises:
        ConfigError: there is no such checker.
    """
    name = str(question.get("checker") or "math")
    asked = Question(
        id=str(question.get("id", "")),
        text=str(question.get("text", "")),
        answer=str(question["answer"]),
        solution="",
        skill="",
        level=0,
        origin="seed",
        checker=name,
        data=str(question.get("data") or ""),
    )
    with _lock:
        if name not in _open:
            _open[name] = opened(name), threading.Lock()
        checks, alone = _open[name]
    with alone:
        return checks.check([(asked, completion)])[0]


@atexit.register
def _close() -> None:
    for checks, _ in _open.values():
        checks.close()
