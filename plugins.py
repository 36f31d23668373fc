"""Finding what a configuration names: ours by name, a user's own by `module:Name` or entry point.

A policy, a pair builder or an objective is a dataclass: its fields are its options, with their types and
bounds (`Annotated[float, Field(gt=0)]`), which pydantic checks before any model is loaded.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import math
import reprlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from .errors import ConfigError, MaieuticError

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother, _BRIEF.maxdict, _BRIEF.maxlist = 2, 57, 57, 3, 3
"""Never the whole of a value: a few lines of YAML can stand for gigabytes."""


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
        known = f"there are: {', '.join(there)}. Or name" if there else "name"
        hint = f"did you mean {close[0]}? Or name" if close else known
        raise ConfigError(f"{setting}: no {name[:60]!r}; {hint} one of yours, module:Name")
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # whatever somebody's module does when it is imported
        raise ConfigError(
            f"{setting}: {target[:100]!r} cannot be imported ({_said(error)}); give module:Name of something "
            "installed, or on the path of Python (PYTHONPATH=.)"
        ) from error


def made(cls: Any, options: Mapping[str, Any], setting: str) -> Any:
    """An instance of a dataclass, its options checked by the types and bounds of its fields.

    Raises:
        ConfigError: it is no dataclass, has no such option, or does not take a value.
    """
    fields = options_of(cls, setting)
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    given: dict[str, Any] = {}
    for name, value in options.items():
        if name not in fields:
            raise ConfigError(f"{setting}: no option {name[:60]!r}; options: {', '.join(fields) or 'none'}")
        shown = value if isinstance(value, str) else _BRIEF.repr(value)
        said = f"{setting}.{name} {shown[:60]!r}"
        try:
            taken = given[name] = fields[name].validate_python(value)
        except ValidationError as error:
            raise ConfigError(f"{said}: {error.errors()[0]['msg']}") from error
        # As in the configuration itself: YAML reads yes and on as true, which would count as 1.
        if isinstance(value, bool) and not isinstance(taken, bool):
            raise ConfigError(f"{said}: true and false are no value here; write a number or a name")
        if not _finite(taken) and taken != defaults[name]:
            raise ConfigError(f"{said}: is no number to reckon with; write a finite one")
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{setting}: {error}") from error
    except MaieuticError:
        raise
    except Exception as error:  # whatever somebody's class does when it is made
        raise ConfigError(f"{setting}: {cls.__name__} cannot be made ({_said(error)})") from error


def options_of(cls: Any, setting: str) -> dict[str, TypeAdapter[Any]]:
    """The fields that the constructor of a dataclass takes, each with what checks it.

    Raises:
        ConfigError: it is none, or the type of a field cannot be checked.
    """
    name = getattr(cls, "__name__", str(cls))[:100]
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise ConfigError(f"{setting}: {name} is no dataclass, whose fields are its options")
    try:
        hints = get_type_hints(cls, include_extras=True)
        return {field.name: TypeAdapter(hints[field.name]) for field in dataclasses.fields(cls) if field.init}
    except Exception as error:  # a name that is not there, or a class that pydantic knows nothing of
        raise ConfigError(
            f"{setting}: the fields of {name} are its options, and one has a type that cannot be checked "
            f"({_said(error)}); give it a plain type, or field(init=False) where it is no option"
        ) from error


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _said(error: BaseException) -> str:
    """What an error of somebody's says, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
