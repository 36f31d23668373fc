"""Checkers by name: `math`, `numeric?abs=0.01`, `module:function`, `judge?model=…&url=…`."""

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
from ..families.gym import PREFIX
from .family import Family
from .finding import Checker, Checks, Finding
from .gym import Gym
from .math import MathChecker
from .pool import CheckerPool
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
JUDGE = "judge"
"""Not among them: it is asked over a network, not run in a worker."""

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


def opened(spec: str, seconds: float = 5.0) -> Checks:
    """What a name stands for, ready to check; to be closed.

    Args:
        seconds: limit of one check's processor time; a judge has an option of its own, `deadline`.
    Raises:
        ConfigError: as `named`; or a judge lacks its model, its address or its key.
    """
    name, _, query = spec.partition("?")
    if name != JUDGE:
        return CheckerPool(named(spec), seconds=seconds)
    # Takes half a second to import, for which nobody else should wait.
    from .judge.judge import Judge
    from .judge.options import JudgeOptions

    return Judge(JudgeOptions(**_options(JUDGE, JudgeOptions, query)))


def named(spec: str) -> Checker:
    """The checker of a name, with its options as in a query: `numeric?abs=0.5&rel=0`.

    Raises:
        ConfigError: there is none, or it has no such option; the message says what there is.
        MissingPart: `python` without a working sandbox.
    """
    name, _, query = spec.partition("?")
    if name.startswith(PREFIX):
        return Gym(name.removeprefix(PREFIX))
    if ":" in name:
        return Plugin(_imported(name, f"checker {name!r}", "it must be on PYTHONPATH"))
    if name not in CHECKERS:
        return _offered(name)
    kind = CHECKERS[name]
    return kind(**_options(name, kind, query))


def _offered(name: str) -> Plugin:
    """The checker that an installed package offers under a name.

    Built-in names are looked up before: a package cannot change what `math` means, and a run
    that names it means the same wherever it is played.
    """
    if name == JUDGE:
        raise ConfigError("checker 'judge': a model is asked, so that no worker can run it; see `opened`")
    offered = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
    found = list(dict.fromkeys(entry.value for entry in offered if entry.name == name))
    if len(found) > 1:
        raise ConfigError(
            f"checker {name!r}: offered by more than one package ({', '.join(found)}); name one"
        )
    if found:
        whose = f"checker {name!r}, which an installed package offers as {found[0]}"
        return Plugin(_imported(found[0], whose, "mend or uninstall that package"))
    there = dict.fromkeys([*CHECKERS, JUDGE, *(entry.name for entry in offered)])
    close = difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(there)}."
    raise ConfigError(f"no checker {name[:60]!r}; {hint} Or name a function of yours, module:function")


def _options(name: str, kind: Any, query: str) -> dict[str, Any]:
    """The options in a query. Never repeated whole: there may be a key in it by mistake."""
    fields = (
        {field.name: field for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else {}
    )
    options: dict[str, Any] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in fields:
            there = ", ".join(fields) or "none"
            raise ConfigError(f"checker {name!r}: no option {key[:60]!r}; options: {there}")
        try:
            options[key] = value = _READ[str(fields[key].type)](text)
            if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
                raise ValueError(value)
        except (ValueError, KeyError) as error:
            raise ConfigError(f"checker {name!r}: {key}={text[:60]!r} is no {fields[key].type}") from error
    return options


_READ: dict[str, Callable[[str], Any]] = {
    "float": float,
    "int": int,
    "str": str,
    "bool": lambda text: {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
        text
    ],
}


def _imported(name: str, called: str, remedy: str) -> Callable[[Question, str], Finding]:
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:  # whatever somebody's module does when it is imported
        raise ConfigError(f"{called}: cannot be imported ({error}); {remedy}") from error
    if not callable(found):
        raise ConfigError(f"{called}: {function} is no function")
    if getattr(found, "__qualname__", function) != function:
        raise ConfigError(f"{called}: a lambda or an inner function cannot go to workers; use def")
    return found  # type: ignore[no-any-return]
