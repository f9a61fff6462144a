"""The closed tables of what a formula may compute: functions of columns, and inverse links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Function:
    """What is computed, of how many arguments."""

    compute: Callable[..., Any]
    arity: int = 1


_ONE = """
abs cbrt ceil cos cosh exp exp2 expm1 floor log log10 log1p log2 negative positive reciprocal rint sign sin sinh sqrt
square tan tanh arctan logical_not
"""
_TWO = """
add subtract multiply divide power floor_divide remainder maximum minimum hypot greater greater_equal less less_equal
equal not_equal logical_and logical_or
"""

#: By numpy's own names.
FUNCTIONS: dict[str, Function] = {
    **{name: Function(getattr(np, name)) for name in _ONE.split()},
    **{name: Function(getattr(np, name), 2) for name in _TWO.split()},
    "clip": Function(np.clip, 3),
    "where": Function(np.where, 3),
}


@dataclass(frozen=True, slots=True)
class InverseLink:
    """From the linear predictor (n, m) to the mean; *parameter* says whether it needs one."""

    compute: Callable[[Array, Any], Array]
    parameter: bool = False


def _softmax(z: Array, _: Any) -> Array:
    """The first class is the base: its predictor is 0."""
    whole = np.column_stack([np.zeros(len(z)), z])
    raised = np.exp(whole - whole.max(axis=1, keepdims=True))
    found: Array = raised / raised.sum(axis=1, keepdims=True)
    return found


def _cauchy(z: Array, _: Any) -> Array:
    found: Array = 0.5 + np.arctan(z) / np.pi
    return found


#: The inverse links of statsmodels' families, McCullagh and Nelder (1989).
INVERSE_LINKS: dict[str, InverseLink] = {
    "identity": InverseLink(lambda z, _: z),
    "exp": InverseLink(lambda z, _: np.exp(z)),
    "logistic": InverseLink(lambda z, _: special.expit(z)),
    "normal": InverseLink(lambda z, _: special.ndtr(z)),
    "cauchy": InverseLink(_cauchy),
    "cloglog": InverseLink(lambda z, _: -np.expm1(-np.exp(z))),
    "loglog": InverseLink(lambda z, _: np.exp(-np.exp(-z))),
    "logc": InverseLink(lambda z, _: -np.expm1(z)),
    "power": InverseLink(lambda z, p: np.power(z, 1.0 / p), parameter=True),
    "negative_binomial": InverseLink(lambda z, alpha: -1.0 / (alpha * (1.0 - np.exp(-z))), parameter=True),
    "softmax": InverseLink(_softmax),
}
