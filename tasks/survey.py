"""What a seed set holds, as far as it was understood: nothing is trained on, nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from ..errors import SeedError
from .columns import LOOKED_AT, SeedRow, mapped, named_in, seed_rows
from .distinct import Repeats
from .kinds import SUITED, kind_of
from .overlap import Overlap, normal
from .seeds import of_family
from .sources import rows_of

SHOWN = 5
"""Rows that are shown as they were understood."""

_PROBLEMS = 20
"""Problems that are kept with their place; the rest are counted."""

_READ_FOR_LANGUAGE = 1_000
"""Questions whose language is looked at, spread over the set."""

_SURE = 0.8
_LANGUAGE_CHARACTERS = 300


@dataclass
class Survey:
    """What `maieutic seeds check` tells."""

    source: str
    columns: dict[str, str] = field(default_factory=dict)
    first: list[SeedRow] = field(default_factory=list)
    rows: int = 0
    """Rows with a question."""
    problems: list[str] = field(default_factory=list)
    more_problems: int = 0
    duplicates: int = 0
    """Rows whose question was there before, but for case and spaces."""
    exact: bool = True
    """Whether duplicates were counted one by one; else they are estimated from a share of the rows."""
    unanswered: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """By kind."""
    languages: Counter[str] = field(default_factory=Counter)
    """Of the questions that were looked at; `?` where none is sure."""
    lengths: tuple[int, int, int] = (0, 0, 0)
    """Characters of a question: median, 95th percentile, longest."""
    family: int = 0
    """Questions of the built-in arithmetic family, which a run takes."""
    overlap: dict[str, int] = field(default_factory=dict)
    """Questions that are in a held-out set, by how that shows."""

    @property
    def checker(self) -> str | None:
        """The checker that suits most of the answers; None where a program cannot tell."""
        if self.rows and self.family == self.rows:
            return "arithmetic"
        counted = Counter({kind: count for kind, count in self.answers.items() if kind != "none"})
        return SUITED[counted.most_common(1)[0][0]] if counted else None


def survey(
    source: str,
    told: Mapping[str, str],
    heldout: Collection[str] = (),
    progress: Callable[[int], None] = lambda rows: None,
) -> Survey:
    """Read a whole seed set and say what it holds.

    Args:
        told: columns named by the user, our name to theirs.
        heldout: questions that must not be trained on.
        progress: told of rows as they are read, a thousand at a time.
    Raises:
        SeedError: the source cannot be read at all, or holds no row.
        ConfigError: its columns cannot be told apart.
    """
    found = Survey(source)

    def trouble(error: SeedError) -> None:
        progress(1)
        if len(found.problems) < _PROBLEMS:
            found.problems.append(str(error))
        else:
            found.more_problems += 1

    rows = rows_of(source, trouble)
    head = list(islice(rows, LOOKED_AT))
    if not head:
        raise SeedError(found.problems[0] if found.problems else f"{source}: no rows; it is empty")
    found.columns = mapped(named_in(head), told)
    _count(found, seed_rows(chain(head, rows), found.columns, trouble), Overlap(heldout), progress)
    return found


def _count(found: Survey, rows: Iterable[SeedRow], overlap: Overlap, progress: Callable[[int], None]) -> None:
    seen = Repeats()
    lengths: Counter[int] = Counter()
    looked_at: list[str] = []
    every = 1
    for row in rows:
        found.rows += 1
        if len(found.first) < SHOWN:
            found.first.append(row)
        seen.add(normal(row.question))
        lengths[len(row.question)] += 1
        found.family += of_family(row.question)
        kind = kind_of(row)
        found.answers[kind] += 1
        found.unanswered += kind == "none"
        if (how := overlap.find(row.question)) is not None:
            found.overlap[how] = found.overlap.get(how, 0) + 1
        if found.rows % every == 0:
            looked_at.append(row.question[:_LANGUAGE_CHARACTERS])
            if len(looked_at) == 2 * _READ_FOR_LANGUAGE:
                looked_at, every = looked_at[::2], 2 * every
        if found.rows % 1000 == 0:
            progress(1000)
    found.duplicates, found.exact = seen.count(), seen.exact
    found.languages = _languages(looked_at)
    if lengths:
        found.lengths = (_at(lengths, 0.5), _at(lengths, 0.95), max(lengths))


def _at(lengths: Counter[int], share: float) -> int:
    """The length that so large a share of the questions does not exceed."""
    left = share * lengths.total()
    for length in sorted(lengths):
        left -= lengths[length]
        if left < 0:
            return length
    return 0


def _languages(texts: list[str]) -> Counter[str]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    counts: Counter[str] = Counter()
    for text in texts:
        language, sure = identifier.classify(text)
        counts[language if sure >= _SURE else "?"] += 1
    return counts
