"""Views of a run folder on a console, as `maieutic show` draws them."""

from __future__ import annotations

from maieutic.inspector.database import Database
from maieutic.inspector.lineage import find, lineage
from maieutic.inspector.question_view import draw_question
from maieutic.inspector.reports import load_report, round_data
from maieutic.inspector.show import draw_round
from maieutic.memory.run import RunFolder
from rich.console import Console


def show_round(console: Console, folder: RunFolder, number: int) -> None:
    with Database(folder) as database:
        draw_round(console, round_data(database, folder.path.name, load_report(folder), number))


def show_question(console: Console, folder: RunFolder, given: str) -> None:
    with Database(folder) as database:
        draw_question(console, lineage(database, find(database, given)))
