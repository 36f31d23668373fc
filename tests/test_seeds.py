"""Seed files and the two fixed sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from maieutic.errors import ConfigError, SeedError
from maieutic.tasks import arithmetic, seeds
from maieutic.tasks.overlap import expression
from maieutic.tasks.sets import build_sets
from maieutic.trainers.base import LEVELS, examples


def test_the_builtin_file_holds_100_low_questions_and_is_what_the_code_writes(tmp_path: Path) -> None:
    questions = seeds.load_seeds("builtin")
    assert len(questions) == 100
    assert {q.level for q in questions} == {1, 2}
    assert {q.skill for q in questions} == set(arithmetic.SKILLS)
    seeds.write_builtin(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text() == seeds.BUILTIN.read_text()
    for line in seeds.BUILTIN.read_text().splitlines():
        row = json.loads(line)
        again = seeds.family_question(row["question"])
        assert (row["answer"], row["solution"]) == (again.answer, again.solution)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "a list, where an object with named fields is expected"),
        ('{"answer": "3"}', "'question' is empty"),
        ('{"question": 5}', "no answer to '5'"),
        ('{"question": "Who wrote Faust?"}', "no answer to 'Who wrote Faust?'; add one, or name a Teacher"),
        (
            '{"question": "Why?", "answer": "for one of many reasons"}',
            "no program can compare an answer of 5 words",
        ),
        ('{"question": "What is 3 - 9?"}', "no answer"),
        ('{"question": "What is 3 + 4?", "answer": "8"}', "is 7; correct it"),
        ('{"question": "What is __import__(\'os\')?"}', "no answer"),
        ("[" * 60_000, "not JSON"),
        ('{"question": "' + "9" * 200_000 + '"}', "a question of 200,000 characters"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "seeds.jsonl"
    file.write_text('{"question": "What is 3 + 4?", "answer": 7}\n\n' + line + "\n")
    with pytest.raises(SeedError) as caught:
        seeds.load_seeds(str(file))
    assert f"{file} line 3: " in str(caught.value)
    assert message in str(caught.value)


def test_lines_end_where_json_lines_end(tmp_path: Path) -> None:
    file = tmp_path / "seeds.jsonl"
    file.write_text('{"question": "What is 3 + 4?", "note": "a\u2028b\x0b"}\r\n{"question": 5}\r\n')
    with pytest.raises(SeedError, match="line 1: not JSON"):
        seeds.load_seeds(str(file))
    file.write_text('{"question": "What is 3 + 4?", "note": "a\u2028b\x85"}\r\n{"question": ""}\r\n')
    with pytest.raises(SeedError, match="line 2: 'question' is empty"):
        seeds.load_seeds(str(file))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no questions"), (b"\n\n", "no questions"), (b"\xff\xfe", "is not UTF-8")],
)
def test_an_unusable_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "s.jsonl").write_bytes(content)
    with pytest.raises(SeedError, match=message):
        seeds.load_seeds(str(tmp_path / "s.jsonl"))
    with pytest.raises(SeedError, match="no such file"):
        seeds.load_seeds(str(tmp_path / "none.jsonl"))


def test_a_byte_order_mark_and_numbers_as_answers_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text('\ufeff{"question": "what is 3+4?", "answer": 7}\n', encoding="utf-8")
    assert [q.text for q in seeds.load_seeds(str(file))] == ["What is 3 + 4?"]


def test_both_sets_are_large_stratified_and_free_of_all_else() -> None:
    taken = {q.text for q in seeds.load_seeds("builtin")}
    sets = build_sets(12, 20_250_924, taken)
    for questions in (sets.validation, sets.heldout):
        assert len(questions) >= 480
        counts = dict.fromkeys(arithmetic.CELLS, 0)
        for question in questions:
            counts[(question.skill, question.level)] += 1
        assert set(counts.values()) == {12}
    validation = {expression(q.text) for q in sets.validation}
    heldout = {expression(q.text) for q in sets.heldout}
    assert not validation & heldout
    assert not (validation | heldout) & {expression(text) for text in taken}
    assert sets.keys() == validation | heldout
    assert build_sets(12, 20_250_924, taken) == sets


def test_the_base_model_never_saw_a_question_of_either_set() -> None:
    sets = build_sets(12, 20_250_924, {q.text for q in seeds.load_seeds("builtin")})
    rows = examples(5000, 0, sets.keys())
    shown = {row["prompt"].partition("\n")[0] for row in rows}
    written = {row["completion"] for row in rows if "\n" in row["prompt"]}
    assert not {expression(text) for text in shown | written} & sets.keys()
    assert {arithmetic.cell_of(arithmetic.parse_question(text))[1] for text in shown | written} == set(LEVELS)


def test_a_cell_that_is_too_small_says_so() -> None:
    with pytest.raises(ConfigError, match="addition level 1 has no 400"):
        build_sets(400, 0, set())
