"""A user's templates, checked before anything is loaded: they parse, stand alone, use what they are given."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import jinja2
from jinja2 import meta, nodes

from ..errors import ConfigError
from .header import Header, header_of

SUFFIX = ".jinja"
LARGEST = 100_000
"""Bytes of a template."""

LONGEST = 10_000_000
"""Characters of a prompt: what nobody can mean."""

_BEYOND = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


def text_of(path: Path) -> str:
    """
    Raises:
        ConfigError: it cannot be read, is no UTF-8, or is too large.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: is no file; a template is one")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    if len(data) > LARGEST:
        raise ConfigError(f"{path}: more than {LARGEST:,} bytes; it is no prompt template")
    return text


_LISTS = {"behaviours": [{"name": "1", "instruction": "1"}], "transcript": [("right", "1")]}
"""Inputs that are no texts, as a template is tried with them."""


def check(
    text: str, place: str, environment: jinja2.Environment, given: Sequence[str] | None = None
) -> Header:
    """
    Args:
        place: how a message names the template.
        given: the values that we fill it in with; without it, those that its header names.
    Returns:
        Its header.
    Raises:
        ConfigError: it has no whole header, does not parse, needs other files, or uses a value that it
            does not declare or is not given.
    """
    header = header_of(text, place)
    try:
        environment.from_string(text)  # filters and tests are known only to the compiler
        tree = environment.parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(f"{place} line {error.lineno}: {error.message}") from error
    if next(tree.find_all(_BEYOND), None) is not None:
        raise ConfigError(f"{place}: a template stands alone; take include, import and extends out of it")
    for name in sorted(meta.find_undeclared_variables(tree)):
        if name not in header.inputs:
            raise ConfigError(f"{place}: uses {name}, which its header does not name{_like(name, header)}")
    for name in header.inputs:
        if given is not None and name not in given:
            raise ConfigError(f"{place}: there is no input {name}; there are: {', '.join(given)}")
    _try_out(text, place, environment, header)
    return header


def _like(name: str, header: Header) -> str:
    close = difflib.get_close_matches(name, header.inputs, n=1)
    return f"; did you mean {close[0]}?" if close else f" among its inputs ({', '.join(header.inputs)})"


def _try_out(text: str, place: str, environment: jinja2.Environment, header: Header) -> None:
    """Fill it in: all values are texts, and any of them may be empty."""
    template = environment.from_string(text)
    try:
        filled = template.render({name: _LISTS.get(name, "1") for name in header.inputs})
        template.render({name: [] if name in _LISTS else "" for name in header.inputs})
    except Exception as error:  # whatever a template of somebody's own runs into
        raise ConfigError(f"{place}: cannot be filled in ({type(error).__name__}: {error})") from error
    if len(filled) > LONGEST:
        raise ConfigError(f"{place}: writes more than {LONGEST:,} characters; shorten it")
    if not filled.strip():
        raise ConfigError(f"{place}: is empty when it is filled in; write the prompt below its header")


def check_names(folder: Path, known: Sequence[str]) -> list[str]:
    """The names of a folder's templates.

    Raises:
        ConfigError: it is no folder, has none, or one that nobody would ever use.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"prompts: {str(folder)!r} is no folder; `maieutic prompts --to DIR` makes one of copies to edit"
        )
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    for name in names:
        stem = name.removesuffix(SUFFIX)
        if stem == name or stem not in known:
            close = difflib.get_close_matches(stem, known, n=1)
            hint = f"did you mean {close[0]}{SUFFIX}?" if close else f"there are: {', '.join(known)}"
            raise ConfigError(f"prompts: {str(folder / name)!r} is no template of a run; {hint}")
    if not names:
        raise ConfigError(f"prompts: {str(folder)!r} holds no template; there are: {', '.join(known)}")
    return [name.removesuffix(SUFFIX) for name in names]
