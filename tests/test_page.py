"""report.html and the terminal tables: complete, self-contained, and inert to hostile text."""

from __future__ import annotations

import io
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from drawing import show_round
from maieutic.errors import RunError
from maieutic.inspector.console import LiveProgress, PlainProgress, rounds_table, summary, time_left
from maieutic.inspector.page import write_page
from maieutic.inspector.reports import load_report
from maieutic.inspector.texts import clean
from maieutic.memory.run import RunFolder
from maieutic.records import Evaluation, RoundReport, RunReport, TrainingFigures, ZoneCounts
from rich.console import Console

HOSTILE = "<script>alert(1)</script>{{ 7*7 }}[red]\x1b[31m\u202e"


def evaluation(accuracy: float, skill: str = "addition") -> Evaluation:
    return Evaluation(
        accuracy=accuracy, n=100, ci95=(max(0, accuracy - 0.1), min(1, accuracy + 0.1)),
        by_skill={skill: accuracy}, by_level={"1": accuracy, "2": 0.0},
        by_cell={f"{skill}/1": accuracy},
    )  # fmt: skip


def entry(number: int, accuracy: float, promoted: bool = True) -> RoundReport:
    return RoundReport(
        round=number, heldout=evaluation(accuracy, HOSTILE), validation=evaluation(accuracy),
        promoted=promoted, gate={"difference": 0.1, "low": 0.0, "high": 0.2},
        questions={"attempted": 9, "proposed": 5, "admitted": 3, "refused": {HOSTILE: 2}},
        zones={"mastered": 4, "learning": 3, "too_hard": 2}, pass_rates={f"{HOSTILE}/1": 0.5},
        rollouts={"n": 36, "tokens": 300, "seconds": 2.0, "tokens_per_second": 150.0},
        generator={"proposed": 2, "admitted": 1, "share": 0.33, "utility": None, "teacher_utility": 0.4},
        train={"objective": "dpo", "examples": 12, "seconds": 3.0}, swap_seconds=0.05,
        seconds={"attempt": 2.0, "train_solver": 3.0},
    )  # fmt: skip


def report(*rounds: RoundReport, name: str = "pocket-1") -> RunReport:
    return RunReport(
        name=name, status="done", seed=0, policy="socratic", baseline=evaluation(0.4),
        final=evaluation(0.6), gain={"points": 20.0, "low": 15.0, "high": 25.0}, versions={"vllm": "1"},
        rounds=list(rounds),
    )  # fmt: skip


class Balanced(HTMLParser):
    """Fails on a tag that is closed out of order."""

    VOID = frozenset({"meta", "link", "br", "line", "circle", "polygon", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_page(page, report(entry(1, 0.5), entry(2, 0.6, promoted=False)))
    text = page.read_text()
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert not re.search(r"https?:|<script|@import|url\(", text)
    assert text.count("<circle") == 3
    assert text.count("<figure>") == 5
    assert "+20.0 points" in text


def test_an_unfinished_run_has_a_page_too(tmp_path: Path) -> None:
    empty = RunReport(name="new", status="running", seed=0, policy="socratic", versions={})
    write_page(tmp_path / "report.html", empty)
    assert "Nothing has been measured yet" in (tmp_path / "report.html").read_text()


def test_hostile_text_is_inert_in_the_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_page(page, report(entry(1, 0.5), name=HOSTILE))
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "{{ 7*7 }}" in text


def test_hostile_text_is_inert_in_the_terminal() -> None:
    shown = clean(HOSTILE)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    console = Console(record=True, width=200, force_terminal=False)
    console.print(shown)
    assert "[red]" in console.export_text()


def test_the_table_has_a_row_for_every_round() -> None:
    console = Console(record=True, width=200)
    console.print(rounds_table(report(entry(1, 0.5), entry(2, 0.6, promoted=False))))
    text = console.export_text()
    assert len([line for line in text.splitlines() if "50.0 (40–60)" in line]) == 1
    assert "33.0 %" in text
    assert [line.split()[4] for line in text.splitlines() if "(40–60)" in line or "(50–70)" in line] == [
        "yes",
        "no",
    ]
    assert summary(report()) == (
        "held-out 40.0 % → 60.0 % (+20.0 points, 95 % interval +15.0 to +25.0, 100 questions)"
    )


@pytest.mark.parametrize("width", [80, 88, 100, 118, 200])
def test_the_table_fits_the_terminal(width: int) -> None:
    zones = {"mastered": 1000, "learning": 1000, "too_hard": 1000}
    idle = {"train": TrainingFigures(objective="none"), "zones": ZoneCounts(**zones)}
    console = Console(record=True, width=width)
    console.print(rounds_table(report(entry(1, 0.5).model_copy(update=idle)), width))
    text = console.export_text()
    for part in ("50.0 (40–60)", "not trained", "1000 / 1000 / 1000", "33.0 %", "by Gen."):
        assert part in text
    assert ("utility" in text) is (width >= 88)
    assert ("seconds" in text) is (width >= 118)


def test_a_round_without_training_is_said_to_be_one() -> None:
    idle = entry(1, 0.5).model_copy(update={"train": TrainingFigures(objective="none")})
    assert [idle.kept, entry(1, 0.5).kept, entry(1, 0.5, promoted=False).kept] == ["not trained", "yes", "no"]


def test_the_live_display_says_what_is_left_and_forgets_the_last_stage() -> None:
    assert time_left(time.monotonic() - 10, 1, 4) == "30 s left"
    assert time_left(time.monotonic() - 100, 1, 4) == "5 min left"
    assert time_left(0, 0, 4) == time_left(0, 4, 4) == time_left(0, 1, 0) == ""
    display = LiveProgress(Console(force_terminal=True, width=200, record=True), rounds=3)
    display.begin(1, "attempt", 10)
    display.advance(4, tokens=100)
    assert [task.total for task in display.bars.tasks] == [3, 10]
    assert "left" in display.bars.tasks[1].fields["left"]
    display.begin(2, "train_solver", 0)
    assert [task.total for task in display.bars.tasks] == [3, None]
    assert "left" in display.bars.tasks[0].fields["left"]


def test_a_round_is_told_with_its_figures_and_hostile_text_is_inert(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.report.write_text(report(entry(1, 0.5)).model_dump_json())
    console = Console(record=True, width=200, force_terminal=False)
    show_round(console, folder, 1)
    text = console.export_text()
    assert "kept: yes; validation +10.0 points [+0.0 to +20.0]" in text
    assert "Generator: 2 proposed, 1 admitted (33.0 % of the round's)" in text
    assert "seconds: train_solver 3.0, attempt 2.0" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"schema_version": 0, "rounds": 3}'])
def test_a_report_that_cannot_be_read_says_how_to_make_it_anew(tmp_path: Path, content: bytes) -> None:
    folder = RunFolder(tmp_path)
    folder.report.write_bytes(content)
    with pytest.raises(RunError, match="resume"):
        load_report(folder)


def test_what_an_endpoint_said_commands_no_terminal() -> None:
    said = io.StringIO()
    shown = PlainProgress(Console(file=said, width=100), 1)
    shown.note("2 of 9 requests were refused: \x1b]0;mine\x07 \x1b[2J \u202e")
    assert not {"\x1b", "\x07", "\u202e"} & set(said.getvalue())


def test_what_a_job_loads_says_nothing_of_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    said = io.StringIO()
    shown = PlainProgress(Console(file=said, width=100), 1)
    shown.begin(1, "train_solver", 0)
    for later, done in ((60, 4), (10, 14), (10, 24), (90, 114)):
        now += later
        shown.done(done, 114)
    assert [line.strip() for line in said.getvalue().splitlines()[1:]] == ["14 of 114 steps, 2 min left"]
