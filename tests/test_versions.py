"""Runs of other versions: an older one goes on, a later one and one of another schema are refused by name."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from maieutic.config import load
from maieutic.errors import ConfigError, RunError
from maieutic.graph.changing import change
from maieutic.graph.folders import find
from maieutic.graph.making import create
from maieutic.graph.run import play
from maieutic.graph.versions import require_ours
from maieutic.memory.run import SCHEMA, RunFolder
from maieutic.tasks.material import gather


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    config = load(None, ["sets.per_cell=1"])
    return create(config, tmp_path_factory.mktemp("runs"), "mine", gather(config))


def rewritten(made: RunFolder, path: Path, **noted: str) -> RunFolder:
    """A run whose first lines say something else."""
    text = made.config.read_text()
    for name, value in noted.items():
        line = f"# {name.replace('_', '-')} "
        text = re.sub(rf"^{line}.*\n", f"{line}{value}\n" if value else "", text, flags=re.MULTILINE)
    folder = RunFolder(path / "mine")
    folder.path.mkdir(parents=True)
    folder.config.write_text(text)
    return folder


def test_a_run_says_which_version_and_which_records_it_has(made: RunFolder) -> None:
    first = made.config.read_text().split("seed:")[0]
    assert f"# maieutic {version('maieutic')}\n" in first
    assert f"# records-schema {SCHEMA}\n" in first
    require_ours(made)


@pytest.mark.parametrize(
    "noted", [{"maieutic": "0.0.9"}, {"maieutic": "0.0.9", "records_schema": ""}, {"maieutic": ""}]
)
def test_an_older_versions_run_goes_on(made: RunFolder, tmp_path: Path, noted: dict[str, str]) -> None:
    """Those of before schemas were noted, too."""
    require_ours(rewritten(made, tmp_path, **noted))


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        ({"maieutic": "99.1.0"}, r"mine is a run of maieutic 99\.1\.0 .*later version.*Install that"),
        ({"maieutic": "99.1.0.dev3"}, r"maieutic 99\.1\.0\.dev3 .*later version"),
        ({"records_schema": "2"}, r"records of schema 2.*this is .*schema 1"),
        ({"records_schema": "0"}, r"whose records \(schema 0\).*reads schema 1 to 1"),
        ({"records_schema": "x" * 30}, r"later version"),
    ],
)
async def test_what_this_version_cannot_go_on_with_is_refused_and_untouched(
    made: RunFolder, tmp_path: Path, noted: dict[str, str], said: str
) -> None:
    folder = rewritten(made, tmp_path, **noted)
    with pytest.raises(RunError, match=said):
        await play(load(folder.config), folder)
    with pytest.raises(RunError, match=said):
        change(folder, ["serving.retries=1"])
    assert [path.name for path in folder.path.iterdir()] == ["run.yaml"]


def test_settings_that_a_later_version_added_are_explained_by_it(made: RunFolder, tmp_path: Path) -> None:
    folder = rewritten(made, tmp_path, maieutic="99.1.0")
    folder.config.write_text(folder.config.read_text() + "mood: good\n")
    with pytest.raises(RunError, match=r"maieutic 99\.1\.0"):
        find(tmp_path, "mine")
    ours = rewritten(made, tmp_path / "ours", maieutic=version("maieutic"))
    ours.config.write_text(ours.config.read_text() + "mood: good\n")
    with pytest.raises(ConfigError, match="unknown key mood"):
        find(ours.path.parent, "mine")
