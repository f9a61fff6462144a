"""
The expressions of rules, parsed by us: nothing of a rules file is ever evaluated.

    when       = ["not"] measure [comparison threshold] ["for" length]
    measure    = NAME ["(" argument ")"]
    argument   = NAME | 'TEXT' | "prediction" "=" ('TEXT' | NAME | NUMBER)
    comparison = ">" | ">=" | "<" | "<=" | "==" | "!="
    threshold  = NUMBER ["%" | "ms" | "s" | "m" | "h" | "d"] | "ok" | "warn" | "alarm"
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from cloche.errors import UsageError
from cloche.monitoring.alerts import lengths
from cloche.monitoring.alerts.vocabulary import LAMP_STATES, LAMPS, MEASURES, Measure, Unit

COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_MAX_CHARS: Final = 400
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
    | (?P<number>[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)(?P<unit>\s*%|ms|[smhdw](?![\w]))?
    | (?P<name>[^\W\d][\w.\-]*)
    | '(?P<single>[^']*)' | "(?P<double>[^"]*)"
    | (?P<sign>>=|<=|==|!=|[<>=()])""",
    re.VERBOSE,
)
_IN_MS: Final = {"ms": 1.0, "s": 1_000.0, "m": 60_000.0}
_IN_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


@dataclass(frozen=True, slots=True)
class Expression:
    """
    A rule's `when`. `threshold` is in the unit of the measure (a share from 0 to 1, milliseconds, the place of a lamp's
    state); a measure that is yes or no has neither comparison nor threshold. `for_s` where it stands in the text.
    """

    measure: Measure
    argument: str | None = None
    negated: bool = False
    comparison: str | None = None
    threshold: float | None = None
    for_s: float | None = None
    text: str = ""

    def holds(self, value: float, threshold: float | None = None) -> bool:
        """Whether the rule is exceeded by *value*; *threshold* in the place of its own."""
        if self.comparison is None:
            return (value > 0) != self.negated
        bound = self.threshold if threshold is None else threshold
        return COMPARISONS[self.comparison](value, 0.0 if bound is None else bound)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int
    unit: str = ""


def parse(text: str, where: str = "when") -> Expression:
    """
    Read a rule's `when`; *where* begins every message.

    Raises:
        UsageError: the message says the column, what was expected there, what came, and near names.
    """
    return _Parser(text, where).whole()


def threshold(text: str, measure: Measure, where: str) -> float:
    """
    Read a threshold alone, in the unit of *measure*.

    Raises:
        UsageError: it is none.
    """
    parser = _Parser(text, where)
    found = parser.threshold(measure)
    parser.expect_end()
    return found


class _Parser:
    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._tokens = self._split()
        self._place = 0

    # -- tokens ---------------------------------------------------------------------------------

    def _split(self) -> list[_Token]:
        if len(self._text) > _MAX_CHARS:
            raise UsageError(f"{self._where}: expected at most {_MAX_CHARS} characters, got {len(self._text)}")
        found, place = [], 0
        while place < len(self._text):
            match = _TOKEN.match(self._text, place)
            if match is None:
                raise self.error("a name, a number, a comparison or a text in quotes", place + 1, self._text[place])
            kind = match.lastgroup if match.lastgroup != "unit" else "number"
            if kind in ("single", "double"):
                found.append(_Token("text", match[kind], place + 1))
            elif kind == "number":
                found.append(_Token("number", match["number"], place + 1, (match["unit"] or "").strip()))
            elif kind != "space":
                found.append(_Token(str(kind), match[0], place + 1))
            place = match.end()
        return found

    def _next(self) -> _Token:
        token = self._peek()
        self._place += 1
        return token

    def _peek(self) -> _Token:
        end = _Token("end", "the end", len(self._text) + 1)
        return self._tokens[self._place] if self._place < len(self._tokens) else end

    def _sign(self, sign: str) -> bool:
        there = self._peek().kind == "sign" and self._peek().text == sign
        self._place += there
        return there

    def _word(self, word: str) -> bool:
        there = self._peek().kind == "name" and self._peek().text == word
        self._place += there
        return there

    def error(self, expected: str, column: int, got: str, near: Iterable[str] = ()) -> UsageError:
        names = list(near)
        close = difflib.get_close_matches(got, names, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(names))}" if names else ""
        shown = got if got == "the end" else repr(got)
        return UsageError(f"{self._where}: column {column}: expected {expected}, got {shown}{hint}")

    def expect_end(self) -> None:
        token = self._peek()
        if token.kind != "end":
            raise self.error("the end", token.column, token.text)

    # -- the grammar ----------------------------------------------------------------------------

    def whole(self) -> Expression:
        negated = self._word("not")
        measure = self._measure(self._next())
        argument = self._argument(measure)
        comparison = bound = None
        if measure.unit == "yes":
            self._refuse_comparison(measure)
        elif negated:
            raise self.error("a measure that is yes or no after 'not'", self._tokens[1].column, measure.name)
        else:
            comparison = self._comparison(measure)
            bound = self.threshold(measure)
        for_s = self._length() if self._word("for") else None
        self.expect_end()
        return Expression(measure, argument, negated, comparison, bound, for_s, " ".join(self._text.split()))

    def _measure(self, token: _Token) -> Measure:
        if token.kind != "name" or token.text not in MEASURES:
            raise self.error("a measure", token.column, token.text, MEASURES)
        return MEASURES[token.text]

    def _argument(self, measure: Measure) -> str | None:
        if measure.takes == "nothing":
            if (token := self._peek()).text == "(":
                raise self.error(f"no parentheses after '{measure.name}'", token.column, "(")
            return None
        if not self._sign("("):
            raise self.error(f"'(' as in {measure.spelt}", self._peek().column, self._peek().text)
        found = self._class() if measure.takes == "class" else self._named(measure)
        if not self._sign(")"):
            raise self.error("')'", self._peek().column, self._peek().text)
        return found

    def _named(self, measure: Measure) -> str:
        token = self._next()
        if token.kind not in ("name", "text") or not token.text:
            raise self.error(f"a name as in {measure.spelt}", token.column, token.text)
        if measure.takes == "lamp" and token.text not in LAMPS:
            raise self.error("a lamp", token.column, token.text, LAMPS)
        return token.text

    def _class(self) -> str:
        token = self._next()
        if token.text != "prediction" or not (self._sign("=") or self._sign("==")):
            raise self.error("prediction='CLASS'", token.column, token.text)
        token = self._next()
        if token.kind not in ("name", "text", "number") or token.unit:
            raise self.error("a class: 'spam', 3, true", token.column, token.text + token.unit)
        return token.text

    def _refuse_comparison(self, measure: Measure) -> None:
        token = self._peek()
        if token.kind == "sign":
            raise self.error(
                f"no comparison: '{measure.name}' is yes or no (not {measure.name})", token.column, token.text
            )

    def _comparison(self, measure: Measure) -> str:
        token = self._next()
        if token.kind != "sign" or token.text not in COMPARISONS:
            hint = " (two equal signs)" if token.text == "=" else ""
            raise self.error(
                f"a comparison after '{measure.name}': {' '.join(COMPARISONS)}{hint}", token.column, token.text
            )
        return token.text

    def threshold(self, measure: Measure) -> float:
        token = self._next()
        if measure.unit == "lamp":
            if token.text not in LAMP_STATES:
                raise self.error("a state of a lamp", token.column, token.text, LAMP_STATES)
            return float(LAMP_STATES.index(token.text))
        if token.kind != "number":
            raise self.error(f"a number ({_EXPECTED[measure.unit]})", token.column, token.text)
        found = _in_unit(float(token.text), token.unit, measure.unit)
        if found is None or math.isinf(found):
            raise self.error(_EXPECTED[measure.unit], token.column, token.text + token.unit)
        return found

    def _length(self) -> float:
        token = self._next()
        length = lengths.seconds(token.text + token.unit) if token.kind == "number" else None
        if length is None:
            raise self.error(lengths.EXPECTED, token.column, token.text + token.unit)
        return length


_EXPECTED: Final[dict[Unit, str]] = {
    "share": "a share from 0 to 1, or 5%",
    "ms": "milliseconds, or 250ms, 2s",
    "s": "seconds, or 90s, 10m, 2h",
    "count": "a number",
    "number": "a number",
}


def _in_unit(number: float, unit: str, wanted: Unit) -> float | None:
    """*number* in the unit of its measure; None where it is of another kind."""
    if wanted == "share":
        share = number / 100 if unit == "%" else number
        return share if unit in ("", "%") and 0 <= share <= 1 else None
    if wanted == "ms":
        return number * _IN_MS[unit or "ms"] if (unit or "ms") in _IN_MS else None
    if wanted == "s":
        return number * _IN_S[unit or "s"] if (unit or "s") in _IN_S else None
    if wanted == "number" and unit == "%":
        return number / 100
    return None if unit else number
