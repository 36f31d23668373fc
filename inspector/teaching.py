"""What each round taught about a skill, and what came of it: the way from what failed to what was measured.

That held-out accuracy changed after a round is told beside what the round trained on; it trained on other
skills in the same step, and the records do not say what of it did it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..curriculum.gate import wilson
from ..records import Evaluation
from .tables import BANK, Row, Tables


@dataclass(frozen=True, slots=True)
class Subject:
    """A skill, at one level or at all."""

    skill: str
    level: int | None = None

    @property
    def said(self) -> str:
        return self.skill if self.level is None else f"{self.skill}, level {self.level}"

    def accuracy(self, measured: Evaluation) -> float | None:
        if self.level is None:
            return measured.by_skill.get(self.skill)
        return measured.by_cell.get(f"{self.skill}/{self.level}")


@dataclass(slots=True)
class Taught:
    """One round about one subject."""

    round: int
    asked: int = 0
    fresh: int = 0
    """Of the asked, those that no round had asked before."""
    pass_rate: float | None = None
    pairs: dict[str, int] = field(default_factory=dict)
    """New ones by kind."""
    replayed: int = 0
    admitted: list[Row] = field(default_factory=list)
    """Counts by author and move."""
    later: Row | None = None
    """How often what it admitted was asked since, and the pass rate then."""
    hints: int = 0
    notes: int = 0
    training: Row | None = None
    gate: Row | None = None
    before: float | None = None
    """Held-out accuracy of the Solver that the gate compared with."""
    after: float | None = None

    @property
    def change(self) -> float | None:
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def written(self) -> int:
        return sum(row["count"] for row in self.admitted)


OF = "skill = ? AND level = coalesce(?, level)"


def teaching(tables: Tables, of: Subject, measured: Mapping[int, Evaluation]) -> list[Taught]:
    """Every round that did anything about a subject, the first one first.

    Args:
        measured: held-out results of each round's Solver, 0 the base model.
    """
    rounds: dict[int, Taught] = {}

    def at(round: int) -> Taught:
        return rounds.setdefault(round, Taught(round))

    given = [of.skill, of.level]
    for row in tables.rows(_ASKED, given):
        one = at(row["round"])
        one.asked, one.fresh, one.pass_rate = row["asked"], row["fresh"], row["pass_rate"]
    for row in tables.rows(_PAIRS, given):
        if row["replayed"]:
            at(row["round"]).replayed += row["count"]
        else:
            at(row["round"]).pairs[row["kind"]] = row["count"]
    for row in tables.rows(_ADMITTED, given):
        at(row["round"]).admitted.append(row)
    for row in tables.rows(_LATER, given):
        at(row["round"]).later = row
    for row in tables.rows(_HINTS, given):
        at(row["round"]).hints = row["count"]
    for row in tables.rows(_NOTES, given):
        at(row["round"]).notes = row["count"]
    _outcomes(tables, of, rounds, measured)
    return [rounds[number] for number in sorted(rounds)]


_ASKED = (
    "SELECT recorded_in AS round, count(*) AS asked, avg(pass_rate) AS pass_rate, "  # noqa: S608
    "count(*) FILTER (recorded_in = first) AS fresh FROM (SELECT recorded_in, pass_rate, "
    f"min(recorded_in) OVER (PARTITION BY question_id) AS first FROM attempts WHERE {OF}) "
    "GROUP BY recorded_in"
)
_PAIRS = (
    "SELECT recorded_in AS round, kind, coalesce(replayed, false) AS replayed, count(*) AS count FROM pairs "  # noqa: S608
    f"WHERE question_id IN (SELECT id FROM {BANK} WHERE {OF}) GROUP BY ALL ORDER BY kind"
)
_ADMITTED = (
    "SELECT q.recorded_in AS round, q.origin AS author, p.move, count(*) AS count FROM "  # noqa: S608
    f"(SELECT id, origin, recorded_in FROM questions WHERE recorded_in > 0 AND {OF}) q "
    "LEFT JOIN proposals p ON p.question_id = q.id AND p.recorded_in = q.recorded_in "
    "GROUP BY ALL ORDER BY count DESC"
)
_LATER = (
    "SELECT q.recorded_in AS round, count(*) AS count, avg(a.pass_rate) AS pass_rate FROM "  # noqa: S608
    f"(SELECT question_id, pass_rate, recorded_in FROM attempts WHERE {OF}) a JOIN "
    "(SELECT id, recorded_in FROM questions WHERE recorded_in > 0) q ON q.id = a.question_id "
    "AND a.recorded_in > q.recorded_in GROUP BY q.recorded_in"
)
_HINTS, _NOTES = (
    f"SELECT recorded_in AS round, count(*) AS count FROM {view} WHERE question_id IN "  # noqa: S608
    f"(SELECT id FROM {BANK} WHERE {OF}) GROUP BY recorded_in"
    for view in ("hints", "skills")
)


def _outcomes(
    tables: Tables, of: Subject, rounds: Mapping[int, Taught], measured: Mapping[int, Evaluation]
) -> None:
    """What training came to, what the gate said, and what was measured before and after."""
    for row in tables.rows("SELECT * FROM trainings WHERE role = 'solver'"):
        if row["recorded_in"] in rounds:
            rounds[row["recorded_in"]].training = row
    for row in tables.rows("SELECT * FROM gates"):
        one = rounds.get(row["recorded_in"])
        if one is None:
            continue
        one.gate = row
        if row["trained"] and row["against_round"] in measured and one.round in measured:
            one.before = of.accuracy(measured[row["against_round"]])
            one.after = of.accuracy(measured[one.round])


def told_best(rounds: list[Taught]) -> Taught | None:
    """The kept round after which the held-out accuracy rose most; else the last that asked anything."""
    kept = [one for one in rounds if one.change is not None and one.gate and one.gate["promoted"]]
    best = max(kept, key=lambda one: one.change or 0.0, default=None)
    if best is not None and (best.change or 0) > 0:
        return best
    return next((one for one in reversed(rounds) if one.asked), rounds[-1] if rounds else None)


def interval(share: float | None, questions: int) -> tuple[float, float] | None:
    """Of a share of some questions, 95 % (Wilson)."""
    return None if share is None or not questions else wilson(round(share * questions), questions)


def sentence(of: Subject, one: Taught, questions: int) -> str:
    """A round in words, in the order in which it went.

    Args:
        questions: how many held-out questions the subject has.
    """
    parts = [f"Round {one.round} {_asked(of, one)}{_trained(one)}"]
    if one.gate is not None and one.gate["trained"]:
        parts.append(
            "the gate kept its Solver" if one.gate["promoted"] else "the gate did not keep its Solver"
        )
    if one.before is not None and one.after is not None:
        went = "stayed at" if one.before == one.after else f"went from {one.before:.0%} to"
        parts.append(f"held-out {of.said} {went} {one.after:.0%} ({_many(questions, 'question')})")
    said = "; ".join(parts) + "."
    return said.replace("%", "\u202f%")


def _asked(of: Subject, one: Taught) -> str:
    if not one.asked:
        return f"asked no question on {of.said}"
    fresh = "" if not one.fresh else f", {_all_of(one.fresh, one.asked)} for the first time"
    return (
        f"asked {_many(one.asked, 'question')} on {of.said}{fresh} ({one.pass_rate:.0%} of the answers right)"
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def _all_of(some: int, whole: int) -> str:
    return "all of them" if some == whole else f"{some:,} of them"


def _trained(one: Taught) -> str:
    new = sum(one.pairs.values())
    if one.training is None and not (one.gate and one.gate["trained"]):
        return " and trained nothing" + (f", though there were {_many(new, 'pair')}" if new else "")
    if one.training and one.training["stopped"]:
        return f" and its training was stopped: {one.training['stopped'][:100]}"
    if new or one.replayed:
        again = f" and {one.replayed:,} replayed" if one.replayed else ""
        of_them = " of them" if one.asked else ""
        return f" and trained on {_many(new, 'pair')}{of_them}{again}"
    rows = f" ({one.training['objective']}, {one.training['rows']:,} rows)" if one.training else ""
    return f" and trained its Solver on all skills together{rows}"
