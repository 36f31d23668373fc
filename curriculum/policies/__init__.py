"""The curriculum policies, one a file, and their names."""

from __future__ import annotations

from ...config import RunConfig
from ...errors import ConfigError
from ...plugins import found, made
from ..policy import Policy

_HERE = ".curriculum.policies."

POLICIES: dict[str, str] = {
    name: f"{_HERE}{place}"
    for name, place in {
        "socratic": "socratic:Socratic",
        "uniform": "uniform:Uniform",
        "easy_to_hard": "fixed_order:EasyToHard",
        "hard_to_easy": "fixed_order:HardToEasy",
        "balanced": "balanced:Balanced",
        "sec": "sec:SEC",
        "dump": "dump:DUMP",
        "pcl": "pcl:PCL",
        "cures": "cures:CurES",
        "e2h": "e2h:E2H",
        "adarft": "adarft:AdaRFT",
        "irt": "irt_matching:IRT",
        "alp_gmm": "alp_gmm:ALPGMM",
        "cyclical": "cyclical:Cyclical",
        "eva": "eva:Eva",
        "webrl": "webrl:WebRL",
        "stat_sel": "stat_sel:StatSel",
        "r_zero": "r_zero:RZero",
        "absolute_zero": "absolute_zero:AbsoluteZero",
        "adcl": "adcl:ADCL",
        "gain_rl": "gain_rl:GainRL",
        "one_shot": "one_shot:OneShot",
    }.items()
}


_METHODS = ("select", "allocate", "plan", "update", "state_dict", "load_state_dict", "metrics")
"""Of every policy, beside `measures`."""

_SHARED = ("mastered", "leap")
"""Options of `socratic` that have settings of their own."""


def policy_of(config: RunConfig) -> Policy:
    """The configured policy: ours by its name, `module:Class`, or an entry point of `maieutic.policies`.

    Raises:
        ConfigError: there is none of that name, it is no policy, or it does not take these options.
    """
    given = config.curriculum
    shared = {name: getattr(given, name) for name in _SHARED} if given.policy == "socratic" else {}
    chosen = found("policies", given.policy, POLICIES, "curriculum.policy")
    built: Policy = made(chosen, shared | given.options, "curriculum.options")
    lacks = [name for name in _METHODS if not callable(getattr(built, name, None))]
    lacks += [] if isinstance(getattr(built, "measures", None), str) else ["measures"]
    if lacks:
        raise ConfigError(
            f"curriculum.policy {given.policy}: is no policy, it has no {', '.join(lacks)}; derive it from "
            "maieutic.curriculum.policy.Base, and see docs/extending.md"
        )
    return built
