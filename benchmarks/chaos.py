"""A run that is killed again and again, beside the same run left alone: is it the run that would have been?

    python -m benchmarks.chaos --kills 30 --seed 0              the pocket run: vLLM, TRL, Chroma, LangGraph
    python -m benchmarks.chaos --pretended --kills 30           stand-ins for models and trainers
    python -m benchmarks.chaos --pretended --every 1            a run for every place that there is (an hour)

Half of the kills come at a place that is drawn from those that the undisturbed run passed (in the middle
of writes, nodes, swaps, launches), half at any moment; half of them take the whole tree of processes,
half the orchestrator alone. A run that ends before all kills are used is compared, and another is begun.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from . import disturbed, killing
from .killed import KILL
from .playing import TOKEN, Play, Players, players, teacher
from .sameness import Left, differences, doubled, left_by, leftovers

SMALL = [
    "rounds=2", "pocket.examples=9600", "pocket.seed=7", "sets.per_cell=2", "curriculum.questions=96",
    "curriculum.new=64", "training.least_pairs=1", "generator.proposals=12",
]  # fmt: skip
"""The run of tests/test_end_to_end.py, whose base model may be in the cache."""

_OVER_S = 900.0
HUNG = 124
"""In place of an exit code: a play that nobody was to kill did not end, as where it waits for itself."""

Player = Callable[[Play, float], int]
"""Plays, and is killed after so many seconds, where they are not 0; gives the exit code."""


@dataclass
class Tally:
    """What plays have cost."""

    seconds: float = 0.0
    rollouts: int = 0
    tokens: int = 0

    def read(self, file: Path) -> None:
        for line in file.read_text().splitlines() if file.exists() else []:
            role, completions, tokens = line.split()
            self.rollouts += int(completions) * (role == "solver")
            self.tokens += int(tokens)


@dataclass
class Found:
    """What the kills of a benchmark did."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    faults: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def real(asked: Play, after: float) -> int:
    """Play with the real models, as a user would: `maieutic run`, then `maieutic resume`."""
    run = Path(asked.run)
    begun = (run / "run.yaml").exists()
    line = ["resume", run.name] if begun else ["run", "--name", run.name]
    line += ["--runs-dir", str(run.parent)]
    line += [] if begun else [part for setting in asked.settings for part in ("--set", setting)]
    with (run.parent / f"{run.name}.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "maieutic.benchmarks.killed", *line],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {KILL: json.dumps(asdict(asked)), TOKEN: str(run.parent)},
        )
        return _ended(process, asked.tree, after)


def _ended(process: subprocess.Popen[bytes], tree: bool, after: float) -> int:
    try:
        return process.wait(after or _OVER_S)
    except subprocess.TimeoutExpired:
        pass
    except BaseException:  # we are told to end: what we started ends with us
        killing.kill(process.pid, True)
        raise
    killing.kill(process.pid, tree or not after)
    code = process.wait(60)
    return code if after else HUNG


def pretended(there: Players) -> Player:
    """Plays with stand-ins; a moment is a place, since a play takes seconds."""

    def play(asked: Play, after: float) -> int:
        if after:
            at = 1 + int(after * 100)
            asked = replace(asked, at=at, place="*")
        return there.play(asked)

    return play


@dataclass
class Chaos:
    """
    Args:
        folder: takes the runs.
        seconds: of an undisturbed play, as the kills at any moment see it.
        token: marks what plays start.
        owner: the process whose children may live on.
    """

    play: Player
    folder: Path
    settings: list[str]
    token: str
    owner: int | None = None
    calm: Tally = field(default_factory=Tally)
    found: Found = field(default_factory=Found)
    places: list[str] = field(default_factory=list)
    left: Left = field(default_factory=Left)

    def undisturbed(self) -> None:
        """Play the run that all others are compared with, where it is not there."""
        run = self.folder / "calm"
        trace, tally, took = (self.folder / f"calm.{name}" for name in ("places", "tally", "seconds"))
        if not took.exists():
            started = time.monotonic()
            code = self.play(Play(str(run), self.settings, trace=str(trace), tally=str(tally)), 0)
            if code:
                raise SystemExit(f"the undisturbed run ended with {code}; see {self.folder}")
            took.write_text(f"{time.monotonic() - started:.1f}")
        self.calm.seconds = float(took.read_text())
        self.calm.read(tally)
        self.places, self.left = disturbed.places(trace), left_by(run)

    def kill(self, kills: int, rng: random.Random, moment: float) -> None:
        """Kill runs so many times in all.

        Args:
            moment: seconds of which a kill at any moment takes some.
        """
        while self.found.kills.total() < kills:
            self.found.runs += 1
            run = self.folder / f"killed-{self.found.runs}"
            code = -9
            while code == -9:
                left = kills - self.found.kills.total()
                code = self._one(run, rng, moment) if left else self._last(run)
                # A resume may come while what a killed play started is still about to end.
                if code != -9 or rng.random() < 0.5:
                    self._checked(run)
            self._compared(run, code)

    def _one(self, run: Path, rng: random.Random, moment: float) -> int:
        tree, chosen = rng.random() < 0.5, rng.random() < 0.5
        place, after = rng.choice(self.places), 0.0 if chosen else rng.uniform(0.5, moment)
        # What has a round in its name is there once: it may be past.
        wanted = place if chosen else "no such place"
        code = self._played(Play(str(run), self.settings, 1, wanted, tree), after)
        if code == -9:
            kind = disturbed.kind_of(wanted) if chosen else "any moment"
            self.found.kills[f"{'tree ' if tree else 'alone'}  {kind}"] += 1
            print(f"killed {self.found.kills.total()} times, run {self.found.runs}: {kind}", flush=True)
        return code

    def _last(self, run: Path) -> int:
        return self._played(Play(str(run), self.settings), 0)

    def _played(self, asked: Play, after: float) -> int:
        tally, started = self.folder / f"{Path(asked.run).name}.tally", time.monotonic()
        before = _parts(Path(asked.run))
        code = self.play(
            Play(asked.run, asked.settings, asked.at, asked.place, asked.tree, "", str(tally)), after
        )
        self.found.tally.seconds += time.monotonic() - started
        now = _parts(Path(asked.run))
        changed = [name for name, data in before.items() if now.get(name) != data]
        self.found.faults += [f"{asked.run}: {name}, which was whole, was changed" for name in changed]
        return code

    def _checked(self, run: Path) -> None:
        left = disturbed.left_alive(self.token, self.owner)
        self.found.faults += [f"{run.name}: left alive: {one}" for one in left]

    def _compared(self, run: Path, code: int) -> None:
        self.found.tally.read(self.folder / f"{run.name}.tally")
        if code:
            self.found.faults.append(f"{run.name}: ended with {code}")
            return
        for what, said in (
            ("differs", differences(self.left, left_by(run))),
            ("twice", doubled(run)),
            ("left over", leftovers(run)),
        ):
            self.found.faults += [f"{run.name}: {what}: {one[:300]}" for one in said]


def _parts(run: Path) -> dict[str, bytes]:
    """The parts that are there: written once, never changed. Of a series that grows by itself none is."""
    return {str(path): path.read_bytes() for path in run.glob("rounds/*/rollouts/*.parquet")}


def every(chaos: Chaos, step: int) -> None:
    """A run for every so-manieth place, killed there once."""
    for number in range(1, len(chaos.places) + 1, step):
        chaos.found.runs += 1
        run = chaos.folder / f"at-{number}"
        code = chaos._played(Play(str(run), chaos.settings, number, "*", number % 2 == 0), 0)
        chaos.found.kills[disturbed.kind_of(chaos.places[number - 1])] += code == -9
        chaos._compared(run, chaos._last(run) if code == -9 else code)
        shutil.rmtree(run, ignore_errors=True)


def told(chaos: Chaos) -> str:
    """The figures, for docs/reliability.md."""
    found, calm = chaos.found, chaos.calm
    lines = [f"{found.kills.total()} kills of {found.runs} runs, each beside the run that was left alone"]
    lines += [f"  {count:4}  {place}" for place, count in sorted(found.kills.items())]
    for name, mine, theirs in (
        ("rollouts", found.tally.rollouts, calm.rollouts),
        ("tokens", found.tally.tokens, calm.tokens),
        ("seconds", found.tally.seconds, calm.seconds),
    ):
        ratio = mine / (theirs * max(1, found.runs)) if theirs else 0.0
        lines.append(f"{name}: {mine:.0f} where {theirs * found.runs:.0f} would do: {ratio:.3f} times")
    lines.append(f"{len(found.faults)} faults" if found.faults else "nothing differs, doubled or left over")
    return "\n".join(lines + [f"  {fault}" for fault in found.faults[:40]])


@contextlib.contextmanager
def _players(options: argparse.Namespace, folder: Path) -> Iterator[Chaos]:
    if not options.pretended:
        yield Chaos(real, folder, [*SMALL, *options.set], str(folder))
        return
    with players(str(folder), folder / "log") as there, contextlib.ExitStack() as stack:
        more = stack.enter_context(teacher()) if options.taught else []
        settings = [*disturbed.SETTINGS, *more, *options.set]
        yield Chaos(pretended(there), folder, settings, str(folder), there.pid)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=0, help="with --pretended: a run for every N-th place")
    parser.add_argument("--pretended", action="store_true", help="stand-ins for vLLM and training")
    parser.add_argument(
        "--taught", action="store_true", help="with --pretended: Teacher and judge are models"
    )
    parser.add_argument("--set", action="append", default=[], help="key=value of the runs; repeatable")
    parser.add_argument("--keep", type=Path, help="a folder for the runs, and for the one left alone")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        chaos = stack.enter_context(_players(options, folder))
        chaos.undisturbed()
        print(f"left alone: {chaos.calm.seconds:.0f} s, {len(chaos.places)} places to die at", flush=True)
        if options.every:
            every(chaos, options.every)
        else:
            moment = len(chaos.places) / 400 if options.pretended else chaos.calm.seconds / 2
            chaos.kill(options.kills, random.Random(options.seed), moment)
        print(told(chaos))
    return int(bool(chaos.found.faults))


if __name__ == "__main__":
    sys.exit(main())
