"""Views of a finished or running run for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from ..errors import RunError, printable
from ..graph.folders import held
from ..memory.run import RunFolder
from ..records import (
    Attempt,
    Audit,
    Hint,
    LabelCheck,
    PreferencePair,
    Proposal,
    Question,
    Rollout,
    RoundReport,
    RunReport,
    SkillNote,
    Verdict,
)
from .console import calls_line, diversity_line, labels_line, percent, rounds_table, summary
from .training import training_line
from .verifying import verifier_line

_MARKS = {"right": "[green]right[/]", "wrong": "[red]wrong[/]", "invalid": "[yellow]invalid[/]"}


def clean(text: str) -> str:
    """Text from models and files, made safe for a terminal: no markup, no control characters."""
    return escape(printable(text))


def load_report(folder: RunFolder) -> RunReport:
    """report.json of a run.

    Raises:
        RunError: it has not finished measuring the base model yet, or the report cannot be read.
    """
    if not folder.report.exists():
        raise RunError(f"{folder.path.name} has no report yet; it appears after the first evaluation")
    try:
        return RunReport.model_validate_json(folder.report.read_bytes())
    except (ValidationError, OSError) as error:
        raise RunError(
            f"{folder.report} is damaged or of another version of maieutic; `maieutic resume "
            f"{folder.path.name}` writes it anew from the records"
        ) from error


def show_run(console: Console, folder: RunFolder) -> None:
    report = load_report(folder)
    # One that waits for a person goes on waiting when nobody holds it.
    if report.status not in ("done", "waiting for review"):
        # A killed run could not write it down, and a resumed one does so at its next gate.
        report = report.model_copy(update={"status": "running" if held(folder) else "stopped"})
    console.print(rounds_table(report, console.width))
    console.print(summary(report), markup=False, highlight=False)


def show_round(console: Console, folder: RunFolder, number: int) -> None:
    """A round's pass rates by skill and level, what the gate said, refusals, training and times."""
    report = load_report(folder)
    if number == 0 and report.baseline is not None:
        console.print(_map("round 0, the base model: held-out accuracy, %", report.baseline.by_cell, {}))
        console.print(f"seeds: {labels_line(report.seed_labels)}", highlight=False)
        console.print(f"seconds: {_seconds(report.start_seconds)}", highlight=False)
        return
    entry = next((r for r in report.rounds if r.round == number), None)
    if entry is None:
        done = ", ".join(map(str, range(len(report.rounds) + 1)))
        raise RunError(f"{folder.path.name} has no finished round {number}; finished: {done}")
    attempts = folder.read(number, "attempts", Attempt)
    asked = Counter(f"{attempt.skill}/{attempt.level}" for attempt in attempts)
    console.print(_map(f"round {number}: pass rate, % (questions)", entry.pass_rates, asked))
    for title, text in _lines(entry):
        console.print(f"{title}: {text}", markup=False, highlight=False)
    # The hardest first; of those that were solved sometimes, where there are any.
    chosen = sorted(attempts, key=lambda a: (a.zone != "learning", a.pass_rate))[:3]
    shown = ", ".join(attempt.question_id for attempt in chosen)
    console.print(f"questions such as {shown}; see one with --question ID", highlight=False)


def _map(title: str, shares: Mapping[str, float], counts: Mapping[str, int]) -> Table:
    """Percent by skill and level; keys are `skill/level`."""
    table = Table(title=title, title_justify="left")
    table.add_column("skill")
    keys = [key.rpartition("/") for key in shares]
    levels = sorted({level for _, _, level in keys}, key=int)
    for level in levels:
        table.add_column(f"level {level}", justify="right")
    for skill in sorted({skill for skill, _, _ in keys}):
        cells = [f"{skill}/{level}" for level in levels]
        table.add_row(
            clean(skill),
            *(
                f"{100 * shares[cell]:.0f}" + (f" ({counts[cell]})" if cell in counts else "")
                if cell in shares
                else ""
                for cell in cells
            ),
        )
    return table


_MOST_FIGURES = 8


def _policy(metrics: dict[str, float]) -> str:
    """What the policy says of itself: the largest figures, where there are many."""
    ranked = sorted(metrics.items(), key=lambda item: -abs(item[1]))[:_MOST_FIGURES]
    said = ", ".join(f"{clean(name)} {value:.3g}" for name, value in ranked)
    return said + (f" and {len(metrics) - _MOST_FIGURES} more" if len(metrics) > _MOST_FIGURES else "")


def _lines(entry: RoundReport) -> list[tuple[str, str]]:
    """What a round says of itself, as (title, text)."""
    gate, counts, writer, train = entry.gate, entry.questions, entry.generator, entry.train
    refused = sorted(counts.refused.items(), key=lambda item: -item[1])
    worths = (("its questions", writer.utility), ("the Teacher's", writer.teacher_utility))
    return [
        ("held-out", f"{percent(entry.heldout)} %, validation {percent(entry.validation)} %"),
        (
            "kept",
            f"{entry.kept}; validation {100 * gate.difference:+.1f} points "
            f"[{100 * gate.low:+.1f} to {100 * gate.high:+.1f}] against the checkpoint before"
            if train.examples and not train.stopped
            else entry.kept,
        ),
        ("questions", f"{counts.attempted} asked, {counts.proposed} proposed, {counts.admitted} admitted"),
        *([("policy", figures)] if (figures := _policy(entry.policy)) else []),
        ("refused", ", ".join(f"{count} {clean(reason)}" for reason, count in refused) or "none"),
        (
            "Generator",
            f"{writer.proposed} proposed, {writer.admitted} admitted ({100 * writer.share:.1f} % of the "
            "round's); utility of last round's: "
            + ", ".join(f"{name} {'–' if worth is None else f'{worth:.2f}'}" for name, worth in worths),
        ),
        ("training", training_line(train)),
        ("labels", labels_line(entry.labels)),
        ("Verifier", verifier_line(entry.verifier)),
        ("diversity", diversity_line(entry.diversity, entry.collapsed)),
        *([("calls", line.removeprefix("calls: "))] if (line := calls_line(entry.calls)) else []),
        ("seconds", _seconds(entry.seconds)),
    ]


def _seconds(spent: Mapping[str, float]) -> str:
    """`stage seconds`, longest first; stages that took no time to speak of are left out."""
    ranked = sorted(spent.items(), key=lambda item: -item[1])
    return ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in ranked if seconds >= 0.05) or "none"


def show_question(console: Console, folder: RunFolder, question_id: str) -> None:
    """Lineage, every rollout with its verdict, and the pairs a question is in."""
    known = {
        q.id: q
        for number in folder.rounds()
        for series in ("questions", "labelled")
        for q in folder.read(number, series, Question)
    }
    question = known.get(question_id)
    if question is None:
        raise RunError(
            f"{folder.path.name} has no question {question_id!r}; "
            f"`maieutic show {folder.path.name} --round 1` names some"
        )
    console.print(_lineage(folder, known, question))
    console.print(f"reference: {clean(question.solution)}")
    console.print(f"label: {_label(folder, question)}", highlight=False)
    for line in _said_of(folder, question_id):
        console.print(line, highlight=False)
    pairs = 0
    for number in folder.rounds():
        verdicts = {v.rollout_id: v for v in folder.read(number, "verdicts/attempt", Verdict)}
        for rollout in folder.read(number, "rollouts/attempt", Rollout):
            if rollout.question_id == question_id:
                verdict = verdicts.get(rollout.id)
                mark = _MARKS.get(verdict.outcome, verdict.outcome) if verdict else "not judged"
                if verdict and verdict.by != "checker":
                    mark += f" by {verdict.by} ({verdict.confidence:.2f})"
                console.print(f"round {number} {mark}  {clean(rollout.completion)}", highlight=False)
        pairs += sum(pair.question_id == question_id for pair in folder.read(number, "pairs", PreferencePair))
    console.print(f"preference pairs with it: {pairs}", highlight=False)


def _said_of(folder: RunFolder, question_id: str) -> Iterator[str]:
    """What its author wrote it for, and what the Teacher said of failures at it."""
    for number in folder.rounds():
        for proposal in folder.read(number, "vetted", Proposal):
            if proposal.question_id == question_id and proposal.why:
                yield f"written for: {clean(proposal.why)}"
        for note in folder.read(number, "skills", SkillNote):
            if note.question_id == question_id:
                needed, missing = (", ".join(map(clean, names)) for names in (note.needed, note.missing))
                yield f"round {number} needs {needed or 'nothing'}; missing: {missing or 'nothing'}"
        for hint in folder.read(number, "hints", Hint):
            if hint.question_id == question_id:
                yield f"round {number} {hint.kind}: {clean(hint.text)}"


def _label(folder: RunFolder, question: Question) -> str:
    """How the answer was made, how far it is trusted, and what spoke for it."""
    said = f"{question.label}, confidence {question.confidence:.2f}"
    for number in folder.rounds():
        for check in folder.read(number, "labels", LabelCheck):
            if check.question_id == question.id:
                votes = ", ".join(clean(answer) or "–" for answer in check.teacher)
                others = ", ".join(clean(answer) or "–" for answer in check.solver)
                said += (
                    f"; the author: {clean(check.claimed) or '–'}; the Teacher: {votes}; the Solver: {others}"
                )
        for audit in folder.read(number, "audits", Audit):
            if audit.question_id == question.id and audit.agreed is not None:
                said += f"; audited: {'agreed' if audit.agreed else 'another answer was found'}"
    return said


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
        f"[dim]({how}; {clean(question.skill)} level {question.level})[/]"
    )
