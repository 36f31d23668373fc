"""Configuration: good ones load whole, bad ones stop with the place and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic import config
from maieutic.errors import ConfigError

ROOT = Path(__file__).parent.parent


def test_the_pocket_file_is_the_default() -> None:
    assert config.load(ROOT / "configs" / "pocket.yaml") == config.RunConfig()


def test_what_is_dumped_loads_back(tmp_path: Path) -> None:
    changed = config.load(None, ["rollouts.n=8", "training.learning_rate=1e-4", "seed=3"])
    assert (changed.rollouts.n, changed.training.learning_rate, changed.seed) == (8, 1e-4, 3)
    (tmp_path / "c.yaml").write_text(config.dump(changed))
    assert config.load(tmp_path / "c.yaml") == changed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rolouts: {n: 4}", "unknown key rolouts; did you mean rollouts?"),
        ("rollouts: {m: 4}", "unknown key rollouts.m"),
        ("rollouts: {n: many}", "rollouts.n is 'many'"),
        ("rollouts: {n: 0}", "rollouts.n is 0"),
        ("rollouts: 4", "rollouts is 4"),
        ("rounds: 1.5", "rounds is 1.5"),
        ("curriculum: {policy: 'a b'}", "curriculum.policy is 'a b'"),
        ("- a\n- b", "expected keys and values, found a list"),
        ("rounds: [1", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("a: 1\nb: 2\nc: 3", "and 2 more"),
    ],
)
def test_bad_files_say_where_and_what(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(file) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rounds", "expected key=value"),
        ("=3", "expected key=value"),
        ("rounds=[", "is not a YAML value"),
        ("seed.x=1", "seed is a value, it has no keys below it"),
        ("rollouts.n.x=3", "rollouts.n is {'x': 3}"),
        ("nothing=1", "unknown key nothing"),
    ],
)
def test_bad_overrides(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(None, ["seed=1", override])
    assert message in str(caught.value)


def test_a_missing_or_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        config.load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8"):
        config.load(tmp_path / "latin.yaml")


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_override_loads_or_is_refused(key: str, value: str) -> None:
    try:
        config.load(None, [f"{key}={value}"])
    except ConfigError:
        return
