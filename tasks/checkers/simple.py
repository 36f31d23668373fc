"""Checkers that need no mathematics: numeric, choice, exact, regex, json."""

from __future__ import annotations

import json
import re
import string
import unicodedata
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

from ...records import Question
from .answers import final_answer, plain
from .finding import LONGEST, Finding, data_of, stated
from .numbers import read_number, same_quantity
from .restating import restates
from .schema import misfit


class _Stated:
    """Checkers that compare the answer a completion states; nothing here takes long."""

    needs: ClassVar = ()

    def quick(self, question: Question, completion: str) -> Finding | None:
        return self.slow(question, completion)

    def slow(self, question: Question, completion: str) -> Finding:
        said = stated(question, completion)
        return said if isinstance(said, Finding) else self.compare(question, said)

    def compare(self, question: Question, said: str) -> Finding:
        raise NotImplementedError


def _judged(same: bool, said: str, expected: str) -> Finding:
    return Finding("right", said) if same else Finding("wrong", said, f"expected {expected[:100]}")


@dataclass(frozen=True, slots=True)
class Numeric(_Stated):
    """One number within a tolerance of the reference: |found − expected| ≤ abs + rel·|expected|."""

    abs: float = 0.0
    rel: float = 1e-6

    def compare(self, question: Question, said: str) -> Finding:
        wanted, found = read_number(plain(question.answer)), read_number(plain(said))
        if wanted is None:
            return Finding("undecided", said, f"the reference {question.answer[:60]!r} is no number")
        if found is None:
            return Finding("invalid", said, "no number")
        if restates(question.text, said, question.answer):
            return Finding("invalid", said, "restates the question")
        limit = Fraction(self.abs) + Fraction(self.rel) * abs(wanted.value)
        if not found.percent and not wanted.percent and abs(found.value - wanted.value) <= limit:
            # Close enough is the same number; the units are still to be compared.
            found = replace(found, value=wanted.value)
        return _judged(same_quantity(wanted, found, question.text) is True, said, question.answer)


_LETTER = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\].:]?(?:[\s:.)-]+(?P<text>.+))?")


class Choice(_Stated):
    """One of several options, by its letter or its whole text.

    `Question.data` may hold {"choices": [...]}; without it only letters are compared.
    """

    def compare(self, question: Question, said: str) -> Finding:
        choices = data_of(question).get("choices", [])
        if not isinstance(choices, list):
            return Finding("undecided", said, "the choices are no list")
        options = [_words(str(option)) for option in choices]
        wanted, found = _option(question.answer, options), _option(said, options)
        if wanted is None:
            return Finding("undecided", said, f"the reference {question.answer[:60]!r} is no option")
        if found is None:
            return Finding("invalid", said, "names no option, or two that differ")
        return _judged(found == wanted, said, question.answer)


def _option(said: str, options: list[str]) -> int | None:
    """The place of the option that an answer names, 0 first."""
    text = plain(said)
    if options.count(_words(text)) == 1:
        return options.index(_words(text))
    match = _LETTER.fullmatch(text)
    if match is None:
        return None
    place = ord(match[1].upper()) - ord("A")
    if not options:
        return place if not match["text"] else None
    if place >= len(options):
        return None
    # "B) Paris" must not name one option by its letter and another by its text.
    return place if not match["text"] or _words(match["text"]) == options[place] else None


@dataclass(frozen=True, slots=True)
class Exact(_Stated):
    """The same text, after what the options say is dropped."""

    case: bool = False
    """Whether upper and lower case differ."""
    punctuation: bool = False
    """Whether punctuation counts."""

    def compare(self, question: Question, said: str) -> Finding:
        return _judged(self._form(said) == self._form(question.answer), said, question.answer)

    def _form(self, text: str) -> str:
        text = unicodedata.normalize("NFKC", text)
        text = text if self.case else text.casefold()
        if not self.punctuation:
            kept = text.translate(_UNPUNCTUATED)
            text = kept if kept.strip() else text
        return " ".join(text.split())


_UNPUNCTUATED = str.maketrans(dict.fromkeys(string.punctuation, " "))


def _words(text: str) -> str:
    return Exact()._form(text)


@dataclass(frozen=True, slots=True)
class Regex:
    """The stated answer matches the reference, which is a regular expression, from end to end.

    A pattern may take for ever, so it is always tried in a worker.
    """

    case: bool = True

    needs: ClassVar = ()

    def quick(self, question: Question, completion: str) -> Finding | None:
        said = stated(question, completion)
        return said if isinstance(said, Finding) else None

    def slow(self, question: Question, completion: str) -> Finding:
        said = final_answer(completion) or ""
        try:
            pattern = re.compile(question.answer, 0 if self.case else re.IGNORECASE)
        except (re.error, RecursionError, OverflowError) as error:
            return Finding("undecided", said, f"the reference is no regular expression: {error}")
        return _judged(pattern.fullmatch(said) is not None, said, question.answer)


@dataclass(frozen=True, slots=True)
class Json:
    """The last JSON value of a completion equals the reference, or fits a schema.

    Args:
        fields: names that are compared, separated by commas; all where it is empty.

    `Question.data` may hold {"schema": …}; a reference of "" asks for the schema alone.
    """

    fields: str = ""

    needs: ClassVar = ("jsonschema",)

    def quick(self, question: Question, completion: str) -> Finding | None:
        if len(completion) > LONGEST:
            return Finding("invalid", None, f"longer than {LONGEST} characters")
        return None if "schema" in data_of(question) else self.slow(question, completion)

    def slow(self, question: Question, completion: str) -> Finding:
        found = last_json(completion)
        if found is _NOTHING:
            return Finding("invalid", None, "no JSON value")
        said = json.dumps(found, ensure_ascii=False)[:1000]
        data = data_of(question)
        if "schema" in data:
            against = misfit(data["schema"], found)
            if against is not None:
                return Finding(against.outcome, said, against.reason)
            if not question.answer:
                return Finding("right", said)
        try:
            wanted = json.loads(question.answer)
        except (ValueError, RecursionError) as error:
            return Finding("undecided", said, f"the reference is no JSON ({error})")
        names = [name.strip() for name in self.fields.split(",") if name.strip()]
        if not names:
            return _judged(same_json(wanted, found), said, question.answer)
        differ = [name for name in names if not same_json(_field(wanted, name), _field(found, name))]
        return Finding("wrong", said, f"{differ[0]} differs") if differ else Finding("right", said)


def _field(value: Any, name: str) -> Any:
    return value.get(name, _NOTHING) if isinstance(value, dict) else _NOTHING


_NOTHING: Any = object()


def same_json(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


_FENCE = "```"


def last_json(text: str, strict: bool = True) -> Any:
    """The last JSON object or list of a text, in a fence or bare; else the text as JSON itself.

    NaN and Infinity, which Python reads though they are no JSON, are none: every bound of a schema lets
    NaN through. An object that names a field twice is none: each reader would take another value.

    Args:
        strict: without it, strings may hold control characters as they are.
    """
    fenced = text.split(_FENCE)[1::2]
    for block in (*reversed(fenced[-_MOST_FENCES:]), text):
        try:
            return json.loads(block.removeprefix("json"), strict=strict, **_PLAIN)
        except (ValueError, RecursionError):
            continue
    decoder, found, at = json.JSONDecoder(strict=strict, **_PLAIN), _NOTHING, 0
    for _ in range(_MOST_TRIES):
        match = re.compile(r"[{\[]").search(text, at)
        if match is None:
            break
        try:
            found, at = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            at = match.end()
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field is named twice")
    return found


_PLAIN: dict[str, Any] = {"parse_constant": _no_constant, "object_pairs_hook": _once}

_MOST_FENCES = 20
_MOST_TRIES = 1_000
"""Opening brackets that are tried as the beginning of a value."""
