"""Answers that game the checker: over all checkers, none is right."""

from __future__ import annotations

import json

import pytest
from golden_gaming import EVERYWHERE, GAMING, Asked
from maieutic.records import Question
from maieutic.tasks.checkers.registry import CHECKERS, named, opened
from maieutic.tasks.checkers.restating import restates

CASES = [
    pytest.param(
        asked, marks=pytest.mark.slow if asked.checker == "math" else (), id=f"{place} {asked.checker}"
    )
    for place, asked in enumerate(GAMING)
]
"""The `math` checker asks math-verify in workers, some of which are to be killed."""


def question(asked: Asked) -> Question:
    return Question(
        id="q", text=asked.text, answer=asked.answer, solution="", skill="", level=0, origin="seed",
        checker=asked.checker, data=json.dumps(asked.data) if asked.data else "",
    )  # fmt: skip


@pytest.mark.parametrize("asked", CASES)
def test_what_games_a_checker_is_not_right(asked: Asked) -> None:
    items = [
        (kind, completion)
        for tricks in (asked.gaming, EVERYWHERE)
        for kind, completions in tricks.items()
        for completion in completions
    ]
    with opened(asked.checker, seconds=1) as checks:
        found = checks.check([(question(asked), completion) for _, completion in items])
    # What takes too long is not decided: of such it may be.
    fine = {"huge": ("wrong", "invalid", "undecided")}
    passed = [
        (kind, completion[:80], finding)
        for (kind, completion), finding in zip(items, found, strict=True)
        if finding.outcome not in fine.get(kind, ("wrong", "invalid"))
    ]
    assert passed == []


def test_every_checker_has_its_table() -> None:
    tables = {asked.checker.partition("?")[0] for asked in GAMING}
    assert tables == set(CHECKERS) - {"python"}  # golden_python.CHEATS, in a sandbox


@pytest.mark.parametrize(
    ("checker", "text", "answer", "completion"),
    [
        ("arithmetic", "What is 17 + 25?", "42", "17 + 25 = 42 #### 42"),
        ("math", "What is 17 + 25?", "42", r"17 + 25 = \boxed{42}"),
        ("math", "What is 17 + 25?", "42", "#### 42.0"),
        ("math", "What is -3?", "-3", "#### -3"),
        ("math", "Which is larger, 1/2 or 1/3?", "0.5", "#### 1/2"),
        ("math", "Is 5 or 6 prime?", "5", "#### 5"),
        ("math", "Write 12 as 3 * 4 or 2 * 6: the first", "3*4", "#### 3 * 4"),
        ("math", "How much is 7 / 3?", "7/3", r"\boxed{\frac{7}{3}}"),
        ("numeric", "What is 10/4?", "2.5", "#### 2.5"),
        ("numeric", "What is half of 1/2?", "0.25", "#### 1/4"),
        ("choice", "Which? A or B", "B", "#### (B)"),
        ("json", "As JSON?", '{"a": 1}', '{"a": 1.0}'),
        ("exact", "Say Paris", "Paris", "#### paris."),
    ],
)
def test_what_answers_still_does(checker: str, text: str, answer: str, completion: str) -> None:
    asked = Asked(checker, text, answer)
    check = named(checker)
    found = check.quick(question(asked), completion) or check.slow(question(asked), completion)
    assert found.outcome == "right", found


@pytest.mark.parametrize(
    ("text", "said", "expected", "restated"),
    [
        ("What is 17 + 25?", "25 + 17", "42", True),
        ("What is 17 + 25?", r"17 \cdot 25", "42", True),  # other signs are no better
        ("What is 17 + 25?", "17 + 26", "42", False),  # wrong, and not restated
        ("Simplify $\\frac{x^2}{x}$", r"\frac{x^{2}}{x}", "x", True),
        ("Simplify x^2+x+x", "x^2+2x", "x(x+2)", False),
        ("There are 17+2 of them, and 5", "7+2", "9", False),
        ("What is 2^{10}?", "2^{10}", "1024", True),
        ("What is 10/2?", "10/2", "5", True),
        ("", "10/2", "5", False),
        ("Solve for y: 2x + 3 = y", "y = 2x + 3", "2x+3", False),
        ("Solve for y: 2x + 3 = y", "2x + 3", "y = 2x + 3", False),
    ],
)
def test_what_restates_a_question(text: str, said: str, expected: str, restated: bool) -> None:
    assert restates(text, said, expected) is restated
