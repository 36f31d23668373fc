"""Profiles: each loads and fits the hardware it names; `init` writes one, and never over a file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from maieutic.cli import app
from maieutic.config import load, profiles
from maieutic.serving.hardware import imagined
from maieutic.trainers.estimates import plan_of
from typer.testing import CliRunner

CONFIGS = Path(__file__).parent.parent / "configs"

NAMED = [
    ("laptop-gpu", "1x8GB", 16),
    ("single-gpu", "1x24GB", 32),
    ("single-gpu", "1x80GB", 32),
    ("socratic-zero", "8x80GB", 128),
]
"""Hardware that a profile's header names."""


def test_every_profile_has_a_file_and_a_line() -> None:
    assert profiles.names() == ["pocket", "laptop-gpu", "single-gpu", "socratic-zero"]
    assert all(len(line) > 20 for _, line in profiles.listed())


def test_profiles_are_in_an_installed_package() -> None:
    """`init` finds them beside the package, where setuptools is told to put them."""
    told = tomllib.loads((CONFIGS.parent / "pyproject.toml").read_text())
    patterns = told["tool"]["setuptools"]["package-data"]["maieutic"]
    held = {path for pattern in patterns for path in CONFIGS.parent.glob(pattern)}
    assert {CONFIGS / f"{name}.yaml" for name in profiles.names()} <= held


@pytest.mark.parametrize(("name", "gpus", "ram"), NAMED)
def test_a_profile_fits_what_it_names(name: str, gpus: str, ram: int) -> None:
    made = plan_of(load(CONFIGS / f"{name}.yaml"), imagined(gpus, ram))
    assert made.problems == []
    header = (CONFIGS / f"{name}.yaml").read_text().partition("\nmodel:")[0]
    assert f"{gpus.partition('x')[2][:-2]} GB" in header
    assert f"{ram} GB of host memory" in header
    # The header's hours are those of the plan.
    assert f"about {made.hours_serving + made.hours_training:.1f} hours" in header


def test_the_pocket_profile_fits_a_laptop() -> None:
    made = plan_of(load(CONFIGS / "pocket.yaml"), imagined("0", 8))
    assert made.fits and made.while_training == "stay"


def test_every_number_has_its_reason() -> None:
    """A line that sets something has a comment; a second line may go on with one."""
    for name in profiles.names()[1:]:
        lines = (CONFIGS / f"{name}.yaml").read_text().splitlines()
        bare = [line for line in lines if re.match(r"\s*\w+: \S", line) and "#" not in line]
        assert set(bare) <= ALONE, name


ALONE = {"  model: Qwen/Qwen3-32B", "  learning_rate: 1.0e-5", "  batch_size: 1", "  epochs: 2",
         "  batch_size: 2", "  max_length: 2048"}  # fmt: skip
"""Of socratic-zero: a number without another word is the paper's, as its header says."""


def test_init_writes_a_copy_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "laptop-gpu"])
    assert done.exit_code == 0 and "maieutic run laptop-gpu.yaml" in done.output
    assert load(Path("laptop-gpu.yaml")) == load(CONFIGS / "laptop-gpu.yaml")
    assert Path("laptop-gpu.yaml").read_text() == (CONFIGS / "laptop-gpu.yaml").read_text()


def test_init_alone_lists_the_profiles() -> None:
    done = CliRunner().invoke(app, ["init"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == profiles.names()


def test_init_never_writes_over_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("rounds: 3\n")
    done = CliRunner().invoke(app, ["init", "pocket", "--to", str(file)])
    assert done.exit_code != 0 and "exists already" in str(done.exception)
    assert file.read_text() == "rounds: 3\n"


@pytest.mark.parametrize("name", ["unknown", "../pocket", "", "pocket.yaml", "/etc/passwd"])
def test_an_unknown_profile_names_those_there_are(name: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["init", name, "--to", str(tmp_path / "out.yaml")])
    assert "there are: pocket, laptop-gpu, single-gpu, socratic-zero" in str(done.exception)
    assert not (tmp_path / "out.yaml").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["init", "pocket", "--to", str(tmp_path / "no" / "out.yaml")])
    assert "cannot be written" in str(done.exception)
