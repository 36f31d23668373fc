"""Templates and how values are written in them. Text of models and files is escaped always."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from ...records import OVER
from .mathematics import marked_up

HERE = Path(__file__).parent
STATIC = HERE / "static"
_MOST = 20_000
"""Signs of a text that a page shows; the whole is one click away."""


def shown(text: object, most: int = _MOST) -> Markup:
    """A text as a page shows it: escaped, no signs that act on what is around it, formulas drawn."""
    whole = _plain(str(text if text is not None else ""))
    cut = whole[:most]
    more = Markup("")
    if len(whole) > most:
        more = Markup(' <span class="dim">… {:,} more characters</span>').format(len(whole) - most)
    return marked_up(cut) + more


def plain(text: object, most: int = 200) -> str:
    """A text in one line, cut; escaped where it is put into a page, as all are."""
    line = " ".join(_plain(str(text if text is not None else "")[: 8 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def marked(text: object, answer: str | None, most: int = _MOST) -> Markup:
    """A completion with the last place of its answer marked."""
    whole = str(text or "")
    at = whole.rfind(answer) if answer else -1
    if not answer or at < 0 or at > most or len(answer) > 500:
        return shown(whole, most)
    before, after = shown(whole[:at], most), shown(whole[at + len(answer) :], most - at)
    return before + Markup('<mark class="answer">{}</mark>').format(_plain(answer)) + after


def lines(text: object) -> str:
    """A text as it stands, its lines kept; nothing in it is drawn."""
    return _plain(str(text))


def _plain(text: str) -> str:
    """Without control characters and those that turn the direction of what follows."""
    return "".join(
        c if c.isprintable() or c in "\n\u200d\u200c" else " " if c == "\t" else "\ufffd" for c in text
    )


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def points(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:+.1f}"


def seconds(spent: float | None) -> str:
    if spent is None or not math.isfinite(spent):
        return "–"
    minutes, rest = divmod(round(spent), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{spent:.2f} s" if spent < 10 else f"{rest} s"


def count(number: float | None) -> str:
    return "–" if number is None else f"{number:,.0f}"


def pretty(text: object) -> str:
    """JSON with lines, where it is some."""
    try:
        return json.dumps(json.loads(str(text)), indent=1, ensure_ascii=False)
    except (ValueError, RecursionError):
        return str(text)


def step(share: float | None) -> str:
    """One of eleven shades, for a map."""
    return "none" if share is None else f"s{round(10 * min(1.0, max(0.0, share)))}"


@cache
def versioned(name: str) -> str:
    """Address of a file of ours, which changes with it: it may be kept for good."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]}"


def address(*parts: str, **query: object) -> str:
    """An address of this site: each part one step, each value of the query one value."""
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    told = "&".join(
        f"{key}={quote(str(value), safe='')}" for key, value in query.items() if value not in (None, "")
    )
    return path + (f"?{told}" if told else "")


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


@cache
def environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: list[Callable[..., Any]] = [
        shown, plain, lines, percent, points, seconds, count, pretty, step, slug
    ]  # fmt: skip
    made.filters.update({filter.__name__: filter for filter in filters})
    made.globals.update(over=OVER, versioned=versioned, address=address, marked=marked)
    return made


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page of a template."""
    return HTMLResponse(environment().get_template(template).render(**values), status)
