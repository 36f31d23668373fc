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

_AGENT = r"""(?:solver|verifier|grader|(?:large\s+)?language\s+model|llm|ai(?:\s+(?:assistant|model))?
    |(?:helpful|virtual)\s+assistant|chat\s?bot)"""
"""Who is none in a story; a teacher, a judge, an assistant or a generator may be."""

_ROLE = rf"(?:{_AGENT}|teacher|judge|assistant|generator)"
_THING = r"(?:answers?|completions?|responses?|solutions?|submissions?|attempts?|outputs?|rollouts?)"
_RIGHT = r"(?:right|correct|valid|true|accepted|passed)"

_ORDERS = re.compile(
    rf"""\b(?:ignore|disregard|forget|override|(?:do\s+not|don't|stop)\s+(?:follow|obey)(?:ing)?)\b.{{0,40}}
        \b(?:previous|prior|above|earlier|preceding|all|your|these|any)\b.{{0,40}}
        \b(?:instructions?|prompts?|rules?|directions?|messages?|context)\b
      | \b(?:ignore|disregard|forget)\s+(?:everything|anything|all(?:\s+of\s+(?:it|that))?|what\s+(?:is|was))
        \s+(?:that\s+(?:is|was)\s+)?(?:above|before|so\s+far|written|said|told|you)\b
      | \bignore\s+(?:the\s+)?(?:instructions?|prompts?)\b
      | \bthe\s+(?:instructions?|prompts?)\s+(?:above|before\s+this)\b
      | \b(?:system|developer)\s+(?:prompt|message|instructions?)\b
      | \byou\s+are\s+(?:now|no\s+longer)\s+(?:(?:an?|the)\s+)?(?:{_ROLE}\b|dan\b|in\s+\w+\s+mode\b
        |un\w+ed\b|free\s+(?:of|from)\b|bound\b|restricted\b|limited\s+by\b|jailbroken\b|evil\b)
      | \b(?:as|you\s+are|you're)\s+(?:(?:the|an?)\s+)?{_AGENT}\b
      | \bpretend\s+(?:to\s+be|that\s+you\s+are|you\s+are|you're)\s+(?:(?:the|an?)\s+)?{_ROLE}\b
      | (?:^|[.!?:;,]|\b(?:please|must|should|now|and))\s*(?:act|behave|respond|reply)\s+as\s+
        (?:if\s+you\s+were\s+)?(?:(?:the|an?)\s+)?{_ROLE}\b
      | \b(?:as|you\s+are)\s+(?:the|an?)\s+{_ROLE}\b.{{0,60}}
        \b(?:must|always|never|shall|have\s+to)\s+
        (?:mark|grade|accept|approve|output|reply|respond|say|print|ignore|reveal|score)\b
      | \b(?:mark|grade|score|rate|label|count|judge|accept|treat|consider|deem)\s+
        (?:(?:it|this|that|them|everything|anything|whatever|me|mine)|(?:\S+\s+){{0,5}}{_THING})\b
        .{{0,40}}?\b(?:as|to\s+be|is|are)\s+(?:always\s+|fully\s+|being\s+)?{_RIGHT}\b
        (?!\s*(?:or|/|if|when|only|to\s+(?:the|\w+\s+(?:decimal|significant)))\b)
      | \b(?:the|any|every|this|each|your|my)\s+{_THING}\s+(?:is|are|(?:must|should|will)\s+be)\s+
        (?:always\s+{_RIGHT}|accepted|to\s+be\s+(?:marked|graded|accepted)|(?:marked|graded)\s+(?:as\s+)?{_RIGHT})\b
      | (?:^|[.!:;]\s|\b(?:note|remember|know)\s+that\s)\s*(?:note:\s*)?(?:any|every|this|each|the)\s+
        {_THING}\s+(?:is|are)\s+(?:correct|right)\s*(?:[.!;]|$)
      | \b(?:output|print|reveal|repeat|return|say|show|tell\s+me)\b.{{0,30}}
        \b(?:your\s+(?:\w+\s+)?(?:prompt|instructions?|password|secrets?|(?:api\s+)?key)|(?:the|an?|any)\s+api\s+key
        |verdict\s*(?::|=|is\b|of\b|as\b)?\s*["'“‘]?{_RIGHT})\b
      | ["'“”]verdict["'“”]\s*:
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_MARKS = re.compile(
    r"<\|[^|<>]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:bos|eos|start_of_turn|end_of_turn)>"
    r"|</?(?:system|assistant|user|think|answer|tool_call)>"
    r"|^\s*(?:system|assistant|user|human)\s*:|^\#{2,3}\s*(?:instruction|response|system|assistant|human)s?\s*:"
    r"|\#{4}",
    re.IGNORECASE | re.MULTILINE,
)
_HIDDEN = frozenset("\u200b\u2060")
"""Joiners and soft hyphens are not among them: some languages are written with these. They are
left out before a text is looked at, so that they hide no word."""

_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{4,5}\U000e007f")
"""Of a part of a country, such as Wales: the one use that the tags have."""


def unsafe(text: str) -> str | None:
    """Why a question is refused: `orders`, `marks of a chat`, `hidden characters`; else None."""
    if any(map(_hidden, _FLAG.sub("", text))):
        return "hidden characters"
    seen = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    plain = unicodedata.normalize("NFKC", seen)
    if _MARKS.search(plain):
        return "marks of a chat"
    return "orders" if _ORDERS.search(plain) else None


def _hidden(sign: str) -> bool:
    tag = "\U000e0000" <= sign <= "\U000e007f"
    control = unicodedata.category(sign) == "Cc" and sign not in "\n\r\t"
    return control or tag or sign in _HIDDEN or unicodedata.bidirectional(sign) in _TURNING


_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
