"""Configuration files: read, checked, written."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from ..errors import ConfigError
from .run import RunConfig

_LARGEST = 1_000_000
"""Bytes of a configuration file."""

_NOT_YAML = (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError)
"""What PyYAML raises: its constructors let through what they meet in a hostile scalar."""

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother, _BRIEF.maxdict, _BRIEF.maxlist = 2, 57, 57, 3, 3
"""Never the whole of a value: a few lines of YAML can stand for gigabytes."""


def load(
    path: Path | None = None, overrides: Iterable[str] = (), given: Mapping[str, Any] | None = None
) -> RunConfig:
    """Read a configuration file and apply `key.sub=value` overrides.

    Args:
        given: values of top-level keys, as they are; they come last.
    Raises:
        ConfigError: the file is missing or not YAML, a key is unknown, a value is of
            the wrong type or out of range. The message names the place and the remedy.
    """
    values: dict[str, Any] = _read(path) if path else {}
    _apply(values, overrides)
    return _checked(values | dict(given or {}), str(path or "--set"))


def changed(config: RunConfig, overrides: Iterable[str]) -> RunConfig:
    """A configuration with `key.sub=value` overrides.

    Raises:
        ConfigError: as `load`.
    """
    values = config.model_dump()
    _apply(values, overrides)
    return _checked(values, "--set")


def _apply(values: dict[str, Any], overrides: Iterable[str]) -> None:
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign or not key:
            raise ConfigError(f"--set {override}: expected key=value, such as rollouts.n=8")
        _put(values, key.split("."), _scalar(override, text))


def _checked(values: dict[str, Any], place: str) -> RunConfig:
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(place, error)) from error


def dump(config: RunConfig) -> str:
    """The configuration as YAML, every value written out."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: is no file; leave it out to play the pocket profile")
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; leave it out to play the pocket profile") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    if len(data) > _LARGEST:
        raise ConfigError(f"{path}: more than {_LARGEST:,} bytes; it is no configuration")
    try:
        values = yaml.safe_load(text)
    except _NOT_YAML as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())[:300]}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found a {type(values).__name__}")
    return values


def _scalar(override: str, text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except _NOT_YAML as error:
        raise ConfigError(f"--set {override[:100]}: {text[:60]!r} is not a YAML value") from error
    # YAML 1.1 reads 1e-4 as text.
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {'.'.join(keys)}: {key} is a value, it has no keys below it")
        values = inner
    values[keys[-1]] = value


def _explain(place: str, error: ValidationError) -> str:
    """The first problem, in one line: where, what was found, what was expected."""
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key {where}{_suggestion(first['loc'])}{more}"
    if first["type"] == "value_error":
        return f"{place}: {first['msg'].removeprefix('Value error, ')}{more}"
    shown = _BRIEF.repr(first["input"])
    return f"{place}: {where} is {shown}; {first['msg'][0].lower()}{first['msg'][1:]}{more}"


def _suggestion(location: tuple[int | str, ...]) -> str:
    names = _names(RunConfig, location[:-1])
    close = difflib.get_close_matches(str(location[-1]), names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known keys: {', '.join(names)}"


def _names(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    fields: Mapping[str, Any] = model.model_fields
    for step in path:
        inner = fields[str(step)].annotation
        fields = inner.model_fields
    return list(fields)
