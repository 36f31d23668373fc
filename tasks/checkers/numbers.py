"""Numbers as people write them, read exactly: no float, no evaluation.

>>> read_number("$1,234.50")
Quantity(value=Fraction(2469, 2), unit='usd', percent=False)
>>> read_number(r"3\\frac{1}{2}")
Quantity(value=Fraction(7, 2), unit='', percent=False)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MOST_DIGITS = 400
"""Longer numbers are read as text: nobody answers with them, and they cost time."""

_MOST_EXPONENT = 400

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?!\d)|\d+)(?:\.\d*)?|\.\d+"
_SCIENTIFIC = re.compile(
    rf"(?P<mantissa>{_NUMBER})\s*(?:[eE]|(?:\\times|\\cdot|[x×*·])\s*10\s*\^)\s*"
    r"(?:\{\s*(?P<braced>[+-]?\s*\d{1,4})\s*\}|\(\s*(?P<bracketed>[+-]?\s*\d{1,4})\s*\)|(?P<bare>[+-]?\d{1,4}))"
)
_FRACTION = re.compile(
    r"(?:(?P<whole>\d+)\s*(?:\+\s*)?(?=\\[dt]?frac)|(?P<mixed>\d+)(?:\s+|\s*\+\s*))?"
    r"(?:\\[dt]?frac\s*\{\s*(?P<minus>-?)\s*(?P<top>\d+)\s*\}\s*\{\s*(?P<bottom>\d+)\s*\}"
    r"|\\[dt]?frac\s*(?P<top1>\d)\s*(?P<bottom1>\d)"
    rf"|(?P<over>{_NUMBER})\s*/\s*(?P<under>{_NUMBER}))"
)
_POWER_OF_TEN = re.compile(r"10\s*\^\s*(?:\{\s*(?P<braced>[+-]?\d{1,4})\s*\}|(?P<bare>[+-]?\d{1,4}))")

_CURRENCIES = {
    "$": "usd", r"\$": "usd", "US$": "usd", "USD": "usd", "€": "eur", "EUR": "eur", "£": "gbp", "GBP": "gbp",
    "¥": "jpy", "JPY": "jpy", "₹": "inr", "INR": "inr", r"\pounds": "gbp",
}  # fmt: skip
_UNITS = {
    name: unit
    for unit, names in {
        "usd": "dollar dollars usd buck bucks",
        "cent": "cent cents ¢",
        "eur": "euro euros eur",
        "gbp": "pound-sterling gbp",
        "jpy": "yen jpy",
        "inr": "rupee rupees inr",
        "mm": "mm millimeter millimeters millimetre millimetres",
        "cm": "cm centimeter centimeters centimetre centimetres",
        "m": "m meter meters metre metres",
        "km": "km kilometer kilometers kilometre kilometres",
        "in": "inch inches",
        "ft": "ft foot feet",
        "yd": "yd yard yards",
        "mi": "mi mile miles",
        "mg": "mg milligram milligrams",
        "g": "g gram grams",
        "kg": "kg kilogram kilograms",
        "lb": "lb lbs pound pounds",
        "oz": "oz ounce ounces",
        "ml": "ml milliliter milliliters millilitre millilitres",
        "l": "l liter liters litre litres",
        "s": "s sec secs second seconds",
        "min": "min mins minute minutes",
        "h": "h hr hrs hour hours",
        "day": "day days",
        "week": "week weeks",
        "month": "month months",
        "year": "year years yr yrs",
        "deg": "deg degree degrees °",
        "rad": "rad radian radians",
        "mi/h": "mph",
        "km/h": "km/h kph kmh",
        "m/s": "m/s",
        "sq cm": "cm^2 cm²",
        "sq m": "m^2 m²",
        "sq km": "km^2 km²",
        "sq ft": "ft^2 ft²",
        "sq in": "in^2 in²",
        "cu cm": "cm^3 cm³ cc",
        "cu m": "m^3 m³",
        "cu ft": "ft^3 ft³",
        "cu in": "in^3 in³",
    }.items()
    for name in names.split()
}
_SQUARE = re.compile(r"(square|sq\.?|cubic|cu\.?)\s+([a-z]+)|([a-z]+)\s+(squared|cubed)")
_CHANGING = frozenset({
    "squared", "cubed", "factorial", "point", "divided", "over", "times", "plus", "minus", "mod", "modulo",
    "halves", "thirds", "quarters", "fifths", "sixths", "eighths", "tenths", "hundredths", "thousandths",
    "dozen", "dozens", "hundreds", "thousands", "millions", "sometimes", "perhaps", "always", "less", "more",
    "above", "below", "or", "and", "not", "no", "if", "else", "otherwise", "is", "are", "wrong", "maybe",
    "root", "sqrt", "squares", "cubes", "percents", "powers", "doubles", "triples", "twice",
})  # fmt: skip
"""Words that make another number, or none, of the one before them."""

_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what stood around it."""

    value: Fraction
    unit: str = ""
    """Canonical where it is known here; otherwise the words after the number, such as apples."""
    percent: bool = False
    known: bool = True
    """Whether the unit is one of measure or money."""


def same_quantity(expected: Quantity, found: Quantity, about: str = "") -> bool | None:
    """Whether two quantities are the same answer.

    A unit of measure that only one of them names was left out; two different ones are two
    answers. Words after a number count as what is counted where `about`, the question, has
    them; without a question one plain plural does. Where only one has the sign of percent, 10%
    equals 0.1; and it equals 10, but not where that is the reference and so small that a share
    must be meant.

    Returns:
        None where words after a number may change what it says: 5 squared.
    """
    if expected.unit and found.unit:
        if _stem(expected.unit) != _stem(found.unit):
            return False if expected.known or found.known else None
    elif any(q.unit and not q.known and not _counted(q.unit, about) for q in (expected, found)):
        return None
    if expected.percent == found.percent:
        return expected.value == found.value
    share, other = (expected, found) if expected.percent else (found, expected)
    if share.value == other.value and (expected.percent or abs(expected.value) >= 1):
        return True
    return share.value / 100 == other.value


def _stem(unit: str) -> str:
    """Without what tells a plural, and "old" after an age."""
    return unit.removesuffix(" old").removesuffix("s")


def _counted(words: str, about: str) -> bool:
    if about:
        there = {word.removesuffix("s") for word in re.findall(r"[a-z]+", about.casefold())}
        return not _CHANGING & set(words.split()) and all(_stem(word) in there for word in words.split())
    return len(words) > 3 and words.endswith("s") and " " not in words and words not in _CHANGING


def read_number(text: str) -> Quantity | None:
    """Read a text that is one number and nothing else, but for a sign, a currency and a unit.

    Returns:
        None where it is anything else: an expression, two numbers, a word.
    """
    if len(text) > MOST_DIGITS or not any(map(str.isdigit, text)):
        return None
    text, negative, currency = _front(text.strip())
    percent = False
    value, rest = _value(text)
    if value is None:
        return None
    if match := re.match(r"\s*(hundred|thousand|million|billion|trillion)\b", rest):
        value *= 10 ** _SCALES[match.group(1)]
        rest = rest[match.end() :]
    if match := re.match(r"\s*(?:\\?%|percent\b|per cent\b)", rest):
        percent, rest = True, rest[match.end() :]
    apart = rest[:1].isspace()
    unit = _unit(rest.strip())
    known = unit is not None
    if unit is None and apart and re.fullmatch(r"[a-z]{2,}(?:[ -][a-z]+){0,3}", rest.strip().lower()):
        unit = rest.strip().lower()
    if unit is None or (currency and unit and unit != currency):
        return None
    return Quantity(-value if negative else value, unit or currency, percent, known)


def _front(text: str) -> tuple[str, bool, str]:
    """(the text without sign and currency before it, whether it is negative, the currency)."""
    negative, currency = False, ""
    for word in ("negative ", "minus "):
        if text.lower().startswith(word):
            negative, text = True, text[len(word) :].lstrip()
    for _ in range(3):
        if text[:1] in ("-", "−", "–") and not negative:
            negative, text = True, text[1:].lstrip()
        elif text[:1] == "+" and not negative:
            text = text[1:].lstrip()
        else:
            sign = next((sign for sign in _CURRENCIES if text.startswith(sign)), "")
            if not sign or currency:
                break
            currency, text = _CURRENCIES[sign], text[len(sign) :].lstrip()
    return text, negative, currency


def _value(text: str) -> tuple[Fraction | None, str]:
    """(the number a text begins with, what follows it)."""
    if match := _FRACTION.match(text):
        return _fraction(match), text[match.end() :]
    if match := _SCIENTIFIC.match(text):
        digits = match["braced"] or match["bracketed"] or match["bare"]
        exponent = int(digits.replace(" ", ""))
        if abs(exponent) > _MOST_EXPONENT:
            return None, text
        return _plain(match["mantissa"]) * Fraction(10) ** exponent, text[match.end() :]
    if match := _POWER_OF_TEN.match(text):
        exponent = int(match["braced"] or match["bare"])
        return (None if abs(exponent) > _MOST_EXPONENT else Fraction(10) ** exponent), text[match.end() :]
    if match := re.match(_NUMBER, text):
        return _plain(match.group()), text[match.end() :]
    return None, text


def _plain(text: str) -> Fraction:
    return Fraction(text.replace(",", "").replace(" ", "").rstrip(".") or "0")


def _fraction(match: re.Match[str]) -> Fraction | None:
    whole = int(match["whole"] or match["mixed"] or 0)
    if match["over"]:
        top, bottom = _plain(match["over"]), _plain(match["under"])
        if whole and (top.denominator != 1 or bottom.denominator != 1):
            return None
    else:
        top, bottom = Fraction(match["top"] or match["top1"]), Fraction(match["bottom"] or match["bottom1"])
    if bottom == 0 or (whole and match["minus"]):
        return None
    return whole + (-top if match["minus"] else top) / bottom


def _unit(text: str) -> str | None:
    """The canonical unit that a text names; empty for none, None where it is none that is known."""
    text = text.rstrip(".").strip().lower()
    if not text:
        return ""
    if text in _UNITS:
        return _UNITS[text]
    if match := _SQUARE.fullmatch(text):
        kind, name = match[1] or match[4], match[2] or match[3]
        prefix = "sq" if kind.startswith("sq") else "cu"
        return f"{prefix} {_UNITS[name]}" if name in _UNITS else None
    above, sign, below = re.sub(r"\s*(?:/|\bper\b)\s*", "/", text).partition("/")
    if sign and above in _UNITS and below in _UNITS:
        return f"{_UNITS[above]}/{_UNITS[below]}"
    return None
