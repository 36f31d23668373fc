"""What a run looks like in a terminal: live progress, plain lines elsewhere, tables."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import get_args

from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from ..errors import printable
from ..records import (
    CallFigures,
    Diversity,
    Evaluation,
    ForkedFrom,
    Gain,
    LabelFigures,
    Outcome,
    RoundReport,
    RunReport,
)

LABELS = {
    "base model": "base model (built once, then kept)",
    "select": "choosing questions",
    "attempt": "Solver attempts",
    "verify": "Verifier checks",
    "judge": "Verifier's model judges",
    "profile": "weakness profile",
    "reflect": "Teacher names what worked",
    "teach": "Teacher writes",
    "generate": "Generator writes",
    "vet": "vetting questions",
    "label": "Teacher solves",
    **{f"label{turn}": "Solver answers, too" for turn in range(3)},
    "pair": "preference pairs",
    "train_solver": "training the Solver",
    "train_generator": "training the Generator (SFT)",
    "validation": "validation set",
    "heldout": "held-out set",
    "gate": "gate",
    "serve": "vLLM: start and weights",
}


_SILENCE_S = 30.0
"""Seconds after which plain output says how far a stage is."""


class _Tally:
    """What both displays keep: stage, rounds, tokens."""

    def __init__(self, console: Console, rounds: int) -> None:
        self.console, self.rounds = console, rounds
        self.round, self.stage, self.tokens = 0, "", 0
        self.told = 0.0
        self.started = self.stage_started = time.monotonic()
        self.first_step: tuple[int, float] | None = None
        """Steps of a job when it was first heard of, and when that was."""

    def _enter(self, round: int, stage: str) -> None:
        self.round, self.stage, self.tokens = round, stage, 0
        self.stage_started, self.first_step = time.monotonic(), None

    def _steps_left(self, done: int, total: int) -> str:
        """What is left of a job at its own pace: before its first step it loads, which says nothing of it."""
        self.first_step = self.first_step or (done, time.monotonic())
        first, since = self.first_step
        return time_left(since, done - first, total - first)

    @property
    def rate(self) -> str:
        spent = time.monotonic() - self.stage_started
        return f"{self.tokens / spent:,.0f} tokens/s" if self.tokens and spent > 0.5 else ""

    def _label(self) -> str:
        place = f"round {self.round}/{self.rounds}" if self.round else "start"
        return f"{place}  {LABELS.get(self.stage, self.stage)}"


class PlainProgress(_Tally):
    """One line as each longer stage begins; for logs and pipes."""

    def begin(self, round: int, stage: str, total: int) -> None:
        self._enter(round, stage)
        size = f" ({total})" if total > 1 else ""
        elapsed = time.monotonic() - self.started
        self.console.print(f"[{elapsed:6.1f} s] {self._label()}{size}", markup=False, highlight=False)

    def advance(self, count: int = 1, tokens: int = 0) -> None:
        self.tokens += tokens

    def done(self, done: int, total: int) -> None:
        """A line now and then, so that a long training does not look like a hang."""
        now, left = time.monotonic(), self._steps_left(done, total)
        if left and now - max(self.stage_started, self.told) >= _SILENCE_S:
            self.told = now
            self.note(f"{done} of {total} steps, {left}")

    def note(self, text: str) -> None:
        self.console.print(f"           {printable(text)}", markup=False, highlight=False)

    def aside(self) -> AbstractContextManager[None]:
        """Nothing moves here that could be in the way of a person who is asked something."""
        return nullcontext()

    def heldout(self, curve: Sequence[float]) -> None:
        self.note(f"held-out so far: {_arrows(curve)} %")


def _arrows(curve: Sequence[float]) -> str:
    return " → ".join(f"{100 * value:.1f}" for value in curve)


def time_left(began: float, done: float, total: float) -> str:
    """What is left at the pace so far; empty until there is a pace."""
    if not 0 < done < total:
        return ""
    seconds = (time.monotonic() - began) / done * (total - done)
    return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"


class LiveProgress(_Tally):
    """Two bars that move: the stage, and the run."""

    def __init__(self, console: Console, rounds: int) -> None:
        super().__init__(console, rounds)
        self.first: tuple[int, float] | None = None
        """The first round seen here, and when it began."""
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[aside]}"),
            console=console,
            transient=True,
        )
        self.run = self.bars.add_task("the run", total=None, aside="", left="")
        self.now = self.bars.add_task("", total=None, aside="", left="")
        self.live = Live(self.bars, console=console, transient=True, refresh_per_second=8)

    def begin(self, round: int, stage: str, total: int) -> None:
        self._enter(round, stage)
        # A task cannot lose its total, so each stage gets a bar of its own.
        self.bars.remove_task(self.now)
        self.now = self.bars.add_task(self._label(), total=total or None, aside="", left="")
        if round:
            self.first = self.first or (round, time.monotonic())
            since, began = self.first
            left = time_left(began, round - since, self.rounds + 1 - since)
            self.bars.update(self.run, total=self.rounds, completed=round - 1, left=left)

    def advance(self, count: int = 1, tokens: int = 0) -> None:
        self.tokens += tokens
        self.bars.update(self.now, advance=count, aside=self.rate)
        self._tell_left()

    def done(self, done: int, total: int) -> None:
        self.bars.update(self.now, completed=done, total=total, left=self._steps_left(done, total))

    def _tell_left(self) -> None:
        stage = self.bars.tasks[-1]
        self.bars.update(self.now, left=time_left(self.stage_started, stage.completed, stage.total or 0))

    def note(self, text: str) -> None:
        self.live.console.print(escape(printable(text)), highlight=False)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Without the bars, while a person is asked something."""
        self.live.stop()
        try:
            yield
        finally:
            self.live.start()

    def heldout(self, curve: Sequence[float]) -> None:
        self.bars.update(self.run, completed=len(curve) - 1, aside=f"held-out {_arrows(curve)} %")


@contextmanager
def progress_on(console: Console, rounds: int) -> Iterator[PlainProgress | LiveProgress]:
    """A live display on a terminal, plain lines where the output goes elsewhere."""
    if not console.is_terminal:
        yield PlainProgress(console, rounds)
        return
    progress = LiveProgress(console, rounds)
    with progress.live:
        yield progress


def percent(evaluation: Evaluation) -> str:
    low, high = (100 * end for end in evaluation.ci95)
    return f"{100 * evaluation.accuracy:.1f} ({low:.0f}–{high:.0f})"


def screen() -> Console:
    """A console that does not squeeze tables where the output goes to a file or a pipe, and leaves a text
    with :bug: in it as it is."""
    console = Console(emoji=False)
    return console if console.is_terminal else Console(width=max(console.width, 120), emoji=False)


def rounds_table(report: RunReport, width: int = 120) -> Table:
    """The table of rounds: what `show` prints and a run ends with.

    Args:
        width: columns of the terminal; a narrow one is spared what `show --round` tells, too.
    """
    table = Table(
        title=f"{escape(report.name)}: {report.status}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    shown = [place for place, name in enumerate(_COLUMNS) if width >= _SPARED.get(name, 0)]
    for place in shown:
        table.add_column(_COLUMNS[place], justify="right", min_width=_WIDEST.get(_COLUMNS[place]))
    if report.baseline is not None:
        table.add_row("0", percent(report.baseline), *[""] * (len(shown) - 2))
    for entry in report.rounds:
        row = _row(entry)
        table.add_row(*(row[place] for place in shown))
    return table


_SPARED = {"valid. %": 118, "asked": 118, "seconds": 118, "utility": 88}
"""Columns with the width of a terminal from which they are shown."""


_WIDEST = {"held-out %": 12, "mastered / learning / too hard": 19}
"""Columns whose cells must not wrap; headings may."""

_COLUMNS = (
    "round",
    "held-out %",
    "valid. %",
    "kept",
    "asked",
    "mastered / learning / too hard",
    "admitted",
    "by Gen.",
    "utility",
    "seconds",
)


def _row(entry: RoundReport) -> list[str]:
    worth, zones = entry.generator.utility, entry.zones
    return [
        str(entry.round),
        percent(entry.heldout),
        f"{100 * entry.validation.accuracy:.1f}",
        entry.kept,
        str(entry.questions.attempted),
        f"{zones.mastered} / {zones.learning} / {zones.too_hard}",
        str(entry.questions.admitted),
        f"{100 * entry.generator.share:.1f} %",
        "–" if worth is None else f"{worth:.2f}",
        f"{sum(entry.seconds.values()):.0f}",
    ]


def summary(report: RunReport) -> str:
    """What the run gained, one line for each held-out set; and what else is to be known of it."""
    lines = ["nothing measured yet"]
    if report.baseline is not None and report.final is not None and report.gain is not None:
        lines = [gained("held-out", report.baseline, report.final, report.gain)]
    lines += [gained(printable(part.name), part.baseline, part.final, part.gain) for part in report.further]
    lines += [line] if (line := calls_line(report.calls)) else []
    return "\n".join([*lines, *told(report)])


def told(report: RunReport) -> list[str]:
    """What else is to be known of a run: where it comes from, why it ended early, what the watch noticed."""
    lines = [forked_line(one) for one in report.forked]
    lines += [f"ended early: {printable(report.ended.said)}"] if report.ended else []
    return lines + [
        f"ALARM in round {entry.round}: {printable(alarm.said)}"
        for entry in report.rounds
        for alarm in entry.alarms
    ]


def forked_line(one: ForkedFrom) -> str:
    """Where the first rounds of a run were played."""
    anew = f", with {', '.join(one.settings)}" if one.settings else ""
    return printable(f"forked from {one.run} after its round {one.round}{anew}")


def calls_line(calls: Mapping[str, CallFigures]) -> str:
    """Calls by role: tokens, failures by kind, and what was paid; empty where there were none."""
    parts = []
    for role, entry in calls.items():
        if role == "canary":
            continue
        kinds = [f"{count} {kind}" for kind, count in entry.failed.items()]
        kinds += [f"{count} {kind} tried again" for kind, count in entry.passed.items()]
        paid = [f"price {entry.price:.2f}"] if entry.price else []
        tokens = f"{entry.prompt_tokens:,} tokens in, {entry.completion_tokens:,} out"
        parts.append(f"{role} {entry.asked:,} asked, {', '.join([tokens, *kinds, *paid])}")
    return f"calls: {'; '.join(parts)}" if parts else ""


def gained(name: str, baseline: Evaluation, final: Evaluation, gain: Gain) -> str:
    """One held-out set, before and after."""
    return (
        f"{name} {100 * baseline.accuracy:.1f} % → {100 * final.accuracy:.1f} % "
        f"({gain.points:+.1f} points, 95 % interval {gain.low:+.1f} to {gain.high:+.1f}, "
        f"{final.n} questions)"
    )


def graded(counts: Mapping[str, int]) -> str:
    """One line: how many completions were what, and the share that is right of those decided."""
    total = sum(counts.values())
    decided = total - counts.get("undecided", 0)
    parts = ", ".join(f"{counts.get(name, 0)} {name}" for name in get_args(Outcome))
    share = f"; accuracy {100 * counts.get('right', 0) / max(1, decided):.2f} % of {decided} decided"
    return f"{total} rows: {parts}{share if decided else ''}"


def labels_line(labels: LabelFigures | None) -> str:
    """How the answers of a round's questions were made, and what an audit of some of them found."""
    if labels is None:
        return "none"
    ranked = sorted(labels.sources.items(), key=lambda item: -item[1])
    made = ", ".join(f"{count} {source}" for source, count in ranked)
    audit = "no other way to check them"
    if labels.accuracy is not None and labels.ci95 is not None:
        low, high = labels.ci95
        audit = (
            f"{labels.agreed} of {labels.audited} audited agreed: {100 * labels.accuracy:.0f} % "
            f"[{100 * low:.0f} to {100 * high:.0f}] right"
        )
    return f"{made}; mean confidence {labels.confidence:.2f}; {audit}"


def diversity_line(found: Diversity | None, collapsed: str) -> str:
    """How different a round's questions are from each other, and whether that fell too far."""
    if found is None:
        return "none"
    return (
        f"distinct pairs of words {found.distinct:.2f}, spread {found.spread:.2f}, "
        f"{found.skills} skills (of {found.questions} questions)"
        + (f"; much alike: {collapsed}" if collapsed else "")
    )
