"""
`model.json`: a fitted statsmodels model as data, format `cloche-statsmodels/1`.

The terms of its formula, the levels and contrasts of its factors, the memorised state of its transforms, and its
parameters. No training row is among them, so there is nothing like `remove_data` to call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec
import numpy as np

from cloche.errors import TamperedModelError, WrongFormatError
from cloche.flavors.statsmodels.functions import FUNCTIONS, INVERSE_LINKS

FORMAT: Final = "cloche-statsmodels/1"
FILE: Final = "model.json"
MAX_DEPTH = 40
MAX_COLUMNS = 100_000
Level = str | bool | int | float


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="is"):
    """A part of an expression."""


class Column(_Part, frozen=True, kw_only=True, tag="column"):
    """A column of the table, by name."""

    name: str


class Constant(_Part, frozen=True, kw_only=True, tag="constant"):
    """A number, or a text that a column is compared with."""

    value: float | str


class Call(_Part, frozen=True, kw_only=True, tag="call"):
    """One of the closed table of functions."""

    function: str
    of: tuple[Expression, ...]


class Shift(_Part, frozen=True, kw_only=True, tag="shift"):
    """`center` and `standardize`: less what was the mean, divided by what was the deviation of the training column."""

    of: Expression
    subtract: float = 0.0
    divide: float = 1.0


class Spline(_Part, frozen=True, kw_only=True, tag="spline"):
    """
    A basis of splines: `bs` (de Boor 1978, knots with repeated ends), `cr` natural and `cc` cyclic cubic regression
    splines (Wood 2006, 4.1.2), the columns that constraints leave being the basis times `kept` (n, m).
    """

    of: Expression
    kind: Literal["bs", "cr", "cc"]
    knots: tuple[float, ...]
    degree: int = 3
    first: bool = False  #: bs with `include_intercept`
    kept: tuple[tuple[float, ...], ...] | None = None

    @property
    def width(self) -> int:
        """How many columns it makes."""
        if self.kept is not None:
            return len(self.kept[0])
        if self.kind == "bs":
            return len(self.knots) - self.degree - 1 - (not self.first)
        return len(self.knots) - (self.kind == "cc")


Expression = Column | Constant | Call | Shift | Spline


class Factor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a term is made of: an expression, called `name` in messages; `levels` where it is a category."""

    name: str
    expression: Expression
    levels: tuple[Level, ...] | None = None

    @property
    def width(self) -> int:
        """The columns of a numeric factor."""
        return self.expression.width if isinstance(self.expression, Spline) else 1


class Term(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    The product of factors, by place; none at all is the intercept.

    `contrasts` has, for each factor that is a category, the numbers (levels, columns) that stand for its levels.
    Columns of the product run over those of the first factor fastest.
    """

    factors: tuple[int, ...] = ()
    contrasts: tuple[tuple[tuple[float, ...], ...] | None, ...] = ()

    def widths(self, factors: tuple[Factor, ...]) -> list[int]:
        """The columns that each of its factors has."""
        pairs = zip(self.factors, self.contrasts, strict=True)
        return [factors[place].width if one is None else len(one[0]) for place, one in pairs]


class Fit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    A fitted model. `params` is (columns of the design, m): m is 1, or the classes less one (multinomial logit).

    `names` are the columns of the table it was fitted on, None where it was an array (they are called x0, x1, …).
    `classes` stand in the order of the probabilities; without them the answer is a number. `offset` is added to the
    linear predictor. `link` is the name of an inverse link, `link_parameter` what it needs.
    """

    model: str
    version: str
    names: tuple[str, ...] | None
    n_inputs: int
    factors: tuple[Factor, ...]
    terms: tuple[Term, ...]
    params: tuple[tuple[float, ...], ...]
    link: str = "identity"
    link_parameter: float | None = None
    classes: tuple[Level, ...] | None = None
    offset: Expression | None = None
    formula: str | None = None
    schema: Literal["cloche-statsmodels/1"] = FORMAT

    def to_json(self) -> bytes:
        """The bytes of `model.json`."""
        return msgspec.json.format(_encoder.encode({**msgspec.to_builtins(self), "schema": FORMAT}), indent=1) + b"\n"

    def columns(self) -> tuple[str, ...]:
        """The columns that its terms read, in the order they are first read."""
        roots = [one.expression for one in self.factors] + ([] if self.offset is None else [self.offset])
        found = (part.name for root in roots for part in parts(root) if isinstance(part, Column))
        return tuple(dict.fromkeys(found))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Fit)


def parts(root: Expression, depth: int = 0) -> Iterator[Expression]:
    """Everything inside an expression, itself first."""
    _expect(depth < MAX_DEPTH, f"an expression is nested deeper than {MAX_DEPTH}")
    yield root
    inner = root.of if isinstance(root, Call) else (root.of,) if isinstance(root, Shift | Spline) else ()
    for one in inner:
        yield from parts(one, depth + 1)


def parse(raw: bytes) -> Fit:
    """
    Read `model.json` and check that all its parts fit each other.

    Raises:
        WrongFormatError: it is of another format.
        TamperedModelError: a part does not fit.
    """
    try:
        fit = _decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise WrongFormatError(f"{FILE}: {exc}") from exc
    check(fit)
    return fit


def check(fit: Fit) -> None:
    """
    Raises:
        TamperedModelError: a part does not fit the others.
    """
    known = set(fit.names) if fit.names is not None else {f"x{place}" for place in range(fit.n_inputs)}
    for name in fit.columns():
        _expect(name in known, f"the column '{name}' is read and is not among the inputs")
    for one in fit.factors:
        _check_expression(one.expression)
        _expect(one.levels is None or 0 < len(set(one.levels)) == len(one.levels), f"{one.name}: levels stand twice")
    if fit.offset is not None:
        _check_expression(fit.offset)
    width = sum(_term_width(one, fit.factors) for one in fit.terms)
    _expect(0 < width <= MAX_COLUMNS and len(fit.params) == width, f"{len(fit.params)} parameters for {width} columns")
    count = len(fit.params[0])
    _expect(count > 0 and all(len(row) == count for row in fit.params), "rows of parameters of several lengths")
    _expect(bool(np.isfinite(np.array(fit.params)).all()), "a parameter is not finite")
    _expect(fit.link in INVERSE_LINKS, f"unknown link {fit.link!r}")
    needs = INVERSE_LINKS[fit.link].parameter
    _expect((fit.link_parameter is not None) is needs, f"link {fit.link}: its parameter")
    classes = len(fit.classes or ())
    expected = {0: 1, 2: 1}.get(classes, classes - 1) if fit.link != "softmax" else classes - 1
    _expect(count == expected, f"{count} columns of parameters for {classes} classes")


def _term_width(term: Term, factors: tuple[Factor, ...]) -> int:
    _expect(len(term.factors) == len(term.contrasts), "a term with another number of contrasts")
    for place, contrast in zip(term.factors, term.contrasts, strict=True):
        _expect(0 <= place < len(factors), f"a term reads factor {place} of {len(factors)}")
        levels = factors[place].levels
        _expect((levels is None) is (contrast is None), f"{factors[place].name}: levels and contrasts")
        if contrast is not None:
            _expect(len(contrast) == len(levels or ()), f"{factors[place].name}: one row of contrasts a level")
            _expect(all(len(row) == len(contrast[0]) > 0 for row in contrast), f"{factors[place].name}: contrasts")
    width = 1
    for one in term.widths(factors):
        width *= one
        _expect(width <= MAX_COLUMNS, "a term of too many columns")
    return width


def _check_expression(root: Expression) -> None:
    for part in parts(root):
        if isinstance(part, Call):
            known = FUNCTIONS.get(part.function)
            _expect(known is not None, f"unknown function {part.function!r}")
            _expect(known is not None and len(part.of) == known.arity, f"{part.function}: {len(part.of)} arguments")
        if isinstance(part, Spline):
            _expect(part is root, "a spline inside another expression")
            _check_spline(part)


def _check_spline(part: Spline) -> None:
    knots = np.array(part.knots)
    least = 2 * (part.degree + 1) if part.kind == "bs" else 3
    _expect(0 <= part.degree <= 10 and len(knots) >= least, "a spline with too few knots")
    steps = np.diff(knots)
    _expect(bool(np.isfinite(knots).all() and (steps >= 0).all()), "knots that do not ascend")
    _expect(part.kind == "bs" or bool((steps > 0).all()), "a knot stands twice")
    if part.kept is not None:
        rows = len(knots) - (part.kind == "cc")
        _expect(part.kind != "bs" and len(part.kept) == rows, "constraints of another size")
        _expect(len({len(row) for row in part.kept}) == 1 and len(part.kept[0]) > 0, "constraints of another size")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise TamperedModelError(f"{FILE}: {otherwise}")
