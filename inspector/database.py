"""A run's records as tables of DuckDB: read where they lie, one kind of record a view, nothing written.

Statements are the user's own and may be anything that reads. What would write, load an extension or open
a file outside the run folder is refused by DuckDB itself, whose settings are locked before it is asked.

It is here and not in memory/ because it reads held-out results, which nothing that plays the loop may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from ..errors import RunError, printable
from ..memory.run import RunFolder, damaged, schema_of
from ..records import (
    Attempt,
    Audit,
    Behaviour,
    Call,
    Diversity,
    GateDecision,
    Hint,
    LabelCheck,
    Opinion,
    PreferencePair,
    Proposal,
    Question,
    Record,
    Review,
    Rollout,
    SkillNote,
    ToolResult,
    Training,
    Verdict,
    Worth,
)

_MOST_MEMORY = "2GB"


class View(NamedTuple):
    """A table of all rounds: parts of one kind of record, with `recorded_in`, the round whose they are,
    and `recorded_as`, their part.

    That is `round`, too, but for a pair of an earlier round that is replayed.
    """

    parts: str
    """Below rounds/NUMBER."""
    record: type[Record]
    meaning: str


VIEWS: dict[str, View] = {
    "questions": View("questions/*", Question, "the bank: seeds in round 0, then what was admitted"),
    "labelled": View("labelled/*", Question, "seeds without an answer that were given one: in the bank, too"),
    "heldout": View("sets/heldout*", Question, "the held-out sets; they decide nothing"),
    "validation": View("sets/validation-*", Question, "the validation set, by which the gate decides"),
    "proposals": View("vetted/*", Proposal, "what was proposed, and what vetting said of it"),
    "labels": View("labels/*", LabelCheck, "what spoke for the answers of questions from models"),
    "audits": View("audits/*", Audit, "labels that were checked by another way"),
    "reviews": View("reviews/*", Review, "what a person said of proposals"),
    "attempts": View("attempts/*", Attempt, "pass rate and zone of each question that a round asked"),
    "rollouts": View("rollouts/*", Rollout, "completions of the Solver; stage says what for"),
    "verdicts": View("verdicts/*", Verdict, "what the Verifier says of them"),
    "opinions": View("opinions/*", Opinion, "what a Verifier that is a model said of some"),
    "skills": View("skills/*", SkillNote, "skills that the Teacher named for failures"),
    "hints": View("hints/*", Hint, "what may be read with a question that was failed"),
    "behaviours": View("behaviours/*", Behaviour, "moves that the Teacher found in right solutions"),
    "pairs": View("pairs/*", PreferencePair, "what the Solver was trained on, replayed ones included"),
    "trainings": View("trainings/*", Training, "training jobs: what from, on what, and what they came to"),
    "gates": View("gates/*", GateDecision, "what the gate said of each round's Solver"),
    "worths": View("worths/*", Worth, "what questions turned out to be worth in the next round"),
    "diversity": View("diversity/*", Diversity, "how different the questions of a round are"),
    "calls": View("calls/*", Call, "requests to models, as sent, with what came back"),
    "tools": View("tools/*", ToolResult, "what tools gave"),
}


class Database:
    """Views of one run; used as a context manager.

    Args:
        forgiving: leave out parts that cannot be read, and note them in `damaged`.
    Raises:
        RunError: on use, whatever DuckDB says against a statement or a damaged part, in one line.
    """

    def __init__(self, folder: RunFolder, forgiving: bool = False) -> None:
        self._run, self._folder = folder, folder.path.resolve()
        self._forgiving = forgiving
        self.damaged: dict[str, str] = {}
        """Parts that were left out, such as `0002/pairs/pairs-0000.parquet`, with the reason."""
        self._connection = duckdb.connect(":memory:")
        self._connection.execute(f"SET memory_limit = '{_MOST_MEMORY}'")
        self._connection.execute("SET autoinstall_known_extensions = false")
        self._made: set[str] = set()
        # As it is, and as a pattern names it: both are looked at.
        rounds = self._folder / "rounds"
        allowed = ", ".join(_quoted(name) for name in dict.fromkeys([str(rounds), literal(rounds)]))
        self._connection.execute(f"SET allowed_directories = [{allowed}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, statement: str, given: Sequence[object] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names of the columns, and the rows, of one statement that reads.

        Raises:
            RunError: it is none, or fails.
        """
        try:
            parsed = duckdb.extract_statements(statement)
            kinds = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
            if len(parsed) != 1 or parsed[0].type not in kinds:
                raise RunError("query: one SELECT is wanted; records are never changed")
            self._make_views(statement)
            found = self._connection.execute(parsed[0], list(given) or None)
            return [column[0] for column in found.description or []], found.fetchall()
        except (duckdb.Error, RuntimeError) as error:
            raise RunError(f"query: {printable(' '.join(str(error).split()))[:600]}") from error

    def rows(self, statement: str, given: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Rows of one statement by the names of their columns.

        Raises:
            RunError: as `ask`; of a damaged part only where it is not to be left out.
        """
        try:
            names, rows = self.ask(statement, given)
        except RunError:
            if not (self._forgiving and self._leave_out(_words(statement))):
                raise
            names, rows = self.ask(statement, given)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def heldout(self, round: int) -> float | None:
        """Held-out accuracy of the Solver that a round came to; None where it was not measured."""
        try:
            return measured(self._run, round)
        except RunError as error:
            if not self._forgiving:
                raise
            self.damaged[f"{round:04d}/heldout.json"] = str(error)
            return None

    def _leave_out(self, words: set[str]) -> bool:
        """Look through the parts of the views that a statement names; whether some more are damaged."""
        known = len(self.damaged)
        for name in VIEWS.keys() & words:
            for part in self._parts(VIEWS[name]):
                if reason := self._damage(VIEWS[name], part):
                    self.damaged[_named(part)] = reason
                    self._made.discard(name)
        return len(self.damaged) > known

    def _damage(self, view: View, part: Path) -> str:
        """Why a part cannot be read to its end; empty where it can."""
        source = parts_as(view.record, [literal(part)])
        try:
            self._connection.execute(f"SELECT bit_xor(hash(part)) FROM ({source}) part").fetchall()  # noqa: S608
        except duckdb.Error as error:
            return printable(" ".join(str(error).split()))[:300]
        return ""

    def _make_views(self, statement: str) -> None:
        """Those that a statement may mean: making one opens every part. All, where it names none, so that
        it can ask which there are."""
        named = VIEWS.keys() & _words(statement) or VIEWS.keys()
        for name in sorted(named - self._made):
            self._connection.execute(f"CREATE OR REPLACE VIEW {name} AS {self._reading(VIEWS[name])}")
        # One without parts is made anew: some may have come by then.
        self._made |= {name for name in named if any(self._parts(VIEWS[name]))}

    def _parts(self, view: View) -> Iterator[Path]:
        found = (self._folder / "rounds").glob(f"[0-9]*/{view.parts}.parquet")
        return (part for part in found if _named(part) not in self.damaged)

    def _reading(self, view: View) -> str:
        """A view's SELECT: an empty table with all columns, and the parts joined to it by name, so that what
        a part of an older version lacks is NULL."""
        if not any(self._parts(view)):
            return _nothing(view.record)
        if self.damaged:
            return parts_as(view.record, [literal(part) for part in sorted(self._parts(view))])
        return parts_as(view.record, [f"{literal(self._folder / 'rounds')}/[0-9]*/{view.parts}.parquet"])


def left_out(damaged: Mapping[str, str]) -> str:
    """What is said of parts that a view does without, in the terminal and on a page."""
    first = sorted(damaged.items())[:5]
    named = "; ".join(f"{part} ({printable(reason)[:100]})" for part, reason in first)
    if len(damaged) == 1:
        return f"1 part cannot be read and is left out: {named}"
    return f"{len(damaged):,} parts cannot be read and are left out: {named}"


def measured(folder: RunFolder, round: int) -> float | None:
    """Held-out accuracy that a round wrote down; None where it did not.

    Raises:
        RunError: what is there is not what a round writes.
    """
    found = folder.read_json(round, "heldout")
    if found is None:
        return None
    accuracy = found.get("accuracy") if isinstance(found, dict) else None
    if isinstance(accuracy, bool) or not isinstance(accuracy, int | float):
        raise RunError(damaged(folder.round(round) / "heldout.json", ValueError("it holds no accuracy")))
    return float(accuracy)


def columns_of(record: type[Record]) -> list[tuple[str, str]]:
    """Names and DuckDB's types of a record's columns."""
    return [(field.name, _type_of(field.type)) for field in schema_of(record)]


def parts_as(record: type[Record], parts: Sequence[str]) -> str:
    """The SELECT of parts of one kind: their columns, those that a part of an older version lacks as NULL,
    the number of their round as `recorded_in`, and their file's name as `recorded_as`.

    Args:
        parts: paths or patterns of our own making.
    """
    names = "[" + ", ".join(_quoted(part) for part in parts) + "]"
    number = r"regexp_extract(filename, '[\\/]rounds[\\/](\d+)[\\/]', 1)::BIGINT AS recorded_in"
    stem = r"regexp_extract(filename, '[\\/]([^\\/]+)\.parquet$', 1) AS recorded_as"
    source = f"read_parquet({names}, union_by_name = true, filename = true)"
    # Made of our own folder's name and nothing else.
    read = f"SELECT * EXCLUDE (filename), {number}, {stem} FROM {source}"  # noqa: S608
    return f"{_nothing(record)} UNION ALL BY NAME {read}"


def _nothing(record: type[Record]) -> str:
    """An empty table with all columns."""
    columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns_of(record))
    return f"SELECT {columns}, NULL::BIGINT AS recorded_in, NULL::VARCHAR AS recorded_as WHERE false"


def _named(part: Path) -> str:
    """Round, kind and name, as a person is told of it."""
    return "/".join(part.parts[-3:])


def _words(statement: str) -> set[str]:
    return set(re.findall(r"\w+", statement.lower()))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def literal(path: Path) -> str:
    """A path in which nothing stands for anything else."""
    return re.sub(r"([*?\[\]{}])", r"[\1]", str(path))


def _type_of(column: pa.DataType) -> str:
    if pa.types.is_list(column):
        return f"{_type_of(column.value_type)}[]"
    return {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}[str(column)]
