"""What a template says about itself: a comment at its beginning, read and checked.

{#- purpose: a question for the Solver to work through
    inputs: question
    output: free text ending in "#### ANSWER"
    version: 1 -#}
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ConfigError

FIELDS = ("purpose", "inputs", "output", "version")

_COMMENT = re.compile(r"\A\s*\{#-?(.*?)-?#\}", re.DOTALL)
_FIELD = re.compile(rf"^\s*({'|'.join(FIELDS)}):", re.MULTILINE)
_NOTE = re.compile(r"\([^()]*\)")
"""What an input's name may be explained with: `move (harder or neighbour)`."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands at the beginning of a template."""

    purpose: str
    inputs: tuple[str, ...]
    """Names of the values that it may use."""
    output: str
    """What a model is to reply with."""
    version: int


def header_of(text: str, place: str) -> Header:
    """Read a template's header.

    Args:
        place: how a message names the template.
    Raises:
        ConfigError: there is none, or a field is missing, empty, or given twice.
    """
    comment = _COMMENT.match(text)
    if comment is None:
        raise ConfigError(
            f"{place}: has no header; begin with {{#- purpose: … inputs: … output: … version: 1 -#}}, "
            "each on a line of its own"
        )
    fields = _fields(comment.group(1), place)
    if not re.fullmatch(r"[0-9]{1,9}", fields["version"]):
        raise ConfigError(f"{place}: version is {fields['version'][:60]!r}; expected a whole number")
    names = [name.strip() for name in _NOTE.sub("", fields["inputs"]).split(",")]
    wrong = next((name for name in names if not name.isidentifier()), None)
    if wrong is not None:
        raise ConfigError(f"{place}: inputs has {wrong[:60]!r}; expected names with commas between them")
    return Header(fields["purpose"], tuple(names), fields["output"], int(fields["version"]))


def _fields(comment: str, place: str) -> dict[str, str]:
    # ["", "purpose", " what …", "inputs", " question", …]
    parts = _FIELD.split(comment)[1:]
    names = parts[::2]
    found = {name: " ".join(said.split()) for name, said in zip(names, parts[1::2], strict=True)}
    for name in FIELDS:
        if not found.get(name) or names.count(name) != 1:
            fault = "is given twice" if names.count(name) > 1 else "is missing"
            raise ConfigError(f"{place}: {name} {fault} in its header; it has {', '.join(FIELDS)}, one each")
    return found
