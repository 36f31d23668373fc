"""reasoning-gym's scorers with hostile answers: nothing is carried out, no answer is not right."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from random import Random

import pytest
from golden_gaming import EVERYWHERE
from maieutic.records import Question
from maieutic.tasks.checkers.gym import Gym as Checker
from maieutic.tasks.checkers.gym_extras import beside_the_answer
from maieutic.tasks.checkers.registry import opened as checker
from maieutic.tasks.families import guarded
from maieutic.tasks.families.gym import Gym, opened

LIBRARY = importlib.util.find_spec("reasoning_gym")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(LIBRARY is None, reason="reasoning-gym is not installed")]

EVALUATING = [*guarded.LITERAL, *guarded.FORMULA, *(name for name, _ in guarded.SYMPY)]
DRAWING = {
    "arithmetic.basic_arithmetic", "arithmetic.bitwise_arithmetic", "code.codeio",
    "arithmetic.gsm_symbolic.generators_00_49", "arithmetic.gsm_symbolic.generators_50_99",
    "logic.propositional_logic", "code.bf", "code.contrib.bfit.BF-it", "code.contrib.bfit.Compiler.Compiler",
}  # fmt: skip
"""Evaluate what they drew themselves, or have a parser of their own of that name; no answer comes there."""


def evaluates(source: str) -> bool:
    """Whether a module calls anything that carries out a text or unpickles bytes."""
    named = {"eval", "exec", "compile", "parse_expr", "sympify", "__import__", "system", "Popen", "loads"}
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return any(
        (isinstance(f, ast.Name) and f.id in named)
        or (isinstance(f, ast.Attribute) and f.attr in named and not _of(f, "json", "re"))
        for f in calls
    )


def _of(function: ast.Attribute, *modules: str) -> bool:
    return isinstance(function.value, ast.Name) and function.value.id in modules


def test_every_place_of_the_library_that_evaluates_is_known() -> None:
    assert LIBRARY is not None and LIBRARY.origin is not None
    root = Path(LIBRARY.origin).parent
    found = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in root.rglob("*.py")
        if evaluates(path.read_text(encoding="utf-8"))
    }
    assert found == {*EVALUATING, *DRAWING}


ORDERS = (
    "open({trace!r}, 'w')",
    "__import__('pathlib').Path({trace!r}).touch()",
    "[open({trace!r}, 'w')]",
    "[[open({trace!r}, 'w')]]",
    "(lambda: open({trace!r}, 'w'))()",
    "x.__class__.__base__.__subclasses__()[0](open({trace!r}, 'w'))",
    "S(\"open({trace!r}, 'w')\")",
    "sympify(\"__import__('pathlib').Path({trace!r}).touch()\")",
    "1 + open({trace!r}, 'w').write('x')",
)


def drawn(family: Gym, name: str, count: int = 1) -> list[Question]:
    found = (family.draw_at((name, level), Random(seed)) for seed in range(20) for level in (1, 2))
    return [question for question in found if question is not None][:count]


FAST = {*guarded.LITERAL}
"""Opened in no time; others draw for seconds."""


@pytest.mark.parametrize(
    "module",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in EVALUATING],
)
def test_an_answer_is_never_carried_out(module: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    name = module.rpartition(".")[2]
    (question,) = drawn(opened(f"gym:{name}"), name)
    ask = Checker(name)
    for order in ORDERS:
        said = f"<answer>{order.format(trace=str(trace))}</answer>"
        found = ask.quick(question, said) or ask.slow(question, said)
        assert found.outcome in ("wrong", "invalid"), (order, found)
    assert not trace.exists()
    marked = f"#### {question.answer}"
    assert ask.slow(question, marked).outcome == "right"


def test_a_question_from_a_file_is_never_carried_out(tmp_path: Path) -> None:
    # A library's entry that came with a row, for families whose questions carry theirs.
    trace = tmp_path / "trace"
    for name in ("number_sorting", "polynomial_multiplication"):
        entry = {
            "question": "?", "answer": f"open({str(trace)!r}, 'w')",
            "metadata": {"direction": "ascending"},
        }  # fmt: skip
        asked = Question(
            id="q", text="?", answer="1", solution="", skill="", level=0, origin="seed",
            data=json.dumps({"gym": {"level": 1, "parameters": {}, "number": 0, "entry": entry}}),
        )  # fmt: skip
        assert Checker(name).slow(asked, '#### ["1"]').outcome != "right"
    assert not trace.exists()


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("3*x**2 + 2*x - 1", True),
        ("4*(4 - 3 + 5)", True),
        ("-3*X**3*sin(X) + 18*cos(X) + C", True),
        ("1.5e3 + x1", True),
        ("5!", True),
        ("sqrt(x)/2.", True),
        ("Integral(x, x)", False),  # the question itself
        ("x.args", False),
        ("(x).args", False),
        ("x . args", False),
        ("__import__", False),
        ("x._a", False),
        ("open('x')", False),
        ("lambda: x", False),
        ("[x]", False),
        ("x; y", False),
        ("x\\y", False),
        ("ｏpen(x)", False),
        ("1" * 3_000, False),
    ],
)
def test_what_is_a_formula(text: str, fine: bool) -> None:
    assert guarded.is_formula(text) is fine


def not_answers(question: Question) -> list[str]:
    """What is no answer to a question, whatever it asks for."""
    ref = question.answer
    around = [f"{ref} or 1", f"1 or {ref}", f"not {ref}", f"maybe {ref}", f"{question.text} {ref}"]
    guesses = ["0", "1", "[]", "{}", "None", "A", "x", "8+8+8+0", "nan", question.text, question.text[-200:]]
    return [said for said in [*around, *guesses] if said != ref]


LAX = (
    "chain_sum", "gsm_symbolic", "kakurasu", "knights_knaves", "letter_jumble", "polynomial_equations",
    "survo", "time_intervals",
)  # fmt: skip
"""Families that took some of these for right, by their library's scorers alone; found by trying all."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_answer_is_right_in_no_lax_family() -> None:
    passed: list[object] = []
    for name in LAX:
        items = [
            (question, f"<answer>{said}</answer>")
            for question in drawn(opened(f"gym:{name}"), name)
            if question.answer.split()[0] not in ("0", "1", "0.0", "A", "x")  # may be guessed
            for said in [*not_answers(question), *(c for cs in EVERYWHERE.values() for c in cs[:6])]
        ]
        ask = Checker(name)
        found = [ask.quick(question, said) or ask.slow(question, said) for question, said in items]
        passed += [
            (name, said[-80:], question.answer[:60])
            for (question, said), finding in zip(items, found, strict=True)
            if finding.outcome == "right"
        ]
    assert passed == []


@pytest.mark.parametrize(
    ("family", "reference", "said", "fine"),
    [
        ("word_ladder", "COLD,CORD,WORD,WARD", "COLD, CORD, CARD, WARD", True),
        ("word_ladder", "ROT,ROE,NOE", "ROT,NOT,NOE", True),
        ("word_ladder", "COLD,CORD,WORD,WARD", "COLD,CORD,CARD,WARD or COLD,WORD", False),
        ("word_ladder", "COLD,CORD,WORD,WARD", "it is COLD,CORD,CARD,WARD", False),
        ("palindrome_generation", "abccba", "bcaacb", True),
        ("palindrome_generation", "abccba", "maybe bcaacb", False),
        ("sokoban", "RRUL", "RURL", True),
        ("sokoban", "RRUL", "then RURL", False),
        ("spell_backward", "abc", "cba", False),
    ],
)
def test_another_right_answer_is_one(family: str, reference: str, said: str, fine: bool) -> None:
    """Of a text that the family's scorer takes for right."""
    asked = Question(
        id="q",
        text="A question with letters?",
        answer=reference,
        solution="",
        skill="",
        level=1,
        origin="seed",
    )
    assert (beside_the_answer(asked, family, said) == "") is fine


@pytest.mark.slow
def test_a_palindrome_that_the_library_did_not_think_of_is_right() -> None:
    (question,) = drawn(opened("gym:palindrome_generation"), "palindrome_generation")
    half, odd = len(question.answer) // 2, len(question.answer) % 2
    first, middle = question.answer[:half], question.answer[half : half + odd]
    other = first[::-1] + middle + first
    assert other != question.answer
    ask = Checker("palindrome_generation")
    assert ask.slow(question, f"<answer>{other}</answer>").outcome == "right"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["game_of_life_halting", "puzzle24", "gsm_symbolic"])
def test_scorers_that_take_anything_are_not_the_last_word(name: str) -> None:
    tries = {
        "game_of_life_halting": ["yes", "24", "[1, True]", "Who knows"],
        "puzzle24": ["6*4*1*1", "8+8+4+4", "1+1+11+11"],
        "gsm_symbolic": ["{0} or 7", "{0} 7", "7 {0}", "not {0}"],
    }[name]
    questions = drawn(opened(f"gym:{name}"), name, 4)
    with checker(f"gym:{name}") as pool:
        found = pool.check(
            [(q, f"<answer>{said.format(q.answer)}</answer>") for q in questions for said in tries]
        )
        own = pool.check([(q, f"<answer>{q.answer}</answer>") for q in questions])
    assert not [finding for finding in found if finding.outcome == "right"]
    assert {finding.outcome for finding in own} == {"right"}
