"""What a pocket run gains on its held-out set, beside a control with the same budget.

    python -m benchmarks.pocket_gain --seeds 3

For each seed, two whole runs: the curriculum, and a control with `curriculum.policy=uniform`
and `generator.most=0`: the same rounds, questions, rollouts and training, but new questions
are drawn alike from every skill and level, with no Generator. The control draws from the very
distribution that both fixed sets are drawn from; no curriculum that must find the levels by
itself has that advantage. Prints a line for each, with the 95 % paired bootstrap interval of
held-out points gained, and their difference.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import mean

from maieutic.config import load
from maieutic.graph.making import absolute
from maieutic.memory.run import RunFolder
from maieutic.records import RunReport, Worth

POLICIES = {
    "socratic": ["curriculum.policy=socratic"],
    "uniform": ["curriculum.policy=uniform", "generator.most=0"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, … (default 3)")
    parser.add_argument("--runs-dir", type=Path, help="keep the runs here; done ones are not played again")
    parser.add_argument("--set", action="append", default=[], help="key=value for both runs")
    given = parser.parse_args()
    runs = given.runs_dir or Path(tempfile.mkdtemp(prefix="maieutic-gain-"))
    print(f"runs in {runs}", flush=True)
    gains: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for seed in range(given.seeds):
        for policy in POLICIES:
            report = play(runs, policy, seed, given.set)
            gains[policy].append(line(policy, seed, report))
    for policy in POLICIES:
        mean = sum(gains[policy]) / len(gains[policy])
        print(f"{policy:9} mean gain {mean:+.1f} points over {given.seeds} seeds")
    generator_line([runs / f"socratic-{seed}" for seed in range(given.seeds)])
    lead = [ours - control for ours, control in zip(*gains.values(), strict=True)]
    print(f"curriculum over control: {', '.join(f'{x:+.1f}' for x in lead)} points, by seed")


def play(runs: Path, policy: str, seed: int, settings: list[str]) -> RunReport:
    """One run by the command line, as a user would; one that is there is read or resumed."""
    name = f"{policy}-{seed}"
    file, wanted = runs / name / "report.json", [*POLICIES[policy], *settings]
    noted = runs / name / "run.yaml"
    if noted.exists() and load(noted) != absolute(load(None, [*wanted, f"seed={seed}"])):
        sys.exit(f"{noted}: has other settings than these; choose another --runs-dir")
    if not file.exists() or RunReport.model_validate_json(file.read_text()).status != "done":
        command = [sys.executable, "-m", "maieutic"]
        if noted.exists():
            command += ["resume", name, "--runs-dir", str(runs)]
        else:
            command += ["run", "--name", name, "--runs-dir", str(runs), "--seed", str(seed)]
            for setting in wanted:
                command += ["--set", setting]
        log = runs / f"{name}.log"
        runs.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            sys.exit(f"{name} ended with exit code {done.returncode}; see {log}")
    return RunReport.model_validate_json(file.read_text())


def line(policy: str, seed: int, report: RunReport) -> float:
    assert report.baseline and report.final and report.gain
    gain = report.gain
    curve = " ".join(f"{100 * entry.heldout.accuracy:.1f}" for entry in report.rounds)
    rollouts = sum(entry.rollouts.n for entry in report.rounds)
    print(
        f"{policy:9} seed {seed}: {100 * report.baseline.accuracy:.1f} → "
        f"{100 * report.final.accuracy:.1f} % held-out, {gain.points:+.1f} points "
        f"[{gain.low:+.1f}, {gain.high:+.1f}], n={report.final.n}, {rollouts} rollouts; "
        f"rounds: {curve}",
        flush=True,
    )
    return gain.points


def generator_line(folders: Sequence[Path]) -> None:
    """Share and utility of the Generator's questions, from the first measured round to the last."""
    first: list[float] = []
    last: list[float] = []
    for path in folders:
        folder = RunFolder(path)
        report = RunReport.model_validate_json(folder.report.read_text())
        shares = [100 * entry.generator.share for entry in report.rounds]
        worths = [
            [w.utility for w in folder.read(entry.round, "worths", Worth) if w.author == "generator"]
            for entry in report.rounds
        ]
        measured = [values for values in worths if values]
        if not measured:
            continue
        first, last = first + measured[0], last + measured[-1]
        means = " ".join(f"{mean(values):.2f}" for values in measured)
        print(f"{path.name}: Generator's share {shares[0]:.1f} → {shares[-1]:.1f} %, utility {means}")
    if first:
        rng = Random(0)
        drawn = sorted(
            mean(rng.choices(last, k=len(last))) - mean(rng.choices(first, k=len(first))) for _ in range(2000)
        )
        print(
            f"utility, all runs, last round less first: {mean(last) - mean(first):+.3f} "
            f"[{drawn[49]:+.3f}, {drawn[1949]:+.3f}] (95 % bootstrap over questions)"
        )


if __name__ == "__main__":
    main()
