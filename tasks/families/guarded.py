"""What reasoning-gym's scorers may do with an answer: read it, never carry it out.

Ten of its families hand an answer to Python's `eval`, or to sympy's `parse_expr`, which is an `eval`
with another name: a completion `__import__("os").system(…)` would be obeyed. Here both are replaced in
those modules: the first reads literals alone, the second formulas alone.

`tests/test_gym_scorers.py` reads the library's source and names every place that evaluates anything, so
that a new version with another one is noticed.
"""

from __future__ import annotations

import ast
import importlib
import re
from types import ModuleType
from typing import Any

LITERAL = (
    "algorithmic.binary_matrix",
    "algorithmic.number_sorting",
    "algorithmic.spiral_matrix",
    "algorithmic.string_insertion",
    "games.n_queens",
)
"""Modules that `eval` an answer: lists are meant."""

FORMULA = ("games.countdown", "games.puzzle24")
"""Modules that imported `parse_expr` by its name."""

SYMPY = (
    ("algebra.intermediate_integration", "sympy"),
    ("algebra.polynomial_multiplication", "sp"),
    ("algebra.simple_integration", "sympy"),
)
"""Modules that call it as sympy's, and what they call sympy."""

_LONGEST = 2_000
"""Characters of a formula; no answer of these families comes near."""

_LONGEST_LITERAL = 100_000
"""Of a literal: a list of hundreds of numbers is an answer, and has some thousands."""

_SIGNS = re.compile(r"[\w\s+\-*/^().,!]*", re.ASCII)
_NAMES = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_KNOWN = frozenset({
    "sin", "cos", "tan", "sec", "csc", "cot", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
    "acosh", "atanh", "exp", "log", "ln", "sqrt", "Abs", "pi",
})  # fmt: skip
_ATTRIBUTE = re.compile(r"[A-Za-z_)]\s*\.|\.\s*[A-Za-z_(]")
"""A point that is no decimal point."""


def literal(text: str) -> Any:
    """
    Raises:
        ValueError: it is anything but a number, a text, or lists of these.
    """
    if len(text) > _LONGEST_LITERAL:
        raise ValueError("too long for a literal")
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("no literal") from error


def is_formula(text: str) -> bool:
    """Whether a text holds numbers, signs of arithmetic, variables of one letter (with digits), and
    functions that are known by name: nothing of it can reach an attribute or a module."""
    if len(text) > _LONGEST or not _SIGNS.fullmatch(text) or _ATTRIBUTE.search(text):
        return False
    # Not where a number ends in an exponent: 1e5 is one.
    names = _NAMES.findall(re.sub(r"(?<![A-Za-z_])\d[\d.]*(?:[eE][+-]?\d+)?", " ", text))
    return all(name in _KNOWN or re.fullmatch(r"[A-Za-z]\d*", name) for name in names)


def formula(text: str, *arguments: Any, **named: Any) -> Any:
    """sympy's `parse_expr` for a formula.

    Raises:
        ValueError: it is none.
    """
    from sympy.parsing.sympy_parser import parse_expr

    if not isinstance(text, str) or not is_formula(text):
        raise ValueError("no formula")
    return parse_expr(text, *arguments, **named)


class _Sympy(ModuleType):
    """sympy as it is, but for `parse_expr`."""

    parse_expr = staticmethod(formula)

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("sympy"), name)


def guard() -> None:
    """Replace what evaluates in the modules of reasoning-gym; once, before any of them is used."""
    for name in LITERAL:
        vars(_module(name))["eval"] = literal
    for name in FORMULA:
        vars(_module(name))["parse_expr"] = formula
    for name, called in SYMPY:
        vars(_module(name))[called] = _Sympy("sympy")


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"reasoning_gym.{name}")
