"""Values that came out of the sandbox, and whether they are what was expected.

Only data is built here, from JSON: nothing that a program sends is called, imported or unpickled.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any


class Other:
    """A value of a kind that is not data; equal to nothing."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"a value of type {self.kind}"


def decoded(value: Any) -> Any:
    """What `inside.encoded` made of a value, as the value again.

    Raises:
        ValueError, TypeError, RecursionError: it was not made there.
    """
    if value is None or isinstance(value, bool | str):
        return value
    kind, *parts = value
    if kind == "int":
        return int(parts[0], 16)
    if kind == "float":
        return float.fromhex(parts[0])
    if kind == "complex":
        return complex(*map(float.fromhex, parts))
    if kind == "ratio":
        return Fraction(*(int(part, 16) for part in parts))
    if kind == "bytes":
        return bytes.fromhex(parts[0])
    if kind == "dict":
        return {decoded(key): decoded(kept) for key, kept in parts[0]}
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](map(decoded, parts[0]))
    return Other(str(parts[0])[:60])


_SEQUENCES: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def as_json_says(found: Any, expected: Any, tolerance: float = 1e-6) -> bool:
    """Whether a value is what a JSON value says.

    JSON has no tuples and only strings as keys, so those of the value are read as such; numbers
    may differ by `tolerance`, relative or absolute, where one of them is no integer.
    """
    if isinstance(expected, bool) or expected is None or isinstance(found, bool):
        return found is expected
    if isinstance(expected, str):
        return isinstance(found, str) and found == expected
    if isinstance(expected, int | float):
        return _near(found, expected, tolerance)
    if isinstance(expected, list):
        if not isinstance(found, list | tuple) or len(found) != len(expected):
            return False
        return all(as_json_says(one, other, tolerance) for one, other in zip(found, expected, strict=True))
    if not isinstance(found, dict):
        return False
    named = {_key(key): value for key, value in found.items()}
    if len(named) != len(found) or named.keys() != expected.keys():
        return False
    return all(as_json_says(named[key], value, tolerance) for key, value in expected.items())


def _near(found: Any, expected: float, tolerance: float) -> bool:
    if isinstance(found, int) and isinstance(expected, int):
        return found == expected
    if not isinstance(found, int | float | Fraction):
        return False
    try:
        return found == expected or math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:
        return False


def _key(key: Any) -> str:
    """A key as JSON writes it."""
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return key if isinstance(key, str) else repr(key)
