"""The `math` checker against calling math-verify in a loop; and what the pool survives.

    python -m benchmarks.checkers

Prints, for plain numbers and for LaTeX, checks a second of both in turns and their ratio; then
checks 100,000 completions of which 1 % hang or crash, and says whether any finding was lost or
came back in another place.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from maieutic.records import Question
from maieutic.tasks.checkers.finding import Finding
from maieutic.tasks.checkers.math import MathChecker
from maieutic.tasks.checkers.pool import CheckerPool

Item = tuple[Question, str]


def item(answer: str, completion: str) -> Item:
    question = Question(id="q", text="", answer=answer, solution="", skill="", level=0, origin="seed")
    return question, completion


def numbers(count: int, rng: Random) -> list[Item]:
    """Integers, decimals and fractions as models write them; a fifth is wrong."""
    items = []
    for _ in range(count):
        value = rng.randint(-9999, 99999)
        said = value + (rng.random() < 0.2)
        written = rng.choice([f"{said}", f"{said:,}", f"{said}.0", f"${said}$", f"\\frac{{{2 * said}}}{{2}}"])
        items.append(item(str(value), f"2 steps later: \\boxed{{{written}}}"))
    return items


def latex(count: int, rng: Random) -> list[Item]:
    """Roots, fractions with roots, polynomials, intervals; references seldom occur twice."""
    items = []
    for _ in range(count):
        a, b, c = rng.randint(2, 60), rng.randint(2, 60), rng.randint(2, 60)
        answer, said = rng.choice(
            [
                (f"{a}\\sqrt{{{b}}}", f"\\sqrt{{{a * a * b}}}"),
                (f"\\frac{{\\sqrt{{{a}}}}}{{{b}}}", f"\\frac{{1}}{{{b}}}\\sqrt{{{a}}}"),
                (f"x^2 + {a}x + {b}", f"{b} + {a}x + x^2"),
                (f"[{a}, {a + b})", f"[{a}, {a + b + c}]"),
                (f"\\frac{{{a}\\pi}}{{{b}}}", f"{a}\\pi/{b}"),
            ]
        )
        items.append(item(answer, f"so it is \\boxed{{{said}}}"))
    return items


def in_a_loop(items: Sequence[Item]) -> list[bool]:
    """The obvious way: parse both, verify, one after the other."""
    from math_verify import parse, verify

    return [bool(verify(parse(f"${q.answer}$"), parse(completion))) for q, completion in items]


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def compare(name: str, items: Sequence[Item], pool: CheckerPool, looped: int, repeats: int) -> None:
    ratios = []
    pool.check(items[:64])
    in_a_loop(items[:64])
    for repeat in range(repeats):
        theirs = looped / seconds(lambda: in_a_loop(items[:looped]))
        ours = len(items) / seconds(lambda: pool.check(items))
        ratios.append(ours / theirs)
        print(
            f"{name} {repeat + 1}: loop {theirs:,.0f}/s, checker {ours:,.0f}/s, ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"{name}: median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


@dataclass(frozen=True)
class Troubled:
    """Math, but that some completions hang or crash it."""

    needs: ClassVar = ("math_verify",)

    def quick(self, question: Question, completion: str) -> Finding | None:
        return None

    def slow(self, question: Question, completion: str) -> Finding:
        if completion == "hang":
            while True:
                pass
        if completion == "crash":
            os._exit(1)
        return Finding("right", completion)


def survive(count: int, workers: int | None) -> None:
    rng = Random(1)
    said = [rng.choice(["hang", "crash"]) if rng.random() < 0.01 else str(place) for place in range(count)]
    items = [item("", text) for text in said]
    started = time.monotonic()
    with CheckerPool(Troubled(), workers, seconds=0.2) as pool:
        found = pool.check(items)
    spent = time.monotonic() - started
    troubled = [text in ("hang", "crash") for text in said]
    lost = count - len(found)
    moved = sum(
        finding.extracted != text for finding, text, bad in zip(found, said, troubled, strict=True) if not bad
    )
    undecided = sum(finding.outcome == "undecided" for finding in found)
    print(
        f"{count:,} checks, {sum(troubled):,} made to hang or crash: {lost} lost, {moved} out of place, "
        f"{undecided:,} undecided, {spent:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--numbers", type=int, default=20_000)
    parser.add_argument("--latex", type=int, default=4_000)
    parser.add_argument("--troubled", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, help="default: one for each core")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    rng = Random(0)
    with CheckerPool(MathChecker(), given.workers) as pool:
        compare("plain numbers", numbers(given.numbers, rng), pool, given.numbers // 10, given.repeats)
        compare("LaTeX", latex(given.latex, rng), pool, given.latex, given.repeats)
    survive(given.troubled, given.workers)


if __name__ == "__main__":
    main()
