"""Plays of one run, each in a process of its own that may kill itself: for `chaos.py` and its tests.

    python -m maieutic.benchmarks.playing

loads everything once, then forks a player for each line of JSON on its input (`Play`), and answers with
a line: its exit code, or less than zero where a signal ended it. What a player starts are stand-ins for
vLLM and for training (`pretended.py`), in processes of their own; graph, memory, policies, records, the
HTTP clients and the guards of processes are those of every run.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import pretended
from .killing import Killer, arm

TOKEN = "MAIEUTIC_CHAOS"
"""In the environment of everything that a play starts: what still has it afterwards was left behind."""


@dataclass(frozen=True, slots=True)
class Play:
    """One play of a run: begun where there is none, gone on with else."""

    run: str
    settings: list[str] = field(default_factory=list)
    at: int = 0
    place: str = "*"
    tree: bool = False
    trace: str = ""
    tally: str = ""


def play(asked: Play) -> None:
    """Play in this process, to the end or to the place where it dies."""
    from maieutic.config import load
    from maieutic.graph import folders, making, run
    from maieutic.tasks.material import gather

    path = Path(asked.run)
    take_arms(asked)
    _pretend(path)
    if (path / "run.yaml").exists():
        folder, config = folders.find(path.parent, path.name)
    else:
        config = load(None, asked.settings)
        folder = making.create(config, path.parent, path.name, gather(config))
    asyncio.run(run.play(config, folder))


def take_arms(asked: Play) -> None:
    """Have this process die where it is asked to, and note what it is asked to note."""
    trace, tally = (Path(name) if name else None for name in (asked.trace, asked.tally))
    arm(Killer(asked.at, asked.place, asked.tree, trace), Path(asked.run), tally)


def _pretend(path: Path) -> None:
    """Stand-ins where processes are started, and nowhere else."""
    from maieutic.graph import run
    from maieutic.processes import Running, launch
    from maieutic.serving import server

    async def base(*_: Any) -> Path:
        built = path.parent / ".pocket"
        pretended.write_weights(built, "sft", "base")
        return built

    async def start(
        command: Sequence[str], log: Path, environment: Mapping[str, str], piped: bool = False
    ) -> Running:
        return await launch(
            [sys.executable, pretended.__file__, "train", command[-1]], log, environment, piped
        )

    @contextlib.asynccontextmanager
    async def forked(folder: object) -> AsyncIterator[Any]:
        yield start

    def command(hosting: Any, name: str, port: int, config: object) -> list[str]:
        line = [sys.executable, pretended.__file__, "serve", "--port", str(port)]
        return [*line, "--model", str(hosting.model)]

    patched: Any = server
    patched.command, patched.require_vllm = command, lambda: None
    patched = run
    patched.ensure_base, patched._forked = base, forked


_LOADED = ("maieutic.graph.run", "maieutic.tasks.material", "pandas", "httpx", "openai", "aiohttp")
"""What each player would import for itself else, which takes longer than its play."""


def main() -> None:
    """Fork a player for each line."""
    for module in _LOADED:
        importlib.import_module(module)
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.setsid()
                play(Play(**json.loads(line)))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


class Players:
    """The process above, from outside.

    Args:
        token: what everything that it starts is marked with.
        log: what players had to say.
    """

    def __init__(self, process: subprocess.Popen[str], token: str, log: Path) -> None:
        self._process, self.token, self.log = process, token, log

    @property
    def pid(self) -> int:
        return self._process.pid

    def play(self, asked: Play) -> int:
        """The exit code of a play; less than zero where a signal ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(asked)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextlib.contextmanager
def players(token: str, log: Path) -> Iterator[Players]:
    """
    Args:
        token: marks what is started.
        log: takes what players have to say.
    """
    command = [sys.executable, "-m", "maieutic.benchmarks.playing"]
    environment = os.environ | {TOKEN: token, "MAIEUTIC_GRACE_SECONDS": "2"}
    with (
        log.open("w") as said,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=environment,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield Players(process, token, log)
        finally:
            process.stdin.close()


TAUGHT = [
    "teacher.model=m", "verifier.model=m", "teacher.hints=4", "teacher.subproblems=4",
    "teacher.max_tokens=1024", "verifier.calibration=12", "handbook.per_round=8", "solver.handbook=2",
    "labels.solves=2", "pairs.builders=[socratic,rise,spar]", "pairs.calls=8",
]  # fmt: skip
"""Everything that a Teacher and a Verifier that are models can be asked for."""


@contextlib.contextmanager
def teacher() -> Iterator[list[str]]:
    """A Teacher and a judge that outlive the plays; gives the settings that name them."""
    command = [sys.executable, pretended.__file__, "teach"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        try:
            asked = [f"{role}.endpoint={url}" for role in ("teacher", "verifier")]
            yield [*asked, *TAUGHT]
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
