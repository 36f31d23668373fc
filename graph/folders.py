"""Run folders that are there: found, and what they were made with read."""

from __future__ import annotations

import os
from pathlib import Path

from ..config import RunConfig, load
from ..errors import ConfigError, RunError
from ..memory.run import GRID, RunFolder
from ..prompts import Prompts, prompts_of
from ..records import OVER, Question
from ..tasks.sets import FixedSets
from .versions import require_ours

VALIDATION, HELDOUT = "sets/validation", "sets/heldout"


def check_name(name: str) -> None:
    plain = name == Path(name).name and not name.startswith(".") and name.isprintable()
    if not name or not plain or len(name.encode()) > 100:
        raise RunError(f"{name[:60]!r} cannot name a run; use up to 100 letters, digits, - and _")


def read_prompts(folder: RunFolder, config: RunConfig) -> Prompts:
    """The templates that a run began with; a run of before there were copies has those of its settings."""
    return Prompts(folder.prompts) if folder.prompts.is_dir() else prompts_of(config.prompts)


def read_sets(folder: RunFolder) -> FixedSets:
    """Both fixed sets, as they were when the run was made."""
    validation, heldout = (tuple(folder.read(0, series, Question)) for series in (VALIDATION, HELDOUT))
    noted = folder.read_json(0, "sets") or {}
    if not isinstance(noted, dict):
        raise RunError(f"{folder.path}: rounds/0000/sets.json is damaged; bring it back from a copy")
    names = noted.get("further", [])
    further = {
        name: tuple(folder.read(0, f"{HELDOUT}{place}", Question)) for place, name in enumerate(names, 2)
    }
    return FixedSets(validation, heldout, further)


def find(runs: Path, name: str) -> tuple[RunFolder, RunConfig]:
    """An existing run with its configuration.

    Raises:
        RunError: there is none of that name, or it is a comparison; the message lists those there are. Or
            its settings cannot be read, and another version wrote them.
    """
    folder = RunFolder(runs / Path(name).name)
    outside = Path(name).name in ("", "..") or "\0" in name
    if outside or len(os.fsencode(name)) > 100 or not folder.config.exists():
        there = sorted(p.parent.name for p in runs.glob("[!.]*/run.yaml"))
        if (folder.path / GRID).exists():
            raise RunError(
                f"{name[:60]!r} is a comparison: see {folder.path / 'compare.html'}, or one of its runs with "
                f"--runs-dir {folder.path}"
            )
        known = f"there are: {', '.join(there)}" if there else f"{runs} has no runs yet"
        raise RunError(f"no run {name[:60]!r}; {known}")
    if not folder.config.read_bytes().strip():
        raise RunError(f"{folder.config} is empty; bring it back from a copy, or play a new run")
    try:
        return folder, load(folder.config)
    except ConfigError:
        require_ours(folder)  # which says more, where a later version wrote what is not understood
        raise


def over(folder: RunFolder) -> bool:
    """Whether a run says of itself that it has come to an end."""
    if not folder.report.exists():
        return False
    head = folder.report.read_text(errors="replace")[:1000]
    return any(f'"status": "{status}"' in head for status in OVER)
