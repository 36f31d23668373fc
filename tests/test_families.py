"""Families: what is drawn can be solved and audited, and varies as it was asked to."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.errors import ConfigError
from maieutic.records import Question, short_id
from maieutic.tasks.checkers.finding import data_of
from maieutic.tasks.checkers.registry import opened as checker
from maieutic.tasks.families.arithmetic import Arithmetic
from maieutic.tasks.families.chain import Chains, linkable, parts_of
from maieutic.tasks.families.family import Unreadable, Unsolvable, spread
from maieutic.tasks.families.rows import Rows
from maieutic.tasks.seeds import family_question
from maieutic.tasks.sets import keys_of

rngs = st.integers(0, 2**32).map(Random)
CHAINS = Chains(Arithmetic(), [], 4)


def row(text: str, answer: str = "7", **fields: Any) -> Question:
    values: dict[str, Any] = {
        "id": short_id("q", text), "solution": f"so it is {answer} #### {answer}", "skill": "s", "level": 2,
        "origin": "seed", "checker": "math", "confidence": 0.97, "text": text, "answer": answer,
    }  # fmt: skip
    return Question.model_validate({**values, **fields})


def asked(chain: Question) -> list[str]:
    """The questions of a chain, read from its text alone."""
    return re.split(r"^Q\d+: ", chain.text.rpartition("\nGive the answer")[0], flags=re.MULTILINE)[1:]


def arrived_at(chain: Question) -> str:
    """What a solver arrives at that reads the chain's text, and works out the links as it goes."""
    answers: list[Fraction] = []
    for question in asked(chain):
        plain = re.sub(
            r"\(Q(\d+) ([+-]) ([\d.]+)\)",
            lambda link: str(answers[int(link[1]) - 1] + Fraction(link[2] + link[3])),
            question.strip(),
        )
        answers.append(Fraction(family_question(plain).answer))
    return str(answers[-1])


# ------------------------------------------------------------------ arithmetic


@given(rngs)
def test_arithmetic_is_sure_of_what_it_draws(rng: Random) -> None:
    family = Arithmetic()
    question = family.draw(rng)
    assert question is not None
    assert family.audit(question) is True
    wrong = str(int(question.answer) + rng.choice((-1, 1)))
    assert family.audit(question.model_copy(update={"answer": wrong})) is False
    assert family.read(question.text) == question


@given(rngs, st.integers(1, 3))
def test_arithmetic_varies_as_it_is_asked_to(rng: Random, levels: int) -> None:
    family = Arithmetic()
    question = family.draw(rng)
    assert question is not None
    beside, above = family.neighbour(question, rng), family.harder(question, levels, rng)
    assert beside is not None and above is not None
    assert (beside.skill, beside.level) == (question.skill, question.level)
    assert beside.text != question.text
    assert (above.skill, above.level) == (question.skill, min(family.top, question.level + levels))


@pytest.mark.parametrize(
    ("text", "audit"),
    [
        ("What is 3 + 4?", False),
        ("What is 3 mod 0?", False),
        ("What is 3 +?", False),
        ("What is ((((3?", False),
        ("What is -7?", False),
        ("What is 2 ** 3?", False),
        ("What is " + "(" * 5000 + "?", False),
        ("What is " + "1 + " * 5000 + "1?", False),
        ("What is 3 + x?", None),
        ("Who is 3 + 4?", None),
        ("", None),
    ],
)
def test_what_is_no_arithmetic_is_not_said_to_be_right(text: str, audit: bool | None) -> None:
    assert Arithmetic().audit(row(text, "-1")) is audit


@pytest.mark.parametrize(
    ("text", "kind"), [("What is 3 - 9?", Unsolvable), ("Why?", Unreadable), ("What is 9?", Unreadable)]
)
def test_arithmetic_says_why_it_cannot_read(text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        Arithmetic().read(text)
    assert caught.type is kind
    assert str(caught.value)


# ------------------------------------------------------------------ chains


@given(rngs)
def test_whoever_puts_the_answers_into_the_links_arrives_at_the_answer(rng: Random) -> None:
    chain = CHAINS.draw(rng)
    if chain is not None and parts_of(chain):
        assert arrived_at(chain) == chain.answer
        assert chain.solution.endswith(f"#### {chain.answer}")


@given(rngs, st.integers(2, 4))
def test_a_chain_is_as_long_as_it_was_asked_to_be(rng: Random, horizon: int) -> None:
    chain = CHAINS.drawn(horizon, rng)
    if chain is None:
        return
    parts = parts_of(chain)
    assert len(asked(chain)) == len(parts) == horizon
    assert len({part["text"] for part in parts}) == horizon
    assert chain.level == max(part["level"] for part in parts) + horizon - 1 <= CHAINS.top
    assert CHAINS.audit(chain) is True


@given(rngs, st.data())
def test_no_chain_that_was_tampered_with_passes(rng: Random, data: st.DataObject) -> None:
    chain = None
    while chain is None:
        chain = CHAINS.drawn(3, rng)
    parts = parts_of(chain)
    which = data.draw(st.sampled_from(["answer", "text", "part", "link", "reference", "order"]))
    index = data.draw(st.integers(0, 2))
    if which == "answer":
        changed = {"answer": str(int(chain.answer) + 1)}
    elif which == "text":
        changed = {"text": chain.text.replace("Q1", "Q2", 1)}
    else:
        if which == "part":
            parts[index]["text"] = "What is 1 + 1 + 1?"
        elif which == "reference":
            parts[index]["answer"] = str(int(parts[index]["answer"]) + 1)
        elif which == "link":
            place = max(index, 1)
            parts[place]["asked"] = re.sub(r"\d+\)", "77777)", parts[place]["asked"], count=1)
        else:
            parts = parts[::-1]
        text = "\n".join(f"Q{i}: {part['asked']}" for i, part in enumerate(parts, 1))
        first, last = chain.text.splitlines()[0], chain.text.splitlines()[-1]
        changed = {"data": json.dumps({"parts": parts}), "text": f"{first}\n{text}\n{last}"}
    assert CHAINS.audit(chain.model_copy(update=changed)) is False


@given(rngs, st.integers(1, 5))
def test_harder_climbs_by_the_levels_asked_or_not_at_all(rng: Random, levels: int) -> None:
    question = CHAINS.draw(rng)
    if question is None:
        return
    above = CHAINS.harder(question, levels, rng)
    if above is not None:
        assert above.level == question.level + levels <= CHAINS.top
        assert len(parts_of(above)) <= 4
        assert CHAINS.audit(above) is True
        if parts_of(question):
            assert (
                asked(above)[: len(asked(question))] == asked(question) or asked(question)[-1] in above.text
            )
    if len(parts_of(question)) + levels > 4 and parts_of(question):
        assert above is None


@given(rngs)
def test_a_neighbour_has_the_skill_and_level_and_asks_something_else(rng: Random) -> None:
    question = CHAINS.draw(rng)
    if question is None:
        return
    beside = CHAINS.neighbour(question, rng)
    if beside is not None:
        assert (beside.skill, beside.level) == (question.skill, question.level)
        assert len(parts_of(beside)) == len(parts_of(question))
        assert beside.text != question.text
        if parts_of(question):
            assert keys_of(beside) != keys_of(question)


WHOLE = "What is left of 9 apples?"
"""A question that a chain can go on with, whatever came before."""

NUMBERS = [
    # text, whether a number in it may be written by means of another
    ("Tom has 5 apples and eats 2.", True),
    ("Tom has 5. How many has he?", True),
    ("How much is 5!", True),
    ("Solve $x + 3 = 7$.", True),
    ("How much is 5 % of $1,234.50?", True),
    ("The 2nd of 10 children.", True),
    ("", False),
    ("No number at all", False),
    ("It costs $1,234.50.", False),
    ("On 2024-05-03, at 12:30", False),
    ("From 3-5 or 7–9", False),
    ("The 2nd and the 3rd", False),
    ("50% off", False),
    (r"Simplify $\frac{3}{4}$ and $2^{10}$.", False),
    (r"Find \sqrt 7 or \frac 1 2", False),
    ("1. Add it. 2. Halve it.", False),
    ("1) add it 2) halve it", False),
    ("There are 10 000 people", False),
    ("He ate 2 1/2 pies", False),
    ("He ate 2 ½ pies", False),
    ("7³ and 7² and x7", False),
    ("٣ تفاحات", False),
    ("Agent 007", False),
    ("3.14 and 2,5 and 1'234", False),
    ("1234567890 stars", False),
    ("Let Q1 be 5", False),
]


@pytest.mark.parametrize(("text", "can"), NUMBERS)
def test_only_a_number_that_stands_alone_is_replaced(text: str, can: bool) -> None:
    assert linkable(row(text)) is can


@pytest.mark.parametrize(
    ("answer", "can"),
    [
        ("7", True), ("-12", True), ("0.5", True), (r"\frac{3}{4}", True), ("$1{,}234$", True),
        ("-2.50", True), ("1,234.50", True), ("99999999999.999999", True), ("1/3", False),
        ("12 cm", False), ("$18", False), ("50%", False), ("x", False), ("", False), ("10^30", False),
        ("3, 4", False), ("9" * 500, False),
        ("0.12345678", False),
    ],
)  # fmt: skip
def test_only_a_number_that_can_be_written_out_goes_on(answer: str, can: bool) -> None:
    assert linkable(row("Tom has 5 apples.", answer)) is can
    atoms = [row("Tom has 5 apples.", answer), row(WHOLE, answer)]
    chain = Chains(Rows(atoms), atoms, 2).drawn(2, Random(0))
    assert (chain is not None) is can
    if chain is not None:
        assert Chains(Rows(atoms), atoms, 2).audit(chain) is None  # the links hold; the parts nobody checks


answers = st.sampled_from(
    ["7", "-3", "0.25", r"\frac{1}{2}", "$12$", "1,000", "99999999999.999999", "x", "5 cm"]
)
NEAR = r"[A-Za-z .,$(){}\\^%/-]{0,12}(\d{1,4}[ .,:%/-]{0,2}){0,4}(\([QA][12] [+-] [\d.]{1,4}\))?[a-z ]{0,8}"
texts = st.one_of(
    st.text(max_size=60),
    st.sampled_from([text for text, _ in NUMBERS]),
    st.from_regex(NEAR, fullmatch=True),
)


@given(st.lists(st.tuples(texts, answers), max_size=6), rngs)
@pytest.mark.slow
def test_rows_of_any_text_are_chained_with_the_rest_of_it_as_it_was(
    rows: list[tuple[str, str]], rng: Random
) -> None:
    atoms = [row(*each, level=rng.randint(1, 3)) for each in rows]
    chains = Chains(Rows(atoms), atoms, 3)
    assert chains.top >= chains.inner.top
    for horizon in (1, 2, 3):
        chain = chains.drawn(horizon, rng)
        if chain is None:
            continue
        assert chains.audit(chain) is None  # what no program can work out, and links that hold
        assert chains.harder(chain, 3, rng) is None
        chains.neighbour(chain, rng)
        for index, part in enumerate(parts_of(chain)):
            if index == 0:
                assert part["asked"] == part["text"]
                continue
            text, linked = part["text"], part["asked"]
            assert any(
                text.startswith(linked[: link.start()])
                and text.endswith(linked[link.end() :])
                and text[link.start() : len(text) - len(linked) + link.end()].isdecimal()
                for link in re.finditer(rf"\(Q{index} [+-] [\d.]+\)", linked)
            )
            assert part["asked"] in chain.text
    for atom in atoms:
        chains.harder(atom, 1, rng)
        assert chains.audit(atom) is None


def test_a_chain_tells_how_its_parts_were_answered() -> None:
    atoms = [row("Tom has 5 apples."), row(WHOLE, label="teacher", confidence=0.8)]
    chain = Chains(Rows(atoms), atoms, 2).drawn(2, Random(0))
    assert chain is not None
    assert (chain.label, round(chain.confidence, 3)) == ("teacher", 0.776)
    assert (chain.checker, chain.level) == ("math", 3)
    assert [part["label"] for part in parts_of(chain)].count("teacher") == 1


@pytest.mark.parametrize("kind", ["choice", "exact", "judge?model=m&url=u", "gym:chain_sum"])
def test_a_chain_is_checked_as_a_number(kind: str) -> None:
    atoms = [row(text, checker=kind) for text in ("Tom has 5 apples.", WHOLE)]
    chain = Chains(Rows(atoms), atoms, 2).drawn(2, Random(0))
    assert chain is not None and chain.checker == "math"


def test_the_lowest_of_many_finds_others_that_are_as_low() -> None:
    atoms = [row(f"Box {n} of many", level=5) for n in range(2000)]
    low = [row(f"Bag {n} of few", level=1) for n in range(2)]
    chains = Chains(Rows([*atoms, *low]), [*atoms, *low], 2)
    chain = chains.harder(low[0], 1, Random(0))
    assert chain is not None and chain.level == 2
    assert parts_of(chain)[1]["text"] == low[1].text


def test_few_atoms_make_short_chains() -> None:
    atoms = [row("Tom has 5 apples."), row(WHOLE)]
    chains = Chains(Rows(atoms), atoms, 5)
    assert (chains.horizon, chains.top) == (2, 3)
    assert Chains(Rows(atoms), atoms[:1], 5).top == 2
    assert Chains(Rows(atoms), [row("none")], 5).draw(Random(0)) is None


@pytest.mark.parametrize("data", ["", "no JSON", "[1]", '{"parts": 3}', "[" * 100_000])
def test_a_question_may_carry_anything(data: str) -> None:
    question = row("Tom has 5 apples.", data=data)
    assert isinstance(data_of(question), dict)
    assert parts_of(question) == []
    assert Chains(Rows([question]), [question], 3).audit(question) is None


def test_skills_are_drawn_alike_however_many_levels_they_have() -> None:
    cells = [("few", 1), *(("many", level) for level in range(1, 100))]
    drawn = [spread(cells, Random(seed))[0] for seed in range(400)]
    assert 150 < drawn.count("few") < 250


# ------------------------------------------------------------------ reasoning-gym

GYM = [
    ("chain_sum", 2), ("basic_arithmetic", 1), ("polynomial_multiplication", 2), ("gsm_symbolic", 1),
    ("knights_knaves", 1), ("graph_color", 1), ("isomorphic_strings", 1), ("ransom_note", 2),
    ("leg_counting", 3), ("spell_backward", 1), ("number_sorting", 2), ("prime_factorization", 1),
    ("word_ladder", 1), ("propositional_logic", 1), ("caesar_cipher", 2), ("shortest_path", 1),
    ("codeio", 3), ("gcd", 2),
]  # fmt: skip
DRAW = """
import json, sys
from maieutic.tasks.families.gym import opened
from random import Random
found = [opened("gym:" + name).draw_at((name, level), Random(5)) for name, level in json.loads(sys.argv[1])]
print(json.dumps([q.model_dump() for q in found]))
"""
BY_HASH = {"polynomial_multiplication", "isomorphic_strings", "ransom_note", "codeio"}


@pytest.fixture(scope="session")
def drawn() -> dict[tuple[str, int], Question]:
    """A question of each, drawn in a process with another hash seed than ours and the workers'."""
    pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    told = subprocess.run(
        [sys.executable, "-c", DRAW, json.dumps(GYM)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": "77"}, timeout=300,
    )  # fmt: skip
    found = json.loads(told.stdout.splitlines()[-1])
    return {cell: Question.model_validate(fields) for cell, fields in zip(GYM, found, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("cell", GYM, ids=lambda cell: f"{cell[0]}-{cell[1]}")
def test_a_question_is_the_same_in_another_process(drawn: Any, cell: tuple[str, int]) -> None:
    from maieutic.tasks.families.gym import opened

    question = opened(f"gym:{cell[0]}").draw_at(cell, Random(5))
    assert question is not None
    assert (question.skill, question.level, question.label) == (*cell, "family")
    if cell[0] not in BY_HASH:
        assert question.text == drawn[cell].text


@pytest.mark.slow
@pytest.mark.parametrize("cell", GYM, ids=lambda cell: f"{cell[0]}-{cell[1]}")
def test_its_own_answer_is_right_and_another_is_not(drawn: Any, cell: tuple[str, int]) -> None:
    from maieutic.tasks.families.gym import Gym

    question = drawn[cell]
    with checker(question.checker, 20) as pool:
        wrong, prose = pool.check([(question, "#### 31415926"), (question, "I do not know, for it is hard.")])
        assert wrong.outcome == "wrong"
        # Some scorers fail at what they cannot read: whose fault that is nobody can tell.
        assert prose.outcome in ("wrong", "invalid") or "the scorer failed" in prose.reason
        if question.answer:
            # Asked as a text, so that the scorer decides and not equality alone.
            other = question.model_copy(update={"answer": ""})
            said = [(question, question.solution), (other, question.solution)]
            assert [finding.outcome for finding in pool.check(said)] == ["right"] * 2
            # Its answer and its scorer are one: that they agree says nothing.
            assert Gym([cell], {}).audit(question) is None
        other = question.model_copy(update={"text": question.text + " now"})
        (finding,) = pool.check([(other, "#### 31415926")])
        assert finding.outcome == "undecided" and "another question" in finding.reason


@pytest.mark.slow
def test_a_family_without_one_answer_is_scored(drawn: Any) -> None:
    question = drawn["graph_color", 1]
    assert (question.answer, question.solution) == ("", "")
    edges = re.findall(r"\((\d+), (\d+)\)", question.text)
    found = {}
    for vertex in sorted({v for edge in edges for v in edge}, key=int):
        near = {found.get(a if b == vertex else b) for a, b in edges if vertex in (a, b)}
        found[vertex] = next(color for color in range(1, 9) if color not in near)
    vertices = re.findall(r"\d+", re.search(r"Vertices: \[(.*?)\]", question.text)[1])  # type: ignore[index]
    whole = {vertex: found.get(vertex, 1) for vertex in vertices}
    with checker("gym:graph_color", 20) as pool:
        same = dict.fromkeys(whole, 1)
        texts = [f"<answer>{json.dumps(each)}</answer>" for each in (whole, same)]
        assert [f.outcome for f in pool.check([(question, text) for text in texts])] == ["right", "wrong"]


@pytest.mark.slow
def test_parameters_and_levels_of_gym_families() -> None:
    pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    from maieutic.tasks.families.gym import opened

    family = opened("gym:knights_knaves?n_people=3")
    for seed in range(5):
        question = family.draw(Random(seed))
        assert question is not None
        assert "3 inhabitants" in question.text
        assert data_of(question)["gym"]["parameters"] == {"n_people": 3}
    sums = opened("gym:chain_sum")
    assert sums.top > 2
    question = sums.draw_at(("chain_sum", 1), Random(0))
    assert question is not None
    beside, above = sums.neighbour(question, Random(1)), sums.harder(question, 2, Random(1))
    assert beside is not None and above is not None
    assert (beside.skill, beside.level, above.skill, above.level) == ("chain_sum", 1, "chain_sum", 3)
    assert len(above.text) > len(question.text)
    assert sums.harder(question, 99, Random(1)) is None
    assert sums.draw_at(("gcd", 1), Random(0)) is None
    with pytest.raises(Unreadable):
        sums.read("What is 3 + 4?")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gym:chain_summ", "did you mean gym:chain_sum?"),
        ("gym:zzzzzzzz", "gallery"),
        ("gym:", "has no family ''"),
        ("gym:composite", "has no family 'composite'"),
        ("gym:all?n_people=3", "take no parameters; name one of them"),
        ("gym:knights_knaves?people=3", "has no parameter 'people'; there are: depth_constraint"),
        ("gym:knights_knaves?seed=3", "has no parameter 'seed'"),
        ("gym:knights_knaves?n_people=many", "n_people='many' is no int, such as n_people=2"),
        ("gym:knights_knaves?n_people", "n_people='' is no int"),
        ("gym:knights_knaves?n_people=true", "is no int"),
        ("gym:knights_knaves?n_people=3.5", "is no int"),
        ("gym:knights_knaves?n_people=-3", "refuses these parameters"),
    ],
)
def test_what_reasoning_gym_does_not_have_is_said_with_a_hint(source: str, message: str) -> None:
    pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    from maieutic.tasks.families.gym import opened

    with pytest.raises(ConfigError) as caught:
        opened(source)
    assert str(caught.value).startswith(f"{source}: ")
    assert message in str(caught.value)


@pytest.mark.slow
def test_all_families_open() -> None:
    pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    from maieutic.tasks.families.gym import opened

    family = opened("gym:all")
    assert len({name for name, _ in family.cells}) > 90
    question = family.draw(Random(3))
    assert question is not None and question.checker == f"gym:{question.skill}"


def never(*_: Any) -> Any:
    while True:
        try:
            time.sleep(0.001)
            sum(range(10_000))
        except Exception:
            continue


def test_a_draw_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from maieutic.tasks.families import gym

    monkeypatch.setattr(gym, "entry_of", never)
    monkeypatch.setattr(gym, "_SLOW_S", 0.05)
    before = signal.getsignal(signal.SIGPROF)
    assert gym.Gym([("endless", 1)], {}).draw(Random(0)) is None
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert signal.getsignal(signal.SIGPROF) is before


def test_an_alarm_of_another_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from maieutic.tasks.families import gym

    signal.setitimer(signal.ITIMER_PROF, 500)
    try:
        with gym._within(0.5):
            pass
        assert 400 < signal.getitimer(signal.ITIMER_PROF)[0] < 500.1
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@pytest.mark.parametrize("fails", [AssertionError("no"), ValueError("no"), RecursionError(), KeyError(3)])
def test_a_generator_that_fails_gives_none(monkeypatch: pytest.MonkeyPatch, fails: Exception) -> None:
    from maieutic.tasks.families import gym

    def fail(*_: Any) -> Any:
        raise fails

    monkeypatch.setattr(gym, "entry_of", fail)
    family = gym.Gym([("some", 1)], {})
    assert family.draw(Random(0)) is None
    told = row("How many?", data=json.dumps({"gym": {"level": 1, "parameters": {}, "number": 3}}))
    assert family.audit(told) is None
    assert family.audit(row("How many?")) is None


def test_an_answer_nobody_can_score_is_undecided(tmp_path: Path) -> None:
    from maieutic.tasks.checkers.gym import Gym

    finding = Gym("chain_sum").slow(row("How many?"), "#### 3")
    assert (finding.outcome, finding.extracted) == ("undecided", "3")
    assert "does not say which" in finding.reason
    assert Gym("chain_sum").quick(row("How many?"), "x" * 60_000) is not None
