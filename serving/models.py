"""Local models: a folder, or a name at the Hugging Face hub that becomes one."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

from ..errors import ConfigError

_HUB = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
"""What is taken from the hub: weights that need no unpickling, and text."""


_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")

_LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""


def folder_of(model: str, place: str) -> Path:
    """The folder of a model; one of the hub is taken from its cache, or fetched into it.

    Args:
        place: the setting that names it, such as `model`.
    Raises:
        ConfigError: there is no such folder, and the hub has no such model or cannot be reached.
    """
    path = Path(model)
    if path.exists():
        return path.absolute()
    if not _HUB.fullmatch(model):
        raise ConfigError(
            f"{place}: {model[:200]!r} is no folder with a model; use pocket, a path, or a name at the hub "
            "such as Qwen/Qwen3-0.6B"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=_FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(model, allow_patterns=_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        said = str(error).splitlines()[0][:200]
        raise ConfigError(
            f"{place}: {model} is no folder here, and cannot be fetched from the hub ({said}); give a "
            "folder, or see the name, the network, and HF_TOKEN for a gated model"
        ) from None


def check_folder(folder: Path, place: str, replaced: bool) -> None:
    """
    Args:
        replaced: whether whole weights will take the place of the served ones.
    Raises:
        ConfigError: it holds no model that can be served, or not so.
    """
    shape = shape_of(folder, place)
    if replaced and shape.get("tie_word_embeddings"):
        # vLLM's in-place reload leaves a tied head at its old values.
        raise ConfigError(
            f"{place}: {str(folder)!r} ties its output head to its embeddings, and its weights cannot be "
            "replaced in a running server; set training.method to lora, or save it with "
            "tie_word_embeddings=false and its own lm_head"
        )
    _check_code(folder, shape, place)
    check_weights(folder, place)


def check_weights(folder: Path, place: str) -> None:
    """
    Raises:
        ConfigError: a folder has no weights in safetensors, or what is none under that name. Pickles
            beside them are let lie: nothing here loads another format.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(
            f"{place}: {str(folder)!r} has no *.safetensors; other formats would have to be unpickled, which "
            "can run any code: save it with safe_serialization"
        )
    for file in files:
        if not _is_safetensors(file):
            raise ConfigError(
                f"{place}: {str(file)!r} holds no safetensors, whatever it is called; fetch it again, or "
                "save the model with safe_serialization"
            )


def _is_safetensors(file: Path) -> bool:
    """Whether a file begins as the format says: the length of a header in eight bytes, then JSON."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            return 2 <= length <= min(_LONGEST_HEADER, file.stat().st_size - 8) and opened.read(1) == b"{"
    except OSError:
        return False


def _check_code(folder: Path, shape: dict[str, Any], place: str) -> None:
    """
    Raises:
        ConfigError: the model can be loaded with code of its own alone, which is never run.
    """
    if not shape.get("auto_map"):
        return
    if not _known(str(shape.get("model_type", ""))):
        raise ConfigError(
            f"{place}: {str(folder)!r} needs code that comes with it (auto_map in its config.json), and such "
            "code is never run here; choose a model whose architecture transformers knows itself"
        )


def _known(kind: str) -> bool:
    """Whether transformers has code of its own for a kind of model; looked up without importing it."""
    found = importlib.util.find_spec("transformers")
    if found is None or found.origin is None or not _KIND.fullmatch(kind):
        return False
    models = Path(found.origin).parent / "models"
    if (models / kind.replace("-", "_")).is_dir():
        return True
    listed = (file.read_text(encoding="utf-8") for file in sorted((models / "auto").glob("*.py")))
    return any(f'"{kind}"' in text for text in listed)


def shape_of(folder: Path, place: str) -> dict[str, Any]:
    """What its config.json says."""
    try:
        shape = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{place}: {str(folder)!r} is no folder with a model ({error}); use pocket, a path, or a name at "
            "the hub such as Qwen/Qwen3-0.6B"
        ) from error
    if not isinstance(shape, dict):
        raise ConfigError(f"{place}: {folder / 'config.json'} holds no object; it is no model's")
    return shape


def cut_off(folder: Path) -> str:
    """The first file of weights in a folder that does not hold what its header says; empty where all do.

    Weights are written beside their place and renamed into it; a machine that loses power, or a disk that
    lies, may leave the name without all of the content.
    """
    for file in sorted(folder.glob("*.safetensors")):
        if not _as_long_as_it_says(file):
            return file.name
    return ""


def _as_long_as_it_says(file: Path) -> bool:
    """Whether a safetensors file is whole: eight bytes for the length of a header of JSON, which says where
    the last tensor ends."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if not 2 <= length <= file.stat().st_size - 8:
                return False
            header = json.loads(opened.read(length))
        ends = [int(one["data_offsets"][1]) for name, one in header.items() if name != "__metadata__"]
        return file.stat().st_size == 8 + length + max(ends, default=0)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return False
