"""The tests of a program, as `Question.data` holds them, and the program in a completion.

    {"tests": [{"stdin": "2 3\\n", "stdout": "5\\n"}]}
    {"function": "add", "tests": [{"args": [2, 3], "result": 5}]}
    {"asserts": "assert add(2, 3) == 5"}

What is expected is compared here and never enters the sandbox. Of asserts that holds where one
side of == is a literal; others are carried out beside the program, which can then deceive them.
"""

from __future__ import annotations

import ast
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..sandbox.values import as_json_says, decoded
from .answers import without_thinking

MOST_TESTS = 1_000


@dataclass(frozen=True, slots=True)
class Printing:
    """A script that reads a standard input and must print an output."""

    stdin: str
    expected: str

    def task(self, code: str) -> dict[str, Any]:
        """What `inside.py` is to do."""
        return {"mode": "program", "code": code, "stdin": self.stdin}

    def misfit(self, printed: bytes) -> str:
        """What is wrong with what came back; empty where nothing is."""
        found = printed.decode("utf-8", "replace")
        if _lines(found) == _lines(self.expected):
            return ""
        return f"expected {short(self.expected.strip())}, printed {short(found.strip())}"


@dataclass(frozen=True, slots=True)
class Calling:
    """A function that is called once and must return a value."""

    function: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    expected: Any

    def task(self, code: str) -> dict[str, Any]:
        return {
            "mode": "call", "code": code, "function": self.function, "args": self.args, "kwargs": self.kwargs
        }  # fmt: skip

    def misfit(self, printed: bytes) -> str:
        try:
            found = decoded(json.loads(printed)["value"])
            same = as_json_says(found, self.expected)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError, ArithmeticError):
            return "ended without a result"
        return "" if same else f"expected {short(self.expected)}, returned {short(found)}"


@dataclass(frozen=True, slots=True)
class Asserting:
    """Statements that are carried out after the program, in its names.

    Args:
        text: the statements, with `_report(place, value)` where a value is compared here.
        expected: the literals, by place.
    """

    text: str
    expected: list[Any]
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))

    def task(self, code: str) -> dict[str, Any]:
        return {"mode": "asserts", "code": code, "asserts": self.text, "nonce": self.nonce}

    def misfit(self, printed: bytes) -> str:
        try:
            said = json.loads(printed)
            if said["nonce"] != self.nonce:
                return "ended before its asserts"
            values = [(place, decoded(value)) for place, value in said["reports"]]
            for place, value in values:
                if value != self.expected[place]:
                    return f"expected {short(self.expected[place])}, found {short(value)}"
        except (ValueError, TypeError, KeyError, IndexError, RecursionError, ArithmeticError):
            return "ended before its asserts"
        missing = set(range(len(self.expected))) - {place for place, _ in values}
        return f"assert {min(missing) + 1} was not reached" if missing else ""


Test = Printing | Calling | Asserting


def read_tests(data: str) -> list[Test]:
    """
    Raises:
        ValueError: there are none, or they cannot be read; the message says which.
    """
    try:
        given = json.loads(data) if data else {}
    except (ValueError, RecursionError) as error:
        raise ValueError("the question's data is no JSON") from error
    tests = given.get("tests", []) if isinstance(given, dict) else []
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        raise ValueError('"tests" is no list of objects')
    found: list[Test] = [
        _test(place, test, given.get("function")) for place, test in enumerate(tests[: MOST_TESTS + 1], 1)
    ]
    if isinstance(given, dict) and given.get("asserts"):
        found += _asserting(given["asserts"])
    if not found:
        raise ValueError('the question has no tests; give it "tests" or "asserts"')
    if len(found) > MOST_TESTS:
        raise ValueError(f"more than {MOST_TESTS} tests")
    return found


def _test(place: int, test: dict[str, Any], function: object) -> Test:
    if test.get("stdout") is not None:
        texts = (test.get("stdin") or "", test["stdout"])
        if all(isinstance(text, str) for text in texts):
            return Printing(*texts)
        raise ValueError(f"test {place}: stdin and stdout must be text")
    # A table gives every row all columns, empty ones as None.
    named = test.get("function") or function
    args, kwargs = test.get("args") or [], test.get("kwargs") or {}
    if "result" not in test or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise ValueError(f'test {place} has neither "stdout" nor "args" and "result"')
    if not isinstance(named, str) or not all(part.isidentifier() for part in named.split(".")):
        raise ValueError(f"test {place}: no function is named")
    return Calling(named, args, kwargs, test["result"])


def _asserting(asserts: object) -> list[Asserting]:
    """Each of a list by itself; a text as a whole."""
    texts: list[Any] = asserts if isinstance(asserts, list) else [asserts]
    found = []
    for text in texts:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
            raise ValueError(f"the asserts are no Python: {error}"[:200]) from error
        expected: list[Any] = []
        for body in (tree.body, *(node.body for node in tree.body if isinstance(node, ast.FunctionDef))):
            for at, statement in enumerate(body):
                body[at] = _reporting(statement, expected)
        found.append(Asserting(ast.unparse(ast.fix_missing_locations(tree)), expected))
    return found


def _reporting(statement: ast.stmt, expected: list[Any]) -> ast.stmt:
    """`assert f(1) == 2` as `_report(0, f(1))`; what is no such assert as it is."""
    match statement:
        case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])):
            pass
        case _:
            return statement
    for found, literal in ((left, right), (right, left)):
        try:
            value = ast.literal_eval(literal)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        expected.append(value)
        place = ast.Constant(len(expected) - 1)
        return ast.Expr(ast.Call(ast.Name("_report", ast.Load()), [place, found], []))
    return statement


_FENCE = re.compile(r"[ \t]*(```+|~~~+)[ \t]*([\w+-]*)")
_LANGUAGES = ("python", "py", "python3")


def program_in(completion: str) -> str | None:
    """The last block marked as Python, else the last block, else all of it where that is a program."""
    text = without_thinking(completion)
    blocks = list(_blocks(text))
    marked = [code for language, code in blocks if language.lower() in _LANGUAGES]
    for found in (marked, [code for _, code in blocks]):
        if found:
            return found[-1] if found[-1].strip() else None
    return text if _is_program(text) else None


def _blocks(text: str) -> list[tuple[str, str]]:
    """The language and content of fenced blocks; one that was never closed goes to the end."""
    blocks: list[tuple[str, list[str]]] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line)
        if fence and match and match[1].startswith(fence) and not match[2]:
            fence = ""
        elif fence:
            blocks[-1][1].append(line)
        elif match:
            fence = match[1]
            blocks.append((match[2], []))
    return [(language, "".join(lines)) for language, lines in blocks]


def _is_program(text: str) -> bool:
    """Whether it parses and does something: a word or a number is no program."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in body)


def _lines(text: str) -> list[str]:
    """Lines without the space at their ends, and without empty ones at the end."""
    return [line.rstrip() for line in text.rstrip().split("\n")]


def short(value: object, longest: int = 60) -> str:
    """A value for a reason: on one line, control characters escaped, cut."""
    try:
        text = repr(value[: longest + 1] if isinstance(value, str) else value)
    except (RecursionError, ValueError):  # nested too deep; an integer of too many digits
        return f"a {type(value).__name__}"
    return text if len(text) <= longest + 2 else text[:longest] + "…"
