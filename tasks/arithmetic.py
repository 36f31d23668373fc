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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

VERSION = 1
"""Raise when questions, solutions or levels change: cached base models depend on it."""

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

_FIRST_LEVEL_OPERATIONS = {"mixed": 2, "precedence": 2, "parentheses": 2}
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


def _walk(expr: Expr) -> Iterator[Expr]:
    yield expr
    if isinstance(expr, Operation):
        yield from _walk(expr.left)
        yield from _walk(expr.right)


def cell_of(expr: Expr) -> Cell:
    """Skill and level of an expression: what it mixes, and how many operations it has.

    Raises:
        NotArithmetic: a bare number exercises nothing.
    """
    signs = [node.sign for node in _walk(expr) if isinstance(node, Operation)]
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
    return skill, max(1, len(signs) - _FIRST_LEVEL_OPERATIONS.get(skill, 1) + 1)


# ------------------------------------------------------------------ drawing

_SIGNS = {
    "addition": "+",
    "subtraction": "-",
    "multiplication": "*",
    "mixed": "+-",
    "precedence": "+-*",
    "parentheses": "+-*",
}
_TOP = 50
"""Largest value this family itself writes; LIMIT is what it accepts from others."""


def draw(skill: str, level: int, rng: Random) -> Expr:
    """A random question of one cell, all values within 0 to 50."""
    if skill not in SKILLS or not 1 <= level <= MAX_LEVEL:
        raise ValueError(f"no such cell: {skill} level {level}")
    operations = level + _FIRST_LEVEL_OPERATIONS.get(skill, 1) - 1
    return _first_valid(lambda: _draw_once(skill, operations, rng), (skill, level))


def _draw_once(skill: str, operations: int, rng: Random) -> Expr:
    if skill == "remainder":
        divisor = rng.randint(2, 9)
        if operations == 1:
            return Operation("mod", rng.randint(divisor, _TOP), divisor)
        inner = _chain([rng.choice("+-") for _ in range(operations - 1)], rng)
        return Operation("mod", inner, divisor)
    signs = [rng.choice(_SIGNS[skill]) for _ in range(operations)]
    if skill == "parentheses":
        return _tree(signs, rng)
    return parse(render_chain(signs, rng)) if "*" in signs else _chain(signs, rng)


def _chain(signs: list[str], rng: Random) -> Expr:
    expr: Expr = rng.randint(1, 30) if "-" not in signs else rng.randint(5, _TOP)
    for sign in signs:
        expr = Operation(sign, expr, rng.randint(1, 9))
    return expr


def render_chain(signs: list[str], rng: Random) -> str:
    """A flat expression with the given signs, operands small enough to multiply."""
    top = 9 if len(signs) <= 2 else 4 if set(signs) == {"*"} else 7
    first = rng.randint(1, 25 if len(signs) == 1 else top)
    return str(first) + "".join(f" {sign} {rng.randint(1, top)}" for sign in signs)


def _tree(signs: list[str], rng: Random) -> Expr:
    """A random binary tree over the signs, in order."""
    if not signs:
        return rng.randint(1, 9 if rng.random() < 0.8 else 25)
    root = rng.randrange(len(signs))
    return Operation(signs[root], _tree(signs[:root], rng), _tree(signs[root + 1 :], rng))


def _first_valid(make: Callable[[], Expr], cell: Cell, tries: int = 2000) -> Expr:
    for _ in range(tries):
        expr = make()
        if _fits(expr, cell):
            return expr
    raise RuntimeError(f"no question found for {cell} in {tries} tries")


def _fits(expr: Expr, cell: Cell) -> bool:
    try:
        values = [evaluate(node) for node in _walk(expr)]
        return cell_of(expr) == cell and max(values) <= _TOP
    except NotArithmetic:
        return False


def neighbour(expr: Expr, rng: Random) -> Expr:
    """The same shape with one or two operands drawn anew: same skill, same level."""
    cell = cell_of(expr)

    def change() -> Expr:
        leaves = sum(isinstance(node, int) for node in _walk(expr))
        chosen = set(rng.sample(range(leaves), min(leaves, rng.choice((1, 2)))))
        return _with_leaves(expr, iter(range(leaves)), lambda i, n: _redraw(i in chosen, n, rng))

    return _nearby(change, cell, expr, rng)


def harder(expr: Expr, rng: Random) -> Expr:
    """One operation more, of the same skill: a random operand becomes an operation."""
    skill, level = cell_of(expr)
    signs = "+-" if skill == "remainder" else _SIGNS[skill]

    def grow() -> Expr:
        leaves = sum(isinstance(node, int) for node in _walk(expr))
        # The divisor of a remainder stays a number: the skill grows in what is divided.
        chosen = rng.randrange(leaves - (skill == "remainder"))
        sign, other = rng.choice(signs), rng.randint(1, 9)
        grown = _with_leaves(
            expr,
            iter(range(leaves)),
            lambda i, n: Operation(sign, n, other) if i == chosen else n,
        )
        # A flat skill stays flat: read the same symbols without the new brackets.
        return grown if skill in ("parentheses", "remainder") else parse(_flat(grown))

    return _nearby(grow, (skill, min(level + 1, MAX_LEVEL)), expr, rng)


def _nearby(make: Callable[[], Expr], cell: Cell, parent: Expr, rng: Random) -> Expr:
    for _ in range(60):
        expr = make()
        if _fits(expr, cell) and expr != parent:
            return expr
    return draw(*cell, rng)


def _redraw(wanted: bool, number: int, rng: Random) -> int:
    if not wanted:
        return number
    return rng.randint(1, 9) if number <= 9 else rng.randint(10, _TOP)


def _with_leaves(expr: Expr, count: Iterator[int], change: Callable[[int, int], Expr]) -> Expr:
    if isinstance(expr, int):
        return change(next(count), expr)
    left = _with_leaves(expr.left, count, change)
    return Operation(expr.sign, left, _with_leaves(expr.right, count, change))


def _flat(expr: Expr) -> str:
    if isinstance(expr, int):
        return str(expr)
    return f"{_flat(expr.left)} {expr.sign} {_flat(expr.right)}"
