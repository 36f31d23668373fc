"""Two runs side by side in the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .difference import Cell, Differing, Round, Setting
from .texts import in_line


def draw_difference(console: Console, found: Differing) -> None:
    names = [in_line(name, 40) for name in found.names]
    states = (Text.assemble((name.plain, "bold"), f" ({state})") for name, state in zip(names, found.status))  # noqa: B905
    console.print(Text(" and ").join(states))
    _draw_settings(console, found, names)
    console.print(_rounds(found.rounds, names))
    console.print(_final(found))
    if found.cells:
        console.print(_cells(found.cells, names))
    console.print(_spent(found, names))


def _table(title: str, headings: Sequence[str | Text], left: int = 1) -> Table:
    """
    Args:
        left: columns of text, before those of numbers.
    """
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < left else "right", overflow="fold")
    return table


def _draw_settings(console: Console, found: Differing, names: Sequence[Text]) -> None:
    differing = [*found.settings, *found.versions]
    if not differing:
        console.print("no setting differs, and no version of a package", highlight=False)
        return
    table = _table("what differs", ["setting", *names], left=3)
    for setting in differing:
        table.add_row(in_line(setting.name, 80), *_values(setting))
    console.print(table)


def _values(setting: Setting) -> tuple[Text, Text]:
    return _value(setting.first), _value(setting.second)


def _value(value: Any) -> Text:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
    return in_line("–" if value is None else text, 200)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _points(first: float | None, second: float | None) -> str:
    return "" if first is None or second is None else f"{100 * (second - first):+.1f}"


def _rounds(rounds: Sequence[Round], names: Sequence[Text]) -> Table:
    """What was measured after each round, whether it was kept or not: a star says that it was."""
    headings = [Text.assemble(what, "\n", name) for what in ("held-out %", "validation %") for name in names]
    headings.insert(2, Text("difference"))
    table = _table("by round; * was kept", ["round", *headings], left=0)
    for entry in rounds:
        held, valid = entry.heldout, entry.validation
        stars = ["*" if kept else " " for kept in entry.kept]
        table.add_row(
            str(entry.round),
            *(_percent(share) + star for share, star in zip(held, stars, strict=True)),
            _points(*held),
            *(_percent(share) for share in valid),
        )
    return table


def _final(found: Differing) -> Text:
    if found.final is None:
        said = "their held-out questions are not the same, so that no interval can be given"
        if None in found.accuracy:
            said = "one of them has not been measured yet"
        ends = " and ".join(f"{_percent(share) or '–'} %" for share in found.accuracy)
        return Text(f"held-out at the end: {ends}; {said}")
    end = found.final
    one, two = found.accuracy
    outside = "outside the noise" if end.p < 0.05 else "a tie"
    return Text(
        f"held-out at the end: {_percent(one)} % and {_percent(two)} %: {in_line(found.names[1], 40)} less "
        f"{in_line(found.names[0], 40)} {100 * end.difference:+.1f} points, 95 % interval "
        f"{100 * end.low:+.1f} to {100 * end.high:+.1f} over {end.questions} questions in pairs "
        f"(p {end.p:.3f}, {outside}); one run of each: what another seed would do is not in it"
    )


def _cells(cells: Sequence[Cell], names: Sequence[Text]) -> Table:
    table = _table("held-out at the end by skill and level, %", ["skill", "level", *names, "difference"])
    for cell in cells:
        table.add_row(
            in_line(cell.skill, 100),
            str(cell.level),
            _percent(cell.first),
            _percent(cell.second),
            _points(cell.first, cell.second),
        )
    return table


def _spent(found: Differing, names: Sequence[Text]) -> Table:
    one, two = found.spent
    table = _table("what they took", ["", *names])
    for title, first, second in (
        ("rounds", one.rounds, two.rounds),
        ("seconds", one.seconds, two.seconds),
        ("rollouts for training", one.rollouts, two.rollouts),
        ("tokens in", one.prompt_tokens, two.prompt_tokens),
        ("tokens out", one.completion_tokens, two.completion_tokens),
        ("tokens sampled by training", one.trained_tokens, two.trained_tokens),
    ):
        table.add_row(title, f"{first:,.0f}", f"{second:,.0f}")
    return table
