"""Checkers without mathematics, by golden tables; the registry; plugins."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maieutic.errors import ConfigError
from maieutic.records import Question
from maieutic.tasks.checkers.finding import Finding
from maieutic.tasks.checkers.pool import CheckerPool
from maieutic.tasks.checkers.registry import CHECKERS, named, opened

CAPITALS = {"choices": ["Paris", "Rome", "New York"]}
PERSON = {
    "schema": {
        "type": "object",
        "required": ["name", "age"],
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    }
}


def question(answer: str, data: object = None) -> Question:
    return Question(
        id="q", text="", answer=answer, solution="", skill="", level=0, origin="seed",
        data=json.dumps(data) if data else "",
    )  # fmt: skip


def check(spec: str, answer: str, completion: str, data: object = None) -> str:
    checker = named(spec)
    asked = question(answer, data)
    return (checker.quick(asked, completion) or checker.slow(asked, completion)).outcome


@pytest.mark.parametrize(
    ("spec", "answer", "completion", "outcome"),
    [
        ("numeric", "3.14159", r"\boxed{3.14159}", "right"),
        ("numeric", "3.14159", "#### 3.1416", "wrong"),
        ("numeric?rel=0.001", "3.14159", "#### 3.1416", "right"),
        ("numeric?abs=0.01", "3.14", "#### 3.15", "right"),
        ("numeric?abs=0.01", "3.14", "#### 3.151", "wrong"),
        ("numeric?rel=0&abs=0", "1e3", "#### 1,000", "right"),
        ("numeric", "$5", "#### 5 dollars", "right"),
        ("numeric?rel=0.5", "5 cm", "#### 5 m", "wrong"),
        ("numeric?rel=0.5", "5 cm", "#### 6 cm", "right"),
        ("numeric", "5", "#### five", "invalid"),
        ("numeric", "five", "#### 5", "undecided"),
        ("numeric", "5", "it is\nunclear", "invalid"),
        ("exact", "New York", "#### new york.", "right"),
        ("exact", "New York", "The answer is New  York", "right"),
        ("exact?case=true", "New York", "#### new york", "wrong"),
        ("exact?punctuation=true", "U.S.", "#### US", "wrong"),
        ("exact", "U.S.", "#### u s", "right"),
        ("exact", "...", "#### ...", "right"),
        ("exact", "...", "#### ,,,", "wrong"),
        ("exact", "ﬁne", "#### fine", "right"),
        ("exact", "a", "b\nc", "invalid"),
        ("regex", r"\d{3}-\d{4}", "#### 555-1234", "right"),
        ("regex", r"\d{3}-\d{4}", "#### call 555-1234", "wrong"),
        ("regex", "yes|no", "#### yes", "right"),
        ("regex", "yes", "#### YES", "wrong"),
        ("regex?case=false", "yes", "#### YES", "right"),
        ("regex", "(", "#### yes", "undecided"),
        ("regex", "yes", "a\nb", "invalid"),
    ],
)
def test_golden(spec: str, answer: str, completion: str, outcome: str) -> None:
    assert check(spec, answer, completion) == outcome


@pytest.mark.parametrize(
    ("answer", "completion", "outcome", "data"),
    [
        ("B", r"\boxed{B}", "right", None),
        ("B", "The answer is (B).", "right", None),
        ("B", "b)", "right", None),
        ("(B)", "#### B", "right", None),
        ("B", "#### A", "wrong", None),
        ("B", "#### AB", "invalid", None),
        ("B", "#### A, B, C", "invalid", None),
        ("B", "#### A or B", "invalid", None),
        ("B", "A\nB\nC", "invalid", None),
        ("B", "#### Rome", "right", CAPITALS),
        ("B", "#### B) Rome", "right", CAPITALS),
        ("B", "#### B) Paris", "invalid", CAPITALS),
        ("B", "#### D", "invalid", CAPITALS),
        ("B", "#### A", "wrong", CAPITALS),
        ("Rome", "#### B", "right", CAPITALS),
        ("new york", "#### C. New York", "right", CAPITALS),
        ("Oslo", "#### A", "undecided", CAPITALS),
        ("B", "#### Paris, Rome, New York", "invalid", CAPITALS),
        ("B", "#### B", "undecided", {"choices": 5}),
    ],
)
def test_choices(answer: str, completion: str, outcome: str, data: Any) -> None:
    assert check("choice", answer, completion, data) == outcome


@pytest.mark.parametrize(
    ("spec", "answer", "completion", "outcome", "data"),
    [
        ("json", '{"a": 1}', '{"a": 1}', "right", None),
        ("json", '{"a": 1}', '{"a": 1.0}', "right", None),
        ("json", '{"a": 1}', '{"a": true}', "wrong", None),
        ("json", '{"a": 1, "b": [2]}', 'so:\n```json\n{"b": [2], "a": 1}\n```', "right", None),
        ("json", '{"a": 1}', 'first {"a": 2}, then {"a": 1}.', "right", None),
        ("json", '{"a": 1}', 'first {"a": 1}, then {"a": 2}.', "wrong", None),
        ("json", '{"a": 1}', '{"a": 1, "b": 2}', "wrong", None),
        ("json?fields=a", '{"a": 1}', '{"a": 1, "b": 2}', "right", None),
        ("json?fields=a,c", '{"a": 1}', '{"a": 1, "c": 2}', "wrong", None),
        ("json", "[1, 2]", "[2, 1]", "wrong", None),
        ("json", '{"a": 1}', "none here", "invalid", None),
        ("json", "{", '{"a": 1}', "undecided", None),
        ("json", "", '{"name": "Ann", "age": 5}', "right", PERSON),
        ("json", "", '{"name": "Ann", "age": "5"}', "wrong", PERSON),
        ("json", "", '{"name": "Ann", "age": "5"}', "undecided", {"schema": {"type": 5}}),
        ("json", '{"name": "Bob", "age": 5}', '{"name": "Ann", "age": 5}', "wrong", PERSON),
        ("json", "1", "[" * 40_000, "invalid", None),
        ("json", "1", "```" + "\n" * 49_000, "invalid", None),
        ("json", "", "{}", "undecided", {"schema": {"$ref": "#/nowhere"}}),
    ],
)
def test_json(spec: str, answer: str, completion: str, outcome: str, data: Any) -> None:
    assert check(spec, answer, completion, data) == outcome


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "URL"},
        {"$dynamicRef": "URL"},
        {"$id": "URL", "$ref": "other"},
        {"properties": {"a": {"$ref": "URL#/x"}}},
        {"$schema": "http://json-schema.org/draft-04/schema#", "id": "URL", "$ref": "URL/2"},
        {"$ref": "file:///etc/passwd"},
    ],
)
def test_a_schema_elsewhere_is_never_fetched(schema: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        asked = question("", {"schema": json.loads(json.dumps(schema).replace("URL", url))})
        found = named("json").slow(asked, '{"a": 1}')
        with pytest.raises(TimeoutError):
            server.accept()
    assert found.outcome == "undecided"
    assert "nothing is fetched; put it under $defs" in found.reason


def test_a_schema_may_refer_to_itself_and_to_json_schema() -> None:
    inside = {"$defs": {"age": {"type": "integer"}}, "properties": {"age": {"$ref": "#/$defs/age"}}}
    assert check("json", "", '{"age": 5}', {"schema": inside}) == "right"
    assert check("json", "", '{"age": "5"}', {"schema": inside}) == "wrong"
    meta = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    assert check("json", "", '{"type": "object"}', {"schema": meta}) == "right"
    assert check("json", "", '{"type": 5}', {"schema": meta}) == "wrong"
    nowhere = named("json").slow(question("", {"schema": {"$ref": "#/nowhere"}}), "{}")
    assert nowhere.reason == "the schema refers to '/nowhere': it is not there"


@pytest.mark.slow
def test_a_pattern_that_takes_for_ever_is_undecided() -> None:
    with CheckerPool(named("regex"), workers=1, seconds=0.5) as pool:
        found = pool.check([(question("(a+)+b"), "#### " + "a" * 60), (question("a+"), "#### aa")])
    assert [finding.outcome for finding in found] == ["undecided", "right"]


@pytest.mark.slow
@given(st.sampled_from(sorted(CHECKERS.keys() - {"python"})), st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=40)
def test_no_text_raises_at_once(spec: str, answer: str, completion: str) -> None:
    checker, asked = named(spec), question(answer)
    found = checker.quick(asked, completion)
    assert found is None or isinstance(found, Finding)
    if spec != "regex":
        assert isinstance(checker.slow(asked, completion), Finding)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mth", "did you mean math?"),
        ("zzz", "there are: arithmetic, math"),
        ("numeric?x=1", "no option 'x'; options: abs, rel"),
        ("numeric?rel=a", "rel='a' is no float"),
        ("exact?case=maybe", "case='maybe' is no bool"),
        ("math?x=1", "options: none"),
        ("numeric?abs=inf", "abs='inf' is no float"),
        ("numeric?rel=-1", "rel='-1' is no float"),
        ("nowhere:f", "cannot be imported"),
        ("json:nowhere", "cannot be imported"),
        ("json:__name__", "__name__ is no function"),
        (":f", "cannot be imported"),
    ],
)
def test_a_checker_that_is_not_there(spec: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        named(spec)
    assert message in str(caught.value)


@pytest.mark.slow
def test_a_function_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from maieutic.tasks.checkers.finding import Finding\n"
        "def check(question, completion):\n"
        "    if completion == 'raise': raise ValueError('oh')\n"
        "    if completion == 'nothing': return None\n"
        "    if completion == 'unknown': return Finding('correct')\n"
        "    if completion == 'fork':\n"
        "        import os\n"
        "        os.fork()\n"
        "    if completion == 'odd': return Finding('right', 5, None)\n"
        "    return Finding('right' if question.answer in completion else 'wrong')\n"
        "inner = lambda question, completion: None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with CheckerPool(named("mine:check"), workers=1) as pool:
        texts = ("cab", "dog", "raise", "nothing", "unknown", "odd", "cat", "nut")
        found = pool.check([(question("a"), text) for text in texts])
        assert [finding.outcome for finding in found] == [
            "right", "wrong", "undecided", "undecided", "undecided", "right", "right", "wrong",
        ]  # fmt: skip
        # One that forks keeps its verdict, and moves nobody else's.
        forked = pool.check([(question("a"), text) for text in ("cab", "fork", "cat", "dog", "nut", "rat")])
        assert pool.deaths == 0
    outcomes = ["right", "wrong", "right", "wrong", "wrong", "right"]
    assert [finding.outcome for finding in forked] == outcomes
    with pytest.raises(ConfigError, match="cannot go to workers"):
        named("mine:inner")
    assert found[2].reason == "the checker failed: ValueError: oh"
    sys.modules.pop("mine")


def install(folder: Path, name: str, offers: dict[str, str]) -> None:
    """What an installer leaves of a package that offers checkers."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "".join(f"{offer} = {value}\n" for offer, value in offers.items())
    (info / "entry_points.txt").write_text(f"[maieutic.checkers]\n{lines}")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "offered_checkers.py").write_text(
        "from maieutic.tasks.checkers.finding import Finding\n"
        "def vowels(question, completion):\n"
        "    same = question.answer == str(sum(sign in 'aeiou' for sign in completion))\n"
        "    return Finding('right' if same else 'wrong', completion)\n"
        "number = 5\n"
    )
    (tmp_path / "broken_checkers.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for module in ("offered_checkers", "broken_checkers"):
        sys.modules.pop(module, None)


def test_an_installed_package_offers_a_checker_by_name(packages: Path) -> None:
    install(packages, "offered", {"vowels": "offered_checkers:vowels", "number": "offered_checkers:number"})
    checker = named("vowels")
    assert checker.slow(question("2"), "banane").outcome == "wrong"
    assert checker.slow(question("3"), "banane").outcome == "right"
    with pytest.raises(ConfigError, match="did you mean vowels"):
        named("vowel")
    with pytest.raises(ConfigError, match=r"offers as offered_checkers:number: number is no function"):
        named("number")


@pytest.mark.slow
def test_an_offered_checker_works_in_a_worker(packages: Path) -> None:
    install(packages, "offered", {"vowels": "offered_checkers:vowels"})
    with opened("vowels") as checks:
        found = checks.check([(question("3"), "banane"), (question("3"), "xyz")])
    assert [finding.outcome for finding in found] == ["right", "wrong"]


def test_a_broken_package_is_named_with_its_remedy(packages: Path) -> None:
    install(packages, "broken", {"odd": "broken_checkers:check", "gone": "no_such_module:check"})
    with pytest.raises(ConfigError) as caught:
        named("odd")
    assert str(caught.value) == (
        "checker 'odd', which an installed package offers as broken_checkers:check: cannot be imported "
        "(No module named 'a_library_that_is_not_there'); mend or uninstall that package"
    )
    with pytest.raises(ConfigError, match="No module named 'no_such_module'"):
        named("gone")
    assert named("exact").needs == ()  # what nobody names disturbs nobody


def test_built_in_names_are_not_for_packages(packages: Path) -> None:
    install(packages, "bold", {"math": "offered_checkers:vowels", "judge": "offered_checkers:vowels"})
    assert isinstance(named("math"), CHECKERS["math"])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no model"):
        opened("judge")
    with pytest.raises(ConfigError, match="no worker can run it"):
        named("judge")


def test_two_packages_with_one_name_are_refused(packages: Path) -> None:
    install(packages, "one", {"vowels": "offered_checkers:vowels"})
    install(packages, "two", {"vowels": "broken_checkers:check"})
    message = r"more than one package \(broken_checkers:check, offered_checkers:vowels\); name one"
    with pytest.raises(ConfigError, match=message):
        named("vowels")
