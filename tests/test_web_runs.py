"""What the inspector does with many runs at once, and with one that changes while it is looked at."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import shown_run
from maieutic.errors import RunError
from maieutic.inspector.index import Index
from maieutic.inspector.web import events, overview
from maieutic.inspector.web import runs as running
from maieutic.inspector.web.runs import Run, Runs


def found(runs: Runs, key: str) -> Run:
    run = runs.find(key)
    assert run is not None
    return run


def settled(run: Run) -> None:
    while run.indexing:
        time.sleep(0.01)


def test_an_index_is_not_closed_while_a_request_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_OPEN", 2)
    for key in "abcd":
        shown_run.write(tmp_path / "runs" / key)
    runs = Runs(tmp_path / "runs", tmp_path / "cache")
    with runs.opened(found(runs, "a")) as first:
        settled(first)
        index = first.index
        for key in "bcd":
            with runs.opened(found(runs, key)) as other:
                settled(other)
        assert first.index is index
        assert first.rows("SELECT count(*) AS count FROM questions") == [{"count": 2}]
    with runs.opened(found(runs, "b")):
        assert list(runs._opened) == ["d", "b"]
    with pytest.raises(RunError, match="closed"):
        index.rows("SELECT 1")
    with runs.opened(first):
        settled(first)
        assert len(first.rows("SELECT * FROM questions")) == 2
    runs.close()


def test_closing_does_not_wait_for_a_long_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, take = threading.Event(), Index._take

    def slow(self: Index, cursor: Any, view: str, parts: Any) -> Any:
        begun.set()
        cursor.execute("SELECT count(*) FROM range(1_000_000_000_000) a(x) WHERE x % 7 = 1")
        return take(self, cursor, view, parts)

    monkeypatch.setattr(Index, "_take", slow)
    shown_run.write(tmp_path / "runs" / "r")
    runs = Runs(tmp_path / "runs", tmp_path / "cache")
    with runs.opened(found(runs, "r")) as run:
        assert begun.wait(10) and run.indexing
    started = time.monotonic()
    runs.close()
    assert time.monotonic() - started < 5 and not run.indexing


def test_a_page_is_told_once_more_when_all_records_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would go on saying that they are being read."""
    monkeypatch.setattr(events, "LOOKED_S", 0)
    reading = iter([True, True, False, False, False])

    class Read:
        status = "stopped"
        indexing = True

        def pulse(self) -> tuple[object, ...]:
            self.indexing = next(reading)
            return ("stopped", 1, 1)

    gone = iter([False, False, False, True])

    async def is_disconnected() -> bool:
        return next(gone)

    async def told() -> list[str | None]:
        runs = Runs(Path("runs"))
        request = SimpleNamespace(is_disconnected=is_disconnected)
        return [one.event async for one in events.events(cast(Run, Read()), runs, cast(Any, request))]

    assert asyncio.run(told()) == ["now", "changed", "changed"]


def test_what_is_written_a_second_later_is_shown(tmp_path: Path) -> None:
    folder = shown_run.write(tmp_path / "runs" / "r")
    runs = Runs(tmp_path / "runs", tmp_path / "cache")
    for count in (3, 4):
        with runs.opened(found(runs, "r")) as run:
            settled(run)
        folder.write(count, "questions", 0, [shown_run.question(f"q-{count}", round=count)])
        time.sleep(events.LOOKED_S)
        with runs.opened(run):
            settled(run)
            assert len(run.rows("SELECT * FROM questions")) == count
    runs.close()


def test_a_run_that_goes_while_runs_are_listed_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in "ab":
        shown_run.write(tmp_path / "runs" / key)
    runs = Runs(tmp_path / "runs", tmp_path / "cache")
    both = runs.all()
    shutil.rmtree(tmp_path / "runs" / "a")
    monkeypatch.setattr(runs, "all", lambda: both)
    page = bytes(overview.listed(runs).body).decode()
    assert page.index('href="/run/b"') < page.index('href="/run/a"')


def test_a_page_that_is_open_does_not_hold_up_the_end(tmp_path: Path) -> None:
    shown_run.write(tmp_path / "runs" / "r", status="running")
    command = [sys.executable, "-m", "maieutic", "inspect", "--no-open", "--port", "0"]
    server = subprocess.Popen(
        [*command, "--runs-dir", str(tmp_path / "runs")], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    try:
        assert server.stdout
        address = server.stdout.readline().split()[0]
        with httpx.stream("GET", f"{address}run/r/events", timeout=60) as told:
            assert "now" in next(told.iter_lines())
            server.send_signal(signal.SIGINT)
            said = server.communicate(timeout=30)
    finally:
        server.kill()
    assert server.returncode == 0 and said == ("", "")
