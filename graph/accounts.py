"""What each role has asked and spent: budgets, endpoints that are dead, figures for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..config import Budget, Price, Role, RunConfig
from ..memory.run import RunFolder
from ..records import Call, CallFigures
from ..trainers.jobs import result_of
from .sums import sum_up_to

_BEYOND = 8
"""Requests that fail one after another, beside all that may be in flight together, until an endpoint
is given up: one cut of a network is not enough for that."""

_SO_FAR = "calls_so_far"
"""File of what was spent up to the end of a round."""

_FIELDS = ("role", "error", "failure", "tried", "prompt_tokens", "completion_tokens", "seconds")


@dataclass
class Account:
    """One role in one run, from its first call on."""

    calls: int = 0
    tokens: int = 0
    written: int = 0
    """Of the tokens, those of completions."""
    seconds: float = 0.0
    waiting: int = 0
    """Requests that were sent and have no answer yet."""
    failing: int = 0
    """Requests in a row that failed with all their retries; those of one play, since a resumed run tries
    again."""

    def add(self, call: Call, answered: bool = True) -> None:
        """Note what came of a request that was sent.

        Args:
            answered: the endpoint said something to it, even if it refused what the request says.
        """
        self.note(call.prompt_tokens, call.completion_tokens, call.seconds)
        if not answered:
            self.failing += 1
        elif call.completions:
            self.failing = 0

    def note(self, prompt: int, completion: int, seconds: float) -> None:
        """Add a call."""
        self.calls += 1
        self.tokens += prompt + completion
        self.written += completion
        self.seconds += seconds

    def price(self, price: Price) -> float:
        """What its calls cost."""
        return ((self.tokens - self.written) * price.prompt + self.written * price.completion) / 1e6

    def spent(self, budget: Budget, in_flight: int) -> str:
        """Which part of a budget is used up; empty where there is some left.

        Args:
            in_flight: requests that were sent and have not been added.
        """
        if budget.calls and self.calls + in_flight >= budget.calls:
            return f"budget.calls = {budget.calls}"
        if budget.tokens and self.tokens >= budget.tokens:
            return f"budget.tokens = {budget.tokens}"
        return f"budget.seconds = {budget.seconds:g}" if 0 < budget.seconds <= self.seconds else ""

    def dead(self, concurrency: int) -> bool:
        return self.failing >= concurrency + _BEYOND


class Accounts:
    """Those of all roles of a run, filled from its records when one is first asked for."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._accounts: dict[str, Account] | None = None
        self._trained: dict[str, int] | None = None

    def of(self, role: str) -> Account:
        return self._all().setdefault(role, Account())

    def asked(self, config: RunConfig, what: str) -> float:
        """Tokens, calls or money of all roles together; `tokens` has those that trainings sampled, too."""
        if what == "calls":
            return sum(account.calls for account in self._all().values())
        if what == "tokens":
            return sum(account.tokens for account in self._all().values()) + sum(self.trained().values())
        return sum(
            account.price(config.roles[role].price)
            for role, account in self._all().items()
            if role in config.roles
        )

    def trained(self) -> dict[str, int]:
        """Tokens that trainings of the Solver sampled themselves, by checkpoint."""
        if self._trained is None:
            self._trained = {}
            for number in self._folder.rounds():
                name = f"solver-{number:04d}"
                if (result := result_of(self._folder.checkpoint(name))) is not None:
                    self._trained[name] = result.tokens
        return self._trained

    def _all(self) -> dict[str, Account]:
        if self._accounts is None:
            self._accounts = self._before()
        return self._accounts

    def all(self) -> dict[str, Account]:
        """Those that were asked for, by role."""
        return dict(self._accounts or {})

    def _before(self) -> dict[str, Account]:
        last = max(self._folder.rounds(), default=0)
        over = sum_up_to(self._folder, _SO_FAR, last - 1, self._with, _accounts, _as_json, first=0)
        return self._with(over, last)

    def _with(self, before: dict[str, Account], number: int) -> dict[str, Account]:
        """What was spent with that of one more round."""
        accounts = {role: replace(account) for role, account in before.items()}
        for row in self._folder.columns(number, "calls", _FIELDS):
            if row.get("failure") != "budget":
                kept = accounts.setdefault(row["role"], Account())
                kept.note(row["prompt_tokens"], row["completion_tokens"], row["seconds"])
        return accounts


def _accounts(there: Any) -> dict[str, Account]:
    return {
        role: Account(int(calls), int(tokens), int(written), float(seconds))
        for role, (calls, tokens, written, seconds) in (there or {}).items()
    }


def _as_json(accounts: dict[str, Account]) -> dict[str, list[float]]:
    return {role: [kept.calls, kept.tokens, kept.written, kept.seconds] for role, kept in accounts.items()}


def concurrency(config: RunConfig, role: str) -> int:
    """Requests of a role that may be in flight, at all its endpoints together."""
    return config.asked_as([role]).concurrency * (
        len(config.roles[role].addresses) or config.serving.replicas
    )


def budget_of(config: RunConfig, role: str) -> Budget:
    return config.roles[role].budget


def figures(folder: RunFolder, number: int, config: RunConfig) -> dict[str, CallFigures]:
    """What a round's calls were, by role."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in folder.columns(number, "calls", _FIELDS):
        rows.setdefault(row["role"], []).append(row)
    return {role: _figures(rows[role], config.roles.get(role)) for role in sorted(rows)}


def _figures(rows: list[dict[str, Any]], role: Role | None) -> CallFigures:
    prompt, completion = (sum(row[name] for row in rows) for name in ("prompt_tokens", "completion_tokens"))
    kinds = Counter(row.get("failure") or ("refused" if row["error"] else "") for row in rows)
    del kinds[""]
    price = role.price if role is not None else Price()
    return CallFigures(
        asked=len(rows) - kinds["budget"],
        failed=dict(sorted((+kinds).items())),
        passed=dict(sorted(Counter(kind for row in rows for kind in row.get("tried") or []).items())),
        prompt_tokens=prompt,
        completion_tokens=completion,
        seconds=round(sum(row["seconds"] for row in rows), 3),
        price=round((prompt * price.prompt + completion * price.completion) / 1e6, 6),
    )


def together(parts: Iterable[dict[str, CallFigures]]) -> dict[str, CallFigures]:
    """Figures of several rounds as one."""
    summed: dict[str, CallFigures] = {}
    for part in parts:
        for role, entry in part.items():
            summed[role] = _sum(summed.get(role, CallFigures()), entry)
    return dict(sorted(summed.items()))


def _sum(one: CallFigures, two: CallFigures) -> CallFigures:
    return CallFigures(
        asked=one.asked + two.asked,
        failed=dict(Counter(one.failed) + Counter(two.failed)),
        passed=dict(Counter(one.passed) + Counter(two.passed)),
        prompt_tokens=one.prompt_tokens + two.prompt_tokens,
        completion_tokens=one.completion_tokens + two.completion_tokens,
        seconds=round(one.seconds + two.seconds, 3),
        price=round(one.price + two.price, 6),
    )
