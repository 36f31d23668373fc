"""One question in the terminal: where it comes from, what was said to it, and what was learned from it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from .lineage import Lineage, Link, Use
from .tables import Row
from .texts import clean, cut, in_line, shown

_COLORS = {"right": "green", "wrong": "red", "invalid": "yellow"}
_COLUMN = 36
"""Narrowest column of a rollout; as many stand side by side as fit."""
_MOST_COLUMNS = 5
_CHILDREN = 12
_SIGNS = 1500


def draw_question(console: Console, found: Lineage) -> None:
    """Lineage, every rollout with its verdict, and what became of the rounds that learned from it."""
    link = found.ancestors[-1]
    console.print(_tree(found))
    console.print(Text.assemble("reference: ", shown(found.question["solution"], _SIGNS) or "none"))
    console.print(f"label: {label(link)}", highlight=False)
    for line in _said_of(found):
        console.print(line, highlight=False)
    for use in found.uses:
        console.print()
        _draw_use(console, use)
    count = sum(len(use.pairs) for use in found.uses)
    console.print(f"\npreference pairs with it: {count}", highlight=False)


def _tree(found: Lineage) -> Tree:
    """From the seed, each question with how it came to be, to the children of the question."""
    first, *others = found.ancestors
    root = branch = _branch(None, first, found)
    for link in others:
        branch = _branch(branch, link, found)
    for child in found.children[:_CHILDREN]:
        branch.add(_name(child))
    if len(found.children) > _CHILDREN:
        branch.add(Text(f"and {len(found.children) - _CHILDREN:,} more made from it", style="dim"))
    if found.descendants > len(found.children):
        branch.add(Text(f"{found.descendants:,} questions descend from it in all", style="dim"))
    return root


def _branch(above: Tree | None, link: Link, found: Lineage) -> Tree:
    """A link as a branch; of the question itself, and of nothing else, all that is known of how it came."""
    name = _name(link.question, link.proposal)
    here = Tree(name) if above is None else above.add(name)
    if link is found.ancestors[-1]:
        for line in _came(link):
            here.add(line)
    return here


def _name(question: Row, proposal: Row | None = None) -> Text:
    by = f"{proposal['author']}, {proposal['move']}" if proposal else question["origin"]
    skill = in_line(question["skill"], 100)
    how = f"{by}, round {question['round']}; {skill} level {question['level']}"
    return Text.assemble(
        (str(in_line(question["id"], 80)), "bold"),
        " ",
        in_line(question["text"], _SIGNS),
        " = ",
        in_line(question["answer"], 300),
        (f"  ({in_line(how, 300)})", "dim"),
    )


def _came(link: Link) -> Iterator[Text]:
    """The failure that its author saw, the question most like it, and the calls that wrote it."""
    if link.seen:
        verdict = link.seen["outcome"] or "not judged"
        yield Text.assemble("its author saw: ", (verdict, _COLORS.get(verdict, "")), "  ",
                            in_line(link.seen["completion"], 400))  # fmt: skip
    proposal = link.proposal
    if proposal and proposal["nearest_id"]:
        text = in_line(link.nearest["text"] if link.nearest else "", 300)
        likeness = "–" if proposal["likeness"] is None else f"{proposal['likeness']:.2f}"
        nearest = in_line(proposal["nearest_id"], 60)
        yield Text.assemble(f"most like it: {nearest} ", text, (f"  (likeness {likeness})", "dim"))
    for call in link.calls:
        yield Text(
            f"written by: {in_line(call['id'], 60)}, {in_line(call['role'], 30)} "
            f"{in_line(call['checkpoint'], 60)}, "
            f"{in_line(call['template'], 40) or 'no template'}, {call['seconds']:.2f} s, "
            f"{call['prompt_tokens']:,} → {call['completion_tokens']:,} tokens"
        )
    for review in link.reviews:
        yield Text(f"read by {in_line(review['by'] or 'a person', 60)}: {in_line(review['decision'], 30)}")


def label(link: Link) -> str:
    """How the answer was made, how far it is trusted, and what spoke for it."""
    question = link.question
    # A run of before labels were noted had seeds and executed answers alone.
    confidence = 1.0 if question["confidence"] is None else question["confidence"]
    said = f"{clean(question['label'] or 'seed')}, confidence {confidence:.2f}"
    for check in link.labels:
        votes, others = (", ".join(map(_answer, check[who])) for who in ("teacher", "solver"))
        said += f"; the author: {_answer(check['claimed'])}; the Teacher: {votes}; the Solver: {others}"
    for audit in link.audits:
        if audit["agreed"] is not None:
            said += f"; audited: {'agreed' if audit['agreed'] else 'another answer was found'}"
    return said


def _answer(text: str) -> str:
    return clean(cut(text, 300)) or "–"


def _said_of(found: Lineage) -> Iterator[str]:
    """What its author wrote it for, and what the Teacher said of failures at it."""
    proposal = found.ancestors[-1].proposal
    if proposal and proposal["why"]:
        yield f"written for: {clean(cut(proposal['why']))}"
    for use in found.uses:
        for note in use.skills:
            needed, missing = (", ".join(map(_answer, note[name] or [])) for name in ("needed", "missing"))
            yield f"round {use.round} needs {needed or 'nothing'}; missing: {missing or 'nothing'}"
        for hint in use.hints:
            yield f"round {use.round} {hint['kind']}: {clean(cut(hint['text']))}"


def _draw_use(console: Console, use: Use) -> None:
    """A round: rollouts beside each other, pairs, and what the Solver came to that learned from them."""
    attempt = use.attempt
    told = f": {attempt['right']} of {attempt['decided']} right, {attempt['zone']}" if attempt else ""
    console.print(f"[bold]round {use.round}[/]{clean(told)}", highlight=False)
    if use.rollouts:
        console.print(Padding(_rollouts(use, console.width - 2), (0, 0, 0, 2)))
    for pair in use.pairs:
        again = f", replayed, made in round {pair['round']}" if pair["replayed"] else ""
        weight = 1.0 if pair["weight"] is None else pair["weight"]
        console.print(f"  {clean(pair['id'])}: {clean(pair['kind'])} pair, weight {weight:.2f}{again}",
                      highlight=False)  # fmt: skip
    for line in _learned(use) if use.pairs else ():
        console.print(f"  {line}", markup=False, highlight=False)


def _rollouts(use: Use, width: int) -> Table:
    count = max(1, min(width // _COLUMN, _MOST_COLUMNS, len(use.rollouts)))
    grid = Table.grid(padding=(0, 2, 0, 0), expand=count > 1)
    for _ in range(count):
        grid.add_column(ratio=1, overflow="fold")
    cells = [_rollout(use, row) for row in use.rollouts]
    cells += [Text()] * (-len(cells) % count)
    for start in range(0, len(cells), count):
        grid.add_row(*cells[start : start + count])
    return grid


def _rollout(use: Use, row: Row) -> Text:
    """A verdict and below it what it is about."""
    outcome = row["outcome"] or "not judged"
    by = ""
    if row["outcome"] and row["by"] not in (None, "checker"):
        by = f" by {row['by']} ({row['confidence'] or 0:.2f})"
    read = "" if row["extracted"] is None else f", read as {in_line(row['extracted'], 80)}"
    why = f", {in_line(row['reason'], 120)}" if row["reason"] else ""
    opinions = "".join(
        f"\n{opinion['method']} says {opinion['outcome']} ({opinion['confidence'] or 0:.2f})"
        for opinion in use.opinions
        if opinion["rollout_id"] == row["id"] and opinion["method"] != row["by"]
    )
    return Text.assemble(
        (f"round {use.round} {outcome}{by}", _COLORS.get(outcome, "")),
        (f"{read}{why}{', tokens ran out' if row['truncated'] else ''}{opinions}\n", "dim"),
        shown(row["completion"], _SIGNS),
    )


def _learned(use: Use) -> Iterator[str]:
    """The training job that saw the round's pairs, its gate, and what became of held-out accuracy."""
    job, gate = use.training, use.gate
    if job is None:
        yield "nothing was trained on them" if gate else "not trained yet"
        return
    stopped = f"; STOPPED: {in_line(job['stopped'], 300)}" if job["stopped"] else ""
    given = f"{job['rows']} rows, {job['steps']} steps"
    yield f"{job['id']}: {job['objective']} from {job['start']}, {given}{stopped}"
    if gate is None:
        yield "not measured yet"
        return
    verdict = "kept" if gate["promoted"] else "not kept"
    yield (
        f"{verdict}: validation {100 * gate['difference']:+.1f} points [{100 * gate['low']:+.1f} to "
        f"{100 * gate['high']:+.1f}] against {gate['against']}"
    )
    if use.heldout:
        before, after = use.heldout
        yield f"held-out {100 * before:.1f} % → {100 * after:.1f} % ({100 * (after - before):+.1f} points)"
