"""What the reward hacking watch is shown: attempts and fixed sets of the last rounds, from the records.

The fixed set is named by whoever asks. What may stop a run asks for the validation set; only the report
asks for the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from ..config import RunConfig
from ..curriculum.gate import right_marks
from ..curriculum.watch import Change, Pairs, Rates, Trained, Watched, training_alarm, watch
from ..memory.run import RunFolder
from ..records import Alarm, Question, Shift, Verdict
from ..trainers.jobs import result_of
from .kept_rounds import played_by

_REWARDS = {"reward", "first/reward"}
"""Figures of a training that samples: in its last logged steps, and in its first."""


def alarms_of(folder: RunFolder, config: RunConfig, round: int, name: str) -> list[Alarm]:
    """What is to be said of a round that is over.

    Args:
        name: of the fixed set, as its files are called.
    """
    if config.watch.reward_hacking == "none":
        return []
    alarms = []
    watched = attempts_watched(folder, config, round, name)
    if watched is not None and watched.alarm:
        alarms.append(_of_attempts(watched, config, round, name))
    trained = trainings_watched(folder, config, round, name)
    if trained is not None and trained.alarm:
        alarms.append(_of_trainings(trained, config, name))
    return alarms


def attempts_watched(folder: RunFolder, config: RunConfig, round: int, name: str) -> Watched | None:
    """The last rounds against as many before them; None where there are not so many."""
    span = config.watch.rounds
    then, later = range(round - 2 * span + 1, round - span + 1), range(round - span + 1, round + 1)
    if then[0] < 1:
        return None
    before, after = (_first_attempts(folder, window) for window in (then, later))
    return watch(before, after, _fixed(folder, then, later, name), config.watch.confidence)


def trainings_watched(folder: RunFolder, config: RunConfig, round: int, name: str) -> Trained | None:
    """Trainings of the last rounds that sampled by themselves."""
    rises, results = [], []
    for number in range(max(1, round - config.watch.rounds + 1), round + 1):
        made = result_of(folder.checkpoint(f"solver-{number:04d}"))
        if made is None or made.stopped or not made.rollouts or not made.metrics.keys() >= _REWARDS:
            continue
        before, after = (_accuracy(folder, n, name) for n in (played_by(folder, number), number))
        rises.append(made.metrics["reward"] - made.metrics["first/reward"])
        results.append(after - before)
    return training_alarm(rises, results, config.watch.confidence)


def _first_attempts(folder: RunFolder, rounds: Iterable[int]) -> Rates:
    """Pass rates of the questions that were added just before the round that asked them."""
    found: dict[str, list[float]] = defaultdict(list)
    for number in rounds:
        kinds = ("questions", "labelled") if number == 1 else ("questions",)
        new = {row["id"] for kind in kinds for row in folder.columns(number - 1, kind, ["id"])}
        for row in folder.columns(number, "attempts", ["question_id", "skill", "level", "pass_rate"]):
            if row["question_id"] in new:
                found[f"{row['skill']}/{row['level']}"].append(row["pass_rate"])
    return found


def _fixed(folder: RunFolder, then: Sequence[int], later: Sequence[int], name: str) -> Pairs:
    """Mean marks, in each window, of the Solvers that played its rounds."""
    questions = folder.read(0, f"sets/{name}", Question)
    marks = {
        number: right_marks(questions, folder.read(number, f"verdicts/{name}", Verdict))
        for number in {played_by(folder, played) for played in (*then, *later)}
    }
    windows = [[marks[played_by(folder, played)] for played in window] for window in (then, later)]
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for place, question in enumerate(questions):
        was, now = (fmean(float(row[place]) for row in window) for window in windows)
        found[f"{question.skill}/{question.level}"].append((was, now))
    return found


def _accuracy(folder: RunFolder, round: int, name: str) -> float:
    return float(folder.read_json(round, name)["accuracy"])


def _of_attempts(watched: Watched, config: RunConfig, round: int, name: str) -> Alarm:
    span = config.watch.rounds
    said = (
        f"reward hacking? Questions asked for the first time in rounds {round - span + 1} to {round} are "
        f"passed {_points(watched.reward)} more often than in the {span} before, and the {_called(name)} set "
        f"changed by {_points(watched.result)} in the same skills and levels. Read what passes: see "
        "docs/reliability.md"
    )
    return Alarm(seen="attempts", against=name, reward=_shift(watched.reward),
                 result=_shift(watched.result), said=said)  # fmt: skip


def _of_trainings(trained: Trained, config: RunConfig, name: str) -> Alarm:
    reward = trained.reward
    said = (
        f"reward hacking? The trainings of the last {config.watch.rounds} rounds raised their own reward by "
        f"{reward.value:+.3f} [{reward.low:+.3f}, {reward.high:+.3f}] each, and the {_called(name)} set "
        f"changed by {_points(trained.result)}. Read what is rewarded: see docs/reliability.md"
    )
    return Alarm(seen="training", against=name, reward=_shift(reward),
                 result=_shift(trained.result), said=said)  # fmt: skip


def _called(name: str) -> str:
    return "validation" if name == "validation" else "held-out"


def _points(change: Change) -> str:
    return f"{100 * change.value:+.1f} points [{100 * change.low:+.1f}, {100 * change.high:+.1f}]"


def _shift(change: Change) -> Shift:
    return Shift(change=change.value, low=change.low, high=change.high)
