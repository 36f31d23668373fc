"""The families of reasoning-gym: over a hundred generators, each with its own scorer.

The library's difficulty parameters are the levels: level 1 has each at its first value, level 2
at its second, and so on. A question is known by its family, level, parameters and number, so that
its scorer, in another process, draws the very same one again. A few families draw by Python's hash
of texts, another one in each process: their questions carry the library's entry along.

Source: Reasoning Gym, arXiv 2505.24760. Differs: one level moves all parameters of a family
together, each to that value alone and not to the range up to it.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import importlib
import io
import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from random import Random
from types import FrameType, ModuleType
from typing import Any
from urllib.parse import parse_qsl

from ...errors import ConfigError, MissingPart
from ...records import Question, short_id
from ..arithmetic import ANSWER_MARK
from ..checkers.finding import data_of
from .family import Unreadable, spread

PREFIX = "gym:"
TOP = 6
"""Levels of a family, at most."""

_SIZE = 10_000
"""Numbers that a question may have; a few families make that many when they are opened."""

_SLOW_S = 1.0
"""Seconds of processor time after which a draw is given up: every check of an answer draws again."""

_NO_SINGLE_TEXT = {"composite"}
"""Made of other families, which it must be told."""

_BY_HASH = {"acre", "codeio", "isomorphic_strings", "polynomial_multiplication", "ransom_note"}
"""Draw others in another process; found by drawing from all of them with two hash seeds."""

Cell = tuple[str, int]
Parameters = Mapping[str, Any]


class Gym:
    """
    Args:
        cells: families and levels that are drawn from.
        parameters: fixed ones; the levels move the others.
    """

    reads = False

    def __init__(self, cells: list[Cell], parameters: Parameters) -> None:
        self.cells, self.parameters = cells, dict(parameters)

    @property
    def top(self) -> int:
        return max((level for _, level in self.cells), default=1)

    def read(self, text: str) -> Question:
        raise Unreadable("reasoning-gym writes its questions, and reads none")

    def draw(self, rng: Random) -> Question | None:
        return self.draw_at(spread(self.cells, rng), rng)

    def draw_at(self, cell: Cell, rng: Random) -> Question | None:
        """A question of one family and level; None where it gives none."""
        if cell not in self.cells:
            return None
        asked: dict[str, Any] = {"level": cell[1], "parameters": self.parameters}
        asked["number"] = rng.randrange(_SIZE)
        try:
            # Some of them print as they draw.
            with _within(_SLOW_S), contextlib.redirect_stdout(io.StringIO()):
                entry = entry_of(cell[0], asked)
        except (Exception, _TooSlow):  # whatever a generator meets here, from an assertion on
            return None
        if cell[0] in _BY_HASH:
            asked["entry"] = entry
        text = text_of(entry)
        answer = "" if entry["answer"] is None else str(entry["answer"])
        return Question(
            id=short_id("q", text),
            text=text,
            answer=answer,
            solution=f"{ANSWER_MARK} {answer}" if answer else "",
            skill=cell[0],
            level=cell[1],
            origin="seed",
            checker=f"{PREFIX}{cell[0]}",
            data=json.dumps({"gym": asked}, default=str),
            label="family",
        )

    def harder(self, question: Question, levels: int, rng: Random) -> Question | None:
        return self.draw_at((question.skill, question.level + levels), rng)

    def neighbour(self, question: Question, rng: Random) -> Question | None:
        return self.draw_at((question.skill, question.level), rng)

    def audit(self, question: Question) -> bool | None:
        """There is no other way than the family's own: its answer and its scorer are one."""
        return None


def opened(source: str) -> Gym:
    """The family of a name such as `gym:chain_sum`, `gym:knights_knaves?n_people=3`, `gym:all`.

    Raises:
        ConfigError: there is no such family or parameter.
        MissingPart: reasoning-gym is not installed.
    """
    name, _, query = source.removeprefix(PREFIX).partition("?")
    known = _library().DATASETS
    if name == "all":
        if query:
            raise ConfigError(f"{source}: all families together take no parameters; name one of them")
        names = sorted(set(known) - _NO_SINGLE_TEXT)
    elif name in known and name not in _NO_SINGLE_TEXT:
        names = [name]
    else:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {PREFIX}{close[0]}?" if close else "reasoning-gym's gallery lists them"
        raise ConfigError(f"{source}: reasoning-gym has no family {name[:60]!r}; {hint}")
    parameters = _parameters(source, name, query)
    cells = [(family, level) for family in names for level in _levels(family, parameters)]
    if not cells:
        raise ConfigError(f"{source}: {_why_not(name, parameters)}")
    return Gym(cells, parameters)


def _parameters(source: str, name: str, query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if not query:
        return found
    config = vars(_library().DATASETS[name][1]())
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in config or key in ("seed", "size"):
            there = ", ".join(sorted(set(config) - {"seed", "size"}))
            raise ConfigError(f"{source}: {name} has no parameter {key[:60]!r}; there are: {there}")
        kind = type(config[key])
        try:
            value = text if kind is str else json.loads(text)
        except ValueError:
            value = text
        whole_for_float = kind is float and type(value) is int
        if kind in (int, float, bool, str) and type(value) is not kind and not whole_for_float:
            such = f", such as {key}={json.dumps(config[key])}"
            raise ConfigError(f"{source}: {key}={text[:60]!r} is no {kind.__name__}{such}")
        found[key] = value
    return found


def _levels(name: str, parameters: Parameters) -> list[int]:
    """Levels that can be opened: each moves a parameter that is not fixed."""
    curricula = _library().CURRICULA
    if name not in curricula:
        return [1] if _opens(name, 1, parameters) else []
    attributes = curricula[name]().attributes.values()
    free = [a for a in attributes if not _fields(a) & set(parameters)]
    most = min(TOP, max((len(a.levels) for a in free), default=1))
    return [level for level in range(1, most + 1) if _opens(name, level, parameters)]


def _fields(attribute: Any) -> set[str]:
    names = ("field_name", "lower_field_name", "upper_field_name")
    return {getattr(attribute, name) for name in names if hasattr(attribute, name)}


def _opens(name: str, level: int, parameters: Parameters) -> bool:
    try:
        _config(name, level, parameters).validate()
    except Exception:  # a generator says no in its own way, mostly by assertions
        return False
    return True


def _why_not(name: str, parameters: Parameters) -> str:
    try:
        _config(name, 1, parameters).validate()
    except Exception as error:
        return f"{name} refuses these parameters ({str(error)[:200]})"
    return "no family can be opened"


def _config(name: str, level: int, parameters: Parameters) -> Any:
    library = _library()
    values: dict[str, Any] = {}
    if name in library.CURRICULA:
        curriculum = library.CURRICULA[name]()
        curriculum.set_global_level(level - 1)
        base = importlib.import_module("reasoning_gym.coaching.base_curriculum")
        context = base.DefaultCurriculumContext(mode=base.RangeAttributeMode.UPPER_BOUND)
        values = vars(curriculum.generate_configuration(context=context))
    return library.DATASETS[name][1](**{**values, "seed": 0, "size": _SIZE, **parameters})


@lru_cache(maxsize=512)
def _dataset(name: str, level: int, parameters: str) -> Any:
    library = _library()
    config = _config(name, level, json.loads(parameters))
    return library.create_dataset(name, **vars(config))


def entry_of(name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The library's own entry of a question."""
    parameters = json.dumps(asked["parameters"], sort_keys=True)
    return copy.deepcopy(_entry(name, asked["level"], parameters, asked["number"]))


@lru_cache(maxsize=64)
def _entry(name: str, level: int, parameters: str, number: int) -> dict[str, Any]:
    # Kept, for the rollouts of a question come to a scorer one after the other.
    entry: dict[str, Any] = _dataset(name, level, parameters)[number]
    return entry


def text_of(entry: Mapping[str, Any]) -> str:
    return str(entry["question"]).strip()


def score(question: Question, name: str, answer: str) -> float:
    """What the family's scorer gives an answer: 1 where it is right, less where it is not.

    Raises:
        Unreadable: the library, drawing it again, does not draw this question.
        Exception: whatever the scorer meets in a text that it did not expect.
    """
    asked = data_of(question).get("gym")
    if not isinstance(asked, dict):
        raise Unreadable("the question does not say which of its family it is")
    entry = asked.get("entry") or entry_of(name, asked)
    if text_of(entry) != question.text:
        raise Unreadable("reasoning-gym draws another question here than when it was asked; has it changed?")
    return float(_set_of(name, asked).score_answer(answer, entry))


def _set_of(name: str, asked: Mapping[str, Any]) -> Any:
    return _dataset(name, asked["level"], json.dumps(asked["parameters"], sort_keys=True))


@cache
def _library() -> ModuleType:
    try:
        from .quiet_gym import factory
    except ImportError as error:
        raise MissingPart(
            f"gym: needs the package reasoning-gym, and a C compiler to install it ({error}); run "
            "`pip install 'maieutic[gym]'`"
        ) from error
    return factory


class _TooSlow(BaseException):
    """No Exception: some generators catch all of these, and try on."""


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Some generators search, and a few never end; only a main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _TooSlow

    handler = signal.signal(signal.SIGPROF, stop)
    began = time.process_time()
    # And again each second, where the first was caught.
    left, every = signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        if left:  # somebody else's alarm goes on
            signal.setitimer(signal.ITIMER_PROF, max(1e-3, left - (time.process_time() - began)), every)
