"""Which steps are lowered, by their exact type: a subclass may compute anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloche.flavors.sklearn.lowering import committees, encoders, linear, others, scalers, text, trees, wrappers
from cloche.flavors.sklearn.lowering.flow import Flow
from cloche.flavors.sklearn.lowering.head import Head, Visit

TRANSFORMERS: dict[type, Callable[[Any, Flow], Flow]] = {
    **scalers.TRANSFORMERS,
    **encoders.TRANSFORMERS,
    **text.TRANSFORMERS,
    **others.TRANSFORMERS,
}
PREDICTORS: dict[type, Callable[[Any, Flow], Head]] = {
    **linear.PREDICTORS,
    **others.PREDICTORS,
    **trees.PREDICTORS,
}
#: Estimators around others, which they have lowered by what they are handed.
WRAPPERS: dict[type, Callable[[Any, Flow, Visit], Head]] = {
    **wrappers.WRAPPERS,
    **committees.WRAPPERS,
}
