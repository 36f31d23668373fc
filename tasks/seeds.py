"""Seed questions: a user's rows made into questions, every problem with its place."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from random import Random

from ..errors import ConfigError, SeedError
from ..records import Question, short_id
from . import arithmetic, drawing
from .arithmetic import ANSWER_MARK
from .checkers.registry import opened
from .columns import FOR_CHECKERS, LOOKED_AT, SeedRow, mapped, named_in, seed_rows
from .kinds import SUITED, kind_of
from .overlap import normal
from .rows import Placed, stop, value_of
from .sources import rows_of

BUILTIN = Path(__file__).with_name("pocket_seeds.jsonl")

TRUSTED = 0.97
"""Confidence in an answer that somebody wrote beside a question: chosen, not measured."""

_SKILL = "general"
_WORDS = {"easy": 1, "medium": 2, "hard": 3}
_HIGHEST = 100


def family_question(text: str, **lineage: object) -> Question:
    """A question of the arithmetic family, everything about it worked out from its text.

    Raises:
        arithmetic.NotArithmetic: the text is not of the family.
    """
    expr = arithmetic.parse_question(text)
    skill, level = arithmetic.cell_of(expr)
    canonical = arithmetic.question_text(expr)
    values: dict[str, object] = {
        "id": short_id("q", canonical),
        "text": canonical,
        "answer": str(arithmetic.evaluate(expr)),
        "solution": arithmetic.worked(expr),
        "skill": skill,
        "level": level,
        "origin": "seed",
        "label": "executed",
        **lineage,
    }
    return Question.model_validate(values)


def of_family(text: str) -> bool:
    """Whether a text is a question of the built-in arithmetic family, within its levels."""
    if text.lstrip()[:7].casefold() != "what is":
        return False
    try:
        return family_question(text).level <= arithmetic.MAX_LEVEL
    except arithmetic.NotArithmetic:
        return False


def load_seeds(
    source: str,
    told: Mapping[str, str] | None = None,
    checker: str = "",
    most: int = 1_000_000,
    unanswered: bool = False,
    notes: list[str] | None = None,
) -> list[Question]:
    """Read seed questions; of those that are equal but for case and spaces the first.

    Args:
        source: `builtin`, a file, or `hf:NAME[:CONFIG[:SPLIT]]`.
        told: columns named by the user, our name to theirs; the built-in questions need none.
        checker: decides about all answers of a user's; by their kind where it is empty.
        most: rows that are read.
        unanswered: whether rows without an answer may be among them.
        notes: is told where there are more rows.
    Returns:
        Questions of the built-in family where all are, with answers worked out; otherwise the
        rows as they are, those without an answer with the label `none`.
    Raises:
        SeedError: the source is missing or empty, or a row cannot be used.
        ConfigError: no column is the question's, or there is no such checker.
    """
    if not source:
        raise ConfigError("seeds: no source is named; give a file, hf:NAME, gym:FAMILY or builtin")
    if source == "builtin":
        told, checker = {}, ""
    placed = rows_of(str(BUILTIN) if source == "builtin" else source)
    head = list(islice(placed, LOOKED_AT))
    if not head:
        raise SeedError(f'{source}: no questions; add lines such as {{"question": "What is 3 + 4?"}}')
    try:
        columns = mapped(named_in(head), told or {})
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    rows = list(islice(seed_rows(chain(head, placed), columns, stop), most))
    if notes is not None and len(rows) == most and _has_more(placed):
        notes.append(f"{source}: only the first {most:,} rows are taken; see sets.most_seeds")
    if not checker and all(of_family(row.question) for row in rows):
        questions: Iterable[Question] = map(_worked_out, rows)
    else:
        if checker:
            opened(checker).close()  # says what is wrong with it
        questions = [_as_it_is(row, checker, unanswered) for row in rows]
    first: dict[str, Question] = {}
    for question in questions:
        first.setdefault(normal(question.text), question)
    return list(first.values())


def _has_more(rows: Iterator[Placed]) -> bool:
    try:
        return next(rows, None) is not None
    except SeedError:
        return True  # one that cannot be read


def _worked_out(row: SeedRow) -> Question:
    question = family_question(row.question)
    if row.answer is not None and row.answer.strip() != question.answer:
        raise SeedError(
            f"{row.place}: the answer is given as {row.answer[:40]!r}, but {question.text[8:-1]} "
            f"is {question.answer}; correct it or leave it out"
        )
    return question


def _as_it_is(row: SeedRow, checker: str, unanswered: bool) -> Question:
    """A row as a question; its reference solution ends in the marked answer, as completions do."""
    kind = kind_of(row)
    if kind == "none" and not unanswered and checker.partition("?")[0] == "python":
        raise SeedError(f"{row.place}: no tests for {row.question[:60]!r}; add a column tests, or asserts")
    if kind == "none" and not unanswered:
        raise SeedError(
            f"{row.place}: no answer to {row.question[:60]!r}; add one, or name a Teacher that labels it "
            "(--set teacher.endpoint=… and teacher.model=…)"
        )
    suited = checker or SUITED[kind]
    if suited is None and kind != "none":
        raise SeedError(
            f"{row.place}: no program can compare an answer of {_words(row.answer)}; shorten it, or say "
            "what decides: --checker 'judge?model=…&url=…', or module:function of your own"
        )
    beside = {name: value_of(row.given[name]) for name in FOR_CHECKERS if row.given.get(name)}
    text, choices = row.question, beside.get("choices")
    if isinstance(choices, str):
        choices = beside["choices"] = [part.strip() for part in re.split(r"[|;\n]", choices) if part.strip()]
    if isinstance(choices, list) and not all(str(choice) in text for choice in choices):
        text += "".join(f"\n{chr(65 + i)}) {choice}" for i, choice in enumerate(choices[:26]))
    answer = row.answer or ""
    return Question(
        id=short_id("q", text),
        text=text,
        answer=answer,
        solution=f"{row.solution.rpartition(ANSWER_MARK)[0].strip() or row.solution} {ANSWER_MARK} {answer}"
        .strip() if answer else row.solution,
        skill=str(row.given.get("skill") or _SKILL)[:60],
        level=level_of(row.given.get("level")),
        origin="seed",
        checker=suited or "math",
        data=json.dumps(beside, default=str) if beside else "",
        label="none" if kind == "none" else "seed",
        confidence=0.0 if kind == "none" else TRUSTED,
    )  # fmt: skip


def _words(answer: str | None) -> str:
    text = answer or ""
    return f"{len(text.split()):,} words and {len(text):,} characters"


def level_of(value: object) -> int:
    """A level from what a set says of it: 3, "Level 3", "hard"; 1 where it says nothing."""
    found = re.search(r"(?<!\w)-(?=\d)|\d{1,9}", str(value))
    if found:
        return 1 if found.group() == "-" else min(max(1, int(found.group())), _HIGHEST)
    return _WORDS.get(str(value).strip().casefold(), 1)


def checkers_of(questions: Iterable[Question]) -> Counter[str]:
    """How many questions each checker decides about."""
    return Counter(question.checker for question in questions)


def write_builtin(path: Path = BUILTIN, count: int = 100, seed: int = 0) -> None:
    """Write the built-in seed file: `count` questions over all skills, levels 1 and 2."""
    rng = Random(seed)
    rows: dict[str, Question] = {}
    while len(rows) < count:
        skill = arithmetic.SKILLS[len(rows) % len(arithmetic.SKILLS)]
        level = 1 + (len(rows) // len(arithmetic.SKILLS)) % 2
        question = family_question(arithmetic.question_text(drawing.draw(skill, level, rng)))
        rows.setdefault(question.id, question)
    keep = ("skill", "level", "answer", "solution")
    lines = [
        json.dumps({"question": q.text, **{name: getattr(q, name) for name in keep}}) for q in rows.values()
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
