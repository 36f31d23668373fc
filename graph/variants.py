"""What is compared: settings by name, as they are asked for on the command line."""

from __future__ import annotations

import itertools
import math
import re
import shlex
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from ..errors import ConfigError

_MOST = 1000
"""Variants of one comparison: far more than anybody has the time to play."""


class Variant(BaseModel):
    """One way to play: settings that take the place of the configuration's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    settings: tuple[str, ...]


def variants(varied: Sequence[str], named: Sequence[str]) -> tuple[Variant, ...]:
    """All combinations of the values of each `--vary KEY=A,B`, and of what each `--variant` names.

    Raises:
        ConfigError: one cannot be read, two have the same name, or one sets something twice.
    """
    axes = [_axis(text, len(varied) + bool(named) > 1) for text in varied]
    axes += [[_named(text) for text in named]] if named else []
    if not axes:
        raise ConfigError(
            "nothing to compare: give --vary KEY=A,B, such as --vary curriculum.policy=socratic,uniform"
        )
    if math.prod(map(len, axes)) > _MOST:
        raise ConfigError(
            f"{math.prod(map(len, axes)):,} variants, all combined, are more than the {_MOST:,} that one "
            "comparison takes; give fewer values"
        )
    found = [
        Variant(
            name=" ".join(one.name for one in chosen),
            settings=tuple(setting for one in chosen for setting in one.settings),
        )
        for chosen in itertools.product(*axes)
    ]
    names = [variant.name for variant in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two variants are called {twice[:60]!r}; each needs its own name or value")
    for variant in found:
        _check_settings(variant)
    return tuple(found)


def _check_settings(variant: Variant) -> None:
    """What would be played otherwise than its name says."""
    keys = [setting.partition("=")[0] for setting in variant.settings]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"variant {variant.name[:60]}: {twice} is set twice, and only the last would count; --vary and "
            "--variant are combined, so name each setting in one of them"
        )
    if "seed" in keys:
        raise ConfigError(
            f"variant {variant.name[:60]}: every variant is played with the same seeds; say how many with "
            "--seeds, and the first with --set seed=…"
        )


def _axis(text: str, many: bool) -> list[Variant]:
    key, sign, values = text.partition("=")
    parts = _split(values)
    if not sign or not key or not all(parts):
        raise ConfigError(f"--vary {text[:80]}: expected KEY=A,B, such as curriculum.policy=socratic,uniform")
    short = key.rpartition(".")[2]
    return [_variant(f"{short}={value}" if many else value, (f"{key}={value}",)) for value in parts]


def _split(values: str) -> list[str]:
    """At commas, but for those within brackets."""
    parts, depth = [""], 0
    for sign in values:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _named(text: str) -> Variant:
    name, sign, settings = text.partition(":")
    try:
        given = tuple(shlex.split(settings))
    except ValueError:
        given = ()
    if not sign or not name.strip() or not all("=" in setting for setting in given) or not given:
        raise ConfigError(f"--variant {text[:80]!r}: expected 'NAME: key=value key=value'")
    return _variant(name.strip(), given)


def _variant(name: str, settings: tuple[str, ...]) -> Variant:
    text = " ".join([name, *settings])
    if text != text.encode(errors="replace").decode():
        raise ConfigError(f"variant {name[:60]!a}: is no UTF-8 text; write it in UTF-8")
    return Variant(name=name, settings=settings)


def control_of(found: Sequence[Variant], asked: str | None) -> str:
    """The variant that others are compared with: the one asked for, `uniform`, or the first.

    Raises:
        ConfigError: there is none of that name.
    """
    names = [variant.name for variant in found]
    if asked is None:
        uniform = (v.name for v in found if v.name == "uniform" or "curriculum.policy=uniform" in v.settings)
        return next(uniform, names[0])
    if asked not in names:
        raise ConfigError(f"--against {asked[:60]!r} is no variant; there are: {', '.join(names)}")
    return asked


def folder_names(names: Sequence[str]) -> dict[str, str]:
    """A plain name for each, no two alike."""
    given: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_=.+]+", "-", name).strip("-.")[:60] or "variant"
        taken = {folder.casefold() for folder in given.values()}  # some disks take A and a for the same
        given[name] = next(n for n in _numbered(plain) if n.casefold() not in taken)
    return given


def _numbered(plain: str) -> itertools.chain[str]:
    return itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
