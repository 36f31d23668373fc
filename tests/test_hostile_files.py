"""Files that mean harm, or are merely broken: one clear line for each, and memory that stays small."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from maieutic import cli
from maieutic.errors import MaieuticError
from maieutic.tasks.columns import seed_rows
from maieutic.tasks.distinct import Repeats
from maieutic.tasks.rows import stop, text_of
from maieutic.tasks.tables import read_rows
from typer.testing import CliRunner

pytestmark = pytest.mark.slow

ROW = '{"question":"q","answer":"1"}\n'
MIB = 1024  # kilobytes
TYPES = pa.table(
    {
        "question": [b"abc", b"\xffx", b"d"],
        "answer": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("2.00")]),
        "when": [datetime.datetime(2020, 1, 1)] * 3,
        "struct": [{"x": 1}] * 3,
        "map": pa.array([[("k", 1)]] * 3, type=pa.map_(pa.string(), pa.int32())),
        "list": [[1, 2]] * 3,
        "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
    }
)


def parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 20_000_000)
    return file.getvalue()


def dated() -> pa.Table:
    return pa.table({"question": ["a", "b"], "answer": pa.array([2**40, 1], pa.timestamp("s"))})


def wide(columns: int) -> str:
    return ",".join(f"c{place}" for place in range(columns)) + "\n"


MANY_KEYS = ",".join(f'"k{place}":1' for place in range(200_000))
WHOLE = parquet(TYPES)
Content = bytes | str | Callable[[], bytes]

# name → (content, what is said). The first word tells nothing but the case.
CASES: dict[str, tuple[Content, str]] = {
    # JSON Lines
    "number.jsonl": (ROW + '{"question":"q","answer":' + "9" * 1_000_000 + "}", "line 2: not JSON (a number"),
    "nan.jsonl": ('{"question":"a","answer":NaN}\n{"question":"b","answer":Infinity}', "1 word; 1 missing"),
    "deep.jsonl": (ROW + '{"question":' + "[" * 99_999, "line 2: not JSON (nested too deep)"),
    "keys.jsonl": ("{" + MANY_KEYS + "}\n", "k19 and 199,980 more. Name it"),
    "zero.jsonl": (ROW + '{"question":"a\0b"}\n', "line 2: not JSON (Invalid control"),
    "zeros.jsonl": (b"\0" * 100_000, "is not UTF-8 but UTF-16, or no text at all"),
    "mac.jsonl": (ROW.replace("\n", "\r") * 3, r"end lines with \n, not \r"),
    "utf16.jsonl": (ROW.encode("utf-16"), "is not UTF-8 but UTF-16"),
    "long.jsonl": (ROW + "a" * 25_000_000 + "\n" + ROW, "line 2: longer than 10,000,000 bytes"),
    "half.jsonl": (ROW + ROW[:9], "line 2: not JSON (Unterminated string starting at character 2"),
    "types.jsonl": ('{"question":5,"answer":true}\n{"question":["a"],"answer":{"x":null}}', "questions: 2"),
    "parquet.jsonl": (b"PAR1" + b"x" * 99, "is not JSON Lines but Parquet; name it .parquet"),
    # JSON
    "number.json": ('[{"question":"q","answer":' + "9" * 1_000_000 + "}]", "entry 1: not JSON (a number"),
    "deep.json": ("[" * 1_000_000, "entry 1: not JSON (nested too deep)"),
    "objects.json": ('{"a":' * 1_000_000, "'a': not JSON (nested too deep)"),
    "keys.json": ('[{"question":"q",' + MANY_KEYS + "}]", "questions: 1"),
    "large.json": ('[{"question":"' + "a" * 25_000_000 + '"}]', "entry 1: broken, or longer than 10,000"),
    "lines.json": (ROW * 2, "where it holds one object a line, name it .jsonl"),
    "after.json": (f"[{ROW}]\n{ROW}", "goes on after its end"),
    "two.json": ('{"a":[{"question":"a"}],"b":[{"question":"b"}]}', "two lists of objects, 'a' and 'b'"),
    "beside.json": ('{"tags":["x","y"],"n":3,"data":[ {"question":"a"} ],"e":[]}', "questions: 1"),
    "cut.json": ('[{"question":"a"},{"question":"b"', "entry 2: not JSON (Expecting"),
    "comma.json": ('[{"question":"a"}', "not JSON (',' expected, the end found)"),
    "bytes.json": (b'[{"question":"a"},{"question":"\xff"}]', "entry 2: is not UTF-8"),
    "mixed.json": ('[{"question":"a"},7,"x"]', "entry 2: a int, where an object"),
    "empty.json": ("", "no rows; it is empty"),
    "spaces.json": (" \n", "no rows; it is empty"),
    # CSV and TSV
    "mac.csv": ("question,answer\ra,1\rb,2\r", "questions: 2"),
    "utf16.csv": ("question,answer\na,1\n".encode("utf-16-le"), "is not UTF-8 but UTF-16"),
    "latin.csv": ("question;answer\nWie groß?;1\nOk?;2\n".encode("latin-1"), "line 2: is not UTF-8"),
    "latinhead.csv": ("Frage ß;answer\nOk?;2\n".encode("latin-1"), "line 1: is not UTF-8"),
    "quotes.tsv": ('question\tanswer\n"a" b\t1\n5" pipe\t2\n', "line 2: not CSV ('tab' expected after '\"')"),
    "open.csv": ('question\nok\n"never closed\n' + "x,1\n" * 3_000_000, "line 3: begins a row of more than"),
    "rows.csv": ('question\nok\n' + '"a\n",' * 3_000_000, "line 3: begins a row of more than"),
    "end.csv": ('question\nok\n"a\n', "not CSV (unexpected end of data); close each quote"),
    "wide.csv": (wide(100_000), "100,000 columns; at most 10,000"),
    "twice.csv": ("question,answer,answer\nq,1,2\n", "two columns are named 'answer'"),
    "head.csv": ("question,answer\n", "no rows; it is empty"),
    "gzip.csv": (gzip.compress(b"question\nq\n"), "is not CSV but gzip; unpack it"),
    # Parquet
    "types.parquet": (WHOLE, "1 number, 1 integer; 1 missing"),
    "zip.parquet": (zipped, "is not a Parquet file but a zip archive; unpack it"),
    "gzip.parquet": (gzip.compress(b"x"), "is not a Parquet file but gzip"),
    "encrypted.parquet": (b"PARE" + WHOLE[4:-4] + b"PARE", "but encrypted Parquet"),
    "cut.parquet": (WHOLE[: len(WHOLE) // 2], "not a Parquet file that can be read"),
    "hole.parquet": (WHOLE[:100] + b"\xff" * 900 + WHOLE[1000:], "that can be read ("),
    "footer.parquet": (WHOLE[:-8] + b"\xff\xff\xff\x7fPAR1", "not a Parquet file that can be read"),
    "date.parquet": (lambda: parquet(dated()), "row 1: holds what cannot be read (date value out of range)"),
    "twice.parquet": (
        lambda: parquet(pa.table([pa.array(["a"])] * 2, names=["question", "question"])),
        "two columns are named 'question'",
    ),
    "wide.parquet": (lambda: parquet(pa.table({f"c{n}": [1] for n in range(11_000)})), "11,000 columns"),
    "large.parquet": (
        lambda: parquet(pa.table({"question": ["ok", "a" * 30_000_000]}), compression="zstd"),
        "row 2: longer than 10,000,000 characters; leave it out",
    ),
    # What a terminal would obey
    "codes.jsonl": (
        json.dumps({"question": "\u202eabc \x1b]0;x\x07 [b]x[/b] :cat: \\", "answer": "\u200f1\r2"}),
        "\ufffdabc \ufffd]0;x\ufffd [b]x[/b] :cat: \\",
    ),
    "names.jsonl": (json.dumps({"x\x1b[2J\nchecker: fine": "q"}), "there are: x\x1b[2J checker: fine"),
}  # fmt: skip


def checked(source: str) -> str:
    """What `seeds check` says; `main` makes control characters of an error visible (test_cli)."""
    done = CliRunner().invoke(cli.app, ["seeds", "check", source])
    assert done.exception is None or isinstance(done.exception, MaieuticError | SystemExit)
    return done.output + (str(done.exception) if isinstance(done.exception, MaieuticError) else "")


@pytest.mark.parametrize("name", CASES)
def test_a_clear_answer(tmp_path: Path, name: str) -> None:
    content, message = CASES[name]
    data = content() if callable(content) else content
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    said = checked(str(tmp_path / name))
    assert message in said
    assert max(map(len, said.splitlines())) < 1000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pipe", "a pipe or a device"),
        ("loop", "Too many levels"),
        ("folder", "is no file but a folder"),
        ("n" * 300, "too long"),
    ],
)
def test_what_is_no_file(tmp_path: Path, name: str, message: str) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    done = maieutic("seeds", "check", str(tmp_path / f"{name}.jsonl"))
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["script", "no/../../x", "a b/../c", "", ":::"])
def test_a_data_set_runs_no_code_and_is_named_plainly(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "script.py").write_text("open('was-here', 'w')")
    (tmp_path / "script" / "train.jsonl").write_text(ROW)
    assert "hf:NAME[:CONFIG[:SPLIT]]" in checked(f"hf:{name}")
    assert not (tmp_path / "was-here").exists()


def test_a_file_that_grows_and_shrinks_while_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text(ROW * 20_000)
    rows = read_rows(file)
    next(rows)
    with file.open("a") as more:
        more.write(ROW * 5)
    assert sum(1 for _ in rows) == 20_004
    problems: list[MaieuticError] = []
    rows = read_rows(file, problems.append)
    next(rows)
    os.truncate(file, 0)
    assert sum(1 for _ in rows) < 20_000
    assert len(problems) <= 1  # the line that was cut


def test_values_as_a_person_would_write_them() -> None:
    day = datetime.date(2020, 1, 2)
    values = ["x", None, float("nan"), b"\xff1", decimal.Decimal("1.50"), day, 1.5, True, {"a": [day, b"1"]}]
    assert [text_of(value) for value in values] == [
        "x", "", "", "\\xff1", "1.50", "2020-01-02", "1.5", "true", '{"a": ["2020-01-02", "1"]}',
    ]  # fmt: skip
    deep: object = "x"
    for _ in range(5000):
        deep = [deep]
    rows = seed_rows([("here", {"q": deep})], {"question": "q"}, stop)
    with pytest.raises(MaieuticError, match="here: nested too deep"):
        next(iter(rows))


@pytest.mark.parametrize(("different", "times"), [(1000, 1), (1000, 3), (100_000, 1), (100_000, 3)])
def test_repeats_are_counted_or_estimated(different: int, times: int) -> None:
    repeats = Repeats(most=8_000, together=1_000)
    for _ in range(times):
        for number in range(different):
            repeats.add(f"question {number}")
    expected = different * (times - 1)
    assert repeats.exact == (different == 1000)
    # 4,000 to 8,000 stand for all: a standard deviation of at most 1.6 %, and none without repeats.
    assert abs(repeats.count() - expected) <= (0 if repeats.exact or times == 1 else 0.1 * expected)


# ------------------------------------------------------------------ memory, in processes of their own


def maieutic(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maieutic", *arguments],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def measured(*arguments: str) -> tuple[str, int]:
    """What a command says and the most kilobytes it held."""
    code = (
        "import resource, subprocess, sys\n"
        f"subprocess.run([sys.executable, '-m', 'maieutic', *{arguments!r}], stderr=subprocess.STDOUT)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=100, capture_output=True, text=True
    )
    said, _, kilobytes = done.stdout.strip().rpartition("\n")
    return said, int(kilobytes)


def one_value_many_times(path: Path) -> None:
    zeros = pa.array(np.zeros(1000, dtype=np.int32))
    text = pa.DictionaryArray.from_arrays(zeros, pa.array(["y" * 100_000_000]))
    options = {"compression": "zstd", "dictionary_pagesize_limit": 1 << 30, "write_statistics": False}
    pq.write_table(pa.table({"question": text}), path, **options)


def many_nulls(path: Path) -> None:
    ends = pa.array([0, 100_000_000], pa.int32())
    rows = pa.ListArray.from_arrays(ends, pa.nulls(100_000_000))
    pq.write_table(pa.table({"question": ["a"], "answer": rows}), path)


def a_list_that_repeats(path: Path) -> None:
    zeros = pa.array(np.zeros(3_000_000, dtype=np.int32))
    text = pa.DictionaryArray.from_arrays(zeros, pa.array(["y" * 1000]))
    rows = pa.ListArray.from_arrays(pa.array([0, 3_000_000], pa.int32()), text)
    pq.write_table(pa.table({"question": ["a"], "answer": rows}), path, compression="zstd")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process holds")
@pytest.mark.parametrize("bomb", [one_value_many_times, many_nulls, a_list_that_repeats])
def test_a_small_file_cannot_take_all_memory(tmp_path: Path, bomb: Callable[[Path], None]) -> None:
    # Made in a process of its own: ours has to stay small.
    code = f"import sys, pathlib, test_hostile_files as t; t.{bomb.__name__}(pathlib.Path(sys.argv[1]))"
    file = tmp_path / "bomb.parquet"
    tests = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    subprocess.run([sys.executable, "-c", code, str(file)], check=True, env=tests)
    assert file.stat().st_size < 200_000
    said, kilobytes = measured("seeds", "check", str(file))
    assert "takes more than 1 GiB once unpacked" in said or "longer than 10,000,000 characters" in said
    assert kilobytes < 1700 * MIB


def test_a_million_duplicate_lines_take_no_more_than_a_few(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text(ROW * 1_000_000)
    said, kilobytes = measured("seeds", "check", str(file))
    assert "questions: 1,000,000, 999,999 of them twice or more" in said
    assert kilobytes < 400 * MIB


def test_large_rows_are_graded_a_few_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    with file.open("w") as rows:
        for _ in range(60):
            rows.write(json.dumps({"answer": "1", "completion": "a" * 5_000_000}) + "\n")
    said, kilobytes = measured("grade", str(file), "--checker", "exact", "--out", str(tmp_path / "o.parquet"))
    assert "60 rows" in said
    assert kilobytes < 700 * MIB


# ------------------------------------------------------------------ being told to end


def endless(path: Path) -> Path:
    path.write_text('{"answer":"5","completion":"#### 5"}\n' * 3_000_000)
    return path


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def told(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    return request.param


@pytest.mark.parametrize("command", ["grade", "check"])
def test_a_signal_leaves_nothing_unfinished(tmp_path: Path, told: signal.Signals, command: str) -> None:
    source = endless(tmp_path / "in.jsonl")
    out = tmp_path / "out.jsonl"
    arguments = {
        "grade": ["grade", str(source), "--checker", "exact", "--out", str(out)],
        "check": ["seeds", "check", str(source), "--map", "question=completion"],
    }[command]
    process = subprocess.Popen(
        [sys.executable, "-m", "maieutic", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    reads = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while str(source) not in [file.path for file in reads.open_files()] and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(told)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + told
    assert said.splitlines()[-1].startswith("stopped") and "Traceback" not in said
    assert [entry.name for entry in tmp_path.iterdir()] == ["in.jsonl"]
