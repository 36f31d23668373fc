"""Which version of ours began a run, and whether this one may go on with it.

The first lines of run.yaml say both: the version, and the schema of its records (`SCHEMA` of
memory/run.py), which changes where records of before can no longer be read for what they meant. A run of
an earlier version of the same schema goes on; nothing is converted. A later version's run may hold what
this one knows nothing of, whatever its schema, and is refused.
"""

from __future__ import annotations

import re
from importlib.metadata import version

from ..errors import RunError
from ..memory.run import SCHEMA, RunFolder

OLDEST = 1
"""The first schema that this version reads."""

_LINE = re.compile(r"# (\S{1,40}) (\S{1,40})")
_FIRST = 2000
"""Characters of run.yaml in which its versions stand."""


def header(versions: dict[str, str]) -> str:
    """The first lines of run.yaml."""
    lines = [f"# {package} {number}\n" for package, number in versions.items()]
    return "".join([*lines, f"# records-schema {SCHEMA}\n"])


def require_ours(folder: RunFolder) -> None:
    """
    Raises:
        RunError: a later version began the run or changed its settings, or one whose records this one
            cannot read.
    """
    noted = _noted(folder)
    theirs, ours = noted.get("maieutic", ""), version("maieutic")
    named = f"{folder.path.name} is a run of maieutic {theirs or 'of an unknown version'}"
    schema = noted.get("records-schema", str(OLDEST))  # those without a word of it are of the first
    if schema.isdecimal() and int(schema) < OLDEST:
        raise RunError(
            f"{named}, whose records (schema {schema}) this version, {ours}, cannot go on with: it reads "
            f"schema {OLDEST} to {SCHEMA}. Install that version, or play a new run"
        )
    if _numbers(theirs) > _numbers(ours) or not schema.isdecimal() or int(schema) > SCHEMA:
        raise RunError(
            f"{named} (records of schema {schema}), and this is {ours} (schema {SCHEMA}): a later version's "
            "run is not gone on with. Install that version"
        )


def began(folder: RunFolder) -> str:
    """The version that began a run, or changed its settings last, in words."""
    return f"maieutic {_noted(folder).get('maieutic', 'of an unknown version')}"


def _noted(folder: RunFolder) -> dict[str, str]:
    """By name, the versions in the first lines of run.yaml; none where it cannot be read."""
    try:
        with folder.config.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_FIRST).splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        said = _LINE.fullmatch(line)
        if said is None:
            break
        found[said[1]] = said[2]
    return found


def _numbers(said: str) -> tuple[int, ...]:
    """A version's release as numbers: 0.2.0.dev1 counts as 0.2.0. None where there are none."""
    found = re.match(r"\d{1,9}(?:\.\d{1,9}){0,5}", said)
    return tuple(map(int, found[0].split("."))) if found else ()
