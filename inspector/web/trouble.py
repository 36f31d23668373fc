"""What is to be said of a run that is not as it should be: just begun, stopped, damaged."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from ...errors import printable
from ..database import left_out
from .runs import Run, changed

_LINES = 12


@dataclass(frozen=True, slots=True)
class Trouble:
    """A sentence, and what helps."""

    said: str
    command: str = ""
    log: str = ""
    """The end of the newest log, where a run has stopped."""


def trouble_of(run: Run) -> list[Trouble]:
    """In the order in which they are to be read; none where all is well."""
    found = []
    if run.config() is None:
        found.append(
            Trouble("run.yaml cannot be read by this version of maieutic: its settings are not shown.")
        )
    if run.report() is None and run.folder.report.exists():
        found.append(Trouble("report.json cannot be read; a resume writes it anew.", resume(run)))
    elif run.report() is None:
        doing = (
            "It is measuring its base model"
            if run.status in ("running", "starting")
            else "It stopped before its base model was measured"
        )
        found.append(
            Trouble(
                f"{doing}: there is no figure yet.",
                "" if run.status in ("running", "starting") else resume(run),
                _log(run),
            )
        )
    elif run.status == "stopped":
        found.append(Trouble("This run has stopped; what is done is kept.", resume(run), _log(run)))
    if run.indexing:
        found.append(Trouble("Records are being read; the page fills up by itself."))
    if run.trouble:
        found.append(Trouble(run.trouble))
    if damaged := dict(run.index.damaged):
        found.append(Trouble(left_out(damaged)))
    return found


def resume(run: Run) -> str:
    """The command that goes on with a run, or with the comparison that it is part of."""
    path = run.folder.path
    if "/" in run.key:
        words = ["compare", "--resume", path.parent.name, "--runs-dir", str(path.parent.parent)]
    else:
        words = ["resume", path.name, "--runs-dir", str(path.parent)]
    return shlex.join(["maieutic", *words])


def fork(run: Run, round: int) -> str:
    """The command that begins a new run after a round of this one."""
    path = run.folder.path
    words = ["fork", path.name, "--round", str(round), "--runs-dir", str(path.parent)]
    return shlex.join(["maieutic", *words])


def _log(run: Run) -> str:
    """The end of what a process of ours wrote last."""
    logs = [*run.folder.logs.glob("*.log"), *run.folder.jobs.glob("*.log")]
    newest = max((path for path in logs if path.is_file()), key=changed, default=None)
    if newest is None:
        return ""
    try:
        return _end(newest)
    except OSError:  # it went, or is not ours to read
        return ""


def _end(newest: Path) -> str:
    with newest.open("rb") as file:
        file.seek(max(0, newest.stat().st_size - 4000))
        lines = file.read().decode("utf-8", "replace").splitlines()[-_LINES:]
    return "\n".join([f"{newest.name}:", *(printable(line)[:300] for line in lines)])
