"""Prompt templates: one Jinja file for each, with a header that says what it is for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import ConfigError
from .checking import LONGEST, SUFFIX, check, check_names, text_of
from .fencing import fenced, shortened
from .header import Header, header_of

__all__ = ["OURS", "Header", "Prompts", "names", "prompts_of", "shortened"]

OURS = Path(__file__).parent


def names() -> list[str]:
    """The templates that a run uses."""
    return sorted(path.stem for path in OURS.glob(f"*{SUFFIX}"))


def prompts_of(folder: str) -> Prompts:
    """The templates of a configuration, which may name a folder; see `Prompts`."""
    return Prompts(Path(folder) if folder else None)


class Prompts:
    """The templates of a run.

    Args:
        folder: a user's own; one that has the name of ours takes its place.
    Raises:
        ConfigError: the folder is none, or a template in it cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # A template is trusted no further than to write a text: it reaches neither files nor code.
        self._environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
        self._environment.filters["fenced"] = fenced
        known = names()
        self.own = check_names(folder, known) if folder else []
        self._texts = {name: text_of(OURS / f"{name}{SUFFIX}") for name in known}
        self.headers: dict[str, Header] = {}
        self._versions: dict[str, str] = {}
        self._templates: dict[str, jinja2.Template] = {}
        for name in known:
            self._take(name, folder / f"{name}{SUFFIX}" if folder and name in self.own else None)

    def _take(self, name: str, path: Path | None) -> None:
        ours = self._texts[name]
        if path is not None:
            given = header_of(ours, name).inputs
            self._texts[name] = text_of(path)
            check(self._texts[name], str(path), self._environment, given)
        text = self._texts[name]
        self.headers[name] = header_of(text, f"prompts/{name}{SUFFIX}")
        own = "" if text == ours else f"+{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        self._versions[name] = f"{name}@{self.headers[name].version}{own}"

    def texts(self) -> dict[str, str]:
        """Every template by its name."""
        return dict(self._texts)

    def text(self, name: str) -> str:
        """A template as it stands in its file.

        Raises:
            ConfigError: there is none of that name.
        """
        self._known(name)
        return self._texts[name]

    def render(self, name: str, **values: Any) -> str:
        """Fill a template in.

        Values are inserted as they are and never read as templates themselves.

        Raises:
            ConfigError: there is no such template, or it wants a value that is missing.
        """
        self._known(name)
        if name not in self._templates:
            self._templates[name] = self._environment.from_string(self._texts[name])
        try:
            text = self._templates[name].render(**values)
        except jinja2.UndefinedError as error:
            raise ConfigError(f"prompts/{name}{SUFFIX}: {error.message}; give it that value") from None
        except Exception as error:  # whatever a template of somebody's own runs into
            raise ConfigError(
                f"prompts/{name}{SUFFIX}: cannot be filled in ({type(error).__name__}: {error})"
            ) from error
        if len(text) > LONGEST:
            raise ConfigError(f"prompts/{name}{SUFFIX}: writes more than {LONGEST:,} characters; shorten it")
        return text

    def versioned(self, name: str) -> str:
        """Name and version of a template, as every call records it: `solver@1`; of one that is not as
        ours, with the beginning of its hash: `solver@1+3f2a9c01`.

        Raises:
            ConfigError: there is none of that name.
        """
        self._known(name)
        return self._versions[name]

    def changed(self, name: str) -> bool:
        """Whether a template is not as ours."""
        return "+" in self.versioned(name)

    def _known(self, name: str) -> None:
        if name not in self._texts:
            raise ConfigError(f"no prompt template {name!r}; there are: {', '.join(self._texts)}")
