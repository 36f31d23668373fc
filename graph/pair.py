"""The node that turns a round's verdicts into what is trained on: pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from ..config import PairsConfig
from ..curriculum.pairs import Builder, Case, builders_of
from ..curriculum.pairs.balance import capped, few_of_each, fewer_anchors, replayed, weighed
from ..curriculum.pairs.smoothing import smoothed
from ..errors import RunError
from ..records import PreferencePair
from .cases import cases
from .reworked import reworked
from .room import Room
from .state import LoopState

_TURNS = 8


async def pair(room: Room, state: LoopState) -> LoopState:
    """Preference pairs of this round, and a share of earlier ones."""
    round, settings = state["round"], room.config.pairs
    if room.folder.has(round, "pairs"):
        return {}
    room.progress.begin(round, "pair", 1)
    there, rng = cases(room, round), room.rng(round, "pair")
    built = []
    for name, builder in builders_of(room.config).items():
        # What is built beside it changes nothing: each has random numbers of its own.
        own = rng if name == "socratic" else room.rng(round, f"pair/{name}")
        built.append(await _built(room, round, name, builder, there, own))
    by_question = [[one for pairs in each for one in pairs] for each in zip(*built, strict=True)]
    pairs = [one for each in by_question for one in few_of_each(each, settings.per_question)]
    pairs = _balanced(pairs, settings, there, room.rng(round, "pair/balance"))
    pairs += _again(room, round, len(pairs), rng)
    room.folder.write(round, "pairs", 0, pairs)
    return {}


async def _built(
    room: Room, round: int, name: str, builder: Builder, there: Sequence[Case], rng: Random
) -> list[list[PreferencePair]]:
    """A builder's pairs of each question."""
    shown = await reworked(room, round, name, builder, there)
    built = [builder.pairs(case, rng) for case in shown]
    for case, pairs in zip(shown, built, strict=True):
        check_pairs(name, case, pairs)
    if not room.config.pairs.smoothing:
        return built
    return [[smoothed(one, case) for one in pairs] for pairs, case in zip(built, shown, strict=True)]


def check_pairs(name: str, case: Case, pairs: object) -> None:
    """
    Raises:
        RunError: a builder of the user's gave something else than pairs of the case.
    """
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(one, PreferencePair) and one.question_id == case.question.id for one in pairs
    ):
        raise RunError(
            f"pairs.builders {name[:60]}: gave {str(pairs)[:80]!r}, where a list of pairs of the question "
            "was expected, each by case.pair(kind, chosen, rejected)"
        )


def _balanced(
    pairs: list[PreferencePair], settings: PairsConfig, there: Sequence[Case], rng: Random
) -> list[PreferencePair]:
    skills = {case.question.id: case.question.skill for case in there}
    zones = {case.question.id: case.zone or "" for case in there}
    groups: dict[str, Callable[[PreferencePair], str]] = {
        "skill": lambda one: skills[one.question_id],
        "zone": lambda one: zones[one.question_id],
    }
    pairs = fewer_anchors(pairs, settings.anchors, rng)
    for name, share in (("skill", settings.largest_skill), ("zone", settings.largest_zone)):
        pairs = pairs if share == 1 else capped(pairs, groups[name], share, rng)
    names = list(dict.fromkeys(settings.weigh))
    # Evening out one grouping moves the other a little: a few turns settle both.
    for name in names * (_TURNS if len(names) > 1 else 1):
        pairs = weighed(pairs, groups[name])
    return pairs


def _again(room: Room, round: int, count: int, rng: Random) -> list[PreferencePair]:
    """A share of earlier rounds' pairs."""
    earlier = room.replayable.before(room.folder, round)
    band = room.config.pairs.replay_band
    return replayed(earlier, int(room.config.training.replay * count), rng, band)
