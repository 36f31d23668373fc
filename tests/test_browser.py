"""The inspector in a real browser, over a real run: while it is played, and when it is done.

Pictures of every page go to the folder that MAIEUTIC_PICTURES names, or to build/pictures.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shown_run
from maieutic.inspector.database import Database
from maieutic.memory.run import RunFolder
from real_run import NAME

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"),
]
PICTURES = Path(os.environ.get("MAIEUTIC_PICTURES") or Path(__file__).parents[1] / "build" / "pictures")
ROUND_MS = 400_000


LAYOUT = {"runOnly": ["scrollable-region-focusable", "target-size", "meta-viewport"]}
"""Rules of axe that a narrow screen may break and a wide one keep."""


@pytest.fixture(scope="module")
def runs(real_runs: Path) -> Path:
    shown_run.write(real_runs / "hostile", shown_run.HOSTILE, name=shown_run.EVIL_ID)
    return real_runs


@pytest.fixture(scope="module")
def run(runs: Path, playing: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """A run that is being played, where nobody waited for its end before."""
    return playing


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "maieutic", "inspect", "--no-open", "--port", "0", "--runs-dir", str(runs)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "XDG_CACHE_HOME": str(runs.parent / "cache")},
    )  # fmt: skip
    assert process.stdout
    yield process.stdout.readline().split()[0].rstrip("/")
    process.terminate()
    assert process.wait(timeout=30) in (0, -signal.SIGTERM)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


class Visit:
    """A page whose console must stay empty."""

    def __init__(self, browser: Any, **told: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **told})
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("requestfailed", lambda asked: self._failed(asked))

    def _failed(self, asked: Any) -> None:
        if asked.failure != "net::ERR_ABORTED":  # nobody waits for it: the page was left
            self.said.append(f"failed: {asked.url}")

    def to(self, address: str) -> Any:
        answer = self.page.goto(address)
        assert answer.status == 200, address
        return self.page

    def accessible(self, rules: dict[str, Any]) -> None:
        """
        Args:
            rules: which axe looks at; all of them if empty.
        Raises:
            AssertionError: axe finds a serious fault.
        """
        found = axe.Axe().run(self.page, options=rules).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        told = [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]
        assert not told, f"{self.page.url}: {told}"

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


@pytest.fixture
def visit(browser: Any) -> Iterator[Visit]:
    made = Visit(browser)
    yield made
    assert made.said == []
    made.page.close()


@pytest.fixture(scope="module")
def finished(real_output: str, runs: Path) -> RunFolder:
    return RunFolder(runs / NAME)


def test_a_run_is_followed_while_it_goes_on(run: Any, address: str, runs: Path, visit: Visit) -> None:
    page = visit.to(f"{address}/")
    page.wait_for_function("document.body.innerText.includes('hostile')")
    for _ in range(ROUND_MS // 1000):
        if (runs / "small" / "run.yaml").exists():
            break
        page.wait_for_timeout(1000)
    page = visit.to(f"{address}/run/small")
    assert page.locator("#status").inner_text() in ("starting", "running")
    assert "no figure yet" in page.inner_text("main")
    visit.picture("begun")
    # No reload from here on: the page fetches itself when the run has got on.
    page.wait_for_selector("canvas[data-chart=heldout]", timeout=ROUND_MS)
    page.wait_for_selector("#round-1", timeout=ROUND_MS)
    visit.picture("running")
    if run.poll() is None:
        page = visit.to(f"{address}/run/small/graph")
        visit.picture("graph-running")
        page = visit.to(f"{address}/run/small")
    page.wait_for_selector("#round-2", timeout=ROUND_MS)
    page.wait_for_function("document.getElementById('status').innerText === 'done'", timeout=60_000)


def views(folder: RunFolder) -> dict[str, str]:
    """Every view of the finished run, by name."""
    with Database(folder) as database:
        pair = database.rows("SELECT * FROM pairs WHERE recorded_in = 2 ORDER BY id LIMIT 1")[0]
        (call,) = database.rows("SELECT id FROM calls WHERE role = 'generator' ORDER BY id LIMIT 1")
        (weak,) = database.rows("SELECT skill, level FROM attempts ORDER BY pass_rate LIMIT 1")
    home = "/run/small"
    return {
        "runs": "/",
        "compare": "/compare?run=small&run=hostile",
        "run": home,
        "questions": f"{home}/questions",
        "question": f"{home}/question/{pair['question_id']}",
        "transcript": f"{home}/transcript",
        "call": f"{home}/transcript/call/{call['id']}",
        "weaknesses": f"{home}/weaknesses",
        "weakness": f"{home}/weaknesses?skill={weak['skill']}&level={weak['level']}",
        "graph": f"{home}/graph",
    }


@pytest.mark.parametrize("look", ["light", "dark", "narrow"])
def test_every_view(finished: RunFolder, address: str, browser: Any, look: str) -> None:
    size = {"width": 360, "height": 740} if look == "narrow" else {"width": 1280, "height": 900}
    visit = Visit(browser, viewport=size, color_scheme="dark" if look == "dark" else "light")
    for name, where in views(finished).items():
        page = visit.to(address + where)
        page.wait_for_load_state("networkidle") if "compare" in where else page.wait_for_timeout(150)
        visit.picture(f"{name}-{look}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"], f"{where} is {wide} wide"
        visit.accessible(LAYOUT if look == "narrow" else {})
    assert visit.said == []
    visit.page.close()


def test_intervals_are_drawn_whole(finished: RunFolder, address: str, visit: Visit) -> None:
    page = visit.to(address + views(finished)["weakness"])
    page.wait_for_function("Chart.getChart(document.querySelector('canvas[data-chart=skill]'))")
    axis, ends = page.evaluate(
        "(() => { const chart = Chart.getChart(document.querySelector('canvas[data-chart=skill]'));"
        "const {low, high} = chart.data.datasets[0], {min, max} = chart.scales.y;"
        "return [[min, max], [Math.min(...low), Math.max(...high)]] })()"
    )
    assert ends[0] < ends[1] and axis[0] <= ends[0] and ends[1] <= axis[1]


def test_a_run_that_is_over_shows_its_last_round(finished: RunFolder, address: str, visit: Visit) -> None:
    said = visit.to(f"{address}/run/{NAME}/graph").inner_text("main")
    assert "The run has come to its end" in said
    assert "Calls of round 2" in said and "round 3" not in said


def test_the_slider_turns_the_map_and_is_kept(finished: RunFolder, address: str, visit: Visit) -> None:
    page = visit.to(f"{address}/run/small")
    slider = page.locator("[data-slides=heldout] [data-slider]")
    shown = page.locator("[data-slides=heldout] output")
    cells = page.locator("[data-slides=heldout] td")
    assert shown.inner_text() == "2"
    last = cells.all_inner_texts()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert shown.inner_text() == "0"
    assert "at=0" in page.url
    first = cells.all_inner_texts()
    assert first != last
    page.reload()
    assert shown.inner_text() == "0" and cells.all_inner_texts() == first
    page.locator("body").press("]")
    assert shown.inner_text() == "1"
    page.locator("body").press("]")
    assert cells.all_inner_texts() == last and "at=" not in page.url


def test_three_clicks_from_a_run_to_why(finished: RunFolder, address: str, visit: Visit) -> None:
    """Why did it get better at a skill, and why is a question in its training data?"""
    page = visit.to(f"{address}/")
    page.get_by_role("link", name="small").first.click()
    page.locator("[data-slides] th a").first.click()
    assert "held-out" in page.inner_text("main").lower()
    page.go_back()
    page.wait_for_url("**/run/small*")
    page.go_forward()
    page.wait_for_url("**/weaknesses*")
    page.locator("main a[href*='/question/']").first.click()
    page.wait_for_url("**/question/*")
    assert "Where it comes from" in page.inner_text("main")


def test_the_transcript_is_searched(finished: RunFolder, address: str, visit: Visit) -> None:
    page = visit.to(f"{address}/run/small/transcript")
    page.locator("body").press("/")
    page.keyboard.type("no such words anywhere")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=no*")
    assert page.locator("[data-row]").count() == 0
    page.go_back()
    page.wait_for_url(re.compile(r"transcript$"))
    assert page.locator("[data-row]").count() > 0


def test_keys(finished: RunFolder, address: str, visit: Visit) -> None:
    page = visit.to(f"{address}/run/small")
    page.locator("body").press("?")
    assert page.locator("dialog#keys").is_visible()
    page.keyboard.press("Escape")
    for key, where in (("q", "/questions"), ("t", "/transcript"), ("w", "/weaknesses"), ("g", "/graph")):
        page.locator("body").press("g")
        page.locator("body").press(key)
        page.wait_for_url(f"**/run/small{where}")
    page.locator("body").press("g")
    page.locator("body").press("q")
    page.wait_for_url("**/questions")
    page.locator("body").press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/question/*")


def test_the_theme_is_chosen_and_kept(finished: RunFolder, address: str, visit: Visit) -> None:
    page = visit.to(f"{address}/run/small")
    page.get_by_label("Dark or light").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_hostile_text_does_nothing(address: str, visit: Visit) -> None:
    page = visit.page
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    for where in (
        "",
        "/questions",
        "/question/q-seed",
        "/transcript",
        "/transcript?round=1",
        "/weaknesses",
        "/graph",
    ):
        visit.to(f"{address}/run/hostile{where}")
        page.wait_for_timeout(100)
        assert (
            page.evaluate(
                "document.querySelectorAll('main script:not([type]), main [onload], main img').length"
            )
            == 0
        )
    visit.to(f"{address}/run/hostile/questions")
    page.locator("[data-row] a").first.click()
    page.wait_for_load_state()
    assert "alert(1)" in page.inner_text("main")
    visit.picture("hostile")
