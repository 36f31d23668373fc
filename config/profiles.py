"""Profiles: configurations that come with the package, each commented, to be copied and changed."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from ..errors import ConfigError, RunError

_SUFFIX = ".yaml"


def listed() -> list[tuple[str, str]]:
    """Names of the profiles, each with its first line."""
    return [(name, _text(name).partition("\n")[0].lstrip("# ")) for name in names()]


def names() -> list[str]:
    """In the order of what they need."""
    there = [place.name for place in files("maieutic").joinpath("configs").iterdir()]
    found = [name.removesuffix(_SUFFIX) for name in there if name.endswith(_SUFFIX)]
    order = ("pocket", "laptop-gpu", "single-gpu", "socratic-zero")
    return sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))


def write(profile: str, file: Path) -> Path:
    """Write a profile to a file that is not there yet.

    Raises:
        ConfigError: there is no such profile.
        RunError: the file exists, or cannot be written.
    """
    if profile not in names():
        raise ConfigError(f"no profile {profile[:60]!r}; there are: {', '.join(names())}")
    try:
        # Exclusive, so that a file made meanwhile is not lost either.
        with file.open("x", encoding="utf-8") as opened:
            opened.write(_text(profile))
            opened.flush()
            os.fsync(opened.fileno())
    except FileExistsError:
        raise RunError(f"{file} exists already and is left as it is; choose another name with --to") from None
    except OSError as error:
        raise RunError(f"{file}: cannot be written ({error.strerror}); choose another with --to") from None
    return file


def _text(name: str) -> str:
    return files("maieutic").joinpath("configs", name + _SUFFIX).read_text(encoding="utf-8")
