"""How long the inspector's pages take on a large run, and how much memory its server takes.

    python -m benchmarks.inspector --run runs/pocket-1

A finished run is written again and again with new ids until it has `--rollouts` of attempts (`large_run`);
`maieutic inspect` serves both, and each page is asked for `--repeats` times, the small run's beside the large
one's. Times are of the answer over HTTP, and with Chromium and Playwright, of the page's load event. No model
takes part. Run it where nothing else works.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
from maieutic.memory.run import RunFolder
from maieutic.records import Attempt

from .large_run import make_large, place_for

READING = "Records are being read"
_CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


def pages(folder: RunFolder) -> dict[str, str]:
    """Addresses below a run's, by what they show."""
    last = max(number for number in folder.rounds() if (folder.round(number) / "attempts").is_dir())
    attempt = folder.read(last, "attempts", Attempt)[0]
    return {
        "overview": "",
        "questions": "/questions",
        "questions, searched": "/questions?q=no+such+words",
        "question": f"/question/{quote(attempt.question_id, safe='')}",
        "transcript": "/transcript",
        "transcript, a role": "/transcript?role=generator",
        "transcript, searched": "/transcript?q=no+such+words",
        "weaknesses": "/weaknesses",
        "weakness": f"/weaknesses?skill={quote(attempt.skill)}&level={attempt.level}",
        "graph": "/graph",
    }


def served(runs: Path, cache: Path) -> tuple[subprocess.Popen[str], str]:
    """The server's process, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "maieutic", "inspect", "--no-open", "--port", "0", "--runs-dir", str(runs)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
    )
    assert process.stdout
    return process, process.stdout.readline().split()[0].rstrip("/")


def read_in(client: httpx.Client, name: str) -> float:
    """Seconds until a run's records are in the index."""
    started = time.monotonic()
    while READING in client.get(f"/run/{name}").raise_for_status().text:
        time.sleep(0.5)
    return time.monotonic() - started


def milliseconds(client: httpx.Client, address: str, repeats: int) -> tuple[float, float]:
    """Median and worst of an address, after it was asked for once."""
    client.get(address).raise_for_status()
    took = []
    for _ in range(repeats):
        started = time.perf_counter()
        client.get(address).raise_for_status()
        took.append(1000 * (time.perf_counter() - started))
    return statistics.median(took), max(took)


def loads(base: str, addresses: list[str], repeats: int) -> list[float] | None:
    """Median milliseconds to the load event in Chromium; None where it is not installed."""
    program = next((path for path in _CHROMIUM if Path(path).exists()), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        return None
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        for address in addresses:
            took = []
            for _ in range(repeats):
                page.goto(base + address, wait_until="load")
                took.append(page.evaluate("performance.getEntriesByType('navigation')[0].duration"))
            found.append(statistics.median(took))
        browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a finished run to make the large one of")
    parser.add_argument("--rollouts", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument(
        "--keep", type=Path, help="where the large run is made, and kept; used again if there"
    )
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = told.keep or Path(scratch) / "runs"
        small = RunFolder(told.run)
        large, beside = runs / "large", runs / "small"
        if not large.exists():
            print(f"making a run of {told.rollouts:,} rollouts …", flush=True)
            make_large(small, place_for(large), told.rollouts)
        if not beside.exists():
            beside.symlink_to(told.run.resolve(), target_is_directory=True)
        process, base = served(runs, Path(scratch) / "cache")
        try:
            report(RunFolder(large), small, base, process.pid, told.repeats)
        finally:
            process.terminate()
            process.wait(timeout=60)


def report(large: RunFolder, small: RunFolder, base: str, server: int, repeats: int) -> None:
    """Measure, and print the table."""
    memory = psutil.Process(server).memory_info
    with httpx.Client(base_url=base, timeout=300) as client:
        before = memory().rss
        print(f"records of the small run are read in {read_in(client, 'small'):.1f} s", flush=True)
        print(f"records of the large run are read in {read_in(client, 'large'):.1f} s, once", flush=True)
        addresses = {name: f"/run/large{path}" for name, path in pages(large).items()}
        others = {name: f"/run/small{path}" for name, path in pages(small).items()}
        drawn = loads(base, list(addresses.values()), 5)
        print(f"\n{'page':<24}{'ms':>8}{'worst':>8}{'small':>8}{'ratio':>7}{'load ms':>9}")
        for place, (name, address) in enumerate(addresses.items()):
            middle, worst = milliseconds(client, address, repeats)
            usual, _ = milliseconds(client, others[name], repeats)
            load = f"{drawn[place]:9.0f}" if drawn else "        –"
            print(f"{name:<24}{middle:8.0f}{worst:8.0f}{usual:8.0f}{middle / usual:7.1f}{load}", flush=True)
        print(f"\nserver: {memory().rss / 1e6:.0f} MB resident, {before / 1e6:.0f} MB at its start")


if __name__ == "__main__":
    main()
