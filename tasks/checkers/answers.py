"""Finding the final answer in a completion, and writing it plainly.

What counts is what a completion states as its answer: after the mark `####`, in a box, after
"the answer is", or as its only line. A number that merely stands somewhere is no answer: taking
it would reward a completion for what it did not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MARK = "####"
_SHORT = 200
"""Characters of a completion that may be an answer as a whole."""

_NEAR = 40
"""Characters between two boxes that stand side by side."""

LONGEST_ANSWER = 1_000
"""Characters of an answer that is compared; reading one takes more than linear time."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)|\\boxed\s+(?P<bare>[^\s{}$]+)")
_PHRASE = re.compile(r"answer\s*(?:is|:|=|to\s[^\n]{1,60}?\sis)\s*:?", re.IGNORECASE)
_JOIN = re.compile(r"[\s$,;.()\\]*(?:and|or|\\text\{\s*(?:and|or)\s*\})?[\s$,;()\\]*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[^\d\s])[.!?](?=\s|$)|(?<=\d)\.(?=\s|$)")
_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)


def final_answer(completion: str) -> str | None:
    """What a completion states as its answer, as it stands there; None where it states none.

    The last mark, box or phrase counts. Boxes side by side are one answer of several parts,
    so that offering every possibility is not the same as naming the right one.
    """
    text = _THINKING.sub("", completion)
    found = [place for place in (_marked(text), boxed(text)) if place is not None]
    if found:
        return max(found)[1].strip() or None
    return _phrased(text) or _whole(text)


def _whole(text: str) -> str | None:
    """A completion of one short line is its own answer."""
    said = text.strip()
    if _BOX.search(said):
        return None  # a box that was never closed
    return said if said and len(said) <= _SHORT and "\n" not in said else None


def _marked(text: str) -> tuple[int, str] | None:
    at = text.rfind(MARK)
    if at < 0:
        return None
    said = text[at + len(MARK) :].strip().split("\n", 1)[0]
    boxes = list(_boxes(said))
    return at, boxes[-1][2] if boxes else said


def boxed(text: str) -> tuple[int, str] | None:
    """The last box, joined with those right before it."""
    parts: list[tuple[int, int, str]] = []
    for box in _boxes(text):
        between = text[parts[-1][1] : box[0]] if parts else ""
        if len(between) > _NEAR or not _JOIN.fullmatch(between):
            parts = []
        parts.append(box)
    if not parts:
        return None
    return parts[-1][0], ", ".join(part for _, _, part in parts)


def _boxes(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, content) of every box whose braces close."""
    at = 0
    while match := _BOX.search(text, at):
        if match["bare"]:
            yield match.start(), match.end(), match["bare"]
            at = match.end()
            continue
        end = _closing(text, match.end())
        if end is None:
            return
        yield match.start(), end, text[match.end() + 1 : end - 1]
        at = end


def _closing(text: str, at: int) -> int | None:
    """Just after the brace that closes the one at `at`."""
    depth = 0
    for place in range(at, len(text)):
        if text[place] == "\\":
            continue
        escaped = place > 0 and text[place - 1] == "\\"
        if text[place] == "{" and not escaped:
            depth += 1
        elif text[place] == "}" and not escaped:
            depth -= 1
            if depth == 0:
                return place + 1
    return None


def _phrased(text: str) -> str | None:
    """What follows the last "answer is" up to the end of its sentence."""
    matches = list(_PHRASE.finditer(text))
    if not matches:
        return None
    said = text[matches[-1].end() :].lstrip(" \t*_`:").split("\n", 1)[0].strip().strip("*_`").strip()
    end = _SENTENCE_END.search(said)
    return said[: end.start()].strip().strip("*_`").strip() if end else said


_WRAPPERS = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|operatorname|mbox|emph)\s*\{([^{}]*)\}")
_SPACES = re.compile(r"(?<!\\)\\[,;:!> ]|\\q?quad\b|~|\\left(?![a-z])|\\right(?![a-z])|\\displaystyle\b|\s+")
_FRACS = re.compile(r"\\[dtc]frac\b")
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


def plain(answer: str) -> str:
    """An answer without what says nothing: math delimiters, spacing, fonts, a full stop at its end.

    >>> plain(r"$\\dfrac{3}{4}\\,\\text{cm}$.")
    '\\\\frac{3}{4} cm'
    """
    text = answer.strip().rstrip(".").strip()
    for opening, closing in _DELIMITERS:
        inner = text[len(opening) : -len(closing)]
        if (
            len(text) > len(opening) + len(closing)
            and text.startswith(opening)
            and text.endswith(closing)
            and opening not in inner
            and not inner.endswith("\\")
        ):
            text = inner.strip().rstrip(".").strip()
            break
    text = text.replace("{,}", ",").replace("−", "-").replace("\u2009", " ").replace("\u00a0", " ")
    text = text.replace(r"^\circ", "°").replace(r"^{\circ}", "°").replace(r"\degree", "°").replace(r"\%", "%")
    text = _FRACS.sub(r"\\frac", text)
    while (unwrapped := _WRAPPERS.sub(r" \1 ", text)) != text:
        text = unwrapped
    text = re.sub(r"(?<!\\)\\!", "", text)
    text = re.sub(r"\s+(?=\^)", "", text)
    return _SPACES.sub(" ", text).strip().rstrip(".").strip()
