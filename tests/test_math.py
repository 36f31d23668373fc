"""The `math` checker: a golden table, properties, and a pool that loses nothing."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from golden_math import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st
from maieutic.errors import MissingPart
from maieutic.records import Question
from maieutic.tasks.checkers.answers import final_answer, plain
from maieutic.tasks.checkers.math import MathChecker, compare_quickly
from maieutic.tasks.checkers.numbers import Quantity, read_number, same_quantity
from maieutic.tasks.checkers.pool import CheckerPool
from troubled_checker import NeverReady, Troubled

MATH = MathChecker()


def question(answer: str) -> Question:
    return Question(id="q", text="", answer=answer, solution="", skill="", level=0, origin="seed")


@pytest.mark.slow
def test_the_golden_table() -> None:
    rows = [(a, s, True) for a, same, _ in GOLDEN for s in same]
    rows += [(a, s, False) for a, _, other in GOLDEN for s in other]
    assert len(rows) >= 300
    with CheckerPool(MATH, seconds=3) as pool:
        found = pool.check([(question(answer), f"so \\boxed{{{said}}}") for answer, said, _ in rows])
    wrong = [
        (answer, said, finding)
        for (answer, said, same), finding in zip(rows, found, strict=True)
        if (finding.outcome == "right") is not same
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("so #### 5", "5"),
        ("2 + 3 = 5\n#### 5\nthat is all", "5"),
        (r"\boxed{5}", "5"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{a} no, \boxed{b}", "b"),
        (r"\boxed{1} and \boxed{2}", "1, 2"),
        (r"\boxed{1}, \boxed{2}", "1, 2"),
        (r"$\boxed{1}$ or $\boxed{2}$", "1, 2"),
        (r"#### \boxed{3}", "3"),
        (r"\boxed{4} #### 5", "5"),
        (r"#### 4 \n so \boxed{5}", "5"),
        (r"\fbox{7}", "7"),
        (r"\boxed 7", "7"),
        ("The answer is 42.", "42"),
        ("The final answer is: $3.50. Thanks.", "$3.50"),
        ("**Answer:** 7", "7"),
        ("answer = 8\nmore", "8"),
        ("I think the answer is 4. Wait, the answer is 5", "5"),
        ("42", "42"),
        ("The answer is:\n5", "5"),
        ("The answer is:\n\n$$5$$", "$$5$$"),
        ("**Answer**:\n\n5", "5"),
        ("The answer is 5, since 2+3=5.", "5"),
        ("The answer is 5 (five).", "5"),
        ("The answer is 5, I think.", "5"),
        ("The answer is 5 I guess", "5"),
        ("5 is the answer.", "5"),
        ("So we add them. Therefore, $5$ is the final answer.\nGood luck!", "$5$"),
        ("It took\na while, but 5 apples is the answer!", "a while, but 5 apples"),
        ("We know it.\n**B is the correct answer**", "B"),
        ("4 is the answer. No, the answer is 5.", "5"),
        ("The answer is 4. No:\n5 is the answer.", "5"),
        ("We get 5.\nThis is the answer.", None),
        ("We get 5,\nwhich is the answer.", None),
        ("Is 5 right?\nIs 5 the answer?\nWhat is the answer?", None),
        ("Maybe.\n5 is the answer to another question", None),
        ("The answer is 5. Tell me if the answer is unclear!", "5"),
        ("The answer is 5.\n####", "5"),
        ("We have 7 apples and then we go and buy some more, and so on", None),
        ("<think>\\boxed{9}</think>\nso it goes\non", None),
        ("<think>\\boxed{9}", None),
        ("it has 5 sides\nand 6 corners", None),
        (r"\boxed{", None),
        (r"\boxed{1", None),
        (r"\boxed{}", None),
        ("", None),
        ("####", None),
    ],
)
def test_what_a_completion_states(completion: str, answer: str | None) -> None:
    assert final_answer(completion) == answer


@pytest.mark.slow
def test_offering_every_answer_is_not_naming_one() -> None:
    options = " or ".join(f"\\boxed{{{number}}}" for number in range(10))
    with CheckerPool(MATH) as pool:
        (finding,) = pool.check([(question("7"), options)])
    assert finding.outcome == "wrong"


@given(st.fractions(max_denominator=999), st.fractions(max_denominator=999))
def test_numbers_are_compared_exactly(one: Fraction, other: Fraction) -> None:
    for written in (str(one), rf"\frac{{{one.numerator}}}{{{one.denominator}}}"):
        assert compare_quickly(str(one), written) is True
        assert compare_quickly(written, str(other)) is (one == other)


@given(st.integers(-(10**9), 10**9))
def test_an_integer_is_read_however_it_is_written(number: int) -> None:
    for text in (f"{number}", f"{number:,}", f"{number}.0", f"{number}/1", f"${number:,}$", f"{number} %"):
        quantity = read_number(plain(text))
        assert quantity is not None
        assert quantity.value == number


@given(st.builds(Quantity, st.fractions(), st.sampled_from(["", "cm", "m", "apples"]), st.booleans()))
def test_a_quantity_is_the_same_as_itself(quantity: Quantity) -> None:
    assert same_quantity(quantity, quantity)


@given(
    *[st.builds(Quantity, st.sampled_from([Fraction(1), Fraction(2)]), st.sampled_from(["", "cm", "m"]))] * 2
)
def test_without_percents_it_does_not_matter_which_is_the_reference(one: Quantity, other: Quantity) -> None:
    assert same_quantity(one, other) is same_quantity(other, one)


texts = st.text(max_size=60) | st.text("0123456789./,-+%$\\{}()[]^ xeE×π\n#", max_size=60)


@given(texts, texts)
def test_any_text_is_decided_or_left_to_a_worker(answer: str, said: str) -> None:
    finding = MATH.quick(question(answer), said)
    assert finding is None or finding.outcome in ("right", "wrong", "invalid")


@given(texts)
def test_every_stated_text_equals_itself(said: str) -> None:
    if (stated := final_answer(said)) is not None:
        assert compare_quickly(stated, stated) is True


@pytest.mark.slow
@given(texts, texts)
@settings(max_examples=60)
def test_math_verify_never_raises_through(answer: str, said: str) -> None:
    assert MATH.slow(question(answer), f"\\boxed{{{said}}}").outcome in ("right", "wrong", "undecided")


def test_huge_input_ends_at_once() -> None:
    started = time.monotonic()
    for text in (
        "9" * 10**6,
        "{" * 10**6,
        r"\boxed{" * 10**4,
        "(" * 40_000,
        "\\frac" * 9_000,
        "1,234," * 8_000,
        r"\boxed{1}" + " " * 40_000 + r"x\boxed{2}",
        r"\text{" * 7_000 + "}" * 7_000,
        "<think>" * 7_000,
        "answer to " * 4_000,
        "answer is " * 4_000,
        "a" + " " * 45_000 + "b",
    ):
        for completion in (text, f"\\boxed{{{text}}}", f"#### {text}", f"the answer is {text}"):
            MATH.quick(question("5"), completion)
            MATH.quick(question(text), "5")
    assert time.monotonic() - started < 5


@pytest.mark.slow
def test_what_hangs_or_crashes_is_undecided_and_nothing_else_is_touched() -> None:
    troubles = {0: "crash", 7: "hang", 8: "crash", 9: "sleep", 150: "memory", 399: "hang"}
    reasons = {"hang": "took more than 0.5 s", "sleep": "took more than 0.5 s"}
    said = [troubles.get(number, str(number)) for number in range(400)]
    with CheckerPool(Troubled(), workers=2, seconds=0.5) as pool:
        found = pool.check([(question("x"), text) for text in said])
        assert pool.deaths == len(troubles)
        for place, finding in enumerate(found):
            if place in troubles:
                reason = reasons.get(troubles[place], "the checker crashed")
                assert (finding.outcome, finding.reason) == ("undecided", reason)
            else:
                assert (finding.outcome, finding.extracted) == ("right", str(place))
        assert pool.check([]) == []
        assert pool.check([(question("x"), "again")])[0].outcome == "right"
        workers = [worker.process for worker in pool._workers]
    assert not any(process.is_alive() for process in workers)


@pytest.mark.slow
def test_a_checker_that_cannot_start_says_so() -> None:
    with CheckerPool(NeverReady()) as pool, pytest.raises(MissingPart, match="ended before they were ready"):
        pool.check([(question("x"), "y")])
