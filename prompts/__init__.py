"""Prompt templates: one Jinja file for each, with a header that says what it is for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jinja2

from ..errors import ConfigError

FOLDER = Path(__file__).parent
_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    undefined=jinja2.StrictUndefined,
    autoescape=False,
)


def render(name: str, **values: str) -> str:
    """Fill a template in.

    Values are inserted as they are and never read as templates themselves.

    Raises:
        ConfigError: there is no such template, or it wants a value that is missing.
    """
    try:
        return _environment.get_template(f"{name}.jinja").render(**values)
    except jinja2.TemplateNotFound:
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.jinja")))
        raise ConfigError(f"no prompt template {name!r}; there are: {known}") from None
    except jinja2.UndefinedError as error:
        raise ConfigError(f"prompts/{name}.jinja: {error.message}; give it that value") from None


@cache
def versioned(name: str) -> str:
    """Name and version of a template, as every call records it: `solver@1`."""
    found = re.search(r"version: (\d+)", (FOLDER / f"{name}.jinja").read_text(encoding="utf-8"))
    return f"{name}@{found.group(1) if found else 0}"
