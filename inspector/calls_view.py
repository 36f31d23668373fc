"""Requests to models in the terminal: a line for each, and below it how the reply ends."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from .calls import Calls
from .tables import Row
from .texts import clean, in_line

_ENDS = 240
"""Signs of a reply."""


def draw_calls(console: Console, name: str, found: Calls, role: str | None) -> None:
    if not found.total:
        console.print(f"{clean(name)}: {_none(found, role)}", highlight=False)
        return
    console.print(f"[bold]{clean(name)}[/]: {summed_up(found)}", highlight=False)
    fields = [_fields(row) for row in found.shown]
    widths = [max(len(row[place]) for row in fields) for place in range(len(fields[0]))]
    for row, cells in zip(found.shown, fields, strict=True):
        line = Text("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
        trouble = _trouble(row)
        console.print(Text.assemble(line, "  ", (trouble, "red")) if trouble else line)
        if row["end"]:
            console.print(Padding(_end(row), (0, 0, 0, 4), expand=False))
    if len(found.shown) < found.total:
        left = found.total - len(found.shown)
        console.print(f"{left:,} older ones are not shown; see them with --all", highlight=False)


def _none(found: Calls, role: str | None) -> str:
    there = ", ".join(f"{count:,} of {clean(name)}" for name, count in found.roles.items())
    if not there:
        return "no model was asked for anything here"
    asked = f"the role {clean(role[:60])}" if role else "any role"
    return f"no call of {asked} is like that; all calls there are: {there}"


def summed_up(found: Calls) -> str:
    """All calls that fit, in a line."""
    return (
        f"{found.total:,} calls, newest first; {found.failed:,} failed, {found.again:,} sent again, "
        f"{found.cut_off:,} cut off; "
        f"{found.prompt_tokens:,} tokens in, {found.completion_tokens:,} out; "
        f"{found.seconds / max(1, found.total):.2f} s each on average"
    )


def _fields(row: Row) -> list[str]:
    return [
        f"round {row['round']}",
        str(in_line(row["stage"], 30)),
        str(in_line(row["role"], 30)),
        str(in_line(row["template"], 40)) or "–",
        str(in_line(row["subject_id"], 48)),
        f"{row['seconds']:.2f} s",
        f"{row['prompt_tokens']:,} → {row['completion_tokens']:,} tokens",
    ]


def _trouble(row: Row) -> str:
    """What went wrong, in the words of the records."""
    failed = row["failure"] or ("failed" if row["error"] else "")
    error = f"{failed}: {row['error']}" if row["error"] else failed
    again = f"sent again after {', '.join(row['tried'])}" if row["tried"] else ""
    cut_off = "cut off: its tokens ran out" if row["cut_off"] else ""
    return "; ".join(str(in_line(part, 300)) for part in (error, again, cut_off) if part)


def _end(row: Row) -> Text:
    """The end of the last completion: where the answer is, and where it breaks off."""
    end = row["end"][-_ENDS:]
    more = "… " if row["length"] > len(end) else ""
    several = f"  (the last of {row['completions']})" if row["completions"] > 1 else ""
    return Text.assemble((more, "dim"), in_line(end, _ENDS), (several, "dim"))
