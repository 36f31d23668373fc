"""The built-in arithmetic as a family: it reads any text of its own, whoever wrote it."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from random import Random

from ...records import Question
from .. import arithmetic, drawing
from ..seeds import family_question
from .family import Unreadable, Unsolvable

_TRIES = 20
"""Changes that may come to the parent's own terms in another order, by chance and in a row."""


class Arithmetic:
    """Integer arithmetic with worked solutions (`tasks/arithmetic.py`)."""

    top = arithmetic.MAX_LEVEL
    reads = True
    cells = arithmetic.CELLS

    def read(self, text: str) -> Question:
        try:
            return family_question(text)
        except arithmetic.OutOfRange as error:
            raise Unsolvable(str(error)) from error
        except arithmetic.NotArithmetic as error:
            raise Unreadable(str(error)) from error

    def draw(self, rng: Random) -> Question | None:
        return self.draw_at(rng.choice(self.cells), rng)

    def draw_at(self, cell: arithmetic.Cell, rng: Random) -> Question | None:
        return self._asked(drawing.draw(*cell, rng)) if cell in self.cells else None

    def harder(self, question: Question, levels: int, rng: Random) -> Question | None:
        expr = arithmetic.parse_question(question.text)
        for _ in range(levels):
            expr = drawing.harder(expr, rng)
        return self._asked(expr)

    def neighbour(self, question: Question, rng: Random) -> Question | None:
        parent = arithmetic.parse_question(question.text)
        for _ in range(_TRIES):
            expr = drawing.neighbour(parent, rng)
            if arithmetic.unordered(expr) != arithmetic.unordered(parent):
                return self._asked(expr)
        return None

    def audit(self, question: Question) -> bool | None:
        """Read once more, by Python's own grammar of expressions in place of ours."""
        found = re.fullmatch(r"What is ([-+*() 0-9]|mod)+\?", question.text)
        if found is None:
            return None
        try:
            value = _value(ast.parse(question.text[8:-1].replace("mod", "%"), mode="eval").body)
        except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
            return False
        return str(value) == question.answer

    def _asked(self, expr: arithmetic.Expr) -> Question:
        return family_question(arithmetic.question_text(expr))


_SIGNS: dict[type, Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
}


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
        return _SIGNS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError(f"{type(node).__name__} is no arithmetic")
