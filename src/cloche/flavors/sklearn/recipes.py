"""Refusals at save: what a model holds that could not be opened in another process, and what to do instead."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.neighbors import KernelDensity
from sklearn.utils.validation import check_is_fitted

from cloche.errors import SaveRefusedError
from cloche.flavors.sklearn.schema import Named
from cloche.flavors.sklearn.validators import check_text_input
from cloche.flavors.sklearn.walk import walk

_FUNCTIONS = {"FunctionNode", "TypeNode"}


def refuse_code(holds: Iterable[Named], untrusted: set[str]) -> None:
    """
    Refuse types and functions that exist only here, then those that nobody allowed.

    Raises:
        SaveRefusedError: with the place in the model and the recipe.
    """
    holds = list(holds)
    for one in holds:
        _refuse_unimportable(one)
    for one in holds:
        if one.name in untrusted:
            raise SaveRefusedError(_not_allowed(one.name, one.where))
    if untrusted:
        raise SaveRefusedError(_not_allowed(sorted(untrusted)[0], "model"))


def _refuse_unimportable(one: Named) -> None:
    module, _, name = one.name.rpartition(".")
    what = "function" if one.loader in _FUNCTIONS else "class"
    if "<lambda>" in name:
        raise SaveRefusedError(
            f"{one.where}: a lambda cannot be opened in another process; write it as a named function in a "
            "package that is installed where the model runs, or use a transformer of scikit-learn "
            "(FunctionTransformer(np.log1p), say)"
        )
    if module in ("__main__", "__mp_main__", "None") or module.startswith("__main__."):
        raise SaveRefusedError(
            f"{one.where}: the {what} '{name}' is defined in __main__ (a notebook or script) and exists only there; "
            f"move it into a package, install that where the model runs (pip install ./mypackage), "
            "import it from there, fit again and save"
        )
    loaded = sys.modules.get(module)
    if loaded is not None and not hasattr(loaded, name):
        raise SaveRefusedError(
            f"{one.where}: the {what} '{name}' is local to a function of '{module}' (a closure); "
            "define it at the top level of an installed module, fit again and save"
        )


def _not_allowed(name: str, where: str) -> str:
    root = name.partition(".")[0]
    return (
        f"{where}: the type '{name}' is not on the allow-list, so no server would open the model. "
        f"Use a step of scikit-learn in its place; or, if '{root}' is installed where the model runs and its code is "
        f"trusted, allow it there and here: cloche trust --type {name}"
    )


def refuse_unfit(model: Any) -> None:
    """
    Refuse what is no fitted estimator, or would do at serving time what a server must not.

    Raises:
        SaveRefusedError: with the recipe.
    """
    name = type(model).__name__
    if isinstance(model, type):
        name = model.__name__
        raise SaveRefusedError(f"expected a fitted estimator, got the class {name}; call {name}().fit(X, y) first")
    try:
        check_is_fitted(model)
    except NotFittedError as exc:
        raise SaveRefusedError(f"{name} is not fitted; call .fit(X, y) before saving") from exc
    except TypeError as exc:
        raise SaveRefusedError(f"expected a fitted scikit-learn estimator, got {name}: {exc}") from exc
    for part in walk(model):
        if isinstance(part, KernelDensity):
            raise SaveRefusedError("KernelDensity keeps its points only in a tree of raw indices; that is never stored")
        if isinstance(part, (CountVectorizer, HashingVectorizer)):
            check_text_input(part, SaveRefusedError)
