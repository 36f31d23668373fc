"""What `maieutic show --question` says of a question, from records alone."""

from __future__ import annotations

import io
from pathlib import Path

from drawing import show_question
from maieutic.memory.run import RunFolder
from maieutic.records import Hint, Proposal, Question, SkillNote
from rich.console import Console


def test_what_it_was_written_for_and_what_was_said_of_failures(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    asked = Question(
        id="q-1", text="What is 2 + 2?", answer="4", solution="#### 4", skill="addition", level=1,
        origin="teacher",
    )  # fmt: skip
    proposal = Proposal(
        id="p-1", round=1, turn=0, author="teacher", move="refine", parent_id=None, rollout_id=None,
        text=asked.text, why="it forgets [bold]to carry[/]\x1b[2J", question_id="q-1", admitted=True,
    )  # fmt: skip
    folder.write(1, "questions", 0, [asked])
    folder.write(1, "vetted", 0, [proposal])
    note = SkillNote(question_id="q-1", rollout_id="r-1", round=2, needed=["adding"], missing=["carrying"])
    folder.write(2, "skills", 0, [note])
    folder.write(2, "hints", 0, [Hint(question_id="q-1", round=2, kind="hint", text="Begin at the right.")])
    said = io.StringIO()
    show_question(Console(file=said, width=200), folder, "q-1")
    lines = said.getvalue().splitlines()
    assert any(line.startswith("written for: it forgets [bold]to carry[/]") for line in lines)
    assert "\x1b[2J" not in said.getvalue()
    assert "round 2 needs adding; missing: carrying" in lines
    assert "round 2 hint: Begin at the right." in lines
