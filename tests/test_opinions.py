"""What votes come to, method by method: golden tables; no network here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.agents.debate import debated
from maieutic.agents.judging import judged
from maieutic.agents.opinions import Case, Requests, votes_of
from maieutic.agents.verifier import concluded, examiners_of, weighed
from maieutic.agents.voting import voted
from maieutic.config import VerifierConfig
from maieutic.config import load as load_config
from maieutic.errors import ConfigError
from maieutic.prompts import Prompts
from maieutic.records import Call, Opinion, Outcome, Question, Rollout, Verdict
from maieutic.serving.requests import Request, unanswered
from maieutic.tasks.checkers.answers import final_answer
from maieutic.tasks.checkers.judge.votes import Vote
from maieutic.tasks.labelling import compared

_VERDICTS = {"r": Vote("right", "it is"), "w": Vote("wrong", "it is not"), "-": Vote(None, "no reply")}


def case(completion: str = "#### 7", answer: str = "7", checker: str = "math", data: str = "") -> Case:
    question = Question(
        id="q", text="What is 3 + 4?", answer=answer, solution="", skill="s", level=1, origin="seed",
        checker=checker, data=data,
    )  # fmt: skip
    rollout = Rollout(
        id="q.1.attempt.0", question_id="q", round=1, stage="attempt", checkpoint="base", index=0,
        completion=completion, tokens=1, truncated=False, call_id="c",
    )  # fmt: skip
    return Case(question, rollout, "undecided")


def orders(*written: str) -> list[list[Vote]]:
    return [[_VERDICTS[sign] for sign in order] for order in written]


@pytest.mark.parametrize(
    ("answers", "outcome", "share", "confidence", "reason"),
    [
        (["7", "7", "7"], "right", 1.0, 1.0, "3 of 3 votes for 7"),
        (["7", "7.0", "8"], "right", 2 / 3, 2 / 3, "2 of 3 votes for 7"),
        (["8", "8", "7"], "wrong", 1 / 3, 2 / 3, "2 of 3 votes for 8"),
        (["8", "8", "8"], "wrong", 0.0, 1.0, "3 of 3 votes for 8"),
        (["7", "8", "9"], "undecided", 1 / 3, 0.0, "no answer has most of 3 votes"),
        (["7", "7", None], "right", 1.0, 1.0, "2 of 2 votes for 7"),
        (["7", None, None], "undecided", None, 0.0, "1 of 3 votes readable"),
        ([None, None, None], "undecided", None, 0.0, "0 of 3 votes readable"),
        (["7", "8", None], "undecided", 0.5, 0.0, "no answer has most of 2 votes"),
        (["none", "none", "7"], "undecided", None, 0.0, "2 of 3 votes: it has no answer"),
    ],
)
def test_a_vote(
    answers: list[str | None], outcome: Outcome, share: float | None, confidence: float, reason: str
) -> None:
    found = voted(case(), answers)
    assert (found.method, found.outcome, found.reason) == ("vote", outcome, reason)
    assert found.confidence == pytest.approx(confidence)
    if share is not None:
        assert found.share == pytest.approx(share)


def test_a_vote_calls_nothing_wrong_that_only_reads_otherwise() -> None:
    words = case("The answer is the capital, the city of Paris, on the Seine", "the city of light itself")
    found = voted(words, ["Paris", "Paris", "Paris"])
    assert (found.outcome, found.share) == ("undecided", None)
    assert "no program can compare" in found.reason
    assert voted(case("#### paris", "?"), ["Paris"] * 3).outcome == "right"
    assert voted(case("I do not know what to say.\nReally not."), ["7"] * 3).reason == "states no answer"


def test_what_a_program_can_tell_of_two_answers() -> None:
    asked = case().question
    assert compared(asked, "5", "5.0") is True
    assert compared(asked, "5", "6") is False
    assert compared(asked, "Paris", "Lutetia") is None
    assert compared(asked.model_copy(update={"checker": "exact"}), "Paris", "Rome") is False
    assert compared(asked.model_copy(update={"checker": "judge?model=m"}), "5", "6") is None


@pytest.mark.parametrize(
    ("votes", "outcome", "share", "confidence"),
    [
        (("rrr", "rrr"), "right", 1.0, 1.0),
        (("www", "www"), "wrong", 0.0, 1.0),
        (("rrw", "rrr"), "right", 5 / 6, 5 / 6),
        (("rrw", "rww"), "undecided", 0.5, 0.0),
        (("rrr", "www"), "undecided", 0.5, 0.0),
        (("rr-", "rrw"), "right", 0.8, 0.8),
        (("r--", "rrr"), "undecided", 1.0, 0.0),
        (("rw-", "rrr"), "undecided", 0.8, 0.0),
        (("---", "---"), "undecided", None, 0.0),
        (("r", "r"), "right", 1.0, 1.0),
        (("r", "w"), "undecided", 0.5, 0.0),
    ],
)
def test_a_judge(votes: tuple[str, str], outcome: Outcome, share: float | None, confidence: float) -> None:
    found = judged(case(), orders(*votes))
    assert (found.method, found.outcome, found.share) == ("judge", outcome, share)
    assert found.confidence == pytest.approx(confidence)
    assert found.reason


@pytest.mark.parametrize(
    ("votes", "outcome", "share"),
    [
        (("rrr", "rrr"), "right", 1.0),
        (("rrr", "rrw"), "right", 5 / 6),
        (("rrr", "rww"), "undecided", 2 / 3),
        (("rrr", "www"), "undecided", 0.5),
        (("www", "wwr"), "wrong", 1 / 6),
        (("w-w", "www"), "wrong", 0.0),
        (("w--", "www"), "undecided", None),
        # Each order weighs the same, however many of its votes can be read.
        (("rr-", "rrw"), "right", (1 + 2 / 3) / 2),
    ],
)
def test_a_debate(votes: tuple[str, str], outcome: Outcome, share: float | None) -> None:
    found = debated(case(), orders(*votes), 0.75)
    assert (found.method, found.outcome) == ("debate", outcome)
    assert found.share == (share if share is None else pytest.approx(share))
    if outcome != "undecided":
        assert found.confidence == pytest.approx(share if outcome == "right" else 1 - (share or 0))


signs = st.text("rw-", min_size=3, max_size=3)


@given(signs, signs)
def test_a_verdict_does_not_turn_with_the_order(first: str, second: str) -> None:
    mirror = str.maketrans("rw", "wr")
    for decide in (judged, lambda about, votes: debated(about, votes, 0.75)):
        one, other = decide(case(), orders(first, second)), decide(case(), orders(second, first))
        assert (one.outcome, one.share, one.confidence) == (other.outcome, other.share, other.confidence)
        contrary = decide(case(), orders(first.translate(mirror), second.translate(mirror)))
        turned = {"right": "wrong", "wrong": "right", "undecided": "undecided"}
        assert contrary.outcome == turned[one.outcome]
        assert contrary.confidence == pytest.approx(one.confidence)


def opinion(method: str, outcome: Outcome, confidence: float = 1.0) -> Opinion:
    return case().opinion(method, outcome, f"as {method} says", 0.5, confidence)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "confidence", "expected"),
    [
        ("right", 1.0, "right"),
        ("right", 0.75, "right"),
        ("right", 0.74, "undecided"),
        ("wrong", 0.6, "undecided"),
        ("wrong", 0.8, "wrong"),
        ("undecided", 1.0, "undecided"),
    ],
)
def test_too_few_votes_decide_nothing(outcome: Outcome, confidence: float, expected: Outcome) -> None:
    found = weighed(opinion("judge", outcome, confidence), 0.75)
    assert (found.outcome, found.confidence) == (expected, confidence)


@pytest.mark.parametrize(
    ("checked", "said", "outcome", "by", "confidence"),
    [
        ("right", ["wrong"], "right", "checker", 1.0),
        ("wrong", ["right", "right"], "wrong", "checker", 1.0),
        ("invalid", [], "invalid", "checker", 1.0),
        ("undecided", [], "undecided", "checker", 1.0),
        ("undecided", ["right"], "right", "vote", 0.9),
        ("undecided", ["undecided", "wrong"], "wrong", "judge", 0.9),
        ("undecided", ["undecided", "undecided"], "undecided", "judge", 0.9),
    ],
)
def test_the_checker_first_then_who_decides_first(
    checked: Outcome, said: list[Outcome], outcome: Outcome, by: str, confidence: float
) -> None:
    verdict = Verdict(rollout_id="r", question_id="q", outcome=checked, reason="no number")
    methods = ("vote", "judge")[: len(said)]
    found = concluded(verdict, [opinion(m, o, 0.9) for m, o in zip(methods, said, strict=True)])
    assert (found.outcome, found.by, found.confidence) == (outcome, by, confidence)
    assert found.reason.startswith("no number")


def test_a_request_depends_on_what_it_says_alone() -> None:
    requests = Requests(VerifierConfig(), 0, Prompts())
    values = case("It is 7. \ud83d").values
    one, other, third = (
        requests.request("judge", f"s{round}", number, round, "heldout", **values, reference_first=True)
        for round, number in ((1, 0), (2, 0), (2, 1))
    )
    assert (one.messages, one.seed) == (other.messages, other.seed)
    assert third.messages == one.messages
    assert third.seed != one.seed
    changed = requests.request("judge", "s", 0, 1, "heldout", **case("8").values, reference_first=True)
    fences = {r.messages[0]["content"].partition("BEGIN QUESTION ")[2][:16] for r in (one, changed)}
    assert len(fences) == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("verifier.votes=2", "votes 2 can tie"),
        ("verifier.votes=17", "votes"),
        ("verifier.temperature=0", "3 times the same vote"),
        ("verifier.then=[judge, judge]", "names a method twice"),
        ("verifier.then=[]", "then"),
        ("verifier.then=[oracle]", "then"),
        ("verifier.threshold=0.4", "threshold"),
        ("verifier.turns=4", "turns"),
    ],
)
def test_settings_that_cannot_be(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, [setting])


def test_methods_come_in_the_order_of_the_configuration() -> None:
    config = VerifierConfig(endpoint=["http://127.0.0.1:1/v1"], then=["debate", "vote", "judge"])
    assert [e.method for e in examiners_of(config, 0, Prompts())] == ["debate", "vote", "judge"]
    assert examiners_of(VerifierConfig(), 0, Prompts()) == []


def test_half_of_the_votes_is_a_tie_whatever_the_threshold() -> None:
    assert debated(case(), orders("rr", "ww"), 0.5).outcome == "undecided"
    assert debated(case(), orders("rrr", "rww"), 0.5).outcome == "right"


async def test_half_of_a_character_in_a_reason_costs_no_vote() -> None:
    requests = Requests(VerifierConfig(), 0, Prompts())
    asked = requests.request("judge", "r", 0, 1, "s", **case().values, reference_first=True)

    async def ask(given: Sequence[Request]) -> dict[str, Call]:
        said = '{"reason": "it says \\ud83d", "verdict": "right"}'
        call = unanswered(given[0], "", "").model_copy(update={"completions": [said], "finished": [True]})
        return {given[0].subject_id: call}

    assert (await votes_of([asked], ask))["r"] == Vote("right", "it says ?")


def test_thinking_that_the_chat_template_opened_is_no_answer() -> None:
    said = "first guess \\boxed{8}. no wait.</think> The answer is 7."
    assert case(said).said == "The answer is 7."
    assert final_answer(said) == "7"
