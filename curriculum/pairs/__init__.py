"""Preference pairs from the rollouts of one question: one builder a file, looked up by name."""

from __future__ import annotations

from typing import get_args

from ...config import RunConfig
from ...errors import ConfigError
from ...plugins import found, made
from .case import Asks, Builder, Case, Changed, Judged, Said
from .edits import change_digit
from .socratic import Socratic

__all__ = [
    "BUILDERS",
    "Builder",
    "Case",
    "Changed",
    "Judged",
    "Said",
    "Socratic",
    "builders_of",
    "change_digit",
]

BUILDERS = {
    "socratic": ".curriculum.pairs.socratic:Socratic",
    "curry": ".curriculum.pairs.curry:Curry",
    "crew": ".curriculum.pairs.crew:Crew",
    "rise": ".curriculum.pairs.rise:Rise",
    "spar": ".curriculum.pairs.spar:Spar",
    "steps": ".curriculum.pairs.steps:Steps",
    "lengths": ".curriculum.pairs.lengths:Lengths",
}


def builders_of(config: RunConfig) -> dict[str, Builder]:
    """The configured pair builders by name, in their order.

    Raises:
        ConfigError: there is none of a name, it has not such an option, or the run lacks what it needs.
    """
    if config.pairs.replay_band and not config.rollouts.logprobs:
        raise ConfigError(
            "pairs.replay_band: likelihoods are only known with rollouts.logprobs; set it to true"
        )
    builders: dict[str, Builder] = {}
    for name, options in config.pairs.named:
        setting = f"pairs.builders {name[:60]}"
        builder = made(found("pairs", name, BUILDERS, "pairs.builders"), options, setting)
        if not callable(getattr(builder, "pairs", None)):
            raise ConfigError(f"{setting}: has no method pairs(case, rng); see docs/extending.md")
        if getattr(builder, "asks", "inject") not in get_args(Asks):
            raise ConfigError(f"{setting}: asks is {builder.asks!r}; expected {' or '.join(get_args(Asks))}")
        if hasattr(builder, "asks") and not callable(getattr(builder, "wish", None)):
            raise ConfigError(f"{setting}: asks, and has no method wish(case, rng); see docs/pairs.md")
        if hasattr(builder, "check"):
            try:
                builder.check(config)
            except ValueError as error:  # what one of the user's may raise in place of a ConfigError
                raise ConfigError(f"{setting}: {error}") from error
        builders[name] = builder
    return builders
