"""`maieutic show`: which view is wanted, made once as data and then drawn, or given as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel
from rich.console import Console

from ..config import RunConfig
from ..errors import ConfigError
from ..graph.folders import find as find_run
from ..memory.run import RunFolder
from . import calls as asked
from . import pairs as preferred
from .calls_view import draw_calls
from .database import Database, left_out
from .difference import Differing, Side, difference
from .difference_view import draw_difference
from .handbook import HandbookData, draw_handbook, handbook
from .lineage import Lineage, find, lineage
from .paging import output, show
from .pairs_view import draw_pairs
from .question_view import draw_question
from .reports import RoundData, report_now, round_data
from .show import draw_round, draw_run
from .weak_view import draw_weak
from .weaknesses import weaknesses


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, as it was typed."""

    runs: Path = Path("runs")
    round: int | None = None
    question: str | None = None
    weak: bool = False
    calls: bool = False
    pairs: bool = False
    diff: str | None = None
    handbook: bool = False
    role: str | None = None
    failed: bool = False
    everything: bool = False


class Run(NamedTuple):
    """The run that is looked at."""

    folder: RunFolder
    config: RunConfig
    tables: Database

    @property
    def name(self) -> str:
        return self.folder.path.name


class View(NamedTuple):
    data: Callable[[Run, Options], Any]
    draw: Callable[[Console, Run, Options, Any], None]
    narrowed: tuple[str, ...] = ()
    """Options that it takes beside --json."""


def show_view(name: str, options: Options, as_json: bool, paged: bool) -> None:
    """
    Raises:
        ConfigError: the options do not go together.
        RunError: there is no such run, or nothing in it of what is asked for.
    """
    chosen = choose(options)
    folder, config = find_run(options.runs, name)
    with Database(folder, forgiving=True) as tables:
        run, view = Run(folder, config, tables), VIEWS[chosen]
        data = view.data(run, options)
        if as_json:
            show(document(chosen, run.name, data, tables.damaged), paged)
            return
        with output(paged) as console:
            if tables.damaged:
                console.print(left_out(tables.damaged), style="yellow", markup=False, highlight=False)
            view.draw(console, run, options, data)


def choose(options: Options) -> str:
    """The one view that is asked for.

    Raises:
        ConfigError: more than one is, or an option that it does not know.
    """
    # By identity: round 0 is a round.
    told = {name: getattr(options, name, None) for name in VIEWS}
    named = [name for name, value in told.items() if value is not None and value is not False]
    # A round is a view of its own, and narrows others.
    views = [name for name in named if name != "round"] or named or ["run"]
    if len(views) > 1:
        raise ConfigError(f"{' and '.join(f'--{name}' for name in views)}: choose one")
    given = {
        "round": options.round is not None,
        "role": options.role is not None,
        "failed": options.failed,
        "all": options.everything,
    }
    known = (views[0], *VIEWS[views[0]].narrowed)
    if wrong := [name for name, there in given.items() if there and name not in known]:
        takers = [f"--{name}" for name, view in VIEWS.items() if wrong[0] in view.narrowed]
        raise ConfigError(f"--{wrong[0]}: goes with {', '.join(takers)}, and not with {_typed(views[0])}")
    return views[0]


def _typed(view: str) -> str:
    return "the table of rounds" if view == "run" else f"--{view}"


def document(view: str, run: str, data: object, damaged: Mapping[str, str] | None = None) -> str:
    """One JSON document, in ASCII, so that nothing in it commands a terminal.

    Args:
        damaged: parts that were left out, with the reason; it says so only where there are any.
    """
    whole = {"schema_version": 1, "run": run, "view": view, "data": _plain(data)}
    whole |= {"damaged": dict(damaged)} if damaged else {}
    return json.dumps(whole, indent=1, default=str) + "\n"


def _plain(value: Any) -> Any:
    """Records and dataclasses as objects; what is no number in JSON is null."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _most(options: Options, most: int) -> int | None:
    return None if options.everything else most


def _round(run: Run, options: Options) -> RoundData:
    assert options.round is not None
    return round_data(run.tables, run.name, report_now(run.folder), options.round)


def _question(run: Run, options: Options) -> Lineage:
    return lineage(run.tables, find(run.tables, options.question or ""))


def _calls(run: Run, options: Options) -> asked.Calls:
    most = _most(options, asked.MOST)
    return asked.calls(run.tables, options.round, options.role, options.failed, most)


def _pairs(run: Run, options: Options) -> preferred.Pairs:
    return preferred.pairs(run.tables, options.round, _most(options, preferred.MOST))


def _diff(run: Run, options: Options) -> Differing:
    folder, config = find_run(options.runs, options.diff or "")
    with Database(folder, forgiving=True) as tables:
        found = difference(_side(run), _side(Run(folder, config, tables)))
    run.tables.damaged.update({f"{folder.path.name}: {part}": why for part, why in tables.damaged.items()})
    return found


def _side(run: Run) -> Side:
    return Side(run.name, run.config.model_dump(mode="json"), report_now(run.folder), run.tables)


def _handbook(run: Run, options: Options) -> HandbookData:
    return handbook(run.tables, run.config.handbook.most)


VIEWS: dict[str, View] = {
    "run": View(
        lambda run, options: report_now(run.folder),
        lambda console, run, options, data: draw_run(console, data),
    ),
    "round": View(_round, lambda console, run, options, data: draw_round(console, data)),
    "question": View(_question, lambda console, run, options, data: draw_question(console, data)),
    "weak": View(
        lambda run, options: weaknesses(run.tables, options.round),
        lambda console, run, options, data: draw_weak(console, run.name, data, options.everything),
        ("round", "all"),
    ),
    "calls": View(
        _calls,
        lambda console, run, options, data: draw_calls(console, run.name, data, options.role),
        ("round", "role", "failed", "all"),
    ),
    "pairs": View(
        _pairs,
        lambda console, run, options, data: draw_pairs(console, run.name, data, options.round),
        ("round", "all"),
    ),
    "diff": View(_diff, lambda console, run, options, data: draw_difference(console, data)),
    "handbook": View(_handbook, lambda console, run, options, data: draw_handbook(console, run.name, data)),
}
