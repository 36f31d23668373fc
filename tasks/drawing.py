"""Drawing questions of the arithmetic family: at random, beside one, and harder than one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from .arithmetic import (
    FIRST_LEVEL_OPERATIONS,
    MAX_LEVEL,
    SKILLS,
    Cell,
    Expr,
    NotArithmetic,
    Operation,
    cell_of,
    evaluate,
    parse,
    walk,
)

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
    operations = level + FIRST_LEVEL_OPERATIONS.get(skill, 1) - 1
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
    return parse(_flat_chain(signs, rng)) if "*" in signs else _chain(signs, rng)


def _chain(signs: list[str], rng: Random) -> Expr:
    expr: Expr = rng.randint(1, 30) if "-" not in signs else rng.randint(5, _TOP)
    for sign in signs:
        expr = Operation(sign, expr, rng.randint(1, 9))
    return expr


def _flat_chain(signs: list[str], rng: Random) -> str:
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
        values = [evaluate(node) for node in walk(expr)]
        return cell_of(expr) == cell and max(values) <= _TOP
    except NotArithmetic:
        return False


def neighbour(expr: Expr, rng: Random) -> Expr:
    """The same shape with one or two operands drawn anew: same skill, same level."""
    cell = cell_of(expr)

    def change() -> Expr:
        leaves = sum(isinstance(node, int) for node in walk(expr))
        chosen = set(rng.sample(range(leaves), min(leaves, rng.choice((1, 2)))))
        return _with_leaves(expr, iter(range(leaves)), lambda i, n: _redraw(i in chosen, n, rng))

    return _nearby(change, cell, expr, rng)


def harder(expr: Expr, rng: Random) -> Expr:
    """One operation more, of the same skill: a random operand becomes an operation."""
    skill, level = cell_of(expr)
    signs = "+-" if skill == "remainder" else _SIGNS[skill]

    def grow() -> Expr:
        leaves = sum(isinstance(node, int) for node in walk(expr))
        # The divisor of a remainder stays a number: the skill grows in what is divided.
        chosen = rng.randrange(leaves - (skill == "remainder"))
        sign, other = rng.choice(signs), rng.randint(1, 9)
        grown = _with_leaves(
            expr,
            iter(range(leaves)),
            lambda i, n: Operation(sign, n, other) if i == chosen else n,
        )
        # A flat skill stays flat: read the same symbols without the new brackets.
        if isinstance(grown, Operation) and grown.sign == "mod":
            return Operation("mod", parse(_flat(grown.left)), grown.right)
        return grown if skill == "parentheses" else parse(_flat(grown))

    return _nearby(grow, (skill, min(level + 1, MAX_LEVEL)), expr, rng)


def _nearby(make: Callable[[], Expr], cell: Cell, parent: Expr, rng: Random) -> Expr:
    """A fitting change of the parent, else a fresh draw; a shortcut is never inherited.

    A part that comes to 0 lets most of the rest be skipped, so such questions are solved
    first, become parents first, and would fill the levels above with questions that are
    hard by their length alone.
    """
    cut = has_shortcut(parent)

    def wanted(expr: Expr) -> bool:
        return expr != parent and not (cut and has_shortcut(expr))

    for _ in range(60):
        expr = make()
        if _fits(expr, cell) and wanted(expr):
            return expr
    while not wanted(expr := draw(*cell, rng)):
        pass
    return expr


def has_shortcut(expr: Expr) -> bool:
    """Whether a sum, difference or product within comes to 0 (a remainder of 0 is no shortcut)."""
    return any(
        isinstance(node, Operation) and node.sign != "mod" and evaluate(node) == 0 for node in walk(expr)
    )


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
