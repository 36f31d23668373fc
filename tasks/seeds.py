"""Seed question files: JSON Lines in, questions out, every problem with its line."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from ..errors import SeedError
from ..records import Question, short_id
from . import arithmetic, drawing

BUILTIN = Path(__file__).with_name("pocket_seeds.jsonl")
_LONGEST_LINE = 100_000
_LARGEST = 100_000_000


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
        **lineage,
    }
    return Question.model_validate(values)


def load_seeds(source: str) -> list[Question]:
    """Read seed questions.

    Args:
        source: `builtin`, or a JSONL file with `question` and optionally `answer`.
    Raises:
        SeedError: the file is missing or empty, or a line cannot be used.
    """
    path = BUILTIN if source == "builtin" else Path(source)
    if path.exists() and not path.is_file():
        raise SeedError(f"{path}: is no file; give a JSONL file, or leave `seeds: builtin`")
    if path.exists() and path.stat().st_size > _LARGEST:
        raise SeedError(f"{path}: more than {_LARGEST:,} bytes; leave some questions out")
    try:
        # Not splitlines: a string of JSON may hold what Unicode calls a line end.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise SeedError(f"{path}: no such file; give a JSONL file, or leave `seeds: builtin`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SeedError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    questions: dict[str, Question] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            question = _read_line(line, f"{path} line {number}")
            questions.setdefault(question.id, question)
    if not questions:
        raise SeedError(f'{path}: no questions; add lines such as {{"question": "What is 3 + 4?"}}')
    return list(questions.values())


def _read_line(line: str, place: str) -> Question:
    if len(line) > _LONGEST_LINE:
        raise SeedError(f"{place}: longer than {_LONGEST_LINE} characters; shorten or remove it")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SeedError(f"{place}: not a JSON object ({error}); put one object on each line") from None
    if not isinstance(row, dict) or not isinstance(row.get("question"), str):
        raise SeedError(f'{place}: "question" is missing; add "question": "What is 3 + 4?"')
    try:
        question = family_question(row["question"])
    except arithmetic.NotArithmetic as error:
        raise SeedError(
            f"{place}: {row['question'][:60]!r} is not of the built-in arithmetic family ({error}); "
            "write it as 'What is 3 + 4 * 2?', or remove the line"
        ) from None
    if question.level > arithmetic.MAX_LEVEL:
        raise SeedError(
            f"{place}: {question.text!r} is {question.skill} level {question.level}, and levels end at "
            f"{arithmetic.MAX_LEVEL}; use fewer operations, or remove the line"
        )
    if "answer" in row and str(row["answer"]).strip() != question.answer:
        raise SeedError(
            f"{place}: the answer is given as {str(row['answer'])[:40]!r}, but {question.text[8:-1]} "
            f"is {question.answer}; correct it or leave it out"
        )
    return question


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
