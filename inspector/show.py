"""A run and one of its rounds in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from ..records import RoundReport, RunReport
from .console import calls_line, diversity_line, labels_line, percent, rounds_table, summary
from .reports import RoundData
from .texts import clean
from .training import training_line
from .verifying import verifier_line


def draw_run(console: Console, report: RunReport) -> None:
    """The table of rounds, and what the run gained."""
    console.print(rounds_table(report, console.width))
    console.print(summary(report), markup=False, highlight=False)


def draw_round(console: Console, found: RoundData) -> None:
    """A round's pass rates by skill and level, what the gate said, refusals, training and times."""
    if found.report is None:
        shares = found.baseline.by_cell if found.baseline else {}
        console.print(_map("round 0, the base model: held-out accuracy, %", shares, {}))
        console.print(f"seeds: {labels_line(found.seed_labels)}", markup=False, highlight=False)
        console.print(f"seconds: {_seconds(found.start_seconds)}", markup=False, highlight=False)
        return
    rates = found.report.pass_rates
    console.print(_map(f"round {found.round}: pass rate, % (questions)", rates, found.asked))
    for title, text in _lines(found.report):
        console.print(f"{title}: {text}", markup=False, highlight=False)
    some = ", ".join(found.examples)
    console.print(f"questions such as {some}; see one with --question ID", markup=False, highlight=False)


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
        *(("ALARM", alarm.said) for alarm in entry.alarms),
        *([("calls", line.removeprefix("calls: "))] if (line := calls_line(entry.calls)) else []),
        ("seconds", _seconds(entry.seconds)),
    ]


def _seconds(spent: Mapping[str, float] | None) -> str:
    """`stage seconds`, longest first; stages that took no time to speak of are left out."""
    ranked = sorted((spent or {}).items(), key=lambda item: -item[1])
    return ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in ranked if seconds >= 0.05) or "none"
