"""Does a run of days stay as quick and as small as it was on its first day?

    python -m benchmarks.longrun                       1,000 rounds, 1,000,000 questions: about two hours
    python -m benchmarks.longrun --rounds 100 --keep long
    python -m benchmarks.longrun --rounds 100 --keep long --resume

A run is played whose models and trainings are simulated at their boundaries (`benchmarks/simulator.py`):
HTTP and the training's process. The rest is real: storage, graph, memory, policy, checkers, gate. Printed are
memory and time of a round at its beginning and at its end, how large the graph's state is, how long a
question to Chroma takes and how long a resume, each with its bound. Run it where nothing else works.

A machine that others share is not as quick at noon as it was at nine: beside each round the same piece of
work is done, and rounds are compared by their multiple of it. The ratio of the bare times is printed, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import psutil
from maieutic.config import RunConfig, load
from maieutic.graph.folders import find
from maieutic.graph.making import create
from maieutic.graph.progress import Quiet
from maieutic.graph.run import play
from maieutic.memory.bank import QuestionBank
from maieutic.memory.embedding import embed, embedding_function
from maieutic.memory.run import RunFolder
from maieutic.memory.store import Store
from maieutic.tasks import arithmetic, drawing
from maieutic.tasks.material import gather

from .simulator import Simulated

NAME = "longrun"
FLAT = 1.2
"""What the last rounds may take of time and memory, as a multiple of what the first ones did."""
FIRST = 10
"""The round from which they are compared."""
_FULL_AFTER = 8
"""Rounds whose questions the bank holds, so that it is full, entries that go and come included, by then."""
_TEXTS = [f"Lea has {number} pens in {number % 7} boxes. How many is that?" for number in range(500)]
"""What the yardstick works on."""
STATE_BYTES, QUERY_S, RESUME_S = 64_000, 0.05, 10.0

NOTES = "longrun.jsonl"


def settings(rounds: int, new: int, active: int) -> RunConfig:
    """A run that goes on: every checkpoint is promoted, and what is asked stays as hard as it is."""
    return load(
        None,
        [
            f"rounds={rounds + 1}",
            f"curriculum.new={new}",
            f"curriculum.questions={new}",
            "sets.per_cell=2",
            "generator.proposals=32",
            "generator.most=32",
            "gate.tolerance=1",
            f"memory.active={active or _FULL_AFTER * new}",
        ],
    )


def yardstick() -> dict[str, float]:
    """Seconds, and seconds of processor, of a piece of work that is always the same: the kinds of work that
    a round does, in small."""
    wall, cpu = time.monotonic(), time.process_time()
    # Past its cache, which belongs to the run.
    vectors = np.stack([embed.__wrapped__(text) for text in _TEXTS])
    (vectors @ vectors.T).argmax(axis=1)
    for text in _TEXTS * 10:
        json.loads(zlib.decompress(zlib.compress(json.dumps({"text": text, "words": text.split()}).encode())))
    with tempfile.TemporaryDirectory() as folder:
        base = sqlite3.connect(Path(folder) / "some.sqlite")
        base.execute("CREATE TABLE some (text TEXT PRIMARY KEY)")
        base.executemany("INSERT INTO some VALUES (?)", [(text,) for text in _TEXTS])
        base.commit()
        base.close()
    return {"yard_seconds": time.monotonic() - wall, "yard_cpu": time.process_time() - cpu}


class Enough(Exception):
    """The rounds that were asked for are over; raised in place of a kill."""


class Watch(Quiet):
    """Notes time and memory whenever a round begins.

    Args:
        last: the round after which the run is broken off.
    """

    def __init__(self, file: Path, last: int) -> None:
        self._file, self._last = file, last
        self._round, self._wall, self._cpu = -1, 0.0, 0.0
        self._me = psutil.Process()

    def begin(self, round: int, stage: str, total: int) -> None:
        if stage != "select" or round == self._round:
            return
        wall, cpu, rss = time.monotonic(), time.process_time(), self._me.memory_info().rss
        if self._round >= 0:
            taken = {"round": self._round, "seconds": wall - self._wall, "cpu": cpu - self._cpu, "rss": rss}
            taken |= yardstick()
            with self._file.open("a") as file:
                file.write(json.dumps(taken) + "\n")
            if self._round % 10 == 0:
                print(
                    f"round {self._round:5d}  {taken['seconds']:6.2f} s  {taken['cpu']:6.2f} s of processor  "
                    f"{rss / 1e6:7.0f} MB",
                    flush=True,
                )
        if round > self._last:
            raise Enough
        self._round, self._wall, self._cpu = round, time.monotonic(), time.process_time()


class Awake(Quiet):
    """Ends a resumed run when its first node begins."""

    def begin(self, round: int, stage: str, total: int) -> None:
        raise Enough


def run(folder: RunFolder, config: RunConfig, progress: Quiet) -> None:
    """Play until the watch says that it is enough."""
    try:
        asyncio.run(play(config, folder, progress, kept=Simulated(folder)))
    except Enough:
        return


def woken(runs: Path) -> float:
    """Seconds from the start of a process that resumes the run until its first node works."""
    code = f"from maieutic.benchmarks.longrun import wake; wake({str(runs)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the run could not be resumed:\n{done.stderr[-3000:]}")
    return float(done.stdout.splitlines()[-1])


def wake(runs: str) -> None:
    """In a process of its own: resume, and print the seconds since the process began."""
    folder, config = find(Path(runs), NAME)
    seconds: list[float] = []

    class Timed(Awake):
        def begin(self, round: int, stage: str, total: int) -> None:
            seconds.append(time.time() - psutil.Process().create_time())
            super().begin(round, stage, total)

    run(folder, config, Timed())
    print(f"{seconds[0]:.3f}")


def queries(folder: RunFolder, config: RunConfig, count: int = 200) -> list[float]:
    """Seconds of single questions to the run's Chroma, each for what is most like a question of its own."""
    store = Store(folder.memory, embedding_function(config.memory.embedding))
    try:
        questions = store.collection("questions")
        ids = questions.get(include=[])["ids"]
        texts = questions.get(ids=Random(0).sample(ids, min(count, len(ids))), include=["documents"])
        took = []
        for text in texts["documents"] or []:
            started = time.perf_counter()
            questions.query(query_texts=[text], n_results=3)
            took.append(time.perf_counter() - started)
        print(f"Chroma holds {len(ids):,} questions")
        return took
    finally:
        store.close()


def lookups(folder: RunFolder, config: RunConfig, count: int = 256) -> tuple[float, int]:
    """Seconds that the archive takes for one new question of a round's, and how many it holds."""
    store = Store(folder.memory, embedding_function(config.memory.embedding))
    try:
        bank = QuestionBank(store, config.memory.active)
        cells = [cell for cell in arithmetic.CELLS if cell[1] > 3]
        rng = Random(1)
        texts = [arithmetic.question_text(drawing.draw(*rng.choice(cells), rng)) for _ in range(count)]
        started = time.perf_counter()
        bank.archive.copied(texts)
        return (time.perf_counter() - started) / count, bank.archive.count()
    finally:
        store.close()


def state_bytes(folder: RunFolder) -> int:
    """The largest checkpoint of the graph."""
    with sqlite3.connect(folder.graph) as database:
        return int(database.execute("SELECT max(length(checkpoint)) FROM checkpoints").fetchone()[0])


def report(folder: RunFolder, config: RunConfig, runs: Path) -> bool:
    """Print the figures; whether every bound is kept."""
    lines = (folder.path / NOTES).read_text().splitlines()
    rounds: dict[int, dict[str, Any]] = {entry["round"]: entry for entry in map(json.loads, lines)}
    fine = [_bound("graph state, bytes", state_bytes(folder), STATE_BYTES)]
    took = queries(folder, config)
    fine.append(_bound("Chroma query, seconds (99 of 100)", float(np.quantile(took, 0.99)), QUERY_S))
    looked_up, held = lookups(folder, config)
    fine.append(_bound(f"archive of {held:,} questions, seconds a lookup", looked_up, QUERY_S))
    fine.append(_bound("resume, seconds", woken(runs), RESUME_S))
    played = sorted(number for number in rounds if number >= FIRST)
    part = max(1, min(20, len(played) // 4))
    for name, unit in (("seconds", 1.0), ("cpu", 1.0), ("rss", 1e-6)):
        first, last = (
            statistics.median(unit * rounds[number][name] for number in some)
            for some in (played[:part], played[-part:])
        )
        said = f"{name}: {first:.2f} from round {played[0]} → {last:.2f} to round {played[-1]}"
        if name == "rss":
            fine.append(_bound(f"{said}; ratio", last / first, FLAT))
            continue
        one, other = (
            statistics.median(rounds[number][name] / rounds[number][f"yard_{name}"] for number in some)
            for some in (played[:part], played[-part:])
        )
        said = f"{said}, {last / first:.2f} times; by the yardstick {one:.1f} → {other:.1f}"
        fine.append(_bound(f"{said}; ratio", other / one, FLAT))
    total = sum(entry["seconds"] for entry in rounds.values())
    print(f"{len(rounds):,} rounds in {total / 60:.1f} minutes; {questions_of(folder):,} questions")
    return all(fine)


def questions_of(folder: RunFolder) -> int:
    """How many questions the run has written down, its seeds included."""
    import pyarrow.parquet as pq

    parts = (folder.path / "rounds").glob("*/questions/*.parquet")
    return sum(pq.read_metadata(part).num_rows for part in parts)


def _bound(name: str, value: float, most: float) -> bool:
    fine = value <= most
    print(f"{'PASS' if fine else 'FAIL'}  {name}: {value:,.3f} (at most {most:g})", flush=True)
    return fine


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--questions", type=int, help="of all rounds together; 1,000 a round if left out")
    parser.add_argument(
        "--active", type=int, default=0, help="memory.active; what eight rounds add if left out"
    )
    parser.add_argument("--keep", type=Path, help="a folder that the run is kept in")
    parser.add_argument("--resume", action="store_true", help="go on with the run that --keep names")
    told = parser.parse_args(arguments)
    if told.resume and told.keep is None:
        parser.error("--resume needs --keep, the folder of the run that is to go on")
    with tempfile.TemporaryDirectory() as scratch:
        runs = told.keep or Path(scratch)
        if told.resume:
            folder, config = find(runs, NAME)
        else:
            new = max(1, (told.questions or 1000 * told.rounds) // told.rounds)
            config = settings(told.rounds, new, told.active)
            folder = create(config, runs, NAME, gather(config))
        run(folder, config, Watch(folder.path / NOTES, min(told.rounds, config.rounds - 1)))
        sys.exit(0 if report(folder, config, runs) else 1)


if __name__ == "__main__":
    main()
