"""A grid of runs: which variants, which seeds, each a run folder below the comparison's own."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..config import RunConfig, changed, dump, load
from ..errors import ConfigError, RunError
from ..memory.run import GRID, write_whole
from .making import absolute
from .variants import Variant, control_of, folder_names, variants

_BASE = "base.yaml"
_BUDGETS = ("budget=", "budget.rollouts=")
_DIGITS = 13
"""Of a budget: Python itself refuses to read a number of some thousands."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a grid."""

    name: str
    variant: Variant
    seed: int


class Grid(BaseModel):
    """What is compared; written once, and again only where variants or seeds were added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    begun: str
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    rollouts: int = 0
    """Budget of each run; 0 for none."""
    rounds_fixed: bool = False
    """Whether the rounds were named, so that the budget does not raise them."""
    control: str
    """Name of the variant that all others are compared with."""
    reach: float | None = None

    def cells(self) -> list[Cell]:
        """Seed by seed, so that what is there can be compared before all is."""
        names = folder_names([variant.name for variant in self.variants])
        return [
            Cell(f"{names[variant.name]}-s{seed}", variant, seed)
            for seed in self.seeds
            for variant in self.variants
        ]

    def config(self, base: RunConfig, cell: Cell) -> RunConfig:
        """The settings of a cell's run.

        Raises:
            ConfigError: those of its variant are wrong.
        """
        settings = [f"budget.rollouts={self.rollouts}", *cell.variant.settings, f"seed={cell.seed}"]
        config = changed(base, settings)
        named = self.rounds_fixed or any(text.startswith("rounds=") for text in settings)
        if named or not config.budget.rollouts:
            return config
        return config.model_copy(update={"rounds": _rounds(config, config.budget.rollouts)})


def _rounds(config: RunConfig, rollouts: int) -> int:
    """So many that the budget ends a run: twice what it takes when all rounds are full, since the first
    seldom are."""
    full = math.ceil(rollouts / (config.curriculum.questions * config.rollouts.n))
    return min(10_000, max(config.rounds, 2 * full + 4))


def begun(
    file: Path | None,
    settings: Sequence[str],
    varied: Sequence[str],
    named: Sequence[str],
    seeds: int,
    budget: str | None,
    against: str | None,
    reach: float | None,
    command: Sequence[str],
) -> tuple[Grid, RunConfig]:
    """A grid as it is asked for on the command line, and the configuration that it varies.

    Raises:
        ConfigError: something of it cannot be read.
    """
    config, found = load(file, settings), variants(varied, named)
    rollouts = _rollouts(budget) if budget is not None else config.budget.rollouts
    own = next((v.name for v in found if any(s.startswith(_BUDGETS) for s in v.settings)), None)
    if rollouts and own is not None:
        raise ConfigError(
            f"variant {own[:60]}: budget.rollouts is {rollouts} for all runs; leave out --budget, or "
            "budget.rollouts in --vary, --variant and the configuration"
        )
    grid = Grid(
        command=_shown(command),
        begun=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        variants=found,
        seeds=tuple(range(config.seed, config.seed + seeds)),
        rollouts=rollouts,
        rounds_fixed=any(setting.startswith("rounds=") for setting in settings),
        control=control_of(found, against),
        reach=reach,
    )
    return grid, config


def _rollouts(budget: str) -> int:
    kind, _, number = budget.partition("=")
    readable = kind == "rollouts" and number.isdecimal() and len(number) <= _DIGITS
    if not readable or not 0 < int(number) <= 10**12:
        raise ConfigError(f"--budget {budget[:60]}: expected rollouts=N, such as rollouts=20000")
    return int(number)


def _shown(command: Sequence[str]) -> str:
    """The command as others can type it: without where runs are kept here."""
    words = list(command[1:])
    while "--runs-dir" in words:
        place = words.index("--runs-dir")
        del words[place : place + 2]
    shown = shlex.join(["maieutic", *(word for word in words if not word.startswith("--runs-dir="))])
    return shown.encode(errors="replace").decode()  # a path may hold bytes that are no text


def write(folder: Path, grid: Grid, config: RunConfig) -> None:
    """Note a grid in its folder; one that is there may be called again with more variants or seeds.

    Raises:
        RunError: the folder holds something else.
    """
    base = dump(absolute(config))
    if (folder / GRID).exists():
        before, _ = read(folder)
        same = (folder / _BASE).read_text() == base and before.rollouts == grid.rollouts
        if not same or before.rounds_fixed != grid.rounds_fixed or not _within(before, grid):
            raise RunError(
                f"{folder} compares other settings; choose another --name, or go on with it by "
                f"`maieutic compare --resume {folder.name}`. Only variants and seeds can be added to it"
            )
        grid = grid.model_copy(update={"begun": before.begun})
    elif folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} exists already and is no comparison; choose another --name")
    write_whole(folder / _BASE, base)
    write_whole(folder / GRID, grid.model_dump_json(indent=1))


def _within(before: Grid, now: Grid) -> bool:
    """Whether every cell that there was is still one, and has the same folder."""
    there = {(cell.name, cell.variant, cell.seed) for cell in now.cells()}
    return all((cell.name, cell.variant, cell.seed) in there for cell in before.cells())


def read(folder: Path) -> tuple[Grid, RunConfig]:
    """The grid of a folder, and the configuration that it varies.

    Raises:
        RunError: there is none, or it is damaged.
    """
    file = folder / GRID
    if not file.exists():
        there = sorted(path.parent.name for path in folder.parent.glob(f"*/{GRID}"))
        known = f"there are: {', '.join(there)}" if there else f"{folder.parent} has none yet"
        raise RunError(f"no comparison {folder.name[:60]!r}; {known}")
    try:
        grid = Grid.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise RunError(
            f"{file} is damaged ({error.errors()[0]['msg']}); bring it back from a copy"
        ) from error
    _check_whole(grid, file)
    base = folder / _BASE
    if not base.exists() or not base.read_bytes().strip():
        raise RunError(f"{base} is missing or empty, which all runs vary; bring it back from a copy")
    return grid, load(base)


def _check_whole(grid: Grid, file: Path) -> None:
    """What a hand may have changed, and no run of ours does."""
    names = [variant.name for variant in grid.variants]
    whole = names and grid.seeds and grid.control in names
    if not whole or len(set(names)) < len(names) or len(set(grid.seeds)) < len(grid.seeds):
        raise RunError(
            f"{file} is damaged (it names no variant, no seed, one of them twice, or a control that is none "
            "of them); bring it back from a copy"
        )
