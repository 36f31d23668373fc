"""Checkers by name: `math`, `numeric?abs=0.01`, `module:function`."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import math
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, ClassVar, get_args
from urllib.parse import parse_qsl

from ...errors import ConfigError
from ...records import Outcome, Question
from .family import Family
from .finding import Checker, Finding
from .math import MathChecker
from .python import PythonChecker
from .simple import Choice, Exact, Json, Numeric, Regex

CHECKERS: dict[str, Callable[..., Checker]] = {
    "arithmetic": Family,
    "math": MathChecker,
    "numeric": Numeric,
    "choice": Choice,
    "exact": Exact,
    "regex": Regex,
    "json": Json,
    "python": PythonChecker,
}
GROUP = "maieutic.checkers"


@dataclasses.dataclass(frozen=True)
class Plugin:
    """A function of the user's, `check(question, completion) -> Finding`, called in a worker."""

    function: Callable[[Question, str], Finding]

    needs: ClassVar = ()

    def quick(self, question: Question, completion: str) -> Finding | None:
        return None

    def slow(self, question: Question, completion: str) -> Finding:
        try:
            finding = self.function(question, completion)
        except Exception as error:
            return Finding("undecided", None, f"the checker failed: {type(error).__name__}: {error}"[:500])
        if isinstance(finding, Finding) and finding.outcome in get_args(Outcome):
            plainly = (None if finding.extracted is None else str(finding.extracted), str(finding.reason))
            return Finding(finding.outcome, *plainly)
        if isinstance(finding, Finding):
            return Finding("undecided", None, f"{finding.outcome!r} is none of {get_args(Outcome)}"[:200])
        return Finding("undecided", None, f"the checker returned a {type(finding).__name__}, not a Finding")


def named(spec: str) -> Checker:
    """The checker of a name, with its options as in a query: `numeric?abs=0.5&rel=0`.

    Raises:
        ConfigError: there is none, or it has no such option; the message says what there is.
        MissingPart: `python` without a working sandbox.
    """
    name, _, query = spec.partition("?")
    if ":" in name:
        return Plugin(_imported(name))
    if name not in CHECKERS:
        for entry in entry_points(group=GROUP):
            if entry.name == name:
                return Plugin(_imported(entry.value))
        close = difflib.get_close_matches(name, CHECKERS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(CHECKERS)}"
        raise ConfigError(f"no checker {name[:60]!r}; {hint} Or name a function of yours, module:function")
    kind = CHECKERS[name]
    return kind(**_options(spec, kind, query))


def _options(spec: str, kind: Any, query: str) -> dict[str, Any]:
    fields = (
        {field.name: field for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else {}
    )
    options: dict[str, Any] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in fields:
            there = ", ".join(fields) or "none"
            raise ConfigError(f"checker {spec!r}: no option {key!r}; options: {there}")
        try:
            options[key] = value = _READ[str(fields[key].type)](text)
            if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
                raise ValueError(value)
        except (ValueError, KeyError) as error:
            raise ConfigError(f"checker {spec!r}: {key}={text!r} is no {fields[key].type}") from error
    return options


_READ: dict[str, Callable[[str], Any]] = {
    "float": float,
    "str": str,
    "bool": lambda text: {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
        text
    ],
}


def _imported(name: str) -> Callable[[Question, str], Finding]:
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:  # whatever somebody's module does when it is imported
        raise ConfigError(
            f"checker {name!r}: cannot be imported ({error}); it must be on PYTHONPATH"
        ) from error
    if not callable(found):
        raise ConfigError(f"checker {name!r}: {function} is no function")
    if getattr(found, "__qualname__", function) != function:
        raise ConfigError(f"checker {name!r}: a lambda or an inner function cannot go to workers; use def")
    return found  # type: ignore[no-any-return]
