"""The command line: parse, load, call. Nothing is decided here.

Everything heavy is imported inside the command that needs it, so that `--help` is quick.
"""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from .errors import ConfigError, MaieuticError, RunHeld, printable

if TYPE_CHECKING:
    from .config import RunConfig
    from .graph.grid import Grid
    from .memory.run import RunFolder
    from .records import Comparison, RunReport

app = typer.Typer(
    help="A self-curriculum for language models: find what the Solver cannot do, teach exactly that.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Where run folders are kept.")]
Name = Annotated[str, typer.Argument(help="Name of the run.")]
Mapped = Annotated[
    list[str] | None, typer.Option("--map", help="question=COLUMN, answer=COLUMN …; repeatable.")
]


Review = Annotated[
    str | None,
    typer.Option(help="teach: pause for new questions to be accepted, edited or refused here; or none."),
]


@app.command()
def run(
    config: Annotated[Path | None, typer.Argument(help="YAML file; the pocket profile if left out.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run; one is chosen if left out.")] = None,
    runs_dir: RunsDir = Path("runs"),
    rounds: Annotated[int | None, typer.Option(help="Rounds to play.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Your questions: a file, hf:NAME, gym:FAMILY, gym:all.")
    ] = None,
    heldout: Annotated[
        list[str] | None, typer.Option(help="A held-out set of yours, named like seeds; repeatable.")
    ] = None,
    told: Mapped = None,
    checker: Annotated[str | None, typer.Option(help="Decides about the answers of your seeds.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as rollouts.n=8; repeatable.")
    ] = None,
    review: Review = None,
) -> None:
    """Play a whole self-evolution run."""
    from .config import load

    _check_terminal(review)
    overrides = list(settings or [])
    overrides += [f"rounds={rounds}"] if rounds is not None else []
    overrides += [f"seed={seed}"] if seed is not None else []
    overrides += [f"review={review}"] if review is not None else []
    given = {"seeds": seeds, "heldout": heldout, "columns": _columns(told), "checker": checker}
    loaded = load(config, overrides, {key: value for key, value in given.items() if value or value == ""})

    from .graph import making

    material = making.prepare(loaded, lambda said: typer.echo(said, err=True))
    for note in material.notes:
        typer.echo(printable(note))
    if name is None:
        folder = making.create_next(loaded, runs_dir, config.stem if config else "pocket", material)
    else:
        folder = making.create(loaded, runs_dir, name, material)
    _play(loaded, folder)


@app.command()
def resume(
    name: Name,
    runs_dir: RunsDir = Path("runs"),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value of serving, training, budget, rounds …; repeatable."),
    ] = None,
    review: Review = None,
) -> None:
    """Go on with a run that was stopped or killed, or waits for review."""
    from .graph import changing, folders, making

    _check_terminal(review)
    folder, config = folders.find(runs_dir, name)
    changes = [*(settings or []), *([f"review={review}"] if review not in (None, config.review) else [])]
    if changes:
        config = changing.change(folder, changes)
    making.check(config)
    _play(config, folder)


@app.command()
def fork(
    name: Name,
    at: Annotated[int, typer.Option("--round", min=0, help="Last round to take over; one that is over.")],
    new: Annotated[
        str | None, typer.Option("--name", help="Name of the new run; one is chosen if left out.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value to go on with; repeatable.")
    ] = None,
) -> None:
    """Begin a new run with the first rounds of another, and play on from there."""
    from .graph.fork import fork as forked

    folder, config = forked(runs_dir, name, at, new, settings or [])
    _play(config, folder)


def _check_terminal(review: str | None) -> None:
    if review == "teach" and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "--review teach asks at a terminal, and this is none; with --set review=teach the run pauses "
            "where it would ask, and `maieutic resume NAME --review teach` at a terminal goes on from there"
        )


def _play(config: RunConfig, folder: RunFolder) -> None:
    """Play with a live display; Ctrl-C and SIGTERM stop cleanly and say how to go on."""
    import asyncio

    from .graph.run import play
    from .inspector import console as shown
    from .inspector.page import write_page
    from .inspector.plan import brief
    from .inspector.review import AtTerminal, at_a_terminal

    console = shown.screen()
    console.print(f"run {folder.path.name} in {folder.path}", markup=False, highlight=False)
    console.print(brief(config), markup=False, highlight=False, soft_wrap=True)
    page = folder.path / "report.html"

    async def until_told() -> RunReport:
        _stop_when_told()
        with shown.progress_on(console, config.rounds) as progress:
            reviewer = AtTerminal(console, progress.aside) if at_a_terminal() else None
            return await play(config, folder, progress, lambda report: write_page(page, report), reviewer)

    try:
        report = asyncio.run(until_told())
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo(f"stopped; go on with: {_resume(folder)}")  # whole, so that it can be copied
        raise typer.Exit(130) from None
    except RunHeld:
        raise
    except MaieuticError:
        typer.echo(
            f"what is done is kept; go on with: {_resume(folder)} (--set changes serving.*, training.*, "
            "rounds, budget.*, each role's .concurrency, .deadline_s, .budget.*, and .endpoint, .key of "
            "teacher, verifier)",
            err=True,
        )
        raise
    console.print(shown.rounds_table(report, console.width))
    console.print(shown.summary(report), markup=False, highlight=False)
    if report.status == "waiting for review":
        typer.echo(f"new questions wait to be read; go on with: {_command(folder, 'resume')} --review teach")
    if report.ended is not None:
        more = f" --set {report.ended.by}=…"
        typer.echo(f"to go on, allow for more: {_resume(folder)}{more}")
    console.print(f"report: {page}", markup=False, highlight=False)
    for said, command in (("more", "show"), ("look", "inspect")):
        console.print(f"{said}:   {_command(folder, command)}", markup=False, highlight=False, soft_wrap=True)


_STOPS_WITHIN_S = 25.0
"""Seconds in which a run has stopped, and a second signal changes nothing; schedulers give 30."""


def _stop_when_told() -> None:
    """Have signals cancel the task that this is called in.

    SIGTERM, a scheduler's way to stop us, takes the path of Ctrl-C; and both are taken even where a
    shell started us in the background with SIGINT ignored. So does SIGHUP, a closed terminal; but
    nohup has it ignored to go on without one.
    """
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    left_alone = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    first: list[float] = []

    def stop() -> None:
        # Schedulers tell twice, and impatient people: what is being ended is to end in order.
        if not first or time.monotonic() - first[0] > _STOPS_WITHIN_S:
            first[:] = [time.monotonic()]
            task.cancel()

    for told in (signal.SIGINT, signal.SIGTERM, *([] if left_alone else [signal.SIGHUP])):
        asyncio.get_running_loop().add_signal_handler(told, stop)


def _resume(folder: RunFolder) -> str:
    return _command(folder, "resume")


def _command(folder: RunFolder | Path, *words: str) -> str:
    """A command for a run, as it can be typed here."""
    path = folder if isinstance(folder, Path) else folder.path
    program = "maieutic" if shutil.which("maieutic") else f"{Path(sys.executable).parent / 'maieutic'}"
    where = [] if path.parent == Path("runs") else ["--runs-dir", str(path.parent)]
    return shlex.join([program, *words, path.name, *where])


@app.command()
def compare(
    config: Annotated[Path | None, typer.Argument(help="YAML file; the pocket profile if left out.")] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="KEY=A,B, such as curriculum.policy=socratic,uniform; repeatable, all combined."),
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="'NAME: key=value key=value', where several go together.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="So many seeds, from the configuration's.")] = 3,
    budget: Annotated[str | None, typer.Option(help="rollouts=N: what each run may sample to train.")] = None,
    against: Annotated[
        str | None, typer.Option(help="The variant that others are compared with; uniform, or the first.")
    ] = None,
    reach: Annotated[
        float | None, typer.Option(min=0, max=1, help="Held-out accuracy to be reached; the control's last.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the comparison.")] = "comparison",
    runs_dir: RunsDir = Path("runs"),
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value for all of its runs; repeatable.")
    ] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with the comparison of this name.")] = None,
) -> None:
    """Play variants of a configuration with several seeds, and compare them on one page."""
    from .graph.compare import check
    from .graph.folders import check_name
    from .graph.grid import begun, read, write

    if resume is not None:
        if config or vary or variant or budget or against or reach is not None or settings or seeds != 3:
            raise ConfigError(
                f"--resume {resume[:60]} goes on with what was asked for then, and takes nothing else but "
                "--runs-dir; to add variants or seeds, give the first command again with more of them"
            )
        check_name(Path(resume).name)
        folder = runs_dir / Path(resume).name
        grid, base = read(folder)
        check(grid, base)
    else:
        check_name(name)
        folder = runs_dir / name
        given = (settings or [], vary or [], variant or [])
        grid, base = begun(config, *given, seeds, budget, against, reach, sys.argv)
        check(grid, base)
        write(folder, grid, base)
        grid, base = read(folder)  # as it is there: with paths that hold anywhere
    _compare(folder, grid, base)


def _compare(folder: Path, grid: Grid, base: RunConfig) -> None:
    """Play a grid; its page is drawn anew when a run has ended."""
    import asyncio

    from .graph.compare import play_grid
    from .graph.compared import write_comparison
    from .inspector.compared import write_pages
    from .inspector.comparing import GridWatch, overview
    from .inspector.console import screen
    from .inspector.page import write_page

    console = screen()
    again = _command(folder, "compare", "--resume")
    console.print(f"{len(grid.cells())} runs in {folder}; if stopped, go on with: {again}", markup=False,
                  highlight=False, soft_wrap=True)  # fmt: skip

    def draw() -> Comparison:
        found = write_comparison(folder, grid)
        write_pages(folder, found)
        return found

    async def until_told() -> None:
        _stop_when_told()
        await play_grid(
            folder,
            grid,
            base,
            GridWatch(console),
            lambda run, report: write_page(run.path / "report.html", report),
            draw,
        )

    try:
        asyncio.run(until_told())
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo(f"stopped; go on with: {again}")
        raise typer.Exit(130) from None
    found = draw()
    console.print(overview(found))
    for line in ("compare.html", "compare.md", "comparison.json"):
        console.print(f"written: {folder / line}", markup=False, highlight=False, soft_wrap=True)
    if any(cell.status != "done" for cell in found.cells):
        raise typer.Exit(1)


@app.command()
def show(
    name: Name,
    runs_dir: RunsDir = Path("runs"),
    round_number: Annotated[
        int | None,
        typer.Option("--round", help="One round; or of it alone: --weak, --calls, --pairs."),
    ] = None,
    question: Annotated[
        str | None, typer.Option(help="A question's lineage, rollouts and use; its id, or how that begins.")
    ] = None,
    weak: Annotated[bool, typer.Option("--weak", help="What the Solver gets wrong, by skill.")] = False,
    calls: Annotated[bool, typer.Option("--calls", help="Requests to models.")] = False,
    pairs: Annotated[bool, typer.Option("--pairs", help="Preference pairs.")] = False,
    diff: Annotated[str | None, typer.Option(help="Another run, to be compared with this one.")] = None,
    handbook: Annotated[bool, typer.Option("--handbook", help="Moves named in right solutions.")] = False,
    role: Annotated[str | None, typer.Option(help="With --calls: teacher, solver, generator …")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="With --calls: those that failed, were sent again or cut off.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All of it, not the first or newest.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    pager: Annotated[
        bool, typer.Option("--pager/--no-pager", help="A pager for what is longer than the screen.")
    ] = True,
) -> None:
    """Show what a run did: its rounds; or one round, one question, weaknesses, calls, pairs, another run."""
    from .inspector.views import Options, show_view

    options = Options(
        runs_dir, round_number, question, weak, calls, pairs, diff, handbook, role, failed, everything
    )
    show_view(name, options, as_json, pager)


@app.command()
def query(
    name: Name,
    statement: Annotated[
        str | None, typer.Argument(help="One SELECT; left out, the tables are named.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, with a head.")] = False,
) -> None:
    """Ask a run's records with SQL."""
    from .graph.folders import find
    from .inspector.console import screen
    from .inspector.querying import show_query, show_views

    if as_json and as_csv:
        raise ConfigError("--json or --csv: choose one")
    folder, _ = find(runs_dir, name)
    if statement is None:
        show_views(screen())
    else:
        show_query(screen(), folder, statement, "json" if as_json else "csv" if as_csv else "table")


@app.command()
def inspect(
    name: Annotated[str | None, typer.Argument(help="Run to open; all runs if left out.")] = None,
    runs_dir: RunsDir = Path("runs"),
    host: Annotated[
        str, typer.Option(help="Address to serve on; others can read it if it is not this machine's own.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any that is free.")] = 8765,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser.")] = True,
) -> None:
    """Look into all runs in a browser: a local, read-only page, live while a run goes on."""
    from .inspector.web import serve

    serve(runs_dir, name, host, port, browser, typer.echo)


@app.command()
def export(
    name: Name,
    dest: Annotated[str, typer.Argument(help="A new folder; for hf also hub:owner/name.")],
    to: Annotated[str, typer.Option(help="hf, jsonl, csv, inspect, verifiers")],
    runs_dir: RunsDir = Path("runs"),
    checkpoint: Annotated[
        str, typer.Option(help="hf: kept, none, base, or a name such as solver-0003.")
    ] = "kept",
    licence: Annotated[str, typer.Option("--license", help="hf: that of your seeds.")] = "unknown",
    public: Annotated[bool, typer.Option("--public", help="hub: for everybody; private without.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> None:
    """Write a run in a format of other tools: a data set, tables, logs, an environment."""
    from .graph.folders import find
    from .inspector.console import screen
    from .inspector.exports.export import Options, export
    from .inspector.reading import reading

    folder, config = find(runs_dir, name)
    console, options = screen(), Options(checkpoint, licence, force, public)
    with reading(console, f"; {dest} was not written") as progress:
        told = export(folder, config, to, dest, options, progress)
    for line in told:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _columns(told: list[str] | None) -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in told or []:
        name, sign, column = entry.partition("=")
        if not sign:
            raise ConfigError(f"--map {entry[:60]}: expected NAME=COLUMN, such as question=Frage")
        if name in names:
            raise ConfigError(f"--map {entry[:60]}: {name} is {names[name]} already; name one column")
        names[name] = column
    return names


seeds_app = typer.Typer(help="Your own questions.", no_args_is_help=True)
app.add_typer(seeds_app, name="seeds")


@seeds_app.command("check")
def check_seeds(
    source: Annotated[
        str, typer.Argument(help="A file, hf:NAME[:CONFIG[:SPLIT]] of datasets, gym:FAMILY, gym:all.")
    ],
    told: Mapped = None,
    heldout: Annotated[
        list[str] | None, typer.Option(help="A held-out set of yours to compare with; repeatable.")
    ] = None,
) -> None:
    """Say what a seed set holds, how it was understood, and what is wrong with it."""
    from .inspector.console import screen
    from .inspector.reading import reading
    from .inspector.seeds import show_gym, show_survey
    from .tasks.families.gym import PREFIX, opened
    from .tasks.material import kept_apart
    from .tasks.survey import survey

    console = screen()
    if source.startswith(PREFIX):
        show_gym(console, opened(source))
        return
    texts = kept_apart(heldout or [], _columns(told))
    with reading(console) as progress:
        found = survey(source, _columns(told), texts, progress)
    if not show_survey(console, found):
        raise typer.Exit(2)


@app.command()
def grade(
    file: Annotated[Path, typer.Argument(help="JSONL, JSON, CSV, TSV, Parquet: answer, completion.")],
    checker: Annotated[
        str, typer.Option(help="math, numeric, choice, exact, regex, json, judge, module:function")
    ],
    out: Annotated[Path | None, typer.Option(help="The rows with verdict, extracted and reason.")] = None,
    seconds: Annotated[float, typer.Option(min=0.01, max=3600, help="Time limit of one check.")] = 5.0,
) -> None:
    """Check completions against answers: the checkers as a tool of their own."""
    from .inspector.console import graded, screen
    from .inspector.reading import reading
    from .tasks.checkers.registry import opened
    from .tasks.grading import grade as grade_file

    console = screen()
    unwritten = f"; {out} was not written" if out is not None else ""
    with opened(checker, seconds) as checks, reading(console, unwritten) as progress:
        counts = grade_file(file, checks, checker, out, progress)
    console.print(graded(counts), markup=False, highlight=False)
    if checks.summary():
        console.print(checks.summary(), markup=False, highlight=False, soft_wrap=True)
    if out is not None:
        console.print(f"written to {out}", markup=False, highlight=False)


@app.command()
def plan(
    config: Annotated[Path | None, typer.Argument(help="YAML file; the pocket profile if left out.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as rollouts.n=8; repeatable.")
    ] = None,
    gpus: Annotated[
        str | None,
        typer.Option(help="Imagined hardware: 1x24GB, 8x80GB, 0 for none; this machine's if left out."),
    ] = None,
    ram: Annotated[float | None, typer.Option(min=0.1, max=1e6, help="GiB of its host memory.")] = None,
    tokens_per_second: Annotated[
        float, typer.Option(min=0, max=1e9, help="What one GPU writes, where you know; else assumed.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="The whole plan as JSON.")] = False,
) -> None:
    """Say what would run where, and what it takes, before anything is loaded."""
    from .config import load
    from .inspector.console import screen
    from .inspector.plan import planned, show

    made = planned(load(config, settings or []), gpus, ram, tokens_per_second)
    if as_json:
        typer.echo(made.model_dump_json(indent=1))
    else:
        show(screen(), made)
    if not made.fits:
        raise typer.Exit(2)


@app.command()
def init(
    profile: Annotated[str | None, typer.Argument(help="Its name; all are listed if left out.")] = None,
    to: Annotated[Path | None, typer.Option(help="File to write; PROFILE.yaml here if left out.")] = None,
) -> None:
    """Write a commented copy of a profile, to be changed and run."""
    from .config import profiles

    if profile is None:
        for name, line in profiles.listed():
            typer.echo(f"{name:16}{line}")
        return
    file = profiles.write(profile, to or Path(f"{profile}.yaml"))
    typer.echo(f"{file} is written. What it takes:  maieutic plan {shlex.quote(str(file))}")
    typer.echo(f"Then change it as you like, and:  maieutic run {shlex.quote(str(file))}")


@app.command()
def prompts(
    name: Annotated[str | None, typer.Argument(help="A template to show whole.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--from", help="Your own folder of templates: checked, and shown first.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="A folder to write copies into, for you to edit.")] = None,
) -> None:
    """List the prompt templates, show one, or write copies to edit."""
    from .inspector import prompts as views
    from .inspector.console import screen
    from .prompts import Prompts

    templates = Prompts(folder)
    if to is not None:
        typer.echo(printable(views.write_copies(templates, to, [name] if name else None)))
    elif name is not None:
        typer.echo(printable(templates.text(name)))
    else:
        views.list_prompts(screen(), templates)


@app.command()
def doctor() -> None:
    """Say what this machine has, what is missing, and how to get it."""
    from .inspector.console import screen
    from .inspector.doctor import examine

    if not examine(screen()):
        raise typer.Exit(1)


@app.command()
def graph() -> None:
    """Print the state machine as a Mermaid drawing."""
    from .graph.build import mermaid

    typer.echo(mermaid())


def main() -> None:
    """Entry point: a known trouble is one line and an exit code, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode ends no run
    try:
        app()
    except MaieuticError as error:
        _end(str(error), error.exit_code)
    except OSError as error:
        _end(f"{error.filename or 'output'}: {error.strerror or error}", 2)


def _end(message: str, code: int) -> NoReturn:
    """Say it and leave; names of files and columns may hold what a terminal would obey."""
    with contextlib.suppress(OSError):
        typer.echo(f"maieutic: {printable(message)}", err=True)
    raise SystemExit(code) from None


if __name__ == "__main__":
    main()
