"""Prompt templates: headers, a user's own folder, what a template cannot do, and the copy in a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maieutic.agents.solver import Solver
from maieutic.cli import app
from maieutic.config import load
from maieutic.errors import ConfigError
from maieutic.graph.folders import read_prompts
from maieutic.graph.making import absolute, begin, prepare
from maieutic.memory.run import RunFolder
from maieutic.prompts import OURS, Prompts, names, shortened
from maieutic.prompts.fencing import fenced
from maieutic.records import Question
from maieutic.tasks.material import gather
from typer.testing import CliRunner

HEAD = "{#- purpose: mine\n    inputs: question\n    output: text\n    version: 3 -#}\n"


def own(folder: Path, text: str, name: str = "solver.jinja") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_every_template_of_ours_would_be_taken_from_a_user(tmp_path: Path) -> None:
    for name in names():
        own(tmp_path, (OURS / f"{name}.jinja").read_text(), f"{name}.jinja")
    prompts = Prompts(tmp_path)
    assert prompts.own == names()
    assert [prompts.versioned(name) for name in names()] == [
        f"{name}@{prompts.headers[name].version}" for name in names()
    ]
    assert all(header.purpose and header.output for header in prompts.headers.values())


BROKEN = [
    ("{{ question }}", "has no header; begin with {#- purpose:"),
    (HEAD.replace("output: text", ""), "output is missing in its header"),
    (HEAD.replace("output: text", "output:"), "output is missing in its header"),
    (HEAD.replace("output: text", "output: a\n    output: b"), "output is given twice"),
    (HEAD.replace("version: 3", "version: three"), "version is 'three'; expected a whole number"),
    (HEAD.replace("inputs: question", "inputs: the question"), "inputs has 'the question'; expected names"),
    (HEAD + "{{ question", "line 5: unexpected end of template"),
    (HEAD + "{{ question | nofilter }}", "line 5: No filter named 'nofilter'"),
    (HEAD + "{{ qestion }}", "uses qestion, which its header does not name; did you mean question?"),
    (HEAD + "{{ zzz }}", "uses zzz, which its header does not name among its inputs (question)"),
    (HEAD.replace("inputs: question", "inputs: question, answer") + "{{ answer }}",
     "there is no input answer; there are: question"),
    (HEAD + "{% include '/etc/passwd' %}", "a template stands alone"),
    (HEAD + "{% include 'teacher.jinja' %}{{ question }}", "a template stands alone"),
    (HEAD + "{% extends 'solver.jinja' %}", "a template stands alone"),
    (HEAD + "{% import 'solver.jinja' as s %}", "a template stands alone"),
    (HEAD + "{{ question / 0 }}", "cannot be filled in (TypeError"),
    (HEAD + "{{ ''.__class__.__mro__ }}", "cannot be filled in (SecurityError"),
    (HEAD + "{{ question.__init__.__globals__ }}", "cannot be filled in (SecurityError"),
    (HEAD + "{% for n in range(10000000) %}{{ n }}{% endfor %}", "cannot be filled in (OverflowError"),
    (HEAD + "{% if not question %}x{% endif %}", "is empty when it is filled in"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_broken_template_is_told_before_anything_is_loaded(tmp_path: Path, text: str, message: str) -> None:
    folder = own(tmp_path / "mine", text)
    with pytest.raises(ConfigError) as caught:
        prepare(load(None, [f"prompts={folder}"]))
    assert f"solver.jinja{' ' if message.startswith('line') else ': '}{message}" in str(caught.value)


def test_what_is_wrong_with_a_folder_is_told(tmp_path: Path) -> None:
    for name, content, message in (
        ("solvr.jinja", HEAD, "is no template of a run; did you mean solver.jinja?"),
        ("solver.j2", HEAD, "is no template of a run; "),
        ("zzz.jinja", HEAD, "is no template of a run; there are: audit, "),
    ):
        folder = own(tmp_path / name, content, name)
        with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
            Prompts(folder)
    with pytest.raises(ConfigError, match="is no folder; `maieutic prompts --to DIR`"):
        Prompts(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no template"):
        Prompts(tmp_path / "empty")
    (tmp_path / "bytes").mkdir()
    (tmp_path / "bytes" / "solver.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8"):
        Prompts(tmp_path / "bytes")
    with pytest.raises(ConfigError, match="it is no prompt template"):
        Prompts(own(tmp_path / "large", HEAD + "x" * 100_000))


def test_a_users_template_takes_the_place_of_ours_and_is_recorded_as_such(tmp_path: Path) -> None:
    prompts = Prompts(own(tmp_path / "mine", HEAD + "Solve: {{ question }}"))
    assert prompts.render("solver", question="1 + 1?") == "Solve: 1 + 1?"
    assert prompts.versioned("solver").startswith("solver@3+")
    assert prompts.versioned("solve") == "solve@2"
    assert prompts.render("solver", question="{{ 7 * 7 }}{% include 'x' %}").endswith(
        "{{ 7 * 7 }}{% include 'x' %}"
    )
    with pytest.raises(ConfigError, match="give it that value"):
        prompts.render("solver")
    with pytest.raises(ConfigError, match="no prompt template 'none'; there are: audit, "):
        prompts.render("none")


def test_a_run_keeps_the_templates_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = own(tmp_path / "mine", HEAD + "Solve: {{ question }}")
    monkeypatch.chdir(tmp_path)
    config = load(None, ["prompts=mine", "sets.per_cell=1"])
    folder = RunFolder(tmp_path / "run")
    begin(folder, config, gather(config))
    before = read_prompts(folder, config)
    (mine / "solver.jinja").write_text("changed")
    again = read_prompts(folder, load(folder.config))
    assert again.texts() == before.texts()
    assert again.render("solver", question="?") == "Solve: ?"
    assert again.versioned("solver") == before.versioned("solver")
    assert again.versioned("refine") == "refine@1"
    assert absolute(config).prompts == str(mine)


@given(st.text(max_size=200), st.text(max_size=20))
def test_a_text_cannot_end_its_own_fence(text: str, more: str) -> None:
    for data in (text, fenced(text) + more, fenced(fenced(text)).replace("<data", "</data")):
        marked = fenced(data)
        first, last = marked.split("\n", 1)[0], marked.rsplit("\n", 1)[1]
        assert marked == f"{first}\n{data}\n{last}"
        assert marked.count(last) == marked.count(first) == 1


def test_long_texts_are_cut_where_they_are_seen_to_be() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "abc\n[…]"


def test_the_command_lists_shows_and_copies(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["prompts"])
    assert said.exit_code == 0
    assert all(Prompts().versioned(name) in said.stdout for name in names())
    said = CliRunner().invoke(app, ["prompts", "solver"])
    assert said.stdout.strip() == (OURS / "solver.jinja").read_text().strip()
    assert CliRunner().invoke(app, ["prompts", "--to", str(tmp_path / "mine")]).exit_code == 0
    assert Prompts(tmp_path / "mine").own == names()
    again = CliRunner().invoke(app, ["prompts", "solver", "--to", str(tmp_path / "mine")])
    assert isinstance(again.exception, ConfigError)
    assert "is there already" in str(again.exception)
    (tmp_path / "mine" / "solver.jinja").write_text(HEAD.replace("mine", "\x1b[31mred") + "{{ question }}")
    shown = CliRunner().invoke(app, ["prompts", "--from", str(tmp_path / "mine")]).stdout
    assert "solver@3+" in shown
    assert "\x1b[31m" not in shown
    assert (
        "\x1b" not in CliRunner().invoke(app, ["prompts", "solver", "--from", str(tmp_path / "mine")]).stdout
    )


@pytest.mark.parametrize(
    "body",
    [
        "{% for i in range(question|length * 1000) %}{% endfor %}{{ question }}",
        "{{ 100 // (question|length - 200) }}{{ question }}",
        "{{ question.encode('latin-1') }}",
    ],
)
def test_what_a_template_of_ones_own_runs_into_is_told(tmp_path: Path, body: str) -> None:
    prompts = Prompts(own(tmp_path / "mine", HEAD + body))
    with pytest.raises(ConfigError, match=r"prompts/solver\.jinja: cannot be filled in"):
        prompts.render("solver", question="\u20ac" * 200)


@pytest.mark.slow
def test_a_template_writes_a_prompt_and_no_flood(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="writes more than 10,000,000 characters"):
        Prompts(own(tmp_path / "mine", HEAD + "{{ 'a' * 10**8 }}{{ question }}"))


def test_a_pipe_is_no_template(tmp_path: Path) -> None:
    os.mkfifo(own(tmp_path / "mine", HEAD + "{{ question }}") / "refine.jinja")
    with pytest.raises(ConfigError, match=r"refine\.jinja: is no file"):
        Prompts(tmp_path / "mine")


def test_a_model_that_nobody_trained_here_is_told_how_to_state_its_answer(tmp_path: Path) -> None:
    asked = Question(
        id="q", text="What is 3 + 4?", answer="7", solution="", skill="s", level=1, origin="seed",
        checker="math",
    )  # fmt: skip
    program = asked.model_copy(update={"checker": "python"})
    ours, mine = Prompts(), Prompts(own(tmp_path / "mine", HEAD + "Solve: {{ question }}"))
    sampling = load().rollouts
    told, plain, users = (Solver(sampling, 0, p, t) for p, t in ((ours, True), (ours, False), (mine, True)))
    assert '"#### "' in told.prompt(asked)
    assert told.request(asked, 1, "attempt", "base", sampling).template == "solver_told@1"
    assert told.prompt(program) == plain.prompt(asked) == asked.text
    assert users.prompt(asked) == "Solve: What is 3 + 4?"
