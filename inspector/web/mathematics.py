"""Formulas in texts of models, made MathML on the server; everything else stays text.

What the converter gives is built anew from the elements of MathML that draw: no links, no scripts, no
handlers come through, whatever the formula says.
"""

from __future__ import annotations

import re
from functools import lru_cache
from xml.etree import ElementTree  # nosec B405

from latex2mathml.converter import convert
from markupsafe import Markup, escape

_FORMULA = re.compile(
    r"\$\$(?P<a>[^$]{1,500})\$\$|\\\[(?P<b>.{1,500}?)\\\]|\\\((?P<c>[^\n]{1,500}?)\\\)"
    r"|(?<![\\$\w])\$(?P<d>[^$\n\s](?:[^$\n]{0,300}[^$\n\s\\])?)\$(?![\w$])|(?P<e>\\boxed\{[^{}\n]{1,200}\})",
    re.DOTALL,
)
_MOST = 200
"""Formulas of a text; further ones are shown as they were written."""
_DRAWN = (
    "math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle",
    "merror", "mpadded", "mphantom", "msub", "msup", "msubsup", "munder", "mover", "munderover",
    "mmultiscripts", "mprescripts", "mtable", "mtr", "mtd", "menclose",
)  # fmt: skip
_ATTRIBUTES = (
    "display", "mathvariant", "stretchy", "fence", "separator", "lspace", "rspace", "accent",
    "accentunder", "movablelimits", "columnalign", "rowspacing", "columnspacing", "linethickness",
    "width", "height", "depth", "notation", "displaystyle", "scriptlevel", "form",
)  # fmt: skip
_VALUE = re.compile(r"[\w .%+-]{0,40}")


def marked_up(text: str) -> Markup:
    """A text escaped, with its formulas as MathML."""
    parts: list[Markup] = []
    end = 0
    for count, found in enumerate(_FORMULA.finditer(text)):
        if count >= _MOST:
            break
        formula = next(group for group in found.groups() if group is not None)
        drawn = _drawn(formula, found["a"] is not None or found["b"] is not None)
        if drawn:
            parts += [escape(text[end : found.start()]), drawn]
            end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


@lru_cache(4096)
def _drawn(formula: str, block: bool) -> Markup | None:
    """None where it is no formula that can be drawn."""
    try:
        # What is parsed is what the converter wrote: it declares no entities. What is kept is rebuilt below.
        made = ElementTree.fromstring(convert(formula, display="block" if block else "inline"))  # nosec B314  # noqa: S314
        rest = _rebuilt(made)
        rest.set("alttext", formula)
        return Markup(ElementTree.tostring(rest, encoding="unicode", short_empty_elements=False))  # nosec B704  # noqa: S704
    except Exception:  # the converter meets whatever a model writes, and must not end a page
        return None


def _rebuilt(element: ElementTree.Element) -> ElementTree.Element:
    name = element.tag.rpartition("}")[2]
    if name not in _DRAWN:
        raise ValueError(name)
    kept = {
        key: value for key, value in element.attrib.items() if key in _ATTRIBUTES and _VALUE.fullmatch(value)
    }
    made = ElementTree.Element(name, kept)
    made.text, made.tail = element.text, element.tail
    made.extend(_rebuilt(inner) for inner in element)
    return made
