"""Finding the final answer in a completion, and writing it plainly.

What counts is what a completion states as its answer: after the mark `####`, in a box, after
"the answer is", or as its only line. A number that merely stands somewhere is no answer: taking
it would reward a completion for what it did not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MARK = "####"
_SHORT, _FEW = 200, 12
"""Characters and words of a completion that may be an answer as a whole."""

_LOOKED_AT = 8
"""Of the places where "answer is" stands, the last."""

_NEAR = 40
"""Characters between two boxes that stand side by side."""

LONGEST_ANSWER = 1_000
"""Characters of an answer that is compared; reading one takes more than linear time."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)|\\boxed\s+(?P<bare>[^\s{}$]+)")
_PHRASE = re.compile(r"answer[*_]*\s*(?:is|:|=|to\s[^\n]{1,60}?\sis)\s*:?", re.IGNORECASE)
_THE_ANSWER = re.compile(
    r"\s(?:is|was)\s(?:(?:therefore|thus|then)\s)?(?:the|my|our)\s(?:(?:final|correct|right)\s)?answer"
    r"(?=[*_]*(?:[.!]|\s*$))",
    re.IGNORECASE | re.MULTILINE,
)
"""What ends a sentence that begins with the answer: 5 is the answer."""

_LEAD = re.compile(r"\A(?:(?:so|thus|therefore|hence|finally|i (?:think|believe))\b,?\s*)+", re.IGNORECASE)
_POINTING = frozenset(
    {"this", "that", "it", "which", "what", "who", "here", "there", "such", "neither", "none"}
)
"""Words in whose place the answer stands elsewhere, or nowhere."""

_JOIN = re.compile(r"[\s$,;.()\\]*(?:and|or|\\text\{\s*(?:and|or)\s*\})?[\s$,;()\\]*", re.IGNORECASE)
_REASON = re.compile(
    r"(?<!\s),?\s{1,9}(?:(?:since|because|as|so|which)\s|(?:i|we)\s(?:think|believe|guess|suppose|hope)\b)"
    r"|\s{1,9}\([a-z][a-z -]*\)\.?\s*$",
    re.IGNORECASE,
)
"""What may follow an answer in its sentence: a reason, a doubt, or the number in words."""

_SENTENCE_END = re.compile(r"(?<=[^\d\s])[.!?](?=\s|$)|(?<=\d)\.(?=\s|$)")
_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)


_OPENED_BEFORE = re.compile(r"\A.*</think>", re.DOTALL | re.IGNORECASE)
"""Thinking whose beginning stands in the chat template, and not in the completion."""


def without_thinking(completion: str) -> str:
    """What stands outside of <think>, or after a </think> that the chat template opened."""
    return _OPENED_BEFORE.sub("", _THINKING.sub("", completion))


def final_answer(completion: str) -> str | None:
    """What a completion states as its answer, as it stands there; None where it states none.

    The last mark, box or phrase counts. Boxes side by side are one answer of several parts,
    so that offering every possibility is not the same as naming the right one.
    """
    text = without_thinking(completion)
    found = [place for place in (_marked(text), boxed(text)) if place is not None]
    if found:
        return max(found)[1].strip() or None
    return _phrased(text) or _whole(text)


def _whole(text: str) -> str | None:
    """A completion of one short line is its own answer."""
    said = text.strip()
    if _BOX.search(said) or MARK in said:
        return None  # a box that was never closed, a mark with nothing after it
    short = len(said) <= _SHORT and len(said.split()) <= _FEW and "\n" not in said
    return said if said and short else None


def _marked(text: str) -> tuple[int, str] | None:
    at = text.rfind(MARK)
    if at < 0:
        return None
    said = text[at + len(MARK) :].strip().split("\n", 1)[0]
    if not said:
        return None
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
    """What the last sentence that names the answer says it is.

    It follows "answer is" on its line or the next, or stands before "is the answer".
    """
    found = [
        (match.start(), _sentence(text[match.end() : match.end() + 2 * LONGEST_ANSWER]))
        for match in list(_PHRASE.finditer(text))[-_LOOKED_AT:]
    ]
    for match in list(_THE_ANSWER.finditer(text))[-_LOOKED_AT:]:
        if (before := _before(text[max(0, match.start() - _SHORT) : match.start()])) is not None:
            found.append((match.start(), before))
    said = [part for _, part in sorted(found)]
    telling = [part for part in said if any(map(str.isdigit, part)) or "\\" in part]
    return next(reversed(telling or said), None)


def _before(text: str) -> str | None:
    """The beginning of the sentence that a text ends within, where it can be an answer."""
    line = text.rsplit("\n", 1)[-1]
    ends = list(_SENTENCE_END.finditer(line))
    part = _LEAD.sub("", line[ends[-1].end() :].strip() if ends else line.strip()).strip().strip("*_`")
    words = part.casefold().split()
    pointing = not words or words[0] in _POINTING or words[-1] in _POINTING
    return None if pointing or len(words) > _FEW else part


def _sentence(text: str) -> str:
    line = text.lstrip(" \t\n*_`:").split("\n", 1)[0].strip().strip("*_`").strip()
    for end in (_SENTENCE_END.search(line), _REASON.search(line)):
        line = line[: end.start()] if end else line
    return line.strip().strip("*_`").strip()


_WRAPPERS = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|operatorname|mbox|emph)\s*\{([^{}]*)\}")
_SPACES = re.compile(r"(?<!\\)\\[,;:!> ]|\\q?quad\b|~|\\left(?![a-z])|\\right(?![a-z])|\\displaystyle\b|\s+")
_SIGNS = str.maketrans({
    "−": "-", "\u2009": " ", "\u00a0": " ", "²": "^2", "³": "^3", "½": " 1/2", "¼": " 1/4", "¾": " 3/4",
    "⅓": " 1/3", "⅔": " 2/3",
})  # fmt: skip
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
    text = text.replace("{,}", ",").translate(_SIGNS).strip()
    text = text.replace(r"^\circ", "°").replace(r"^{\circ}", "°").replace(r"\degree", "°").replace(r"\%", "%")
    text = _FRACS.sub(r"\\frac", text)
    while (unwrapped := _WRAPPERS.sub(r" \1 ", text)) != text:
        text = unwrapped
    text = re.sub(r"(?<!\\)\\!", "", text)
    text = re.sub(r"\s+(?=\^)", "", text)
    return _SPACES.sub(" ", text).strip().rstrip(".").strip()
