"""Wrong labels on purpose: what share of them the rules catch, and what share of right ones they cost.

    python -m benchmarks.labels
    python -m benchmarks.labels --model

Questions of the built-in family get labels of which 5, 20 and 40 % are corrupted (another number of
about the same size, the kind of mistake that a model makes). Then each is judged

- without the rules: every label is kept;
- by what a program works out from the text (the family reads its own questions);
- by votes alone, as if no program could: a Teacher's solutions and a Solver's answers, through
  `curriculum/trust.py`, with the threshold of the configuration. Teachers are simulated, right with a
  given chance; when they err they say the same wrong answer half of the time, as one model does.
  With `--model` the Teacher is the pocket base model on a real vLLM server, on the levels it knows.

The author of a corrupted label is the Generator: its claim is one vote. Last come questions with no
label at all, whose answer the votes elect. Printed with 95 % Wilson intervals over all seeds.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from maieutic.config import load
from maieutic.curriculum.gate import wilson
from maieutic.curriculum.trust import Evidence, label_of
from maieutic.records import Question
from maieutic.tasks import arithmetic, drawing
from maieutic.tasks.seeds import family_question

SHARES = (0.05, 0.2, 0.4)
TEACHERS = (0.95, 0.8, 0.6, 0.4)
SOLVER = 0.5
SAME_MISTAKE = 0.5


def questions(count: int, seed: int, levels: Sequence[int]) -> list[Question]:
    rng = Random(f"labels/{seed}")
    cells = [cell for cell in arithmetic.CELLS if cell[1] in levels]
    found: dict[str, Question] = {}
    while len(found) < count:
        question = family_question(arithmetic.question_text(drawing.draw(*rng.choice(cells), rng)))
        found[question.id] = question
    return list(found.values())


def corrupted(answer: str, rng: Random) -> str:
    """Another number: off by a little, a digit changed, or two digits swapped."""
    value = int(answer)
    while True:
        off = rng.choice([-10, -2, -1, 1, 2, 10, rng.randint(-9, 9), int(answer[::-1]) - value])
        if off and value + off >= 0:
            return str(value + off)


def simulated(answer: str, right: float, count: int, rng: Random) -> list[str]:
    """Answers of one model: each right with a chance; its mistakes are often the same one."""
    mistake = corrupted(answer, rng)
    said = []
    for _ in range(count):
        if rng.random() < right:
            said.append(answer)
        else:
            said.append(mistake if rng.random() < SAME_MISTAKE else corrupted(answer, rng))
    return said


class Tally:
    """Corrupted labels that went, and right ones that went with them."""

    def __init__(self) -> None:
        self.bad = self.caught = self.good = self.lost = self.wrong_kept = self.kept = 0

    def note(self, truth: str, label: str, kept: str | None) -> None:
        """`kept` is the label that is trained on; None where the question is refused."""
        if label == truth:
            self.good += 1
            self.lost += kept != truth
        else:
            self.bad += 1
            self.caught += kept != label
        self.kept += kept is not None
        self.wrong_kept += kept is not None and kept != truth

    def line(self, name: str, share: float) -> str:
        return (
            f"{100 * share:3.0f} % {name:34} caught {_share(self.caught, self.bad)}  "
            f"clean lost {_share(self.lost, self.good)}  "
            f"wrong among the kept {_share(self.wrong_kept, self.kept)}"
        )


def _share(part: int, whole: int) -> str:
    if not whole:
        return "–".rjust(21)
    low, high = wilson(part, whole)
    return f"{100 * part / whole:5.1f} [{100 * low:4.1f}, {100 * high:5.1f}] %"


def by_votes(
    label: str | None, teacher: Sequence[str | None], solver: Sequence[str | None], threshold: float
) -> str | None:
    found = label_of(Evidence(label, False, None, tuple(teacher), tuple(solver)))
    return found.answer if found.confidence >= threshold else None


def elected(
    name: str,
    truths: Sequence[str],
    votes: Sequence[tuple[Sequence[str | None], Sequence[str | None]]],
    threshold: float,
) -> str:
    """The line of questions without a label: how many get one, and how many of these are wrong."""
    labels = [by_votes(None, teacher, solver, threshold) for teacher, solver in votes]
    kept = [(truth, label) for truth, label in zip(truths, labels, strict=True) if label is not None]
    wrong = sum(truth != label for truth, label in kept)
    return (
        f"no label, {name:36} labelled {_share(len(kept), len(truths))}  "
        f"wrong among them {_share(wrong, len(kept))}"
    )


def main(count: int, seeds: int, model: bool) -> None:
    config = load()
    n, threshold = config.labels.solves, config.labels.threshold
    print(f"{count} questions, {seeds} seeds; {n} solutions of the Teacher, threshold {threshold}")
    asked = {seed: questions(count, seed, range(1, arithmetic.MAX_LEVEL + 1)) for seed in range(seeds)}
    for share in SHARES:
        tallies: dict[str, Tally] = {}
        for seed, drawn in asked.items():
            for number, question in enumerate(drawn):
                rng = Random(f"{seed}/{share}/{number}")
                truth = question.answer
                label = corrupted(truth, rng) if rng.random() < share else truth
                kept: dict[str, str | None] = {"without the rules": label}
                read = family_question(question.text).answer
                kept["worked out by a program"] = label_of(Evidence(label, False, read)).answer
                for right in TEACHERS:
                    teacher = simulated(truth, right, n, rng)
                    solver = simulated(truth, SOLVER, config.rollouts.n, rng)
                    kept[f"votes, a Teacher right at {100 * right:.0f} %"] = by_votes(
                        label, teacher, solver, threshold
                    )
                for name, outcome in kept.items():
                    tallies.setdefault(name, Tally()).note(truth, label, outcome)
        for name, tally in tallies.items():
            print(tally.line(name, share))
    for right in TEACHERS:
        rng = Random(f"unlabelled/{right}")
        truths = [question.answer for drawn in asked.values() for question in drawn]
        votes = [(simulated(t, right, n, rng), simulated(t, SOLVER, config.rollouts.n, rng)) for t in truths]
        print(elected(f"a Teacher right at {100 * right:.0f} %", truths, votes, threshold))
    if model:
        asyncio.run(_with_model(count, seeds))


async def _with_model(count: int, seeds: int) -> None:
    """The same with the pocket base model as Teacher and as Solver, on what it was warmed up on."""
    from maieutic.graph.run import default_sets
    from maieutic.serving.client import Completions, Request
    from maieutic.serving.command import Hosting
    from maieutic.serving.server import VllmServer
    from maieutic.tasks.checkers.answers import final_answer
    from maieutic.trainers.base import ensure_base

    config = load()
    excluded = default_sets(config).expressions()
    base = await ensure_base(config.pocket, excluded, lambda done, of: None, print)
    drawn = questions(count, seeds, (1, 2, 3))
    n = config.labels.solves + config.rollouts.n
    with tempfile.TemporaryDirectory(prefix="maieutic-labels-") as folder:
        server = VllmServer(Hosting(base, Path(folder) / "vllm.log"), config.serving)
        try:
            await server.start()
            client = Completions(server.url, server.key, server.name, config.serving, server.require_alive)
            requests = [
                Request(q.id, "teacher", "base", "labels", 0, "", [{"role": "user", "content": q.text}],
                        n, 0.7, 1.0, 200, number)
                for number, q in enumerate(drawn)
            ]  # fmt: skip
            replies = await asyncio.gather(*(client.ask(request) for request in requests))
            await client.close()
        finally:
            await server.stop()
    votes = [[final_answer(text) for text in reply.completions] for reply in replies]
    right = sum(v == q.answer for q, each in zip(drawn, votes, strict=True) for v in each)
    print(f"the pocket base model: {100 * right / (n * len(drawn)):.1f} % of its solutions are right")
    for share in SHARES:
        tally = Tally()
        for number, (question, each) in enumerate(zip(drawn, votes, strict=True)):
            rng = Random(f"model/{share}/{number}")
            label = corrupted(question.answer, rng) if rng.random() < share else question.answer
            teacher, solver = each[: config.labels.solves], each[config.labels.solves :]
            tally.note(question.answer, label, by_votes(label, teacher, solver, config.labels.threshold))
        print(tally.line("votes of the pocket base model", share))
    parts = [(each[: config.labels.solves], each[config.labels.solves :]) for each in votes]
    truths = [question.answer for question in drawn]
    print(elected("the pocket base model", truths, parts, config.labels.threshold))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", action="store_true", help="with the pocket base model on vLLM, too")
    given = parser.parse_args()
    main(given.questions, given.seeds, given.model)
