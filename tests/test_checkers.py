"""The exact checker: a golden table, and what must hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.agents.verifier import Verifier
from maieutic.errors import ConfigError
from maieutic.records import Question, Rollout
from maieutic.tasks.checkers.family import check_exact

GOLDEN = [
    ("13", "7 + 6 = 13 #### 13", "right", "13"),
    ("13", "#### 13", "right", "13"),
    ("13", "####13", "right", "13"),
    ("13", "#### 013", "right", "13"),
    ("13", "#### +13", "right", "13"),
    ("13", "#### 13.", "right", "13"),
    ("1300", "#### 1,300", "right", "1300"),
    ("13", "#### 12 #### 13", "right", "13"),
    ("13", "#### 13 #### 12", "wrong", "12"),
    ("13", "7 + 6 = 13 #### 14", "wrong", "14"),
    ("13", "#### -13", "wrong", "-13"),
    ("0", "#### -0", "right", "0"),
    ("13", "", "invalid", None),
    ("13", "13", "invalid", None),
    ("13", "the answer is 13", "invalid", None),
    ("13", "####", "invalid", None),
    ("13", "#### 13 or 14", "invalid", None),
    ("13", "#### 12 13", "invalid", None),
    ("13", "#### 13.0", "invalid", None),
    ("1234", "#### 1,234", "right", "1234"),
    ("12", "#### 1,2", "invalid", None),
    ("13", "#### thirteen", "invalid", None),
    ("13", "#### \uff11\uff13", "invalid", None),
    ("13", "#### " + "1" * 40, "invalid", None),
    ("13", "### 13", "invalid", None),
]


@pytest.mark.parametrize(("answer", "completion", "outcome", "extracted"), GOLDEN)
def test_golden(answer: str, completion: str, outcome: str, extracted: str | None) -> None:
    finding = check_exact(answer, completion)
    assert (finding.outcome, finding.extracted) == (outcome, extracted)


@given(st.integers(-(10**9), 10**9), st.text(max_size=60))
def test_a_marked_answer_is_right_whatever_comes_before(answer: int, text: str) -> None:
    assert check_exact(str(answer), f"{text} #### {answer}").outcome == "right"


@given(st.text())
def test_any_text_gets_an_outcome(text: str) -> None:
    assert check_exact("13", text).outcome in ("right", "wrong", "invalid")


@pytest.mark.parametrize(
    ("completion", "truncated", "outcome"),
    [("#### 13", False, "right"), ("#### 13", True, "invalid"), ("#### 1", True, "invalid")],
)
def test_a_cut_off_answer_is_not_wrong(completion: str, truncated: bool, outcome: str) -> None:
    (verdict,) = Verifier().judge([asked("13", completion, truncated=truncated)])
    assert verdict.outcome == outcome


def asked(
    answer: str, completion: str, checker: str = "arithmetic", truncated: bool = False
) -> tuple[Question, Rollout]:
    question = Question(
        id="q", text="What is it?", answer=answer, solution="", skill="addition", level=1,
        origin="seed", checker=checker,
    )  # fmt: skip
    rollout = Rollout(
        id="r", question_id="q", round=1, stage="attempt", checkpoint="base", index=0,
        completion=completion, tokens=3, truncated=truncated, call_id="c",
    )  # fmt: skip
    return question, rollout


@pytest.mark.slow
def test_each_question_has_its_own_checker_and_verdicts_keep_their_order() -> None:
    verifier = Verifier()
    try:
        verdicts = verifier.judge(
            [
                asked("13", r"\boxed{13}"),
                asked("13", r"\boxed{13}", "math"),
                asked(r"2\sqrt{2}", r"\boxed{\sqrt{8}}", "math"),
                asked("13", "#### 13", truncated=True),
                asked("0.333", "#### 1/3", "numeric?rel=0.01"),
                asked("13", "#### 13"),
            ]
        )
    finally:
        verifier.close()
    assert [v.outcome for v in verdicts] == ["invalid", "right", "right", "invalid", "right", "right"]
    assert verifier.judge([]) == []
    with pytest.raises(ConfigError, match="no checker 'none'"):
        verifier.judge([asked("1", "1", "none")])
