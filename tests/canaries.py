"""Secrets that are no secrets: put where a run can find them, and looked for where it leaves anything."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psutil

CANARIES: Mapping[str, str] = {
    "OPENAI_API_KEY": "sk-canary/0pen+ai=0123456789",
    "TEACHER_KEY": "sk-canary/te4cher+key=0123456789",
    "JUDGE_KEY": "sk-canary/jud9e+key=0123456789",
    "HF_TOKEN": "hf_canary0123456789abcdefABCDEF",
    "WANDB_API_KEY": "canarycanarycanarycanarycanarycanary0123",
    "AWS_SECRET_ACCESS_KEY": "canary/aws+secret/0123456789abcdefgh",
}
"""By the environment variable; of signs that change where they are encoded."""


def forms(secret: str) -> list[bytes]:
    """How it may be written: as it is, in an address, packed, in hexadecimals, backwards."""
    packed = [base64.b64encode(b" " * before + secret.encode())[4:-4] for before in range(3)]
    texts = [
        secret,
        quote(secret),
        quote(secret, safe=""),
        secret.encode().hex(),
        secret[::-1],
        secret.encode("utf-16-le").hex(),
    ]
    return [*(text.encode() for text in texts), secret.encode("utf-16-le"), *packed]


def found_in(data: bytes, secrets: Iterable[str]) -> list[str]:
    """The secrets of which a text holds any form."""
    return [secret for secret in secrets if any(form in data for form in forms(secret))]


def leaks(folder: Path, secrets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(file, secret) for every file of a folder that holds one; names of files count, too.

    Parquet parts are read as they are and as what they hold, since they are compressed.
    """
    secrets = list(secrets)
    for path in sorted(folder.rglob("*")):
        data = str(path.relative_to(folder)).encode()
        if path.is_file() and not path.is_symlink():
            data += path.read_bytes()
            if path.suffix == ".parquet":
                data += _rows(path)
        yield from ((str(path), secret) for secret in found_in(data, secrets))


def _rows(path: Path) -> bytes:
    import pyarrow.parquet as pq

    return repr(pq.read_table(path).to_pylist()).encode()


class Watch:
    """Looks at a process and all below it, twice a second, until it ends: what anybody on the machine can
    see of it in /proc, where it listens, and the keys that it made for its servers."""

    def __init__(self) -> None:
        self.arguments: set[str] = set()
        self.listening: set[tuple[str, int]] = set()
        self.keys: set[str] = set()

    def follow(self, pid: int) -> None:
        threading.Thread(target=self._look, args=(psutil.Process(pid),), daemon=True).start()

    def _look(self, top: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error):
            while top.is_running() and top.status() != psutil.STATUS_ZOMBIE:
                for process in [top, *top.children(recursive=True)]:
                    self._see(process)
                time.sleep(0.5)

    def _see(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error, OSError):
            self.arguments.add("\0".join(process.cmdline()))
            self.keys |= {key} if (key := process.environ().get("VLLM_API_KEY")) else set()
            for connection in process.net_connections("inet"):
                # Of UDP, which has no such state, whatever is bound.
                if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE) and connection.laddr:
                    self.listening.add((connection.laddr.ip, connection.laddr.port))
