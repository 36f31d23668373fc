"""Where seed questions come from: a file, or a data set of the `datasets` library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import MissingPart, SeedError
from .rows import Placed, Trouble, brief, stop
from .tables import read_rows

HUB = "hf:"


def rows_of(source: str, trouble: Trouble = stop) -> Iterator[Placed]:
    """The rows of a source, each with its place.

    Args:
        source: a path, or `hf:NAME[:CONFIG[:SPLIT]]`, where NAME is on the hub or a folder.
    Raises:
        SeedError: it is not there or cannot be read.
    """
    return _hub_rows(source) if source.startswith(HUB) else read_rows(Path(source), trouble)


def _hub_rows(source: str) -> Iterator[Placed]:
    rows = iter(_opened(source))
    number = 0
    while True:
        number += 1
        try:
            row = dict(next(rows))
        except StopIteration:
            return
        except Exception as error:
            # The library reads as it goes: a broken file shows itself here.
            raise SeedError(f"{source} row {number}: cannot be read ({brief(error)})") from error
        yield f"{source} row {number}", row


def _opened(source: str) -> Any:
    name, _, rest = source.removeprefix(HUB).partition(":")
    config, _, split = rest.partition(":")
    if not name:
        raise SeedError(f"{source}: names no data set; write hf:NAME[:CONFIG[:SPLIT]]")
    try:
        import datasets
    except ImportError:
        raise MissingPart("hf: needs the package datasets; run `make setup`") from None
    try:
        # Read as it is needed: a large set is neither downloaded nor held as a whole.
        return datasets.load_dataset(name, config or None, split=split or "train", streaming=True)
    except Exception as error:
        # Whatever the library meets, from a missing split to no network, is the source's trouble.
        raise SeedError(f"{source}: cannot be opened ({brief(error)}); hf:NAME[:CONFIG[:SPLIT]]") from error
