"""`maieutic prompts`: the templates of a run in a terminal, and copies of them to edit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import ConfigError, printable
from ..memory.run import write_whole
from ..prompts import Prompts


def list_prompts(console: Console, prompts: Prompts) -> None:
    """A line for each template: its version, what it is for, what it is given."""
    table = Table()
    for heading in ("template", "purpose", "inputs"):
        table.add_column(heading, overflow="fold")
    for name, header in prompts.headers.items():
        cells = (prompts.versioned(name), header.purpose, ", ".join(header.inputs))
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)


def write_copies(prompts: Prompts, folder: Path, names: Sequence[str] | None = None) -> str:
    """Write templates into a folder, for `prompts:` in a configuration; returns what to say of it.

    Raises:
        ConfigError: one of them is there already; nothing was written.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; choose another with --to")
    texts = {name: prompts.text(name) for name in (names or prompts.headers)}
    places = {folder / f"{name}.jinja": text for name, text in texts.items()}
    there = next((path for path in places if path.exists()), None)
    if there is not None:
        raise ConfigError(f"{there} is there already; choose another folder, or remove it")
    for path, text in places.items():
        write_whole(path, text)
    return f"written: {', '.join(map(str, places))}\nkeep those that you change, and set prompts: {folder}"
