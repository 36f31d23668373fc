"""`maieutic export`: a run written in a format of other tools."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from ... import __version__
from ...config import RunConfig
from ...errors import ConfigError, MaieuticError, RunError, printable
from ...memory.run import RunFolder
from .checkpoint import KEPT, NONE
from .destination import mark, repository, told_of, whole
from .source import Source, source_of
from .tables import Advance, write_csv, write_jsonl

Write = Callable[[Source, Path, Advance], list[str]]


@dataclass(frozen=True, slots=True)
class Options:
    """What an export may be told."""

    checkpoint: str = KEPT
    licence: str = "unknown"
    force: bool = False
    """Replace an earlier export."""
    public: bool = False
    """At the hub; private without."""


def export(
    folder: RunFolder, config: RunConfig, form: str, destination: str, options: Options, advance: Advance
) -> list[str]:
    """Write what is finished of a run.

    Args:
        form: one of `FORMATS`.
        destination: a folder, or `hub:owner/name` for `hf`.
        advance: told how many more rows are read.
    Returns:
        What was written, what was left out, and where it is, for a person.
    Raises:
        ConfigError: format and options do not go together.
        MissingPart: a library of the format is not installed.
        RunError: the run is damaged, or the destination cannot be written or is taken.
    """
    if form not in FORMATS:
        raise ConfigError(f"--to {form[:60]!r}: expected {', '.join(FORMATS)}")
    if form != "hf" and options != Options(force=options.force):
        raise ConfigError("--checkpoint, --license and --public are for --to hf")
    name = repository(destination)
    if name is None and options.public:
        raise ConfigError("--public is for hub:owner/name")
    if name is not None and form != "hf":
        raise ConfigError(f"{destination[:100]}: --to {form} writes a folder; name one")
    source = source_of(folder, config)
    if name is not None:
        return [*source.notes, *_to_hub(source, name, options, advance)]
    place, write = Path(destination), FORMATS[form](options, "")
    with whole(place, options.force) as beside:
        with _as_maieutic_writes(source):
            told = write(source, beside, advance)
        _mark(source, form, beside)
    return [*source.notes, *told, f"written to {place}"]


@contextlib.contextmanager
def _as_maieutic_writes(source: Source) -> Iterator[None]:
    """What another program left in records is told as such, wherever it is met."""
    try:
        yield
    except (MaieuticError, OSError):
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, pa.ArrowException) as error:
        what = printable(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
        raise RunError(
            f"{source.name}: records are not as maieutic writes them ({what}); bring them back from a copy. "
            "Nothing was exported"
        ) from error


def _to_hub(source: Source, name: str, options: Options, advance: Advance) -> list[str]:
    from .hub import Kind, api_of, check, publish
    from .huggingface import MODEL

    api = api_of()
    kinds: list[Kind] = ["dataset"] if options.checkpoint == NONE else ["dataset", "model"]
    check(api, name, kinds, options.public, options.force)
    with tempfile.TemporaryDirectory(prefix="maieutic-export-") as made:
        folder = Path(made) / "export"
        folder.mkdir()
        with told_of(folder):
            with _as_maieutic_writes(source):
                told = _huggingface(options, name)(source, folder, advance)
            for place in (folder, folder / MODEL):
                if place.exists():
                    _mark(source, "hf", place)
        return told + publish(api, folder, name, options.public)


def _mark(source: Source, form: str, folder: Path) -> None:
    rounds = list(source.rounds)
    mark(folder, {"run": source.name, "format": form, "maieutic": __version__, "rounds": rounds})


def _huggingface(options: Options, name: str) -> Write:
    from .huggingface import write_huggingface

    return partial(write_huggingface, wanted=options.checkpoint, licence=options.licence, name=name)


def _environment(options: Options, name: str) -> Write:
    from .verifiers import write_environment

    return write_environment


def _logs(options: Options, name: str) -> Write:
    from .inspect_logs import check_installed, write_logs

    check_installed()
    return write_logs


FORMATS: dict[str, Callable[[Options, str], Write]] = {
    "hf": _huggingface,
    "jsonl": lambda options, name: write_jsonl,
    "csv": lambda options, name: write_csv,
    "inspect": _logs,
    "verifiers": _environment,
}
