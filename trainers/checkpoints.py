"""Folders that a training can go on from: of which job they are, whether they are whole, which is the newest.

One is written beside its place, sealed with the checksums of its files, and renamed into it; so a kill
leaves either the one before or both. What is not sealed, was sealed for another job, or does not have the
files that it was sealed with, is never taken. This module imports nothing heavy.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .jobs import TrainingJob

SEAL = "whole.json"

_NO_PART = {"output", "data", "model", "base", "tracking", "checkpoint_s", "notes", "parts", "least_batch"}
"""Fields of a job that say nothing of what it comes to; or whose files do."""


class NotWhole(Exception):
    """A folder cannot be gone on from; the message says why, as the end of a sentence."""


def settings(job: TrainingJob) -> dict[str, Any]:
    """What a job is to do, however its batches were divided and wherever its files are."""
    said = job.model_dump(mode="json", exclude=_NO_PART)
    return said | {"batch_size": job.whole_batch, "accumulation": job.accumulation // job.parts}


def key(job: TrainingJob) -> str:
    """Names what a job comes to: its settings and rows, the model that it starts from, the libraries.

    Weights are known by name, size and time, not by their content: there may be many gigabytes of them.
    """
    libraries = {name: version(name) for name in ("torch", "transformers", "trl")}
    # A model that the job makes by itself is in its settings.
    models = [] if job.pocket else [_weights(job.model), _weights(job.base)]
    parts = [settings(job), libraries, models, checksum(Path(job.data))]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _weights(folder: str) -> list[Any]:
    files = sorted(Path(folder).glob("*.safetensors")) if folder else []
    return [folder and Path(folder).name, [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files]]


def checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def seal(beside: Path, place: Path, job_key: str, about: dict[str, Any]) -> None:
    """Put a folder that is complete into its place.

    Args:
        about: plain values, given back by `opened`.
    Raises:
        OSError: the disk is full, or not writable.
    """
    files = {str(path.relative_to(beside)): checksum(path) for path in _files(beside)}
    said = {"key": job_key, "files": files, "about": about}
    (beside / SEAL).write_text(json.dumps(said, indent=1))
    for path in [*_files(beside), beside]:
        _to_disk(path)
    shutil.rmtree(place, ignore_errors=True)
    beside.rename(place)


def opened(folder: Path, job_key: str) -> dict[str, Any]:
    """What was said about a folder when it was sealed.

    Raises:
        NotWhole: it is not to be gone on from.
    """
    try:
        said = json.loads((folder / SEAL).read_bytes())
        theirs, files, about = said["key"], dict(said["files"]), dict(said["about"])
        there = {str(path.relative_to(folder)) for path in _files(folder)} - {SEAL}
        if theirs != job_key:
            raise NotWhole("is of other settings, rows or versions")
        if there != files.keys():
            raise NotWhole(f"is damaged: its files are {sorted(there)[:12]}, not {sorted(files)[:12]}")
        for name, wanted in files.items():
            if (folder / name).is_symlink() or checksum(folder / name) != wanted:
                raise NotWhole(f"is damaged: {name} is not as it was written")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotWhole(f"is damaged ({type(error).__name__}: {str(error)[:120]})") from error
    return about


def newest(folder: Path, job_key: str, pattern: str, notes: list[str]) -> tuple[Path, dict[str, Any]] | None:
    """The last folder by its name that can be gone on from, and what was said about it; others are removed.

    Args:
        notes: takes what is to be said of those that were not taken.
    """
    found: tuple[Path, dict[str, Any]] | None = None
    for path in sorted(folder.glob(pattern), reverse=True):
        if found is None:
            try:
                found = path, opened(path, job_key)
                continue
            except NotWhole as reason:
                notes.append(f"{path.name} {reason}, and was thrown away")
        shutil.rmtree(path, ignore_errors=True)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
