"""Pair builders: a golden table for each at its edges, and what holds whatever the rollouts are."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from maieutic.agents.answer_tokens import of_answer
from maieutic.agents.solver import Solver
from maieutic.config import ServingConfig, dump, load
from maieutic.curriculum.pairs import BUILDERS, Case, Changed, Said, builders_of
from maieutic.curriculum.pairs.balance import capped, few_of_each, fewer_anchors, replayed, weighed
from maieutic.curriculum.pairs.crew import Crew, confidence
from maieutic.curriculum.pairs.curry import Curry
from maieutic.curriculum.pairs.edits import change_step, telling
from maieutic.curriculum.pairs.lengths import Lengths
from maieutic.curriculum.pairs.rise import Rise
from maieutic.curriculum.pairs.smoothing import smoothed
from maieutic.curriculum.pairs.socratic import Socratic
from maieutic.curriculum.pairs.spar import Spar
from maieutic.curriculum.pairs.steps import Steps, smoothing, split
from maieutic.errors import ConfigError, RunError
from maieutic.graph.pair import check_pairs
from maieutic.prompts import Prompts
from maieutic.records import PreferencePair, Question, Rollout, Verdict
from maieutic.serving.client import Completions
from maieutic.tasks import drawing
from maieutic.tasks.arithmetic import FIRST_LEVEL_OPERATIONS, SKILLS, question_text
from maieutic.tasks.checkers.registry import named
from maieutic.tasks.seeds import family_question
from scripted import completion, scripted

QUESTION = Question(
    id="q", text="What is 7 + 2 * 3?", answer="13", solution="2 * 3 = 6, 7 + 6 = 13 #### 13",
    skill="precedence", level=1, origin="seed",
)  # fmt: skip
BARE = QUESTION.model_copy(update={"solution": ""})

Outcome = tuple[str, str] | tuple[str, str, dict[str, Any]]
"""Text, outcome, and of the rollout `logprobs`, `answer_logprobs`, `messages`, or `sure` of the verdict."""


def case_of(*outcomes: Outcome, question: Question = QUESTION, **more: Any) -> Case:
    judged = []
    for index, (text, outcome, *rest) in enumerate(outcomes):
        fields: dict[str, Any] = dict(*rest)
        sure = fields.pop("sure", 1.0)
        rollout = Rollout(
            id=f"r{index}", question_id="q", round=1, stage="attempt", checkpoint="base", index=index,
            completion=text, tokens=1, truncated=outcome == "invalid", call_id="c", **fields,
        )  # fmt: skip
        told = {"rollout_id": rollout.id, "question_id": "q", "outcome": outcome, "confidence": sure}
        judged.append((rollout, Verdict.model_validate(told)))
    return Case(question, judged, "prompt", **more)


def both(pairs: list[PreferencePair]) -> list[tuple[str, str]]:
    return [(pair.chosen, pair.rejected) for pair in pairs]


R, W = "7 + 6 = 13 #### 13", "7 + 6 = 14 #### 14"
LATE, DOUBT = ("7 + 6 = 13 #### 1", "invalid"), ("13, maybe", "undecided")

# ------------------------------------------------------------------ references first

MODEL = QUESTION.solution
FIRST_TABLE: list[tuple[str, list[Outcome], list[tuple[str, str, str]]]] = [
    ("none at all", [], []),
    ("none wrong: over itself with a digit changed", [(R, "right")], [(MODEL, "", "anchor")]),
    ("some wrong", [(R, "right"), (W, "wrong")], [(MODEL, W, "reference")]),
    ("none right", [(W, "wrong")], [(MODEL, W, "reference")]),
    ("nothing said", [LATE, DOUBT], []),
    ("never over itself", [(R, "right"), (MODEL, "wrong")], []),
]


@pytest.mark.parametrize(("what", "outcomes", "expected"), FIRST_TABLE, ids=[row[0] for row in FIRST_TABLE])
def test_a_reference_may_come_first(
    what: str, outcomes: list[Outcome], expected: list[tuple[str, str, str]]
) -> None:
    pairs = Socratic().pairs(case_of(*outcomes, reference_first=True), Random(0))
    made = [(pair.chosen, pair.rejected if pair.kind != "anchor" else "", pair.kind) for pair in pairs]
    assert made == expected
    for pair in pairs:
        if pair.kind == "anchor":
            assert sum(a != b for a, b in zip(pair.chosen, pair.rejected, strict=True)) == 1
    # Without one it is as ever.
    bare = case_of(*outcomes, question=BARE, reference_first=True)
    assert Socratic().pairs(bare, Random(0)) == Socratic().pairs(case_of(*outcomes, question=BARE), Random(0))


# ------------------------------------------------------------------ curry

CURRY_TABLE: list[tuple[str, list[Outcome], list[tuple[str, str, int]]]] = [
    ("none at all", [], []),
    ("one right", [(R, "right")], []),
    ("all right", [(R, "right"), ("13 #### 13", "right")], []),
    ("one wrong: the reference is the best", [(W, "wrong")], [(QUESTION.solution, W, 0)]),
    ("truncated and undecided take no part", [LATE, DOUBT], []),
    ("right and wrong", [(W, "wrong"), (R, "right"), LATE], [(R, W, 0)]),
    (
        # With R, {7, +, 6, =, 13, ####}, W shares 5 of 7 words, "13 #### 99" 2 of 7, "no" none.
        "ties are ordered by shared words, the nearest last",
        [(W, "wrong"), ("no", "wrong"), (R, "right"), ("13 #### 99", "wrong")],
        [(R, "no", 0), (R, "13 #### 99", 1), (R, W, 2)],
    ),
    (
        "by likelihood where it is kept",
        [(R, "right"), ("a", "wrong", {"logprobs": [-0.1]}), ("b", "wrong", {"logprobs": [-2.0]})],
        [(R, "b", 0), (R, "a", 1)],
    ),
    (
        "by how sure a model is",
        [("a", "right", {"sure": 0.8}), ("b", "right"), ("c", "wrong", {"sure": 0.75}), ("d", "wrong")],
        [("b", "d", 0), ("b", "c", 1), ("b", "a", 2)],
    ),
    (
        "no more than ranks, spread from the worst to the best",
        [(R, "right"), *[(f"w{n}", "wrong", {"logprobs": [-n]}) for n in range(1, 8)]],
        [(R, "w7", 0), (R, "w4", 1), (R, "w1", 2)],
    ),
    ("what is judged both ways says nothing", [("x", "right"), ("x", "wrong")], []),
    ("Unicode", [("١٣ ✓", "right"), ("١٤ 🤔", "wrong")], [("١٣ ✓", "١٤ 🤔", 0)]),
]


@pytest.mark.parametrize(("what", "outcomes", "expected"), CURRY_TABLE, ids=[row[0] for row in CURRY_TABLE])
def test_curry(what: str, outcomes: list[Outcome], expected: list[tuple[str, str, int]]) -> None:
    pairs = Curry().pairs(case_of(*outcomes), Random(0))
    assert [(pair.chosen, pair.rejected, pair.stage) for pair in pairs] == expected
    assert {pair.kind for pair in pairs} <= {"ranked"}


def test_curry_without_a_reference_has_no_best_that_is_wrong() -> None:
    assert Curry().pairs(case_of((W, "wrong"), ("x", "wrong"), question=BARE), Random(0)) == []
    assert len(Curry(ranks=2).pairs(case_of((R, "right"), (W, "wrong"), ("x", "wrong")), Random(0))) == 1


# ------------------------------------------------------------------ crew


def sure(*chances: float) -> dict[str, Any]:
    return {"logprobs": [math.log(chance) for chance in chances]}


CREW_TABLE: list[tuple[str, list[Outcome], list[tuple[str, str]]]] = [
    ("none right", [(W, "wrong", sure(0.5))], []),
    ("all right", [(R, "right", sure(0.5))], []),
    ("nothing kept", [(R, "right"), (W, "wrong")], []),
    ("kept of one only", [(R, "right", sure(0.5)), (W, "wrong")], []),
    (
        # Confidences: right .9 and .5, wrong .8 and .1. Differences: .8, .4, .1, −.3.
        "by difference, the largest first",
        [("a", "right", sure(0.9)), ("b", "right", sure(0.4, 0.6)), ("c", "wrong", sure(0.8)),
         ("d", "wrong", sure(0.1)), LATE, DOUBT],
        [("a", "d"), ("b", "d"), ("a", "c")],
    ),
    (
        "the answer's tokens count, not all",
        [("a", "right", {**sure(0.1), "answer_logprobs": [math.log(0.9)]}), ("b", "right", sure(0.5)),
         ("c", "wrong", sure(0.2))],
        [("a", "c"), ("b", "c")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "outcomes", "expected"), CREW_TABLE, ids=[row[0] for row in CREW_TABLE])
def test_crew(what: str, outcomes: list[Outcome], expected: list[tuple[str, str]]) -> None:
    assert both(Crew(most=3).pairs(case_of(*outcomes), Random(0))) == expected


def test_confidence_is_a_mean_of_chances_not_of_their_logarithms() -> None:
    ((rollout, _),) = case_of((R, "right", sure(1.0, 0.5))).judged
    assert confidence(rollout) == pytest.approx(0.75)
    # The likelihood of a side is geometric: √(1 · 0.5).
    assert case_of((R, "right", sure(1.0, 0.5))).likelihood(Said(R)) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(
    ("completion", "tokens", "places"),
    [
        ("13 #### 13", ["13", " #", "###", " 1", "3", "<end>"], [3, 4]),
        ("so #### 7", ["<think>", "7 #### 7", "</think>", "so", " #### 7"], [4]),
        (r"thus \boxed{42}!", ["thus ", "\\box", "ed{", "4", "2", "}!"], [3, 4]),
        ("The answer is 5 because 5 > 3.", ["The answer is", " 5", " because", " 5", " > 3."], [1]),
        ("5", ["5"], [0]),
        ("#### é", ["#### ", "é"], [1]),
        ("#### é", ["#### ", "\ufffd", "\ufffd"], []),
        ("nothing that is stated here at all, only thoughts about how one might begin", ["nothing"], []),
        ("", [], []),
        (r"\boxed{1} and \boxed{2}", [r"\boxed{1} and \boxed{2}"], []),
    ],
)
def test_tokens_of_the_answer(completion: str, tokens: list[str], places: list[int]) -> None:
    logprobs = [float(-n) for n in range(len(tokens))]
    assert of_answer(completion, tokens, logprobs) == [logprobs[n] for n in places]


@given(st.text(max_size=30), st.lists(st.text(max_size=5), max_size=8))
def test_tokens_of_any_answer_are_some_of_the_tokens(text: str, others: list[str]) -> None:
    for tokens in (list(text), others):
        assert len(of_answer(text, tokens, [0.0] * len(tokens))) <= len(tokens)


@pytest.mark.parametrize("thought", ["", "<think>"])
async def test_a_rollout_keeps_what_its_answer_was_written_with(thought: str) -> None:
    """From what an endpoint sends to the record; a token's text may be missing there."""
    pieces = [(thought, -0.5), ("7 + 6", -0.1), (" = 13", -0.2), (" #### ", -0.3), ("1", -0.4), ("3", -0.6)]
    status, body = completion("7 + 6 = 13 #### 13", "13")
    body["choices"][0]["logprobs"] = {
        "content": [{"token": text, "logprob": chance, "bytes": None} for text, chance in pieces]
    }
    body["choices"][1]["logprobs"] = {"content": [{"token": None, "logprob": -0.5}]}
    solver = Solver(load(None, ["rollouts.logprobs=true", "rollouts.n=2"]).rollouts, 0, Prompts())
    request = solver.request(QUESTION, 1, "attempt", "base", solver.sampling)
    with scripted(lambda number, asked: (status, body)) as (url, _):
        client = Completions(url, "k", "m", ServingConfig())
        first, second = solver.rollouts(request, await client.ask(request))
        await client.close()
    assert (first.answer_logprobs, len(first.logprobs)) == ([-0.4, -0.6], 6)
    assert (second.answer_logprobs, second.logprobs) == ([], [-0.5])


# ------------------------------------------------------------------ rise

SOLUTION = "2 * 3 = 6, 7 + 6 = 13 #### 13"


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_step_does_not_hold_and_nothing_else_changes(seed: int) -> None:
    changed = change_step(SOLUTION, Random(seed))
    assert changed is not None
    first, second = changed.removesuffix(" #### 13").split(", ")
    holds = {"2 * 3 = 6": first, "7 + 6 = 13": second}
    assert sum(step == now for step, now in holds.items()) == 1
    broken = next(now for step, now in holds.items() if step != now)
    assert broken not in ("3 * 2 = 6", "6 + 7 = 13")
    left, _, result = broken.partition(" = ")
    terms = left.split()
    worked = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    value = int(left) if len(terms) == 1 else worked[terms[1]](int(terms[0]), int(terms[2]))
    assert value != int(result)


def test_every_kind_of_error_is_made() -> None:
    made = {change_step("9 - 4 = 5", Random(seed)) for seed in range(200)}
    assert {"9 = 5", "4 - 9 = 5", "9 + 4 = 5", "9 * 4 = 5"} <= made
    assert any(one and one.startswith("9 - 4 = ") for one in made)
    assert any(one and one.startswith("9 - ") and not one.startswith("9 - 4") for one in made)


@pytest.mark.parametrize("text", ["", "no step", "2 * 3 = 7", "7 = 7", "1,002 + 3 = 1,005", "3.2 + 4 = 7.2",
                                  "9" * 20 + " + 1 = 2"])  # fmt: skip
def test_what_has_no_step_that_holds_is_left_alone(text: str) -> None:
    assert change_step(text, Random(0)) is None


@given(st.text("0123456789+-*/= mod.,#", max_size=60), st.integers(0, 99))
def test_a_changed_step_is_a_change(text: str, seed: int) -> None:
    changed = change_step(text, Random(seed))
    assert changed is None or changed != text


RISE_TABLE: list[tuple[str, Case, int]] = [
    ("nothing was asked", case_of(), 0),
    ("one right", case_of((R, "right")), 1),
    ("none right: the reference", case_of((W, "wrong"), LATE), 1),
    ("none right, no reference", case_of((W, "wrong"), question=BARE), 0),
    ("nobody could judge: the reference", case_of(DOUBT), 1),
    ("no digit to change", case_of(("thirteen", "right")), 0),
    ("Arabic digits are none of ours", case_of(("٧ + ٦ = ١٣", "right")), 0),
    ("blank", case_of((" ", "right"), question=BARE), 0),
]


@pytest.mark.parametrize(("what", "case", "count"), RISE_TABLE, ids=[row[0] for row in RISE_TABLE])
def test_rise(what: str, case: Case, count: int) -> None:
    pairs = Rise().pairs(case, Random(0))
    assert len(pairs) == count
    for pair in pairs:
        assert pair.kind == "injected" and pair.chosen in (R, SOLUTION)
        # What is rejected does not state the right answer.
        assert "#### 13" not in pair.rejected and pair.rejected


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        (r"We have 3 + 4 = 7, so it is \boxed{7}.", r", so it is \\boxed\{[0-689]\}\.$"),
        (r"We have 3 + 4 = 7, so it is \boxed{\frac{7}{10}} m.", r"boxed\{\\frac\{\d\}\{\d\d\}\} m\.$"),
        (r"We have 3 + 4 = 7, so it is \boxed{\pi}.", r", so it is$"),
        ("3 + 4 = 7\n#### 7 pens", r"\n#### [0-689] pens$"),
        ("3 + 4 = 7\n#### seven", r"= ?\d+$"),
        ("#### 1\n3 + 4 = 7", r"^#### [02-9]\n\d.*\d$"),
        ("3 + 4 = 7", r"^\d[^#]*$"),
        ("three and four #### 7", r"^three and four #### [0-689]$"),
        ("three and 4 #### seven", r"^three and [0-35-9] #### seven$"),
        ("half of 14 #### 7", r"^half of 14 #### 14$"),
        ("٣ + ٤ = ٧ #### 7", r"^٣ \+ ٤ = ٧ #### [0-689]$"),
    ],
)
def test_after_an_error_another_answer_is_stated(text: str, answers: str) -> None:
    for seed in range(9):
        (pair,) = Rise().pairs(case_of((text, "right")), Random(seed))
        assert pair.chosen == text
        assert re.search(answers, pair.rejected), pair.rejected
        assert "3 + 4 = 7" not in pair.rejected


@given(st.sampled_from(SKILLS), st.integers(1, 5), st.integers(0, 10**6))
def test_of_the_family_no_right_answer_is_rejected(skill: str, level: int, seed: int) -> None:
    level = max(level, FIRST_LEVEL_OPERATIONS.get(skill, 1))
    question = family_question(question_text(drawing.draw(skill, level, Random(seed))))
    (pair,) = Rise().pairs(case_of(("no", "wrong"), question=question), Random(seed))
    assert pair.chosen == question.solution
    found = named(question.checker).quick(question, pair.rejected)
    assert found is not None and found.outcome == "wrong"


def test_the_answer_follows_a_changed_result() -> None:
    found = {Rise().pairs(case_of(("3 + 4 = 7 #### 7", "right")), Random(n))[0].rejected for n in range(60)}
    assert {f"3 + 4 = {digit} #### {digit}" for digit in "01234568 9".replace(" ", "")} <= found


@pytest.mark.parametrize(
    ("after", "taken"),
    [
        ("7 + 6 = 15 #### 15", True),
        ("7 + 6 = 15, a deliberate error #### 15", False),
        ("Oops: 7 + 6 = 15 #### 15", False),
        (R, False),
        ("  ", False),
    ],
)
def test_rise_takes_what_the_teacher_wrote_unless_it_gives_itself_away(after: str, taken: bool) -> None:
    pairs = Rise().pairs(case_of((R, "right"), changed=Changed(Said(R), after)), Random(1))
    assert [pair.rejected == after for pair in pairs] in ([taken], [])
    assert taken == bool(pairs and pairs[0].rejected == after)


def test_words_that_the_solution_has_itself_give_nothing_away() -> None:
    assert telling("the error is 3", "it is 3")
    assert not telling("the error is 4", "the error is 3")
    assert telling("the wrong error is 4", "the error is 3")
    assert not telling("an erratic terror", "")


# ------------------------------------------------------------------ spar


@pytest.mark.parametrize(
    ("after", "expected"),
    [(None, []), (R, [(R, W)]), (W, []), (f" {W}\n", []), ("", []), ("١٣ ✓", [("١٣ ✓", W)])],
)
def test_spar(after: str | None, expected: list[tuple[str, str]]) -> None:
    changed = None if after is None else Changed(Said(W), after)
    pairs = Spar().pairs(case_of((W, "wrong"), changed=changed), Random(0))
    assert both(pairs) == expected
    assert {pair.kind for pair in pairs} <= {"refined"}


def test_what_the_teacher_is_shown() -> None:
    assert Spar().wish(case_of((R, "right"), LATE, DOUBT), Random(0)) is None
    assert Spar().wish(case_of((R, "right"), (W, "wrong")), Random(0)) == Said(W)
    assert Rise().wish(case_of((R, "right"), (W, "wrong")), Random(0)) == Said(R)
    assert Rise().wish(case_of((W, "wrong")), Random(0)) == Said(QUESTION.solution)


def test_a_correction_ends_the_same_conversation() -> None:
    messages = json.dumps([{"role": "assistant", "content": ""}, {"role": "assistant", "content": W}])
    case = case_of((W, "wrong", {"messages": messages}))
    shown = Spar().wish(case, Random(0))
    assert shown == Said(W, messages)
    again = case_of((W, "wrong", {"messages": messages}), changed=Changed(shown, R))
    (pair,) = Spar().pairs(again, Random(0))
    assert json.loads(pair.chosen_messages)[-1]["content"] == pair.chosen == R
    assert pair.rejected_messages == messages


# ------------------------------------------------------------------ steps

STEPS_TABLE: list[tuple[str, list[Outcome], list[tuple[str, str, float]]]] = [
    ("one rollout", [("a. b", "right")], []),
    ("all right", [("a. b", "right"), ("a. c", "right")], []),
    ("all wrong", [("a. b", "wrong"), ("a. c", "wrong")], []),
    ("as many on each side say nothing", [("a. b", "right"), ("a. c", "wrong")], []),
    (
        # Two go on with b, both right; one with c, wrong: α = 1 − 1/(1 + 1/2) = 1/3.
        "a branching after a shared step",
        [("a. b", "right"), ("a. b", "right"), ("a. c", "wrong"), LATE, DOUBT],
        [("a. b", "a. c", 1 / 3)],
    ),
    (
        # At the root x (3 rollouts, 2 right) against y (1, wrong): α = 1 − 1/(1 + 1/3) = 1/4.
        # Below x: p (2, right) against q (1, wrong): 1/3.
        "two branchings, the earliest first",
        [("x, p", "right"), ("x, p", "right"), ("x, q", "wrong"), ("y", "wrong")],
        [("x, p", "y", 1 / 4), ("x, p", "x, q", 1 / 3)],
    ),
    ("equal means", [("x, p", "right"), ("x, q", "wrong"), ("y, p", "right"), ("y, q", "wrong")], []),
    ("one ends where the other goes on", [("a.", "right"), ("a.", "right"), ("a. b", "wrong")],
     [("a.", "a. b", 1 / 3)]),
    ("blank takes no part", [(" ", "wrong"), ("a", "right"), ("a", "right")], []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "outcomes", "expected"), STEPS_TABLE, ids=[row[0] for row in STEPS_TABLE])
def test_steps(what: str, outcomes: list[Outcome], expected: list[tuple[str, str, float]]) -> None:
    pairs = Steps().pairs(case_of(*outcomes), Random(0))
    assert both(pairs) == [(chosen, rejected) for chosen, rejected, _ in expected]
    assert [pair.smoothing for pair in pairs] == pytest.approx([alpha for *_, alpha in expected])


def test_steps_may_count_what_is_right_in_place_of_visits() -> None:
    rows: list[Outcome] = [("a. b", "right"), ("a. c", "wrong")]
    (pair,) = Steps(counts="right").pairs(case_of(*rows), Random(0))
    assert pair.smoothing == 0
    rows = [("b", "right"), ("b", "right"), ("c", "right"), ("c", "wrong"), ("c", "wrong")]
    (pair,) = Steps(counts="right", most=1).pairs(case_of(*rows), Random(0))
    assert pair.smoothing == pytest.approx(1 / 3)  # two right against one


@pytest.mark.parametrize(
    ("better", "worse", "alpha"), [(1, 0, 0), (3, 1, 0.25), (2, 2, 0.5), (1, 9, 0.5), (0, 0, 0)]
)
def test_smoothing_of_mcts_dpo(better: int, worse: int, alpha: float) -> None:
    assert smoothing(better, worse) == pytest.approx(alpha)


@given(st.text("ab .,;!?\n#1", max_size=60))
def test_steps_add_up_to_the_text(text: str) -> None:
    assert "".join(split(text)) == text


def test_a_number_is_no_end_of_a_step() -> None:
    assert split("1,000.5 is it. So #### 3") == ["1,000.5 is it.", " So ", "#### 3"]


# ------------------------------------------------------------------ lengths

SHORT, LONG, LONGER = "13", "13 #### 13 and so on", "13 #### 13 and so on and on and on"
LENGTHS_TABLE: list[tuple[str, list[Outcome], dict[str, Any], list[tuple[str, str]]]] = [
    ("none right", [(W, "wrong")], {}, []),
    ("one right", [(SHORT, "right")], {}, []),
    ("as long", [("abc", "right"), ("abd", "right")], {}, []),
    ("not long enough", [("a" * 10, "right"), ("b" * 14, "right")], {}, []),
    ("just long enough", [("a" * 10, "right"), ("b" * 15, "right")], {}, [("a" * 10, "b" * 15)]),
    ("the longest first", [(LONG, "right"), (LONGER, "right"), (SHORT, "right"), LATE], {},
     [(SHORT, LONGER), (SHORT, LONG)]),
    ("wrong ones where they are wanted", [(SHORT, "right"), (W, "wrong"), ("1", "wrong")], {"wrong": True},
     [(SHORT, W)]),
    ("a ratio of 1 still wants longer", [("ab", "right"), ("cd", "right"), ("efg", "right")], {"ratio": 1.0},
     [("ab", "efg")]),
    ("characters, not bytes", [("éé", "right"), ("abc", "right")], {}, [("éé", "abc")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "outcomes", "options", "expected"), LENGTHS_TABLE, ids=[row[0] for row in LENGTHS_TABLE]
)
def test_lengths(
    what: str, outcomes: list[Outcome], options: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert both(Lengths(**options).pairs(case_of(*outcomes), Random(0))) == expected


# ------------------------------------------------------------------ all of them

texts = st.text("7 + 6=13#.,é\n", max_size=14)
outcomes_of = st.lists(
    st.tuples(
        texts,
        st.sampled_from(["right", "wrong", "invalid", "undecided"]),
        st.fixed_dictionaries(
            {"logprobs": st.lists(st.floats(-5, 0), max_size=3), "sure": st.sampled_from([0.6, 1.0])}
        ),
    ),
    max_size=8,
)


@pytest.mark.parametrize("name", BUILDERS)
@given(outcomes=outcomes_of, after=st.none() | texts, seed=st.integers(0, 9), label=st.floats(0, 1))
def test_whatever_the_rollouts_are(
    name: str, outcomes: list[Outcome], after: str | None, seed: int, label: float
) -> None:
    """Deterministic; two different sides; right is never rejected nor wrong chosen, unless both are right."""
    settings = [f"pairs.builders={name}", "rollouts.logprobs=true", "teacher.endpoint=http://127.0.0.1:1/v1"]
    builder = builders_of(load(None, settings))[name]
    question = QUESTION.model_copy(update={"confidence": label})
    shown = case_of(*outcomes, question=question)
    wish = getattr(builder, "wish", lambda case, rng: None)(shown, Random(seed))
    changed = Changed(wish, after) if wish and after is not None else None
    case = case_of(*outcomes, question=question, changed=changed)
    pairs = builder.pairs(case, Random(seed))
    assert pairs == builder.pairs(case, Random(seed))
    right = {text for text, outcome, _ in outcomes if outcome == "right"}  # type: ignore[misc]
    wrong = {text for text, outcome, _ in outcomes if outcome == "wrong"}  # type: ignore[misc]
    written = {QUESTION.solution, after} if changed else {QUESTION.solution}
    for pair in pairs:
        assert pair.chosen != pair.rejected
        assert pair.chosen in right | written
        if pair.kind in ("rollouts", "reference", "confident", "step"):
            assert pair.rejected in wrong
        if pair.kind == "shorter":
            assert pair.rejected in right and len(pair.chosen) < len(pair.rejected)
        doubtful = smoothed(pair, case)
        assert pair.smoothing - 1e-9 <= doubtful.smoothing <= 0.5
        assert doubtful.smoothing >= min(0.5, 1 - label) - 1e-9


# ------------------------------------------------------------------ doubt


@pytest.mark.parametrize(
    ("label", "chosen", "rejected", "own", "doubt"),
    [
        (1, 1, 1, 0, 0),
        (0.9, 1, 1, 0, 0.1),
        (1, 0.8, 0.75, 0, 0.4),  # 1 − 0.8 · 0.75
        (0.9, 1, 1, 0.25, 0.3),  # 0.1 + 0.25 − 2 · 0.1 · 0.25
        (0.4, 1, 1, 0, 0.5),
        (1, 0, 1, 0.25, 0.5),
    ],
)
def test_doubt(label: float, chosen: float, rejected: float, own: float, doubt: float) -> None:
    question = QUESTION.model_copy(update={"confidence": label})
    case = case_of((R, "right", {"sure": chosen}), (W, "wrong", {"sure": rejected}), question=question)
    pair = case.pair("rollouts", Said(R), Said(W), smoothing=own)
    assert smoothed(pair, case).smoothing == pytest.approx(doubt)


# ------------------------------------------------------------------ balance and replay


def pair_of(name: str, kind: str = "rollouts", likelihood: float | None = None) -> PreferencePair:
    return PreferencePair(
        id=name, question_id=name[0], round=1, kind=kind, prompt="p", chosen="c", rejected="r",
        likelihood=likelihood,
    )  # fmt: skip


MIXED = [pair_of(name) for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1", "c2")]


def by_letter(pair: PreferencePair) -> str:
    return pair.question_id


@pytest.mark.parametrize(
    ("share", "left"),
    [(1, {"a": 4, "b": 2, "c": 2}), (0.5, {"a": 4, "b": 2, "c": 2}), (0.43, {"a": 3, "b": 2, "c": 2}),
     (0.42, {"a": 2, "b": 2, "c": 2}), (0.01, {"a": 2, "b": 2, "c": 2})],
)  # fmt: skip
def test_no_group_has_more_than_its_share_of_what_is_left(share: float, left: dict[str, int]) -> None:
    kept = capped(MIXED, by_letter, share, Random(0))
    assert {name: sum(p.question_id == name for p in kept) for name in "abc"} == left
    assert kept == [pair for pair in MIXED if pair in kept]
    assert kept == capped(MIXED, by_letter, share, Random(0))


@given(st.lists(st.sampled_from("abc"), max_size=30), st.floats(0.05, 1), st.integers(0, 5))
def test_a_share_is_kept_or_all_are_alike(names: list[str], share: float, seed: int) -> None:
    kept = capped([pair_of(name) for name in names], by_letter, share, Random(seed))
    sizes = [sum(p.question_id == name for p in kept) for name in sorted(set(names))]
    assert len(set(sizes)) <= 1 or max(sizes) <= share * len(kept) + 1e-9
    assert all(sizes)


def test_two_groupings_are_both_evened_out() -> None:
    pairs = [pair_of(name) for name in ("ax", "ax", "ax", "ay", "bx", "by")]
    for _ in range(8):
        pairs = weighed(weighed(pairs, lambda p: p.id[0]), lambda p: p.id[1])
    for place in (0, 1):
        names = {p.id[place] for p in pairs}
        parts = [sum(p.weight for p in pairs if p.id[place] == name) for name in names]
        assert parts == pytest.approx([3, 3], rel=0.01)


def test_groups_are_weighed_alike() -> None:
    weights = {p.id: p.weight for p in weighed(MIXED, by_letter)}
    assert weights["a1"] == pytest.approx(8 / 3 / 4) and weights["b1"] == pytest.approx(8 / 3 / 2)
    assert sum(weights.values()) == pytest.approx(8)
    assert weighed([], by_letter) == []


@pytest.mark.parametrize(("share", "anchors"), [(1, 3), (0.75, 3), (0.5, 1), (0.4, 0), (0, 0)])
def test_a_share_of_anchors(share: float, anchors: int) -> None:
    pairs = [pair_of("a"), *[pair_of(name, "anchor") for name in "bcd"]]
    kept = fewer_anchors(pairs, share, Random(0))
    assert [p.kind for p in kept] == ["rollouts", *["anchor"] * anchors]


def test_of_one_question_each_pair_once_and_the_first() -> None:
    first, again = pair_of("a"), pair_of("a", "step")
    assert few_of_each([first, pair_of("b"), again, pair_of("c")], 0) == [first, pair_of("b"), pair_of("c")]
    assert few_of_each([first, again, pair_of("b")], 1) == [first]


def test_the_band_of_webrl() -> None:
    chances = (None, 0.4, 0.5, 0.51, 0.95, 0.96)
    earlier = [pair_of(str(place), likelihood=chance) for place, chance in enumerate(chances)]
    again = replayed(earlier, 9, Random(0), [0.5, 0.95])
    assert {(p.id, p.replayed) for p in again} == {("3", True), ("4", True)}
    assert len(replayed(earlier, 4, Random(0))) == 4


# ------------------------------------------------------------------ the configuration


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["pairs.builders=[curri]"], "did you mean curry"),
        (["pairs.builders=crew"], "set rollouts.logprobs to true"),
        (["pairs.builders=spar"], "set teacher.endpoint"),
        (["pairs.replay_band=[0.5, 0.95]"], "only known with rollouts.logprobs"),
        (["pairs.builders={name: curry, ranks: 1}"], "pairs.builders curry.ranks '1'"),
        (["pairs.builders={name: curry, rank: 2}"], "no option 'rank'; options: ranks"),
        (["pairs.builders={name: steps, counts: all}"], "steps.counts 'all'"),
        (["pairs.builders=[curry, {name: curry, ranks: 2}]"], "curry is named twice"),
        (["pairs.builders={ranks: 3}"], "has no name"),
        (["pairs.builders=[]"], "at least 1"),
        (["pairs.replay_band=[0.9, 0.5]"], "the smaller one first"),
        (["pairs.builders=no_module_of_mine:Name"], "cannot be imported"),
        (["pairs.builders=json:JSONDecoder"], "is no dataclass"),
        (["pairs.builders=fractions:Fraction"], "is no dataclass"),
        (["pairs.builders=maieutic.curriculum.pairs.case:Said"], "Said"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_loaded(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        builders_of(load(None, settings))


@pytest.mark.parametrize(("named", "said"), [({}, "has no name"), ({"name": "curry"}, "curry.ranks")])
def test_a_value_that_stands_for_gigabytes_is_not_written_out(named: dict[str, str], said: str) -> None:
    """As a few lines of YAML can: lists of the same list."""
    many: list[Any] = ["x"]
    for _ in range(20):
        many = [many] * 20
    with pytest.raises(ConfigError, match=said):
        builders_of(load(None, given={"pairs": {"builders": [named | {"ranks": many}]}}))


def test_builders_are_named_in_yaml_and_come_back_from_it(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("pairs:\n  builders:\n    - socratic\n    - {name: curry, ranks: 3}\n")
    config = load(file)
    assert builders_of(config)["curry"] == Curry(ranks=3)
    file.write_text(dump(config))
    assert load(file) == config
    assert yaml.safe_load(dump(load(None)))["pairs"]["builders"] == ["socratic"]
    assert load(None, ["pairs.builders=lengths"]).pairs.named == [("lengths", {})]


OWN = '''
from dataclasses import dataclass
from typing import Annotated
from pydantic import Field


@dataclass(frozen=True)
class Longest:
    """The longest right answer against every wrong one."""

    most: Annotated[int, Field(ge=1)] = 2

    def pairs(self, case, rng):
        right = case.rights
        best = max(right, key=lambda one: len(one.text)) if right else None
        return [case.pair("longest", best, bad) for bad in case.wrongs[: self.most]] if best else []


@dataclass(frozen=True)
class Asker(Longest):
    asks = "sing"


@dataclass(frozen=True)
class Wishless(Longest):
    asks = "inject"


@dataclass(frozen=True)
class Checking(Longest):
    def check(self, config):
        raise ValueError("this will not do")
'''


def test_a_builder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_of_pairs.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    name = "mine_of_pairs:Longest"
    builder = builders_of(load(None, [f"pairs.builders={{name: '{name}', most: 1}}"]))[name]
    pairs = builder.pairs(case_of((R, "right"), (W, "wrong"), ("x", "wrong")), Random(0))
    assert [(pair.kind, pair.chosen, pair.rejected) for pair in pairs] == [("longest", R, W)]
    with pytest.raises(ConfigError, match="asks is 'sing'; expected inject or correct"):
        builders_of(load(None, ["pairs.builders=mine_of_pairs:Asker"]))
    with pytest.raises(ConfigError, match="asks, and has no method wish"):
        builders_of(load(None, ["pairs.builders=mine_of_pairs:Wishless"]))
    with pytest.raises(ConfigError, match="mine_of_pairs:Checking: this will not do"):
        builders_of(load(None, ["pairs.builders=mine_of_pairs:Checking"]))
    sys.modules.pop("mine_of_pairs")


@pytest.mark.parametrize("given", [None, ["text"], [None], "another"])
def test_rubbish_of_a_builder_is_told_in_a_line(given: Any) -> None:
    case = case_of((R, "right"), (W, "wrong"))
    good = case.pair("mine", *case.rights, *case.wrongs)
    check_pairs("mine:Own", case, [good])
    rubbish = [good.model_copy(update={"question_id": "q-other"})] if given == "another" else given
    with pytest.raises(RunError, match=r"mine:Own: gave .* where a list of pairs of the question"):
        check_pairs("mine:Own", case, rubbish)
