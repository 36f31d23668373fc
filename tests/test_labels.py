"""Labels in a run: a Teacher that is a model writes, solves and audits; all of it is recorded.

Graph, memory, policies, checkers and records are real; the models are simulated.
"""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest
from maieutic.agents.model_teacher import ModelTeacher
from maieutic.agents.teacher import Assignment
from maieutic.config import RunConfig, TeacherConfig, load
from maieutic.errors import ConfigError, SeedError
from maieutic.graph import train
from maieutic.graph.making import check
from maieutic.graph.remote import client_of
from maieutic.graph.report import write_report
from maieutic.memory.run import RunFolder
from maieutic.prompts import Prompts
from maieutic.records import Audit, Call, LabelCheck, PreferencePair, Proposal, Question
from maieutic.serving.client import Request
from maieutic.tasks.material import gather
from scripted import completion, scripted
from simulated import SimulatedTeacher, added_up, play, pretend_to_train

NAMES = ("Ann", "Ben", "Cem", "Dora", "Eli", "Finn", "Gus", "Hal", "Ida", "Jo", "Kim", "Leo", "Mia", "Noa")


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    return own(tmp_path)


def own(folder: Path) -> Path:
    """Fourteen word problems; the last four have no answer."""
    file = folder / "own.csv"
    rows = []
    for place, name in enumerate(NAMES):
        text = f"{name} has {place + 3} marbles and finds {2 * place + 5}. What is the total?"
        rows.append(f"{text},{added_up(text) if place < 10 else ''}")
    file.write_text("question,answer\n" + "\n".join(rows) + "\n")
    return file


def config_of(seeds: Path, *more: str) -> RunConfig:
    return load(None, [
        f"seeds={seeds}", "rounds=2", "curriculum.questions=30", "curriculum.new=20", "sets.per_cell=3",
        "rollouts.n=4", "training.least_pairs=1", "generator.proposals=4", "labels.audit=8",
        *more,
    ])  # fmt: skip


MODEL = ("teacher.endpoint=http://127.0.0.1:1/v1", "teacher.model=t")


@pytest.fixture(scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    place = tmp_path_factory.mktemp("played")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "run_job", pretend_to_train)
        return await play(place / "run", config_of(own(place), *MODEL), model=SimulatedTeacher())


@pytest.mark.slow
async def test_seeds_without_an_answer_are_labelled_by_the_teacher(played: RunFolder) -> None:
    assert all(q.label == "seed" for q in played.read(0, "questions", Question))
    asked = played.read(0, "unlabelled", Question)
    assert len(asked) == 4
    assert {(q.answer, q.label, q.confidence) for q in asked} == {("", "none", 0.0)}
    labelled = played.read(0, "labelled", Question)
    assert labelled
    for question in labelled:
        assert question.answer == str(added_up(question.text))
        assert question.label in ("teacher", "vote")
        assert 0.8 <= question.confidence < 1
        assert question.solution == f"so #### {question.answer}"
    checks = played.read(0, "labels", LabelCheck)
    assert [check.question_id for check in checks] == [q.id for q in asked]
    assert all(len(check.teacher) == 4 and len(check.solver) == 4 for check in checks)


@pytest.mark.slow
async def test_only_trusted_labels_are_admitted_and_trained_on(played: RunFolder) -> None:
    questions = [q for n in (1, 2) for q in played.read(n, "questions", Question)]
    assert len(questions) > 10
    assert all(q.label in ("teacher", "vote") and q.confidence >= 0.8 for q in questions)
    assert all(q.answer == str(added_up(q.text)) for q in questions)
    vetted = [p for n in (1, 2) for p in played.read(n, "vetted", Proposal)]
    assert {p.author for p in vetted} == {"teacher", "generator"}
    checked = {c.question_id: c for n in (1, 2) for c in played.read(n, "labels", LabelCheck)}
    assert all(checked[q.id].trusted and checked[q.id].confidence == q.confidence for q in questions)
    bank = {q.id for n in (0, 1, 2) for q in played.read(n, "questions", Question)}
    bank |= {q.id for q in played.read(0, "labelled", Question)}
    pairs = [pair for n in (1, 2) for pair in played.read(n, "pairs", PreferencePair)]
    assert pairs
    assert {pair.question_id for pair in pairs} <= bank


async def test_what_the_report_says_of_labels(played: RunFolder, seeds: Path) -> None:
    report = write_report(played, config_of(seeds, *MODEL), "done")
    for entry in report.rounds:
        labels, audits = entry.labels, played.read(entry.round, "audits", Audit)
        assert labels is not None
        admitted = played.read(entry.round, "questions", Question)
        assert labels.sources == dict(Counter(q.label for q in admitted))
        assert len(audits) == min(8, len(admitted)) == labels.audited
        assert labels.accuracy == pytest.approx(sum(a.agreed is True for a in audits) / len(audits))
        assert labels.ci95 is not None
        assert labels.ci95[0] <= labels.accuracy <= labels.ci95[1]
        assert entry.diversity is not None
        assert 0 < entry.diversity.distinct <= 1


async def test_every_call_of_the_teacher_is_recorded_and_none_is_made_twice(played: RunFolder) -> None:
    for number in played.rounds():
        series = sorted(
            {p.name.rsplit("-", 1)[0] for p in (played.round(number) / "calls").glob("teacher-*")}
        )
        calls = [call for name in series for call in played.read(number, f"calls/{name}", Call)]
        assert calls
        assert all(call.role == "teacher" and call.template for call in calls)
        assert len({(call.stage, call.subject_id) for call in calls}) == len(calls)


@pytest.mark.slow
async def test_without_a_teacher_nothing_is_labelled_and_the_generator_is_not_asked(
    tmp_path: Path, seeds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "run_job", pretend_to_train)
    with pytest.raises(SeedError, match=r"own\.csv line 12: no answer to 'Kim .* name a Teacher"):
        gather(config_of(seeds))
    seeds.write_text("\n".join(seeds.read_text().splitlines()[:11]) + "\n")
    folder = await play(tmp_path / "run", config_of(seeds))
    vetted = [p for n in (1, 2) for p in folder.read(n, "vetted", Proposal)]
    assert {p.author for p in vetted} == {"teacher"}
    chains = [q for n in (1, 2) for q in folder.read(n, "questions", Question)]
    assert chains
    assert {q.label for q in chains} == {"seed"}
    # Two answers that are each right with 0.97 are both right with 0.94.
    assert max(q.confidence for q in chains) == pytest.approx(0.97**2)


@pytest.mark.slow
async def test_a_run_whose_seeds_have_no_answers_at_all(
    tmp_path: Path, seeds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "run_job", pretend_to_train)
    held = tmp_path / "held.csv"
    lines = seeds.read_text().splitlines()
    held.write_text("\n".join(lines[:9]) + "\n")
    seeds.write_text("\n".join([lines[0], *lines[11:]]) + "\n")
    given = {"seeds": str(seeds), "heldout": [str(held)]}
    config = load(None, [*MODEL, "rounds=1", "training.least_pairs=1", "curriculum.new=8"], given)
    folder = await play(tmp_path / "run", config, model=SimulatedTeacher())
    assert folder.read(0, "questions", Question) == []
    assert folder.read(0, "labelled", Question)
    assert folder.read(1, "questions", Question)
    report = write_report(folder, config, "done")
    assert report.seed_labels is not None
    assert set(report.seed_labels.sources) <= {"teacher", "vote"}


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.slow
async def test_an_answer_without_its_working_is_a_reference_where_that_is_wanted(
    tmp_path: Path, seeds: Path, monkeypatch: pytest.MonkeyPatch, bare: bool
) -> None:
    monkeypatch.setattr(train, "run_job", pretend_to_train)
    seeds.write_text("\n".join(seeds.read_text().splitlines()[:11]) + "\n")
    folder = await play(
        tmp_path / "run", config_of(seeds, f"training.bare_references={str(bare).lower()}", "rollouts.n=1")
    )
    pairs = [pair for n in (1, 2) for pair in folder.read(n, "pairs", PreferencePair)]
    chosen = [pair.chosen for pair in pairs if pair.kind == "reference" and not pair.replayed]
    assert any(text.startswith("#### ") for text in chosen) is bare
    assert any("Q1" in text for text in chosen)  # what a chain's parts come to is work


def test_what_is_wrong_with_a_teacher_is_said_before_anything_is_loaded(
    seeds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MINE", raising=False)
    for more, message in (
        (
            ("teacher.endpoint=127.0.0.1:8000/v1", "teacher.model=t"),
            "teacher.endpoint: '127.0.0.1:8000/v1'; expected such as",
        ),
        (("teacher.endpoint=http://k:v@127.0.0.1/v1", "teacher.model=t"), "a key goes into a variable"),
        (("teacher.endpoint=http://127.0.0.1/v1",), "teacher.model is missing"),
        ((*MODEL, "teacher.key=sk-1234"), "takes the name of an environment variable, never a key itself"),
        ((*MODEL, "teacher.key=MINE"), "the environment variable that it names is not set"),
        (MODEL, "nothing answers at http://127.0.0.1:1/v1 (ConnectError)"),
    ):
        with pytest.raises(ConfigError) as caught:
            check(config_of(seeds, *more))
        assert message in str(caught.value)
        assert "sk-1234" not in str(caught.value)


@pytest.mark.parametrize(("status", "message"), [(401, "refuses the key (HTTP 401)"), (404, ""), (200, "")])
def test_a_key_that_is_refused_is_told_before_anything_is_loaded(
    seeds: Path, monkeypatch: pytest.MonkeyPatch, status: int, message: str
) -> None:
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["authorization"])
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    monkeypatch.setenv("MINE", "sk-mine")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    given = config_of(seeds, f"teacher.endpoint={url}", "teacher.model=t", "teacher.key=MINE")
    try:
        if message:
            with pytest.raises(ConfigError) as caught:
                check(given)
            assert message in str(caught.value)
            assert "sk-mine" not in str(caught.value)
        else:
            check(given)
    finally:
        server.shutdown()
        server.server_close()
    assert seen == ["Bearer sk-mine"]


# ------------------------------------------------------------------ over the wire


def called(request: Request, reply: str) -> Call:
    return Call(
        id="c", round=1, stage="s", role="teacher", model="m", checkpoint="", template="",
        subject_id=request.subject_id, messages="[]", sampling="{}", completions=[reply], finished=[True],
        prompt_tokens=0, completion_tokens=0, seconds=0.0,
    )  # fmt: skip


def question(text: str = "What is the total of 3 and 4?", answer: str = "7") -> Question:
    return Question(
        id="q-1", text=text, answer=answer, solution=f"#### {answer}", skill="sums", level=2, origin="seed",
        checker="math",
    )  # fmt: skip


REPLIES = [
    ('{"question": "What of 5 and 6?", "solution": "5 + 6 = 11", "answer": 11}', ("What of 5 and 6?", "11")),
    ('{"why": "w", "question": " Q? ", "solution": "s", "answer": "2", "more": 1}', ("Q?", "2")),
    ('Here you are:\n```json\n{"question": "Q?", "solution": "s #### 2", "answer": "2"}\n```', ("Q?", "2")),
    ('<think>{"question": "A?"}</think>{"question": "Q?", "solution": "s", "answer": "2"}', ("Q?", "2")),
    ('so {"x": 1}</think>{"question": "Q?", "solution": "s", "answer": "2"}', ("Q?", "2")),
    ('<think>{"question": "Q?", "solution": "s", "answer": "2"}', None),
    ('{"question": "Q?", "solution": "s #### 3", "answer": "2"}', None),
    ('{"question": "Q?", "answer": "2"}', None),
    ('{"question": "Q?", "solution": "s", "answer": ""}', None),
    ('{"question": "", "solution": "s", "answer": "2"}', None),
    ('{"question": " ", "solution": "s", "answer": "2"}', None),
    ('{"question": ["Q?"], "solution": "s", "answer": "2"}', None),
    ('{"question": "Q?", "solution": "s", "answer": true}', None),
    ('{"question": "%s", "solution": "s", "answer": "2"}' % ("x" * 5_000), None),
    ('{"question": "Q?", "solution": "s", "answer": "because of many things that happened"}', None),
    ("[1, 2]", None),
    ("[" * 100_000, None),
    ("no", None),
    ("", None),
]


@pytest.mark.parametrize(("reply", "drafted"), REPLIES)
async def test_what_a_reply_drafts(reply: str, drafted: tuple[str, str] | None) -> None:
    async def ask(requests: list[Request]) -> dict[str, Call]:
        return {request.subject_id: called(request, reply) for request in requests}

    teacher = ModelTeacher(TeacherConfig(), 0, Prompts())

    designs = await teacher.design(
        [Assignment("harder", question(), "#### 8", 2)], 1, "teach0", Random(0), ask
    )
    found = designs[0].question if designs[0] else None
    assert ((found.text, found.answer) if found else None) == drafted
    if found:
        assert (found.skill, found.level, found.label, found.confidence) == ("sums", 4, "none", 0.0)
        assert found.solution.endswith(f"#### {found.answer}")


async def test_an_endpoint_is_asked_as_configured(seeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "sk-secret")
    with scripted(lambda number, body: completion("#### 7" if number == 1 else "#### none")) as (url, asked):
        config = config_of(seeds, f"teacher.endpoint={url}/v1", "teacher.model=big", "teacher.key=MINE")
        client = client_of("teacher", config.teacher, config)

        async def ask(requests: list[Request]) -> dict[str, Call]:
            replies = [await client.ask(request) for request in requests]
            return {reply.call.subject_id: reply.call for reply in replies}

        teacher = ModelTeacher(config.teacher, 0, Prompts())
        found = await teacher.solve([question()], 2, 1, "label0", ask)  # type: ignore[arg-type]
        assert await teacher.audit([question()], 1, "audit", ask) == [False]  # type: ignore[arg-type]
        await client.close()
    assert found == [["#### 7", "#### none"]]
    assert {body["model"] for body in asked} == {"big"}
    assert len({body["seed"] for body in asked}) == 3
    assert "sk-secret" not in str(asked)
