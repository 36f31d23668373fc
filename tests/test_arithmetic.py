"""The question family: reading, writing, placing, drawing."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.tasks import arithmetic as a
from maieutic.tasks import drawing
from maieutic.tasks.checkers.family import check_exact

cells = st.sampled_from(a.CELLS)
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize(
    ("text", "value", "cell", "worked"),
    [
        ("7 + 2 * 3", 13, ("precedence", 1), "2 * 3 = 6, 7 + 6 = 13 #### 13"),
        ("(7 + 2) * 3", 27, ("parentheses", 1), "7 + 2 = 9, 9 * 3 = 27 #### 27"),
        ("9 - 3 - 2", 4, ("subtraction", 2), "9 - 3 = 6, 6 - 2 = 4 #### 4"),
        ("9 - (3 - 2)", 8, ("parentheses", 1), "3 - 2 = 1, 9 - 1 = 8 #### 8"),
        ("47 mod 5", 2, ("remainder", 1), "47 mod 5 = 2 #### 2"),
        ("(40 + 7) mod 5", 2, ("remainder", 2), "40 + 7 = 47, 47 mod 5 = 2 #### 2"),
        ("2 * 3 * 4", 24, ("multiplication", 2), "2 * 3 = 6, 6 * 4 = 24 #### 24"),
        ("1 + 2 - 3", 0, ("mixed", 1), "1 + 2 = 3, 3 - 3 = 0 #### 0"),
        ("((3)) + (4)", 7, ("addition", 1), "3 + 4 = 7 #### 7"),
        ("12 mod 7 * 2", 10, ("remainder", 2), "12 mod 7 = 5, 5 * 2 = 10 #### 10"),
    ],
)
def test_golden(text: str, value: int, cell: a.Cell, worked: str) -> None:
    expr = a.parse(text)
    assert (a.evaluate(expr), a.cell_of(expr), a.worked(expr)) == (value, cell, worked)


@pytest.mark.parametrize(
    "text",
    ["", "3 +", "+ 3", "3 4", "(3 + 4", "3 + 4)", "3 ** 4", "3 / 4", "2.5 + 1", "x + 1", "3 + é",
     "__import__('os')", "1" * 9 + " + 1", " + ".join(["1"] * 14), "(" * 500, "٣ + ٤"],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(a.NotArithmetic):
        a.parse(text)


@pytest.mark.parametrize("text", ["3 - 4", "5 mod 1", "5 mod 0", "999 + 1", "50 * 50", "1000"])
def test_what_has_no_answer_here_is_out_of_range(text: str) -> None:
    with pytest.raises(a.OutOfRange):
        a.evaluate(a.parse(text))


@given(cells, seeds)
def test_a_drawn_question_reads_back_as_itself(cell: a.Cell, seed: int) -> None:
    expr = drawing.draw(*cell, Random(seed))
    assert a.parse_question(a.question_text(expr)) == expr
    assert a.cell_of(expr) == cell


@given(cells, seeds)
def test_the_worked_solution_is_right_at_every_step(cell: a.Cell, seed: int) -> None:
    expr = drawing.draw(*cell, Random(seed))
    steps, _, answer = a.worked(expr).rpartition(" #### ")
    for step in steps.split(", "):
        operation, _, value = step.partition(" = ")
        assert a.evaluate(a.parse(operation)) == int(value)
    assert int(answer) == int(value) == a.evaluate(expr)
    assert check_exact(str(a.evaluate(expr)), a.worked(expr)).outcome == "right"


@given(cells, seeds)
def test_neighbours_keep_the_cell_and_harder_ones_climb(cell: a.Cell, seed: int) -> None:
    rng = Random(seed)
    expr = drawing.draw(*cell, rng)
    assert a.cell_of(drawing.neighbour(expr, rng)) == cell
    harder = drawing.harder(expr, rng)
    assert a.cell_of(harder) == (cell[0], min(cell[1] + 1, a.MAX_LEVEL))
    if cell[0] != "parentheses":
        # Brackets are a skill of their own: no other may grow into it.
        assert a.question_text(harder).count("(") <= (cell[0] == "remainder")


@given(st.sampled_from(["(1 - 1) * 7", "(4 - 2 * 2) * (3 + 5)", "(5 - 5) mod 3"]), seeds)
def test_a_shortcut_is_not_inherited(text: str, seed: int) -> None:
    expr, rng = a.parse(text), Random(seed)
    assert drawing.has_shortcut(expr)
    assert not drawing.has_shortcut(drawing.neighbour(expr, rng))
    assert not drawing.has_shortcut(drawing.harder(expr, rng))


def test_choosing_shortcuts_as_parents_does_not_fill_the_levels_above() -> None:
    """The worst case of a Solver that solves nothing else: it once made 9 in 10 of level 6."""
    rng = Random(0)
    pool = [drawing.draw("parentheses", 1, rng) for _ in range(300)]
    for level in range(2, a.MAX_LEVEL + 1):
        parents = [expr for expr in pool if drawing.has_shortcut(expr)] or pool
        pool = [drawing.harder(rng.choice(parents), rng) for _ in range(300)]
        drawn = [drawing.draw("parentheses", level, rng) for _ in range(300)]
        assert sum(map(drawing.has_shortcut, pool)) <= sum(map(drawing.has_shortcut, drawn)) + 30


def shuffled(expr: a.Expr, rng: Random) -> a.Expr:
    """The same terms and factors in another order."""
    if isinstance(expr, int):
        return expr
    left, right = shuffled(expr.left, rng), shuffled(expr.right, rng)
    if expr.sign in "+*" and rng.random() < 0.5:
        left, right = right, left
    return a.Operation(expr.sign, left, right)


@given(cells, seeds)
def test_near_copies_have_one_key_and_the_same_value(cell: a.Cell, seed: int) -> None:
    rng = Random(seed)
    expr = drawing.draw(*cell, rng)
    copy = shuffled(expr, rng)
    assert a.unordered(copy) == a.unordered(expr)
    assert a.unordered(a.parse(a.render(copy))) == a.unordered(expr)
    assert a.evaluate(copy) == a.evaluate(expr)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2 + 3", "3 + 2", True),
        ("2 * 3 + 4", "4 + 3 * 2", True),
        ("9 - 2 + 3", "9 + 3 - 2", True),
        ("9 - (2 - 1)", "9 + 1 - 2", True),
        ("(1 + 2) * 3", "3 * (2 + 1)", True),
        ("(4 + 9) mod 5", "(9 + 4) mod 5", True),
        ("9 - 2", "2 - 9", False),
        ("9 mod 5", "5 mod 9", False),
        ("2 + 3 * 4", "2 * 3 + 4", False),
        ("9 - (2 + 1)", "9 - 2 + 1", False),
        ("2 * 3", "2 + 3", False),
        ("12 + 3", "1 + 23", False),
    ],
)
def test_which_questions_are_near_copies(one: str, other: str, same: bool) -> None:
    assert (a.unordered(a.parse(one)) == a.unordered(a.parse(other))) is same


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        a.evaluate(a.parse_question(text))
    except a.NotArithmetic:
        return
