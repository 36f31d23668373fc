"""`--to hf`: a data set with its card, and a checkpoint with its own."""

from __future__ import annotations

from pathlib import Path

from .cards import check_licence, dataset_card, model_card
from .checkpoint import KEPT, NONE, Checkpoint, copy_checkpoint, find_checkpoint
from .dataset import Advance, write_dataset
from .source import Source

MODEL = "model"
"""The checkpoint's folder within the data set's."""


def write_huggingface(
    source: Source,
    folder: Path,
    advance: Advance,
    wanted: str = KEPT,
    licence: str = "unknown",
    name: str = "",
) -> list[str]:
    """
    Args:
        wanted: the checkpoint; see `find_checkpoint`.
        licence: of the seeds, and so of all that was made of them.
        name: that of both at the hub, where they go there.
    Returns:
        What was written, for a person.
    Raises:
        ConfigError, RunError: there is no such checkpoint; the licence is no identifier.
    """
    check_licence(licence)
    checkpoint = find_checkpoint(source, wanted)
    written = write_dataset(source, folder, advance)
    _write(folder, dataset_card(source, written, licence, checkpoint))
    told = [f"{table}: {rows:,} rows" for table, rows in written.rows.items()]
    if checkpoint is not None:
        copy_checkpoint(checkpoint, folder / MODEL)
        _write(folder / MODEL, model_card(source, checkpoint, licence, name))
    return [*told, _said(checkpoint, wanted)]


def _write(folder: Path, card: str) -> None:
    (folder / "README.md").write_text(card, encoding="utf-8")


def _said(checkpoint: Checkpoint | None, wanted: str) -> str:
    if checkpoint is not None:
        return f"{MODEL}: {checkpoint.name}{', a PEFT adapter' if checkpoint.adapter else ''}"
    why = "" if wanted == NONE else ": the kept one is the base model, which this run did not make"
    return f"{MODEL}: none{why}"
