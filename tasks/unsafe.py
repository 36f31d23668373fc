"""Questions that speak to the agents in place of asking something.

A question is shown to Teacher, Solver and Generator. One that gives orders, or imitates the
marks of a chat, is refused, whoever wrote it. This finds what is plain; the checkers, which no
text can talk to, are what keeps verdicts right.

Source: the kinds of injection in Perez and Ribeiro, arXiv 2211.09527 (goal hijacking, prompt
leaking). Differs: patterns of our own.
"""

from __future__ import annotations

import re
import unicodedata

_ORDERS = re.compile(
    r"""\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:previous|prior|above|earlier|all|your|these|any)
        \b.{0,40}\b(?:instructions?|prompts?|rules?|directions?|messages?|context)\b
      | \b(?:system|developer)\s+(?:prompt|message|instructions?)\b
      | \byou\s+are\s+(?:now|no\s+longer)\b
      | \b(?:as|act\s+as|pretend\s+to\s+be|you\s+are)\s+(?:the\s+|an?\s+)?
        (?:teacher|solver|verifier|generator|judge|grader|ai|language\s+model|assistant)\b
      | \b(?:mark|grade|score|rate|label|count|judge|accept|treat)\b.{0,40}\b(?:as|is)\s+
        (?:right|correct|valid|true|accepted|passed)\b
      | \b(?:the|any|every|this)\s+(?:answer|completion|response|solution)\s+(?:is|are)\s+
        (?:always\s+)?(?:correct|right|accepted)\b
      | \b(?:output|print|reveal|repeat|return|say)\b.{0,30}\b(?:verdict|api\s+key|password|secret|prompt)\b
      | ["']verdict["']\s*:
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_MARKS = re.compile(
    r"<\|[^|<>]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|</?(?:system|assistant|user|think|answer|tool_call)>"
    r"|^\s*(?:system|assistant|user|human)\s*:|####",
    re.IGNORECASE | re.MULTILINE,
)
_HIDDEN = frozenset("\u200b\u2060")
"""Joiners and soft hyphens are not among them: some languages are written with these."""


def unsafe(text: str) -> str | None:
    """Why a question is refused: `orders`, `marks of a chat`, `hidden characters`; else None."""
    if any(map(_hidden, text)):
        return "hidden characters"
    plain = unicodedata.normalize("NFKC", text)
    if _MARKS.search(plain):
        return "marks of a chat"
    return "orders" if _ORDERS.search(plain) else None


def _hidden(sign: str) -> bool:
    tag = "\U000e0000" <= sign <= "\U000e007f"
    return tag or sign in _HIDDEN or unicodedata.bidirectional(sign) in _TURNING


_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
