"""`maieutic seeds check`: what a seed set holds, in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..tasks.families.gym import Gym
from ..tasks.setting_apart import FEWEST
from ..tasks.survey import Survey

_WIDEST = 60


def show_survey(console: Console, found: Survey) -> bool:
    """Print a survey; returns whether there is a question that can be used."""
    mapping = ", ".join(f"{name} ← {_short(column)}" for name, column in found.columns.items())
    console.print(Text(f"columns: {mapping}"))
    if found.first:
        console.print(_first(found))
    say = [
        ("questions", f"{found.rows:,}, {_repeated(found)}"),
        ("answers", f"{_counted(found.answers) or 'none'}; {found.unanswered:,} missing"),
        ("checker", f"{found.checker} would suit most" if found.checker else "none here can tell"),
        (
            "length",
            "{:,} characters in the middle, {:,} at the 95th percentile, {:,} at most".format(*found.lengths),
        ),
        ("languages", _shares(found.languages)),
        ("held-out", _counted(found.overlap) or "no question is in the held-out sets"),
    ]
    say.append(("a run", _taken(found)))
    for title, text in say:
        console.print(Text(f"{title + ':':11}{text}"), soft_wrap=True)
    for problem in found.problems:
        console.print(Text(f"problem:   {_visible(problem)}"), soft_wrap=True)
    if found.more_problems:
        console.print(Text(f"           and {found.more_problems:,} more problems"))
    return found.rows > 0


def _repeated(found: Survey) -> str:
    if found.exact:
        return f"{found.duplicates:,} of them twice or more"
    return f"about {found.duplicates:,} of them twice or more (estimated: too many to keep them all)"


def _taken(found: Survey) -> str:
    """Whether `run --seeds` takes the set."""
    if found.rows == found.family:
        return "takes them as built-in arithmetic, and draws more of it: run --seeds"
    if found.rows - found.unanswered < FEWEST:
        return f"needs at least {FEWEST} with an answer, a part of which it sets aside; or give --heldout"
    said = []
    if found.unanswered:
        said.append(
            f"{found.unanswered:,} without an answer need a Teacher (teacher.endpoint) or are removed"
        )
    texts = found.answers.get("text", 0)
    if texts:
        said.append(f"{texts:,} with a long answer need --checker judge?… or one of yours")
    if found.problems:
        said.append("the problems below stop it")
    return "takes them: run --seeds" + (", but " + "; ".join(said) if said else "")


def _first(found: Survey) -> Table:
    table = Table(title=f"the first {len(found.first)}, as they were understood", title_justify="left")
    beside = [name for name in ("choices", "skill", "level") if any(name in row.given for row in found.first)]
    for heading in ("question", "answer", "worked solution", *beside):
        table.add_column(heading, overflow="fold")
    for row in found.first:
        given = [_short(str(row.given.get(name, ""))) for name in beside]
        cells = (_short(row.question), _short(row.answer or "–"), _short(row.solution), *given)
        table.add_row(*map(Text, cells))
    return table


def _short(text: str) -> str:
    return _visible(text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…")


def _visible(text: str) -> str:
    """Text of a file on one line, without what a terminal would obey: control and bidi characters."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text.replace("\n", " "))


def _counted(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {name}" for name, count in ranked if name != "none")


def _shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values()) or 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in ranked)


def show_gym(console: Console, family: Gym) -> None:
    """What a name of reasoning-gym's draws from: its levels, and a question of each of one family."""
    skills = sorted({skill for skill, _ in family.cells})
    console.print(f"families:  {len(skills)}, levels 1 to {family.top}; checked by their own scorers")
    if len(skills) > 1:
        console.print(Text(", ".join(skills)), soft_wrap=True)
        return
    table = Table(title="a question of each level", title_justify="left")
    for heading in ("level", "question", "answer"):
        table.add_column(heading, overflow="fold")
    for cell in family.cells:
        question = family.draw_at(cell, Random(0))
        shown = (question.text, question.answer or "any that its scorer accepts") if question else ("–", "–")
        table.add_row(str(cell[1]), *(_visible(text[:400]) for text in shown))
    console.print(table)
