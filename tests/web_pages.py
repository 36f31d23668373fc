"""What tests of the inspector's pages share: a client over run folders, and a reader of what came back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

from fastapi.testclient import TestClient
from maieutic.config import dump, load
from maieutic.inspector.web import application
from maieutic.memory.run import RunFolder, write_whole
from maieutic.records import Attempt, Call, Question, Rollout, Verdict

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7*7 }}\x1b[31m\u202e javascript:x"
_BLOCKS = ("td", "th", "li", "p", "div", "dt", "dd", "h1", "h2", "h3", "option")
_ALLOWED = {"/static/page.js", "/static/theme.js", "/static/charts.js", "/library/chart.js"}


@contextmanager
def pages(path: Path) -> Iterator[TestClient]:
    runs, cache = path / "runs", path / "cache"
    made = application(runs, cache=cache)
    with TestClient(made, base_url="http://127.0.0.1") as client:
        for run in made.state.runs.all():
            with made.state.runs.opened(run):
                while run.indexing:
                    time.sleep(0.02)
        yield client


def run_folder(path: Path, name: str = "r") -> RunFolder:
    made = RunFolder(path / "runs" / name)
    write_whole(made.config, dump(load()))
    return made


class Inert(HTMLParser):
    """Fails on what a page of ours never has: foreign or inline scripts, handlers, styles, odd links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.rows, self.images = 0, 0
        self.links: list[str] = []
        self.ids: list[str] = []
        self._in = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.text.append(" " if tag in _BLOCKS else "")
        assert not any(name.startswith("on") or name == "style" for name in given), (tag, given)
        assert tag not in ("img", "iframe", "object", "embed", "style", "base"), tag
        if tag == "script" and given.get("type") != "application/json":
            assert (given.get("src") or "").partition("?")[0] in _ALLOWED, given
        if tag == "a":
            self.links.append(given.get("href") or "")
            assert self.links[-1].startswith(("/", "#")), given
        self.rows += "data-row" in given
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self._in = tag

    def handle_data(self, data: str) -> None:
        if self._in == "script" and data.strip():
            json.loads(data)
        self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    @property
    def said(self) -> str:
        return " ".join("".join(self.text).split())


def read(client: TestClient, address: str, status: int = 200) -> Inert:
    answer = client.get(address)
    assert answer.status_code == status, (address, answer.status_code, answer.text[:2000])
    found = Inert(answer.text)
    assert "\"'49" not in found.said, "a template worked out what a text says"
    assert len(found.ids) == len(set(found.ids)), "an id stands twice"
    return found


def question(name: str, text: str = "What is 3 + 4?", **more: object) -> Question:
    told = {"answer": "7", "solution": "", "skill": "addition", "level": 1, "origin": "seed"}
    return Question.model_validate({"id": name, "text": text, **told, **more})


def call(name: str, subject: str, round: int = 1, **more: object) -> Call:
    told = {
        "id": name, "round": round, "stage": "attempt", "role": "solver", "model": "m", "checkpoint": "base",
        "template": "solver@1", "subject_id": subject, "sampling": "{}", "completions": ["so #### 7"],
        "messages": json.dumps([{"role": "user", "content": f"to {subject}"}]), "finished": [True],
        "prompt_tokens": 5, "completion_tokens": 4, "seconds": 0.5,
    }  # fmt: skip
    return Call.model_validate({**told, **more})


def rollout(of: str, call_id: str, index: int = 0, round: int = 1, text: str = "so #### 7") -> Rollout:
    return Rollout(
        id=f"{of}.{round}.attempt.{index}", question_id=of, round=round, stage="attempt", checkpoint="base",
        index=index, completion=text, tokens=4, truncated=False, call_id=call_id,
    )  # fmt: skip


def verdict(of: Rollout, outcome: str, extracted: str | None = None, reason: str = "") -> Verdict:
    return Verdict.model_validate(
        {"rollout_id": of.id, "question_id": of.question_id, "outcome": outcome, "extracted": extracted,
         "reason": reason}
    )  # fmt: skip


def attempt(of: Question, round: int, right: int, decided: int = 4) -> Attempt:
    rate = right / decided
    zone = "mastered" if rate == 1 else "too_hard" if rate == 0 else "learning"
    return Attempt.model_validate(
        {"question_id": of.id, "skill": of.skill, "level": of.level, "round": round, "right": right,
         "decided": decided, "pass_rate": rate, "zone": zone}
    )  # fmt: skip
