"""Views of a finished or running run for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from ..errors import RunError
from ..memory.run import RunFolder
from ..records import Attempt, PreferencePair, Proposal, Question, Rollout, RunReport, Verdict
from .console import rounds_table, summary

_MARKS = {"right": "[green]right[/]", "wrong": "[red]wrong[/]", "invalid": "[yellow]invalid[/]"}


def clean(text: str) -> str:
    """Text from models and files, made safe for a terminal: no markup, no control characters."""
    visible = "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)
    return escape(visible)


def load_report(folder: RunFolder) -> RunReport:
    """report.json of a run.

    Raises:
        RunError: it has not finished measuring the base model yet.
    """
    if not folder.report.exists():
        raise RunError(f"{folder.path.name} has no report yet; it appears after the first evaluation")
    return RunReport.model_validate_json(folder.report.read_text())


def show_run(console: Console, folder: RunFolder) -> None:
    report = load_report(folder)
    console.print(rounds_table(report))
    console.print(summary(report), markup=False, highlight=False)


def show_round(console: Console, folder: RunFolder, number: int) -> None:
    """A round's cells, refusals, training figures and times."""
    report = load_report(folder)
    entry = next((r for r in report.rounds if r.round == number), None)
    if entry is None:
        done = ", ".join(str(r.round) for r in report.rounds) or "none"
        raise RunError(f"{folder.path.name} has no finished round {number}; finished: {done}")
    attempts = folder.read(number, "attempts", Attempt)
    cells: dict[tuple[str, int], list[float]] = {}
    for attempt in attempts:
        cells.setdefault((attempt.skill, attempt.level), []).append(attempt.pass_rate)
    levels = sorted({level for _, level in cells})
    table = Table(title=f"round {number}: pass rate (questions)", title_justify="left")
    table.add_column("skill")
    for level in levels:
        table.add_column(f"level {level}", justify="right")
    for skill in sorted({skill for skill, _ in cells}):
        row = [cells.get((skill, level)) for level in levels]
        shown = [f"{sum(r) / len(r):.2f} ({len(r)})" if r else "" for r in row]
        table.add_row(escape(skill), *shown)
    console.print(table)
    for title, values in (
        ("kept", {"": entry.kept, **entry.gate.model_dump()}),
        ("questions", entry.questions.model_dump(exclude={"refused"})),
        ("refused", entry.questions.refused),
        ("Generator", entry.generator.model_dump()),
        ("training", entry.train.model_dump(exclude={"pairs", "metrics"}) | entry.train.metrics),
        ("pairs", entry.train.pairs),
        ("seconds", entry.seconds),
    ):
        console.print(f"{title}: {_listed(values)}", markup=False, highlight=False)
    chosen = sorted(attempts, key=lambda a: (a.pass_rate == 1, a.pass_rate))[:5]
    console.print(f"questions such as {', '.join(a.question_id for a in chosen)}", highlight=False)


def _listed(values: Mapping[str, object]) -> str:
    """`name value, name value`; shares and the like to three places."""
    parts = []
    for name, value in values.items():
        shown = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        parts.append(f"{name} {'–' if value is None else shown}".strip())
    return ", ".join(parts) or "none"


def show_question(console: Console, folder: RunFolder, question_id: str) -> None:
    """Lineage, every rollout with its verdict, and the pairs a question is in."""
    known = {q.id: q for number in folder.rounds() for q in folder.read(number, "questions", Question)}
    question = known.get(question_id)
    if question is None:
        raise RunError(
            f"{folder.path.name} has no question {question_id!r}; "
            f"`maieutic show {folder.path.name} --round 1` names some"
        )
    console.print(_lineage(folder, known, question))
    console.print(f"reference: {clean(question.solution)}")
    pairs = 0
    for number in folder.rounds():
        verdicts = {v.rollout_id: v for v in folder.read(number, "verdicts/attempt", Verdict)}
        for rollout in folder.read(number, "rollouts/attempt", Rollout):
            if rollout.question_id == question_id:
                verdict = verdicts.get(rollout.id)
                mark = _MARKS.get(verdict.outcome, verdict.outcome) if verdict else "not judged"
                console.print(f"round {number} {mark}  {clean(rollout.completion)}", highlight=False)
        pairs += sum(pair.question_id == question_id for pair in folder.read(number, "pairs", PreferencePair))
    console.print(f"preference pairs with it: {pairs}", highlight=False)


def _lineage(folder: RunFolder, known: dict[str, Question], question: Question) -> Tree:
    line = [question]
    while (parent := known.get(line[-1].parent_id or "")) and parent not in line:
        line.append(parent)
    proposals = {
        p.question_id: p
        for number in folder.rounds()
        for p in folder.read(number, "vetted", Proposal)
        if p.question_id is not None
    }
    root = branch = Tree(_name(line[-1], proposals))
    for descendant in reversed(line[:-1]):
        branch = branch.add(_name(descendant, proposals))
    return root


def _name(question: Question, proposals: dict[str, Proposal]) -> str:
    proposal = proposals.get(question.id)
    how = f"{question.origin}, {proposal.move}, round {question.round}" if proposal else question.origin
    return (
        f"[bold]{question.id}[/] {clean(question.text)} = {clean(question.answer)}  "
        f"[dim]({how}; {escape(question.skill)} level {question.level})[/]"
    )
