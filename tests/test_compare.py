"""A grid of runs over a simulated Solver: played, stopped, resumed, gathered, shown."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
from maieutic import cli
from maieutic.config import RunConfig, load
from maieutic.errors import ConfigError, RunError
from maieutic.graph import budget, compare, kept, run, train
from maieutic.graph.compared import gathered, write_comparison
from maieutic.graph.grid import Cell, Grid, begun, read, write
from maieutic.graph.making import begin
from maieutic.graph.progress import Quiet
from maieutic.graph.variants import control_of, folder_names, variants
from maieutic.inspector.compared import markdown, plain, write_pages
from maieutic.memory.run import RunFolder
from maieutic.records import Call, Rollout, RunReport
from maieutic.serving.fleet import Fleet
from maieutic.tasks.material import gather
from maieutic.trainers import warm
from maieutic.trainers.objectives import configured
from simulated import SimulatedModel, pretend_to_train, same_canary

SMALL = [
    "curriculum.questions=40", "curriculum.new=30", "training.least_pairs=1", "generator.proposals=4",
    "sets.per_cell=1", "gate.patience=20", "rollouts.n=4",
]  # fmt: skip
COMMAND = ["maieutic", "compare", "--vary", "x=1,2", "--runs-dir", "elsewhere", "--seeds", "2"]


class Watch:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.left: list[float | None] = []
        self.ends: dict[str, str] = {}

    def begin(self, cell: Cell, place: int, total: int, left: float | None) -> None:
        self.begun.append(f"{place}/{total} {cell.name}")
        self.left.append(left)

    @contextmanager
    def progress(self, folder: RunFolder, config: RunConfig) -> Iterator[Quiet]:
        yield Quiet()

    def ended(self, cell: Cell, seconds: float, reason: str) -> None:
        self.ends[cell.name] = reason


class Servers:
    """Makes simulated servers, and counts those that came to be used."""

    def __init__(self) -> None:
        self.models: list[SimulatedModel] = []

    def __call__(self, config: RunConfig, base: Path, own: Mapping[str, Path], folder: RunFolder) -> Fleet:
        hosted = SimulatedModel(base, "")
        hosted.config = config.asked_as(["solver"])
        self.models.append(hosted)
        return Fleet(dict.fromkeys(("solver", "generator"), hosted), folder.path / "server.json")


@pytest.fixture(scope="module", autouse=True)
def simulated() -> Iterator[None]:
    async def base(config: RunConfig, folder: RunFolder, *_: object) -> Path:
        place = folder.checkpoint("base")
        same_canary(place)
        (place / "model.safetensors").write_text("weights")
        return place

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_base", base)
        patch.setattr(train, "run_job", pretend_to_train)
        patch.setattr(warm, "possible", lambda: False)
        yield


def grid_of(
    *varied: str, seeds: int = 2, budget: str | None = "rollouts=260", settings: list[str] | None = None
) -> tuple[Grid, RunConfig]:
    given = [*SMALL, *(settings or [])]
    return begun(None, given, varied or ["curriculum.policy=socratic,uniform"], [], seeds, budget, None, None,
                 COMMAND)  # fmt: skip


def test_variants_are_all_combinations() -> None:
    assert [v.name for v in variants(["a.b=1,2"], [])] == ["1", "2"]
    both = variants(["a.b=1,2", "c=x"], ["both: d=1 e.f=2", "none: d=0"])
    assert [v.name for v in both] == ["b=1 c=x both", "b=1 c=x none", "b=2 c=x both", "b=2 c=x none"]
    assert both[0].settings == ("a.b=1", "c=x", "d=1", "e.f=2")
    assert [v.settings for v in variants(["a=[1,2],{x: 1, y: 2}"], [])] == [("a=[1,2]",), ("a={x: 1, y: 2}",)]


@pytest.mark.parametrize(
    ("varied", "named", "said"),
    [
        ([], [], "nothing to compare"),
        (["policy"], [], "expected KEY=A,B"),
        (["policy=a,,b"], [], "expected KEY=A,B"),
        (["policy=a,a"], [], "two variants are called 'a'"),
        ([], ["no colon"], "expected 'NAME: key=value"),
        ([], ["x: notasetting"], "expected 'NAME: key=value"),
        ([], ["x: a='open"], "expected 'NAME: key=value"),
        (["a.b=1", "a.b=2"], [], "variant b=1 b=2: a.b is set twice"),
        (["a.b=1"], ["x: a.b=2"], "variant b=1 x: a.b is set twice"),
        ([], ["x: a=1 a=2"], "variant x: a is set twice"),
        (["seed=1,2"], [], "variant 1: every variant is played with the same seeds"),
        ([], ["\udcff: a=1"], "is no UTF-8 text"),
        (["a=1,\udcff"], [], "is no UTF-8 text"),
        (
            [f"{key}={','.join(map(str, range(200)))}" for key in "abc"],
            [],
            "8,000,000 variants, all combined",
        ),
    ],
)
def test_what_cannot_be_varied_is_told(varied: list[str], named: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        variants(varied, named)


def test_the_control_is_uniform_where_there_is_one() -> None:
    found = variants(["curriculum.policy=socratic,uniform"], [])
    assert control_of(found, None) == "uniform"
    assert control_of(found, "socratic") == "socratic"
    assert control_of(found[:1], None) == "socratic"
    assert control_of(variants(["policy=a,uniform", "x=1"], []), None) == "policy=a x=1"
    with pytest.raises(ConfigError, match=r"no variant; there are: socratic, uniform"):
        control_of(found, "unifrom")


def test_folders_have_plain_names_and_never_the_same() -> None:
    names = folder_names(["a b", "a/b", "../..", "mine:Policy", "a-b"])
    assert len(set(names.values())) == 5
    assert all(re.fullmatch(r"[\w=+.-]+", name) and not name.startswith(".") for name in names.values())
    # Nor where a disk takes A and a for the same.
    twins = folder_names(["Long", "long", "LONG", "long-2"]).values()
    assert len({name.casefold() for name in twins}) == 4


@pytest.mark.parametrize(
    ("varied", "said"),
    [
        ("curriculum.policy=socratic,socratik", "variant socratik"),
        ("curriculum.mastered=0.1,7", "variant 7"),
        ("curriculum.mastred=0.1", "did you mean mastered"),
    ],
)
def test_a_wrong_value_is_told_before_anything_is_made(tmp_path: Path, varied: str, said: str) -> None:
    grid, base = grid_of(varied)
    with pytest.raises(ConfigError, match=re.escape(said)):
        compare.check(grid, base)
    assert not list(tmp_path.iterdir())


def test_a_name_is_no_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="cannot name a run"):
        cli.compare(vary=["curriculum.policy=uniform"], name="../x")
    assert not list(tmp_path.iterdir())


def test_nobody_is_asked_to_review_a_grid() -> None:
    with pytest.raises(ConfigError, match="nobody reviews"):
        compare.check(*grid_of(settings=["review=teach"]))


MANY_DIGITS = pytest.param(f"rollouts={'9' * 5000}", id="many digits")


@pytest.mark.parametrize("text", ["20000", "rollouts=", "rollouts=0", "tokens=5", "rollouts=-4", MANY_DIGITS])
def test_a_budget_is_so_many_rollouts(text: str) -> None:
    with pytest.raises(ConfigError, match="expected rollouts=N"):
        grid_of(budget=text)


def test_the_command_is_kept_as_others_can_type_it() -> None:
    assert grid_of()[0].command == "maieutic compare --vary x=1,2 --seeds 2"
    given = begun(None, SMALL, ["rounds=1"], [], 1, None, None, None, ["maieutic", "compare", "\udcff.yaml"])
    assert given[0].command == "maieutic compare '?.yaml'"


@pytest.mark.parametrize("varied", ["budget.rollouts=300,600", "budget={rollouts: 300}"])
def test_one_budget_holds_for_all_runs(varied: str) -> None:
    with pytest.raises(ConfigError, match=r"budget\.rollouts is 260 for all runs"):
        grid_of(varied)
    grid, base = grid_of(varied, budget=None)
    assert grid.config(base, grid.cells()[0]).budget.rollouts == 300


def test_the_last_seed_can_be_played_too() -> None:
    with pytest.raises(ConfigError, match="variant uniform: --set: seed is 9223372036854775808"):
        compare.check(*grid_of("curriculum.policy=uniform", settings=[f"seed={2**63 - 1}"]))


def test_resume_takes_nothing_that_it_would_not_heed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for given in (
        {"vary": ["curriculum.policy=sec"]}, {"variant": ["x: rounds=2"]}, {"seeds": 5}, {"reach": 0.0},
        {"budget": "rollouts=900"}, {"against": "sec"}, {"settings": ["rounds=2"]},
        {"config": Path("a.yaml")},
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="--resume cmp goes on with what was asked for then"):
            cli.compare(resume="cmp", **given)  # type: ignore[arg-type]
    for name in ("", "..", ".hidden"):
        with pytest.raises(RunError, match="cannot name a run"):
            cli.compare(resume=name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("base.yaml", None, "base.yaml is missing or empty"),
        ("base.yaml", " \n", "base.yaml is missing or empty"),
        ("grid.json", "", "grid.json is damaged"),
        ("grid.json", '{"command"', "grid.json is damaged"),
        ("grid.json", "[]", "grid.json is damaged"),
        ("grid.json", {"variants": []}, "names no variant"),
        ("grid.json", {"seeds": []}, "no seed"),
        ("grid.json", {"seeds": [1, 1]}, "one of them twice"),
        ("grid.json", {"control": "nobody"}, "a control that is none of them"),
    ],
)
def test_a_damaged_grid_is_told(tmp_path: Path, file: str, text: Any, said: str) -> None:
    folder = tmp_path / "cmp"
    write(folder, *grid_of())
    place = folder / file
    if isinstance(text, dict):
        text = json.dumps(json.loads(place.read_text()) | text)
    place.unlink()
    if text is not None:
        place.write_text(text)
    with pytest.raises(RunError, match=re.escape(said)):
        read(folder)


async def test_a_run_that_was_killed_while_it_was_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def plays(config: RunConfig, run: RunFolder, *given: Any, **more: Any) -> None:
        assert run.config.exists()

    monkeypatch.setattr(compare, "play", plays)
    monkeypatch.setattr(kept.Kept, "ended", lambda *_: None)
    grid, base = grid_of(seeds=1)
    write(tmp_path, grid, base)
    half, other = RunFolder(tmp_path / "socratic-s0"), RunFolder(tmp_path / "uniform-s0")
    for begun_there in (half, other):
        begun_there.write_json(0, "sets", {})
        (begun_there.path / ".run.yaml.77").touch()
    other.write_json(1, "selected", [])  # it was played: that is not thrown away
    watch = await played(tmp_path, grid, base)
    assert watch.ends["socratic-s0"] == ""
    assert "exists already" in watch.ends["uniform-s0"]
    assert other.read_json(1, "selected") == []


@pytest.mark.parametrize("report", ['{"status": "done"}', '{"status": "done", "rounds": 3}'])
def test_a_finished_run_whose_records_are_gone_is_told(tmp_path: Path, report: str) -> None:
    grid, base = grid_of(seeds=1)
    write(tmp_path, grid, base)
    (tmp_path / "uniform-s0").mkdir()
    (tmp_path / "uniform-s0" / "report.json").write_text(report)
    with pytest.raises(RunError, match="uniform-s0 is done, and its report or records are damaged"):
        gathered(tmp_path, grid)


def test_rounds_are_raised_so_that_the_budget_ends_a_run() -> None:
    grid, base = grid_of(budget="rollouts=4000")
    assert grid.config(base, grid.cells()[0]).rounds == 2 * 25 + 4  # 40 questions, 4 rollouts: 25 full rounds
    assert grid.config(base, grid.cells()[0]).budget.rollouts == 4000
    grid, base = grid_of(budget="rollouts=4000", settings=["rounds=3"])
    assert grid.config(base, grid.cells()[0]).rounds == 3
    grid, base = grid_of("rounds=2,5", budget="rollouts=4000")
    assert [grid.config(base, cell).rounds for cell in grid.cells()] == [2, 5, 2, 5]


def test_cells_are_added_to_and_nothing_else_is_changed(tmp_path: Path) -> None:
    folder = tmp_path / "cmp"
    write(folder, *grid_of())
    more, base = grid_of("curriculum.policy=uniform,socratic", seeds=3)
    write(folder, more, base)
    assert len(read(folder)[0].cells()) == 6
    with pytest.raises(RunError, match="compares other settings"):
        write(folder, *grid_of("curriculum.policy=uniform"))
    with pytest.raises(RunError, match="compares other settings"):
        write(folder, *grid_of(seeds=3, budget="rollouts=999"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(RunError, match="is no comparison"):
        write(tmp_path / "other", *grid_of())
    with pytest.raises(RunError, match=r"no comparison 'none'; there are: cmp"):
        read(tmp_path / "none")


async def played(
    folder: Path, grid: Grid, base: RunConfig, servers: Servers | None = None, **given: Any
) -> Watch:
    watch = Watch()
    await compare.play_grid(folder, grid, base, watch, fleet_of=servers or Servers(), **given)
    return watch


class Finished:
    """A grid of two variants and two seeds, played to its end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.servers = folder, Servers()
        self.grid, self.base = grid_of()
        write(folder, self.grid, self.base)
        self.pages: list[str] = []
        self.open: list[int] = []
        """Files that this process had open after each run."""

    def draw(self) -> None:
        write_pages(self.folder, write_comparison(self.folder, self.grid))
        self.open.append(psutil.Process().num_fds())
        self.pages.append((self.folder / "compare.html").read_text())

    def runs(self) -> list[RunFolder]:
        return [RunFolder(self.folder / cell.name) for cell in self.grid.cells()]


@pytest.fixture(scope="module")
async def finished(tmp_path_factory: pytest.TempPathFactory, simulated: None) -> Finished:
    here = Finished(tmp_path_factory.mktemp("grids") / "cmp")
    here.watch = await played(  # type: ignore[attr-defined]
        here.folder, here.grid, here.base, here.servers, after_cell=here.draw
    )
    return here


@pytest.mark.slow
async def test_a_grid_is_played_seed_by_seed(finished: Finished) -> None:
    watch: Watch = finished.watch  # type: ignore[attr-defined]
    names = ["socratic-s0", "uniform-s0", "socratic-s1", "uniform-s1"]
    assert watch.begun == [f"{place}/4 {name}" for place, name in enumerate(names, 1)]
    assert watch.ends == dict.fromkeys(names, "")
    assert [f"{done} of 4 done" in page for done, page in enumerate(finished.pages, 1)] == [True] * 4
    assert watch.left[0] is None
    assert all(left is not None for left in watch.left[1:])
    again = await played(finished.folder, finished.grid, finished.base)
    assert again.begun == []


@pytest.mark.slow
async def test_all_runs_have_the_servers_of_the_first(finished: Finished) -> None:
    assert len(finished.servers.models) == 4
    asked = [model.solver.asked for model in finished.servers.models]
    assert asked[0] > 1000
    assert asked[1:] == [0, 0, 0]


@pytest.mark.slow
async def test_a_run_that_is_over_holds_no_files(finished: Finished) -> None:
    assert max(finished.open) - finished.open[0] <= 2


@pytest.mark.slow
async def test_no_run_spends_more_than_its_budget(finished: Finished) -> None:
    for here in finished.runs():
        rounds = [number for number in here.rounds() if number]
        spent = [len(here.read(number, "rollouts/attempt", Rollout)) for number in rounds]
        assert budget.spent(here, rounds[-1] + 1) == sum(spent) == 260
        assert spent == [160, 100]  # 40 questions of 4; then what is left


@pytest.mark.slow
async def test_the_base_model_is_asked_the_fixed_sets_once(finished: Finished) -> None:
    first, *others = finished.runs()
    for other in others:
        for series in ("rollouts/heldout", "rollouts/validation"):
            ids = [rollout.id for rollout in first.read(0, series, Rollout)]
            assert ids == [rollout.id for rollout in other.read(0, series, Rollout)]
            assert len(ids) == 42
        calls = "calls/rollouts-heldout"
        assert first.read(0, calls, Call) == other.read(0, calls, Call)
        assert first.read_json(0, "heldout") == other.read_json(0, "heldout")


@pytest.mark.parametrize(
    ("differs", "same"),
    [
        ("curriculum.policy=uniform", True),
        ("training.beta=0.2", True),
        ("rollouts.n=8", True),
        ("sets.seed=1", False),
        ("rollouts.max_tokens=100", False),
        ("solver.concurrency=3", False),
        ("pocket.hidden=64 pocket.heads=2", False),
    ],
)
def test_what_may_answer_otherwise_is_asked_anew(tmp_path: Path, differs: str, same: bool) -> None:
    configs = [load(None, SMALL), load(None, [*SMALL, *differs.split()])]
    runs = [RunFolder(tmp_path / name) for name in "ab"]
    for folder, config in zip(runs, configs, strict=True):
        begin(folder, config, gather(config))
    first, second = (runs[0], configs[0]), (runs[1], configs[1])
    holder = kept.Kept(RunFolder(tmp_path), Servers())
    first[0].write_json(0, "gate", {})
    first[0].write(0, "rollouts/heldout", 0, [a_rollout(0)])
    holder.ended(first[1], first[0])
    holder.begin(second[1], second[0])
    assert bool(second[0].read(0, "rollouts/heldout", Rollout)) == same


def a_rollout(index: int, round: int = 1, stage: str = "attempt") -> Rollout:
    return Rollout(
        id=f"r{index}", question_id="q", round=round, stage=stage, checkpoint="base", index=index,
        completion="", tokens=1, truncated=False, call_id="c",
    )  # fmt: skip


@pytest.mark.slow
async def test_a_run_that_fails_is_noted_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, base = grid_of(seeds=1)
    write(tmp_path, grid, base)
    real = compare.play

    async def breaks(config: RunConfig, *given: Any, **more: Any) -> RunReport:
        if config.curriculum.policy == "socratic":
            raise ValueError("a policy \x1b[31mof somebody's")
        return await real(config, *given, **more)

    monkeypatch.setattr(compare, "play", breaks)
    watch = await played(tmp_path, grid, base)
    assert watch.ends == {"socratic-s0": "ValueError: a policy \ufffd[31mof somebody's", "uniform-s0": ""}
    found = gathered(tmp_path, grid)
    assert [(cell.status, bool(cell.reason)) for cell in found.cells] == [("failed", True), ("done", False)]
    assert [entry.name for entry in found.variants] == ["uniform"]
    assert found.final == []
    monkeypatch.setattr(compare, "play", real)
    again = await played(tmp_path, grid, base)
    assert again.ends == {"socratic-s0": ""}
    assert [cell.status for cell in gathered(tmp_path, grid).cells] == ["done", "done"]


@pytest.mark.slow
async def test_a_grid_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    grid, base = grid_of(seeds=1)
    write(tmp_path, grid, base)
    task = asyncio.current_task()
    assert task is not None

    def stop(folder: RunFolder, report: RunReport) -> None:
        if folder.path.name == "uniform-s0" and report.rounds:
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await played(tmp_path, grid, base, after_round=stop)
    task.uncancel()
    assert [cell.status for cell in gathered(tmp_path, grid).cells] == ["done", "stopped"]
    run_before = (tmp_path / "socratic-s0" / "report.json").read_bytes()
    first = RunFolder(tmp_path / "uniform-s0").read(1, "rollouts/attempt", Rollout)
    watch = await played(tmp_path, grid, base)
    assert watch.begun == ["2/2 uniform-s0"]
    assert (tmp_path / "socratic-s0" / "report.json").read_bytes() == run_before
    assert RunFolder(tmp_path / "uniform-s0").read(1, "rollouts/attempt", Rollout) == first
    assert [cell.status for cell in gathered(tmp_path, grid).cells] == ["done", "done"]


@pytest.mark.slow
async def test_figures_are_those_of_the_runs_records(finished: Finished) -> None:
    folder = finished.folder
    found = write_comparison(folder, finished.grid)
    for cell in found.cells:
        report = RunReport.model_validate_json((folder / cell.name / "report.json").read_text())
        assert report.final is not None and report.baseline is not None
        assert cell.points[-1].heldout == report.final.accuracy
        assert cell.points[0].heldout == report.baseline.accuracy
        assert cell.known == round(report.baseline.accuracy * report.baseline.n)
        assert cell.covered == sum(share >= 0.5 for share in report.final.by_cell.values())
        worked = sum(sum(e.seconds.values()) - e.seconds["serve"] for e in report.rounds)
        assert cell.points[-1].seconds == pytest.approx(worked, abs=0.01)
    for entry in found.variants:
        mine = [cell for cell in found.cells if cell.variant == entry.name]
        assert entry.heldout.mean == pytest.approx(sum(c.points[-1].heldout for c in mine) / 2)
        assert entry.heldout.low <= entry.heldout.mean <= entry.heldout.high
        assert entry.forgotten == sum(c.forgotten for c in mine) / sum(c.known for c in mine)
        # By hand: the curve of steps, to the budget.
        areas = []
        for cell in mine:
            edges = [point.rollouts for point in cell.points] + [260]
            steps = zip(cell.points, edges, edges[1:], strict=False)
            areas.append(sum(point.heldout * (after - x) for point, x, after in steps) / 260)
        assert entry.area.mean == pytest.approx(sum(areas) / 2)
    one, two = (next(v for v in found.variants if v.name == name) for name in ("socratic", "uniform"))
    assert found.final[0].mean == pytest.approx(one.heldout.mean - two.heldout.mean)
    assert found.area[0].mean == pytest.approx(one.area.mean - two.area.mean)
    assert found.level == two.heldout.mean
    write_pages(folder, found)
    assert "Held-out accuracy against rollouts" in (folder / "compare.html").read_text()


@pytest.mark.slow
async def test_names_of_others_are_never_read_as_markup(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script> | `x` [y](z)"
    grid, base = begun(None, SMALL, [], [f"{bad}: gate.patience=20", "uniform: curriculum.policy=uniform"], 1,
                       "rollouts=160", None, None, COMMAND)  # fmt: skip
    write(tmp_path / "cmp", grid, base)
    await played(tmp_path / "cmp", grid, base)
    found = write_comparison(tmp_path / "cmp", grid)
    write_pages(tmp_path / "cmp", found)
    page, text = ((tmp_path / "cmp" / name).read_text() for name in ("compare.html", "compare.md"))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert "<script" not in text
    row = next(line for line in text.splitlines() if line.startswith("| &lt;script"))
    head = next(line for line in text.splitlines() if line.startswith("| variant | seeds | validation"))
    assert len(re.findall(r"(?<!\\)\|", row)) == head.count("|")
    assert "\\[y\\](z)" in row


def test_a_page_of_nothing_says_so(tmp_path: Path) -> None:
    grid, base = grid_of()
    write(tmp_path / "cmp", grid, base)
    found = gathered(tmp_path / "cmp", grid)
    write_pages(tmp_path / "cmp", found)
    assert "No run is done yet" in (tmp_path / "cmp" / "compare.html").read_text()
    assert {cell.status for cell in found.cells} == {"waiting"}
    assert "0 of 4 done" in markdown(found)
    assert json.loads(found.model_dump_json())["schema_version"] == 1


def test_markdown_shows_a_text_as_it_is() -> None:
    assert plain("a|b *c* <d>\n`e`\x1b[0m") == "a\\|b \\*c\\* &lt;d&gt; \\`e\\`\ufffd\\[0m"


def test_fewer_than_one_question_is_no_budget() -> None:
    with pytest.raises(ConfigError, match="less than one question takes"):
        load(None, ["rollouts.n=4", "budget.rollouts=3"])


def test_questions_left_are_never_more_than_the_budget_pays(tmp_path: Path) -> None:
    config = load(None, ["budget.rollouts=50", "curriculum.questions=10", "rollouts.n=4"])
    folder = RunFolder(tmp_path)
    assert budget.questions_left(folder, config, 1) == 10
    folder.write(1, "rollouts/attempt", 0, [a_rollout(index) for index in range(40)])
    folder.write(1, "rollouts/heldout", 0, [a_rollout(index, stage="heldout") for index in range(40)])
    assert budget.spent(folder, 2) == 40
    assert budget.questions_left(folder, config, 2) == 2  # 10 left, 4 each
    assert not budget.over(folder, config, 2)
    assert budget.left_for_training(folder, config, 1) == 10
    folder.write(2, "rollouts/attempt", 0, [a_rollout(index, round=2) for index in range(8)])
    assert budget.over(folder, config, 3)
    assert not budget.over(folder, load(None, []), 3)


def test_a_question_is_taken_to_cost_what_training_samples_of_it(tmp_path: Path) -> None:
    """The last round of an objective that samples leaves its training what that will sample."""
    config = load(None, ["budget.rollouts=100", "curriculum.questions=100", "rollouts.n=4"])
    folder = RunFolder(tmp_path)
    folder.write(1, "rollouts/attempt", 0, [a_rollout(index) for index in range(20)])
    folder.checkpoint("solver-0001").mkdir(parents=True)
    result = {"objective": "grpo", "examples": 1, "steps": 1, "seconds": 0.0, "metrics": {}, "rollouts": 20}
    (folder.checkpoint("solver-0001") / "result.json").write_text(json.dumps(result))
    assert budget.spent(folder, 2) == 40
    assert budget.questions_left(folder, config, 2) == 7  # 60 left, 4 + 4 each
    assert budget.rounds_expected(folder, config, 2) == 2


GRPO = [
    "training.objective=grpo", "training.options.rollouts=8", "training.batch_size=16", "training.epochs=1",
    "rollouts.n=4",
]  # fmt: skip


def test_a_training_is_given_the_prompts_that_can_be_paid(tmp_path: Path) -> None:
    rows = [{"times": 1.0, "id": place} for place in range(40)]
    folder = RunFolder(tmp_path)
    folder.write(1, "rollouts/attempt", 0, [a_rollout(index) for index in range(20)])

    def paid(*settings: str) -> list[dict[str, Any]]:
        config = load(None, [*GRPO, *settings])
        objective = configured(config.training)
        return budget.payable(folder, config, 1, rows, objective, Random(0))

    assert paid() == rows
    assert len(paid("budget.rollouts=100")) == 10  # 80 left, 8 each, two prompts a step
    assert len(paid("budget.rollouts=99")) == 8  # 79 left: four steps of 16
    assert len(paid("budget.rollouts=100", "training.epochs=2")) == 5
    assert len(paid("budget.rollouts=1000", "training.options.prompts=6")) == 6
    assert len(paid("budget.rollouts=100", "training.objective=ghpo")) == 2  # three tries of each
    assert paid("budget.rollouts=30") == []
    drawn = paid("budget.rollouts=100")
    assert drawn == paid("budget.rollouts=100") != rows[:10]


def test_the_first_round_leaves_its_training_something_to_sample_for(tmp_path: Path) -> None:
    config = load(None, [*GRPO, "budget.rollouts=12000", "curriculum.questions=1000"])
    # 4 of an attempt and 8 of training.
    assert budget.rounds_expected(RunFolder(tmp_path), config, 1) == 1
    assert budget.questions_left(RunFolder(tmp_path), config, 1) == 1000
    config = load(None, [*GRPO, "budget.rollouts=6000", "curriculum.questions=1000"])
    assert budget.questions_left(RunFolder(tmp_path), config, 1) == 500


def test_no_round_begins_that_could_ask_but_not_train(tmp_path: Path) -> None:
    """Of an objective that samples, what is left would go into ever smaller rounds that train nothing."""
    folder = RunFolder(tmp_path)
    folder.write(1, "rollouts/attempt", 0, [a_rollout(index) for index in range(400)])
    told = [*GRPO, "curriculum.questions=100", "training.least_pairs=20"]  # a question costs 4 + 8
    assert not budget.over(folder, load(None, [*told, "budget.rollouts=640"]), 2)
    assert budget.over(folder, load(None, [*told, "budget.rollouts=639"]), 2)
    assert not budget.over(folder, load(None, [*told, "budget.rollouts=12"]), 1)
    pairs = ["curriculum.questions=100", "budget.rollouts=404", "rollouts.n=4", "training.objective=dpo"]
    assert not budget.over(folder, load(None, pairs), 2)  # pairs are kept for later, and each answer counts


def test_a_run_expects_the_rounds_that_its_budget_pays(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    config = load(None, ["rounds=50", "budget.rollouts=100", "curriculum.questions=10", "rollouts.n=4"])
    assert budget.rounds_expected(folder, config, 1) == 3
    folder.write(1, "rollouts/attempt", 0, [a_rollout(index) for index in range(4)])
    assert budget.rounds_expected(folder, config, 2) == 1 + 3
    assert budget.rounds_expected(folder, load(None, ["rounds=50"]), 2) == 50
