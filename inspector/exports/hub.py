"""Putting an export on the Hugging Face hub: private, unless it is said to be public."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from ...errors import ConfigError, MissingPart, RunError, printable
from .destination import MARK
from .huggingface import MODEL

TOKEN = "HF_TOKEN"
Kind = Literal["dataset", "model"]


class Api(Protocol):
    """What we use of `huggingface_hub.HfApi`."""

    def repo_exists(self, repo_id: str, *, repo_type: str) -> bool: ...

    def repo_info(self, repo_id: str, *, repo_type: str) -> Any: ...

    def list_repo_files(self, repo_id: str, *, repo_type: str) -> list[str]: ...

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> Any: ...

    def upload_folder(self, **what: Any) -> Any: ...


def api_of() -> Api:
    """The hub's API, with the token of the environment and of nowhere else.

    Raises:
        ConfigError: there is no token.
        MissingPart: huggingface_hub is not installed.
    """
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise ConfigError(f"hub: needs {TOKEN} in the environment, a token that may write; or name a folder")
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise MissingPart(
            "huggingface_hub is not installed in this Python: pip install huggingface_hub"
        ) from None
    return cast(Api, HfApi(token=token))


def check(api: Api, name: str, kinds: list[Kind], public: bool, force: bool) -> None:
    """Look before anything is sent.

    Raises:
        RunError: a repository is there and may not be replaced, or the hub cannot be reached.
    """
    for kind in kinds:
        with _told(name):
            if not api.repo_exists(name, repo_type=kind):
                continue
            files = set(api.list_repo_files(name, repo_type=kind)) - {".gitattributes"}
            if files and MARK not in files:
                raise RunError(f"hub:{name}: the {kind} there is no export of ours; choose another name")
            if files and not force:
                raise RunError(f"hub:{name}: the {kind} is there already; replace it with --force")
            if not public and not api.repo_info(name, repo_type=kind).private:
                raise RunError(f"hub:{name}: the {kind} there is public; say --public, or another name")


def publish(api: Api, folder: Path, name: str, public: bool) -> list[str]:
    """Send a written export, the data set first.

    Returns:
        Where it is.
    Raises:
        RunError: the hub refuses it or cannot be reached; the message says what is there already.
    """
    places: dict[Kind, Path] = {"dataset": folder}
    if (folder / MODEL).exists():
        places["model"] = folder / MODEL
    sent: list[str] = []
    for kind, place in places.items():
        with _told(name, sent):
            api.create_repo(name, repo_type=kind, private=not public, exist_ok=True)
            api.upload_folder(
                repo_id=name,
                repo_type=kind,
                folder_path=str(place),
                ignore_patterns=[f"{MODEL}/*"] if kind == "dataset" else None,
                delete_patterns="*",
                commit_message="Export of a Maieutic run",
            )
        sent.append(f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name}")
    return sent


@contextmanager
def _told(name: str, sent: list[str] | None = None) -> Iterator[None]:
    """Troubles with the hub as one line, in which no token is."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:  # whatever the library and what it stands on raise
        said = printable((str(error).strip().splitlines() or [type(error).__name__])[0])[:300]
        token = os.environ.get(TOKEN, "").strip()
        said = said.replace(token, "…") if token else said
        there = f" {' and '.join(sent)} is there." if sent else ""
        raise RunError(f"hub:{name}: {said}.{there} See the name, the network and {TOKEN}, then again "
                       "(with --force where something is there)") from None  # fmt: skip
