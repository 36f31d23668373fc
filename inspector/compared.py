"""A comparison as a page (compare.html) and as Markdown (compare.md): the same tables in both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from ..curriculum.comparing import place_of
from ..errors import printable
from ..memory.run import write_whole
from ..records import CellFigures, Comparison, DifferenceFigures, Height, Spread, VariantFigures

WIDTH, HEIGHT, LEFT, BOTTOM = 340, 190, 34, 24
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    autoescape=True,
)

READ_ME = (
    "Every variant is played with every seed. Accuracy is that of the Solver which the gate had kept; "
    "the gate, and the order of this table, go by the validation set alone, and nothing is chosen by the "
    "held-out set, which is only reported."
)
METHOD = (
    "Intervals are 95 %, by bootstrap over seeds and questions together (with one seed, over questions "
    "alone). Differences are taken in pairs of the same seed and the same question; their p-values are "
    "corrected by Holm for the number of variants in the table, and one below 0.05 is called outside the "
    "noise. What is not outside the noise is a tie."
)


@dataclass(frozen=True, slots=True)
class Table:
    """A heading for each column, and rows of text; the first column is a name."""

    title: str
    said: str
    columns: list[str]
    rows: list[list[str]]


def write_pages(folder: Path, found: Comparison) -> None:
    """Write both."""
    template = _environment.get_template("compare.jinja")
    write_whole(
        folder / "compare.html",
        template.render(
            found=found,
            facts=facts(found),
            tables=tables(found),
            charts=[
                ("Held-out accuracy against rollouts", _charts(found, "by_rollouts", found.end)),
                ("Held-out accuracy against seconds of work", _charts(found, "by_seconds", None)),
            ],
            read_me=READ_ME,
            method=METHOD,
            width=WIDTH,
            height=HEIGHT,
            left=LEFT,
            bottom=BOTTOM,
        ),
    )
    write_whole(folder / "compare.md", markdown(found))


def facts(found: Comparison) -> list[tuple[str, str]]:
    """What was compared, in names and values."""
    done = sum(cell.status == "done" for cell in found.cells)
    versions = ", ".join(f"{name} {number}" for name, number in found.versions.items())
    budget = f"{found.budget:,} for each run" if found.budget else "none"
    return [
        ("command", found.command),
        ("begun", found.begun),
        ("written", found.written),
        ("runs", f"{done} of {len(found.cells)} done"),
        ("seeds", ", ".join(map(str, found.seeds))),
        ("budget of rollouts", budget),
        ("held-out questions", str(found.questions)),
        ("control", found.control),
        ("versions", versions),
    ]


def tables(found: Comparison) -> list[Table]:
    """All tables of the page that have a row."""
    made = [_overview(found), _heights(found), _final(found), _area(found), _cells(found)]
    return [table for table in made if table.rows]


def _overview(found: Comparison) -> Table:
    level = "" if found.level is None else f" {100 * found.level:.1f} %"
    return Table(
        "Variants",
        "Area is the mean held-out accuracy over the whole budget. Forgotten is the share of what the base "
        "model answered right and the final Solver does not. Covered cells of skill and level are those of "
        "which it answers at least half; asked are those that any round attempted. Rollouts to the level"
        f"{level} are read off the mean curve, and in brackets off each seed's own. Seconds are those of "
        "work from round 1 on, evaluations included, without starting servers.",
        ["variant", "seeds", "validation %", "held-out %", "area %", f"rollouts to{level or ' level'}",
         "forgotten %", "cells covered", "cells asked", "rollouts", "seconds"],
        [_row(entry, found) for entry in found.variants],
    )  # fmt: skip


def _row(entry: VariantFigures, found: Comparison) -> list[str]:
    cells = max((cell.cells for cell in found.cells), default=0)
    seeds = ", ".join("–" if x is None else f"{x:,.0f}" for x in entry.reached)
    reach = "not reached" if entry.reach is None else f"{entry.reach:,.0f}"
    return [
        entry.name,
        str(len(entry.seeds)),
        f"{100 * entry.validation:.1f}",
        spread(entry.heldout),
        spread(entry.area),
        f"{reach} ({seeds})",
        f"{100 * entry.forgotten:.1f}",
        f"{entry.covered:.1f} of {cells}",
        f"{entry.asked:.1f}",
        f"{entry.rollouts:,.0f}",
        f"{entry.seconds:,.0f}",
    ]


def spread(found: Spread) -> str:
    return f"{100 * found.mean:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _heights(found: Comparison) -> Table:
    """Mean curves, read off at a few places."""
    places = [share * found.end for share in _SHARES] if found.end else []
    return Table(
        "Held-out accuracy along the way",
        "In percent, mean over seeds, after so many rollouts.",
        ["variant", *(f"{x:,.0f}" for x in places)],
        [
            [entry.name, *(f"{100 * _at(entry.by_rollouts, x):.1f}" for x in places)]
            for entry in found.variants
        ]
        if places
        else [],
    )


def _at(curve: Sequence[Height], x: float) -> float:
    return curve[place_of([height.x for height in curve], x)].mean


def _final(found: Comparison) -> Table:
    return _differences(found.final, f"Final held-out accuracy, less that of {found.control}", "In points.")


def _area(found: Comparison) -> Table:
    return _differences(
        found.area, f"Area under the curve, less that of {found.control}", "In points of mean accuracy."
    )


def _differences(entries: Sequence[DifferenceFigures], title: str, said: str) -> Table:
    ranked = sorted(entries, key=lambda entry: (entry.adjusted, -entry.mean))
    return Table(
        title,
        said,
        ["variant", "seeds", "difference", "95 % interval", "p", "p after Holm", "outside the noise"],
        [
            [
                entry.variant,
                str(entry.seeds),
                f"{100 * entry.mean:+.1f}",
                f"{100 * entry.low:+.1f} to {100 * entry.high:+.1f}",
                f"{entry.p:.4f}",
                f"{entry.adjusted:.3f}",
                "yes" if entry.outside else "no",
            ]
            for entry in ranked
        ],
    )


def _cells(found: Comparison) -> Table:
    return Table(
        "Runs",
        "Each is a run folder below this one: maieutic show RUN --runs-dir FOLDER. A run that failed is in "
        "no mean; it is tried again when the comparison is resumed.",
        ["run", "seed", "status", "rounds", "rollouts", "validation %", "held-out %"],
        [_cell(cell) for cell in found.cells],
    )


def _cell(cell: CellFigures) -> list[str]:
    status = f"{cell.status}: {cell.reason}" if cell.reason else cell.status
    if not cell.points:
        return [cell.name, str(cell.seed), status, "", "", "", ""]
    last = cell.points[-1]
    return [
        cell.name,
        str(cell.seed),
        status,
        str(last.round),
        f"{last.rollouts:,}",
        f"{100 * last.validation:.1f}",
        f"{100 * cell.points[0].heldout:.1f} → {100 * last.heldout:.1f}",
    ]


@dataclass(frozen=True, slots=True)
class Chart:
    """One variant beside the control, in pixels."""

    name: str
    band: str
    line: str
    control: str
    said: str
    ticks: list[tuple[int, float]]
    places: list[tuple[str, float]]


def _charts(found: Comparison, which: str, end: float | None) -> list[Chart]:
    curves: dict[str, list[Height]] = {entry.name: getattr(entry, which) for entry in found.variants}
    heights = [height for curve in curves.values() for height in curve]
    if not heights:
        return []
    # A little beyond the end, where the last Solver stays: its step would be a spike.
    last = end or max(height.x for height in heights) or 1.0
    widest = 1.07 * last
    low = 10 * int(10 * min(height.low for height in heights))
    high = min(100, 10 * int(10 * max(height.high for height in heights)) + 10)
    scale = _Scale(widest, low, high)
    control = scale.line(curves.get(found.control, []))
    return [
        Chart(
            name=name,
            band=scale.band(curve),
            line=scale.line(curve),
            control=control if name != found.control else "",
            said=f"{name}: {100 * curve[0].mean:.1f} to {100 * curve[-1].mean:.1f} percent",
            ticks=[(value, scale.y(value / 100)) for value in range(low, high + 1, 10)],
            places=[(f"{x:,.0f}", scale.x(x)) for x in (0, last / 2, last)],
        )
        for name, curve in curves.items()
    ]


@dataclass(frozen=True, slots=True)
class _Scale:
    widest: float
    low: int
    high: int

    def x(self, value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 14) * min(1.0, value / self.widest), 1)

    def y(self, share: float) -> float:
        part = (100 * share - self.low) / max(1, self.high - self.low)
        return round(8 + (HEIGHT - BOTTOM - 8) * (1 - part), 1)

    def line(self, curve: Sequence[Height]) -> str:
        return self._steps([(height.x, height.mean) for height in curve])

    def band(self, curve: Sequence[Height]) -> str:
        highs = self._steps([(height.x, height.high) for height in curve])
        lows = self._steps([(height.x, height.low) for height in curve])
        return f"{highs} {' '.join(reversed(lows.split()))}"

    def _steps(self, points: Sequence[tuple[float, float]]) -> str:
        """A kept Solver stays until the next: level, then up or down; the last to the end."""
        ends = [x for x, _ in points[1:]] + [self.widest]
        drawn = []
        for (x, share), end in zip(points, ends, strict=False):
            drawn += [f"{self.x(x)},{self.y(share)}", f"{self.x(end)},{self.y(share)}"]
        return " ".join(drawn)


def markdown(found: Comparison) -> str:
    """The page without its charts."""
    lines = [f"# {plain(found.name)}", "", READ_ME, "", METHOD, ""]
    lines += [
        f"- {name}: {_code(value) if name == 'command' else plain(value)}" for name, value in facts(found)
    ]
    for table in tables(found):
        lines += ["", f"## {plain(table.title)}", "", plain(table.said), ""]
        lines += [_line(table.columns), _line(["---", *["---:"] * (len(table.columns) - 1)])]
        lines += [_line([plain(text) for text in row]) for row in table.rows]
    lines += ["", "## Settings of the variants", ""]
    lines += [f"- {plain(e.name)}: {_code(' '.join(e.settings))}" for e in found.variants]
    lines += ["", *(f"- {plain(note)}" for note in found.notes)] if found.notes else []
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    one = " ".join(printable(text).split())
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", one).replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    one = " ".join(printable(text).split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", one)), default=0))
    return f"{fence} {one} {fence}" if len(fence) > 1 else f"`{one}`"
