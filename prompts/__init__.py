"""Prompt templates: one Jinja file for each, with a header that says what it is for."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import jinja2

from ..errors import ConfigError

OURS = Path(__file__).parent


class Prompts:
    """The templates of a run.

    Args:
        folder: a user's own; one that has the name of ours takes its place.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folders = [folder, OURS] if folder else [OURS]
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.folders), undefined=jinja2.StrictUndefined, autoescape=False
        )
        self._versions: dict[str, str] = {}

    def render(self, name: str, **values: Any) -> str:
        """Fill a template in.

        Values are inserted as they are and never read as templates themselves.

        Raises:
            ConfigError: there is no such template, or it wants a value that is missing.
        """
        try:
            return self._environment.get_template(f"{name}.jinja").render(**values)
        except jinja2.TemplateNotFound:
            known = ", ".join(sorted(path.stem for path in OURS.glob("*.jinja")))
            raise ConfigError(f"no prompt template {name!r}; there are: {known}") from None
        except jinja2.UndefinedError as error:
            raise ConfigError(f"prompts/{name}.jinja: {error.message}; give it that value") from None

    def versioned(self, name: str) -> str:
        """Name and version of a template, as every call records it: `solver@1`; of a user's own, with
        the beginning of its hash: `solver@1+3f2a9c01`."""
        if name not in self._versions:
            path = next(path for folder in self.folders if (path := folder / f"{name}.jinja").exists())
            text = path.read_text(encoding="utf-8")
            found = re.search(r"version: (\d+)", text)
            own = "" if path.parent == OURS else f"+{hashlib.sha256(text.encode()).hexdigest()[:8]}"
            self._versions[name] = f"{name}@{found.group(1) if found else 0}{own}"
        return self._versions[name]
