"""The built-in question family: integer arithmetic with worked solutions.

A question is `What is EXPR?`. Everything about it follows from its text: the
answer, the worked solution, the skill and the level. So a question that a model
wrote is graded and placed exactly like one that this file wrote, and no text is
ever evaluated: `parse` is a small recursive-descent parser over integers.

    >>> worked(parse_question("What is 7 + 2 * 3?"))
    '2 * 3 = 6, 7 + 6 = 13 #### 13'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SKILLS = (
    "addition",
    "subtraction",
    "multiplication",
    "mixed",
    "precedence",
    "parentheses",
    "remainder",
)
MAX_LEVEL = 6
LIMIT = 999
"""Largest operand or intermediate value a question may have; negative ones are refused."""

FIRST_LEVEL_OPERATIONS = {"mixed": 2, "precedence": 2, "parentheses": 2}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "mod": 2}
_TOKEN = re.compile(r"\s*([0-9]+|mod|[-+*()])")
_QUESTION = re.compile(r"\s*what is\s+([^?]{1,200}?)\s*\?\s*", re.IGNORECASE)
_MAX_OPERATIONS = 12
ANSWER_MARK = "####"


@dataclass(frozen=True, slots=True)
class Operation:
    """One binary operation; its sides are operations or plain integers."""

    sign: str
    left: Expr
    right: Expr


Expr = Operation | int
Cell = tuple[str, int]
"""A skill and a level, the unit in which weaknesses are kept."""

CELLS: tuple[Cell, ...] = tuple((skill, level) for skill in SKILLS for level in range(1, MAX_LEVEL + 1))


class NotArithmetic(ValueError):
    """The text is not a question of this family; the message says why."""


class OutOfRange(NotArithmetic):
    """The question reads well but has no answer here: negative, too large, remainder by 0 or 1."""


# ------------------------------------------------------------------ reading


def parse(text: str) -> Expr:
    """Read an expression such as `(3 + 4) * 2 mod 5`.

    Raises:
        NotArithmetic: unknown characters, missing operands, too many operations.
    """
    tokens, at = [], 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            raise NotArithmetic(f"unexpected {stripped[at : at + 10]!r}")
        tokens.append(match.group(1))
        at = match.end()
    if sum(token in _PRECEDENCE for token in tokens) > _MAX_OPERATIONS:
        raise NotArithmetic(f"more than {_MAX_OPERATIONS} operations")
    if len(tokens) > 6 * _MAX_OPERATIONS:
        raise NotArithmetic("too long")
    tokens.append("")
    expr, at = _parse_sum(tokens, 0, 1)
    if tokens[at]:
        raise NotArithmetic(f"unexpected {tokens[at]!r}")
    return expr


def _parse_sum(tokens: list[str], at: int, binds: int) -> tuple[Expr, int]:
    """Precedence climbing: read operations that bind at least as tightly as `binds`."""
    left, at = _parse_atom(tokens, at)
    while _PRECEDENCE.get(tokens[at], 0) >= binds:
        sign = tokens[at]
        right, at = _parse_sum(tokens, at + 1, _PRECEDENCE[sign] + 1)
        left = Operation(sign, left, right)
    return left, at


def _parse_atom(tokens: list[str], at: int) -> tuple[Expr, int]:
    token = tokens[at]
    if token == "(":
        inner, at = _parse_sum(tokens, at + 1, 1)
        if tokens[at] != ")":
            raise NotArithmetic("a bracket is not closed")
        return inner, at + 1
    if not token.isdigit():
        raise NotArithmetic(f"a number is missing before {token!r}" if token else "ends early")
    if len(token) > 6:
        raise NotArithmetic(f"{token[:8]}… is too large")
    return int(token), at + 1


def parse_question(text: str) -> Expr:
    """The expression of `What is EXPR?`.

    Raises:
        NotArithmetic: the text has another form or the expression is broken.
    """
    match = _QUESTION.fullmatch(text)
    if match is None:
        raise NotArithmetic("not of the form 'What is EXPR?'")
    return parse(match.group(1))


# ------------------------------------------------------------------ writing


def render(expr: Expr) -> str:
    """The expression with as few brackets as its meaning allows."""
    if isinstance(expr, int):
        return str(expr)
    mine = _PRECEDENCE[expr.sign]
    left, right = render(expr.left), render(expr.right)
    if isinstance(expr.left, Operation) and _PRECEDENCE[expr.left.sign] < mine:
        left = f"({left})"
    if isinstance(expr.right, Operation) and _PRECEDENCE[expr.right.sign] <= mine:
        right = f"({right})"
    return f"{left} {expr.sign} {right}"


def question_text(expr: Expr) -> str:
    return f"What is {render(expr)}?"


def unordered(expr: Expr) -> str:
    """The same for expressions that differ in the order of terms and factors, or in brackets, alone.

    >>> unordered(parse("4 + 3 * 2")) == unordered(parse("2 * 3 + 4"))
    True
    """
    if isinstance(expr, int):
        return str(expr)
    if expr.sign == "mod":
        return f"({unordered(expr.left)} mod {unordered(expr.right)})"
    return f"({' '.join(sorted(_parts(expr, '*' if expr.sign == '*' else '+', '')))})"


def _parts(expr: Expr, kind: str, minus: str) -> Iterator[str]:
    """The factors of a product, or the signed terms of a sum."""
    signs = ("*",) if kind == "*" else ("+", "-")
    if isinstance(expr, int) or expr.sign not in signs:
        yield f"{minus or kind}{unordered(expr)}"
        return
    flipped = "" if minus else "-"
    yield from _parts(expr.left, kind, minus)
    yield from _parts(expr.right, kind, flipped if expr.sign == "-" else minus)


def worked(expr: Expr) -> str:
    """The worked solution: one operation after the other, then the marked answer."""
    steps: list[str] = []
    answer = _work(expr, steps)
    return f"{', '.join(steps)} {ANSWER_MARK} {answer}"


def _work(expr: Expr, steps: list[str]) -> int:
    """Do both sides, left first, then the operation itself; returns its value."""
    if isinstance(expr, int):
        return expr
    left, right = _work(expr.left, steps), _work(expr.right, steps)
    value = _apply(expr.sign, left, right)
    steps.append(f"{left} {expr.sign} {right} = {value}")
    return value


def _apply(sign: str, left: int, right: int) -> int:
    if sign == "+":
        value = left + right
    elif sign == "-":
        value = left - right
    elif sign == "*":
        value = left * right
    else:
        if right < 2:
            raise OutOfRange(f"remainder by {right}")
        value = left % right
    if not 0 <= value <= LIMIT:
        raise OutOfRange(f"{left} {sign} {right} leaves the range 0 to {LIMIT}")
    return value


def evaluate(expr: Expr) -> int:
    """The value of an expression.

    Raises:
        OutOfRange: a step is negative, above LIMIT, or a remainder by less than 2.
    """
    if isinstance(expr, int):
        if expr > LIMIT:
            raise OutOfRange(f"{expr} is above {LIMIT}")
        return expr
    return _apply(expr.sign, evaluate(expr.left), evaluate(expr.right))


# ------------------------------------------------------------------ placing


def walk(expr: Expr) -> Iterator[Expr]:
    yield expr
    if isinstance(expr, Operation):
        yield from walk(expr.left)
        yield from walk(expr.right)


def cell_of(expr: Expr) -> Cell:
    """Skill and level of an expression: what it mixes, and how many operations it has.

    Raises:
        NotArithmetic: a bare number exercises nothing.
    """
    signs = [node.sign for node in walk(expr) if isinstance(node, Operation)]
    if not signs:
        raise NotArithmetic("a number alone is no question")
    if "mod" in signs:
        skill = "remainder"
    elif "(" in render(expr):
        skill = "parentheses"
    elif len(set(signs)) == 1:
        skill = {"+": "addition", "-": "subtraction", "*": "multiplication"}[signs[0]]
    else:
        skill = "precedence" if "*" in signs else "mixed"
    return skill, max(1, len(signs) - FIRST_LEVEL_OPERATIONS.get(skill, 1) + 1)
