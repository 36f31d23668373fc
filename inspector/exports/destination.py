"""Where an export goes: a folder that is there as a whole or not at all, or a name at the hub."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ...errors import ConfigError, RunError

MARK = "maieutic-export.json"
"""Says of a folder that it is an export, and of what; `--force` replaces no other."""

HUB = "hub:"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def repository(destination: str) -> str | None:
    """The `owner/name` in `hub:owner/name`; None where a folder is meant.

    Raises:
        ConfigError: after `hub:` stands no such name.
    """
    if not destination.startswith(HUB):
        return None
    name = destination.removeprefix(HUB)
    if not _REPOSITORY.fullmatch(name) or ".." in name:
        raise ConfigError(f"{destination[:200]!r}: expected hub:owner/name")
    return name


@contextlib.contextmanager
def whole(place: Path, force: bool) -> Iterator[Path]:
    """A folder to write into, which takes its place when the block ends without trouble.

    Args:
        force: whether an earlier export that is there is replaced.
    Raises:
        RunError: something else is there, the disk is full, the place may not be written, or the run could
            not be read.
    """
    place = Path(os.path.abspath(place))
    _check(place, force)
    beside = place.with_name(f".{place.name[:200]}.{os.getpid()}")
    try:
        with told_of(place):
            beside.mkdir(parents=True)
            yield beside
            _put(beside, place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextlib.contextmanager
def told_of(place: Path) -> Iterator[None]:
    """
    Args:
        place: where is written.
    Raises:
        RunError: the system refuses something; with its words, and what helps against that.
    """
    try:
        yield
    except OSError as error:
        raise RunError(_trouble(place, error)) from error


def mark(folder: Path, told: dict[str, object]) -> None:
    """Note what an export is of, so that another may replace it."""
    (folder / MARK).write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")


_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def _trouble(place: Path, error: OSError) -> str:
    said = os.strerror(error.errno) if error.errno else str(error)
    nothing = "nothing of the export is left there"
    if error.errno in _FULL:
        return f"{place}: the disk is full ({said}); {nothing}. Free some room, or name another disk"
    if error.errno in _FORBIDDEN:
        return f"{place}: may not be written ({said}); name a folder of yours"
    where = f" at {error.filename}" if error.filename and str(place) not in str(error.filename) else ""
    return f"{place}: the export stopped ({said}{where}); {nothing}. Mend that, or name another folder"


def _check(place: Path, force: bool) -> None:
    if not os.path.lexists(place):
        return
    if place.is_symlink() or not place.is_dir():
        raise RunError(f"{place} is there and is no folder; name another")
    if not any(place.iterdir()):
        return
    if not (place / MARK).is_file():
        raise RunError(f"{place} holds other things than an export; name a new or an empty folder")
    if not force:
        raise RunError(f"{place} holds an export already; replace it with --force, or name another folder")


def _put(beside: Path, place: Path) -> None:
    """Rename a folder to its place; what is there is put back where that fails."""
    if not place.exists():
        beside.rename(place)
        return
    old = place.with_name(f".{place.name[:200]}.{os.getpid()}.old")
    place.rename(old)
    try:
        beside.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
