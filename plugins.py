"""Finding what a configuration names: ours by name, a user's own by `module:Name` or entry point.

A policy, a pair builder or an objective is a dataclass: its fields are its options, with their types and
bounds (`Annotated[float, Field(gt=0)]`), which pydantic checks before any model is loaded.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from .errors import ConfigError


def found(kind: str, name: str, ours: Mapping[str, str], setting: str) -> Any:
    """What a name stands for.

    Args:
        kind: `policies`, `pairs` or `objectives`; the entry points are those of `maieutic.KIND`.
        name: one of ours, `module:Name`, or the name of an entry point.
        ours: names → `module:Name`, the module relative to this package.
        setting: what the user wrote it in, for the message.
    Raises:
        ConfigError: there is none, or its module cannot be imported.
    """
    if name in ours:
        module, _, attribute = ours[name].partition(":")
        return getattr(importlib.import_module(module, __package__), attribute)
    plugged = {point.name: point.value for point in entry_points(group=f"maieutic.{kind}")}
    target = plugged.get(name, name)
    if ":" not in target:
        there = [*ours, *plugged]
        close = difflib.get_close_matches(name, there, 1, 0.5)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(there)}."
        raise ConfigError(f"{setting}: no {name[:60]!r}; {hint} Or name one of yours, module:Name")
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # whatever somebody's module does when it is imported
        raise ConfigError(
            f"{setting}: {target[:100]!r} cannot be imported ({error}); give module:Name of something "
            "installed, or on the path of Python (PYTHONPATH=.)"
        ) from error


def made(cls: Any, options: Mapping[str, Any], setting: str) -> Any:
    """An instance of a dataclass, its options checked by the types and bounds of its fields.

    Raises:
        ConfigError: an option that it has not, or a value that it does not take.
    """
    fields = options_of(cls)
    given = {}
    for name, value in options.items():
        if name not in fields:
            raise ConfigError(f"{setting}: no option {name[:60]!r}; options: {', '.join(fields) or 'none'}")
        try:
            given[name] = fields[name].validate_python(value)
        except ValidationError as error:
            raise ConfigError(f"{setting}.{name} {str(value)[:60]!r}: {error.errors()[0]['msg']}") from error
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{setting}: {error}") from error


def options_of(cls: Any) -> dict[str, TypeAdapter[Any]]:
    """The fields that the constructor of a dataclass takes, each with what checks it."""
    if not dataclasses.is_dataclass(cls):
        raise ConfigError(f"{getattr(cls, '__name__', cls)} is no dataclass, whose fields are its options")
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: TypeAdapter(hints[field.name]) for field in dataclasses.fields(cls) if field.init}
