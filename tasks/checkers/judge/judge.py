"""A model that decides: for answers in free text, which no program can compare.

Every completion is judged n times with the reference first and n times with the completion
first; what each order says by majority must be the same. Threads, not worker processes: a judge
waits for a network, and two workers would wait for two replies at a time.
"""

from __future__ import annotations

import functools
import secrets
import time
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import jinja2

from ....endpoints import hiding
from ....records import Question
from ..answers import LONGEST_ANSWER, final_answer, plain, without_thinking
from ..finding import LONGEST, Finding, data_of
from .endpoint import Endpoint, Refused, Reply, Unanswered
from .options import JudgeOptions
from .votes import ORDERS, SCHEMA, Agreement, Vote, decide, read_vote

Message = dict[str, str]

_UNREADABLE = Vote(None, "a reply that is no verdict, and no better when asked again")
_REPAIR = (
    'That is not what was asked for. Reply with the JSON object alone: {"reason": "…", "verdict": "right"} '
    'or {"reason": "…", "verdict": "wrong"}'
)
_LONGEST_QUOTED = 4_000
"""Characters of an unreadable reply that are sent back with the repair."""


@dataclass(slots=True)
class _Case:
    """A completion that votes are asked about."""

    values: dict[str, str]
    """What the template takes, but for the order."""
    stated: str | None
    until: float = 0.0
    """When the votes must be there; counted from when the first of them is asked."""


class Judge:
    """
    Raises:
        ConfigError: the rubric's file or the key's variable cannot be used.
    """

    def __init__(self, options: JudgeOptions) -> None:
        self.options, self.agreement = options, Agreement()
        self.equal = 0
        """Completions that needed no call."""
        self._rubric = options.general_rubric()
        key = options.secret()
        self._hide = hiding(key.get_secret_value())
        self._endpoint = Endpoint(options.url, key, options.local, options.deadline)
        self._threads = ThreadPoolExecutor(options.concurrency, thread_name_prefix="judge")
        self._undecided = ""
        """Why the last completion of which nothing was decided."""
        self._structured = True
        """Until the endpoint refuses a request for its `response_format`."""

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ask nothing more; safe to call twice."""
        self._endpoint.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def check(self, items: Sequence[tuple[Question, str]]) -> list[Finding]:
        """A finding for each item, in their order; an endpoint that fails leaves it undecided."""
        self._endpoint.begin()
        cases = [self._case(question, completion) for question, completion in items]
        asked = [
            (case, order, vote)
            for case in cases
            if isinstance(case, _Case)
            for vote in range(self.options.n)
            for order in range(len(ORDERS))
        ]
        votes = self._threads.map(lambda what: self._vote(*what), asked)
        return [case if isinstance(case, Finding) else self._judged(case, votes) for case in cases]

    def summary(self) -> str:
        """One line: how far the judge agrees with itself, and what it cost; empty before any check."""
        found, spent = self.agreement, self._endpoint
        if not found.asked and not self.equal:
            return ""
        return (
            f"judge: {found.asked} asked, {self.equal} equal without a call; {found}; "
            f"{spent.calls} calls, {spent.prompt_tokens} + {spent.completion_tokens} tokens"
            + (f"; last undecided: {self._undecided}" if self._undecided else "")
        )

    @property
    def calls(self) -> int:
        """Requests sent, with those that failed or were repeated."""
        return self._endpoint.calls

    @property
    def tokens(self) -> tuple[int, int]:
        """(of prompts, of replies), as the endpoint counts them."""
        return self._endpoint.prompt_tokens, self._endpoint.completion_tokens

    def _case(self, question: Question, completion: str) -> _Case | Finding:
        """What to ask about a completion, or what needs no asking."""
        if len(completion) > LONGEST:
            return Finding("invalid", None, f"longer than {LONGEST} characters")
        said = without_thinking(completion).strip()
        if not said:
            return Finding("invalid", None, "empty")
        stated = final_answer(completion)
        given = data_of(question).get("rubric")
        rubric = given if isinstance(given, str) and given.strip() else self._rubric
        if not question.answer.strip() and not rubric:
            return Finding("undecided", stated, "neither a reference nor a rubric")
        # A rubric may ask for more than the right answer, so that equal ones are judged, too.
        if not rubric and stated is not None and _same(stated, question.answer):
            self.equal += 1
            return Finding("right", stated, "equal to the reference; no vote was asked")
        fence = secrets.token_hex(8)  # unknown to who wrote the completion
        values = {
            "question": question.text, "completion": said, "rubric": rubric, "fence": fence,
            "reference": question.answer.strip() or "(none: go by the rules above alone)",
        }  # fmt: skip
        # Half a character, such as a model may end with, cannot be sent.
        sent = {name: text.encode("utf-8", "replace").decode() for name, text in values.items()}
        return _Case(sent, None if stated is None else stated[:LONGEST_ANSWER])

    def _judged(self, case: _Case, votes: Any) -> Finding:
        """What the next 2n votes come to; they come vote by vote, the orders in turns."""
        mine = [next(votes) for _ in range(self.options.n * len(ORDERS))]
        by_order = [mine[order :: len(ORDERS)] for order in range(len(ORDERS))]
        self.agreement.add(by_order)
        outcome, reason = decide(by_order)
        reason = self._hide(reason)  # an endpoint may repeat what it was sent
        if outcome == "undecided":
            self._undecided = reason
        return Finding(outcome, case.stated, reason)

    def _vote(self, case: _Case, order: int, vote: int) -> Vote:
        """Ask once, and once more where the reply cannot be read."""
        if not case.until:
            case.until = time.monotonic() + self.options.deadline
        text = _template().render(case.values, reference_first=ORDERS[order] == "reference first")
        messages: list[Message] = [{"role": "user", "content": text}]
        try:
            for _ in range(2):
                reply = self._ask(messages, vote, case.until)
                found = read_vote(reply.text) if reply.whole else None
                if found is not None:
                    return found
                quoted: Message = {"role": "assistant", "content": reply.text[:_LONGEST_QUOTED] or "…"}
                messages = [*messages, quoted, {"role": "user", "content": _REPAIR}]
        except Unanswered as error:
            return Vote(None, str(error))
        except Exception as error:  # whatever a client does with what an endpoint sends
            return Vote(None, f"asking failed: {type(error).__name__}")
        return _UNREADABLE

    def _ask(self, messages: list[Message], vote: int, until: float) -> Reply:
        body: dict[str, Any] = {
            "model": self.options.model,
            "messages": messages,
            "max_tokens": self.options.tokens,
            "temperature": self.options.temperature if self.options.n > 1 else 0.0,
            "seed": vote,
        }
        if self._structured:
            schema = {"name": "verdict", "strict": True, "schema": SCHEMA}
            shaped = {**body, "response_format": {"type": "json_schema", "json_schema": schema}}
            try:
                return self._endpoint.ask(shaped, until)
            except Refused:
                # Perhaps for the format; if it takes the same request without, it was.
                reply = self._endpoint.ask(body, until)
                self._structured = False
                return reply
        return self._endpoint.ask(body, until)


def _same(said: str, expected: str) -> bool:
    """The same text but for how it is spaced and encoded; capitals count."""
    one, other = (" ".join(unicodedata.normalize("NFKC", plain(text)).split()) for text in (said, expected))
    return bool(one) and one == other


@functools.cache
def _template() -> jinja2.Template:
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    # Plain text for a model, no page: nothing is to be escaped.
    environment = jinja2.Environment(loader=folder, undefined=jinja2.StrictUndefined, autoescape=False)  # nosec B701  # noqa: S701
    return environment.get_template("template.jinja")
