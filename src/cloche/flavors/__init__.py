"""
The table of model libraries. A flavor's module is imported on first use, and only by the name in this table or in the
operator's own configuration (pairs of a name and `module:Class`): text from an artifact never names a module.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloche.errors import ManifestError, MissingExtraError, SaveRefusedError, UsageError
from cloche.flavors.base import Carried, Flavor

__all__ = ["FLAVORS", "Carried", "Entry", "Flavor", "flavor_of", "flavor_of_file", "get_flavor", "has_devices"]


@dataclass(frozen=True, slots=True)
class Entry:
    """
    Where a flavor lives, the extra and library it needs, its classes' modules, the suffixes of its files.

    `devices`: its library computes on others than the processor too.
    `types` are exact types (`module.qualname`) that are its models, whatever their package.
    """

    target: str
    extra: str
    needs: str
    roots: frozenset[str]
    suffixes: frozenset[str] = frozenset()
    devices: bool = False
    types: frozenset[str] = frozenset()


#: What an operator's configuration names: pairs of a name and `module:Class`.
Private = Sequence[tuple[str, str]]


FLAVORS: dict[str, Entry] = {
    "catboost": Entry(
        "cloche.flavors.catboost:CatboostFlavor",
        "catboost",
        "catboost",
        frozenset({"catboost"}),
        frozenset({".cbm"}),
    ),
    "function": Entry(
        "cloche.flavors.function:FunctionFlavor",
        "",
        "",
        frozenset(),
        types=frozenset({"builtins.str", "builtins.function"}),
    ),
    "lightgbm": Entry(
        "cloche.flavors.lightgbm:LightgbmFlavor",
        "lightgbm",
        "lightgbm",
        frozenset({"lightgbm"}),
        frozenset({".txt"}),
    ),
    "keras": Entry(
        "cloche.flavors.keras:KerasFlavor",
        "keras",
        "keras",
        frozenset({"keras", "tensorflow"}),
        frozenset({".keras", ".h5", ".hdf5"}),
    ),
    "onnx": Entry("cloche.flavors.onnx:OnnxFlavor", "onnx", "onnx", frozenset({"onnx"}), frozenset({".onnx"})),
    "r": Entry("cloche.flavors.r:RFlavor", "", "R", frozenset({"cloche.flavors.r"}), frozenset({".rds"})),
    "sklearn": Entry(
        "cloche.flavors.sklearn:SklearnFlavor", "sklearn", "skops", frozenset({"sklearn"}), frozenset({".skops"})
    ),
    "statsmodels": Entry(
        "cloche.flavors.statsmodels:StatsmodelsFlavor", "statsmodels", "scipy", frozenset({"statsmodels"})
    ),
    "torch": Entry(
        "cloche.flavors.torch:TorchFlavor",
        "torch",
        "torch",
        frozenset({"torch"}),
        frozenset({".pt", ".pth", ".pt2", ".safetensors"}),
        devices=True,
    ),
    "xgboost": Entry(
        "cloche.flavors.xgboost:XgboostFlavor", "xgboost", "xgboost", frozenset({"xgboost"}), frozenset({".ubj"})
    ),
}


def get_flavor(name: str, private: Private = ()) -> Flavor:
    """
    The flavor called *name*; those of *private* are looked for after cloche's own.

    Raises:
        ManifestError: no such flavor in this cloche.
        MissingExtraError: its library is not installed.
        UsageError: a private flavor cannot be imported, or is none.
    """
    entry, own = FLAVORS.get(name), dict(private)
    if entry is None and name in own:
        return _private(name, own[name])
    if entry is None:
        known = ", ".join(sorted({*FLAVORS, *own}))
        raise ManifestError(
            f"manifest.json: flavor: expected one of {known}, got {name!r}; "
            "a flavor of your own stands in the configuration of the user or the system, under [flavors]"
        )
    module, _, attribute = entry.target.partition(":")
    try:
        flavor: Flavor = getattr(importlib.import_module(module), attribute)()
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("cloche"):
            raise
        raise MissingExtraError(f"flavor '{name}'", exc.name or entry.needs, entry.extra) from exc
    return flavor


def _private(name: str, target: str) -> Flavor:
    """A flavor of the operator's own; its name is the one it says itself, which the manifests hold."""
    module, _, attribute = target.partition(":")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as exc:
        raise UsageError(f"[flavors] {name} = {target!r}: {exc}; install its package where models are opened") from exc
    if not (isinstance(kind, type) and issubclass(kind, Flavor)):
        raise UsageError(f"[flavors] {name} = {target!r}: expected a subclass of cloche.flavors.Flavor")
    if kind.name != name or name in FLAVORS:
        taken = "is the name of a flavor of cloche's own" if name in FLAVORS else f"its class says name = {kind.name!r}"
        raise UsageError(f"[flavors] {name} = {target!r}: {taken}")
    flavor: Flavor = kind()
    return flavor


def flavor_of(model: Any, private: Private = ()) -> Flavor:
    """
    The flavor of a fitted *model*, by the packages its classes come from; *private* ones are asked first.

    Raises:
        SaveRefusedError: no flavor knows the type; the message says what is known.
    """
    own = [get_flavor(name, private) for name, _ in private]
    kind = type(model)
    for name, entry in FLAVORS.items():
        if f"{kind.__module__}.{kind.__qualname__}" in entry.types:
            return get_flavor(name)
    for base in kind.__mro__:  # the nearest base decides: XGBClassifier is scikit-learn's only after XGBoost's
        for flavor in own:
            if _is_of(base, flavor.roots):
                return flavor
        for name, entry in FLAVORS.items():
            if _is_of(base, entry.roots):
                return get_flavor(name)
    raise SaveRefusedError(
        f"expected a fitted model of one of: {', '.join(sorted({*FLAVORS, *dict(private)}))}; "
        f"got {kind.__module__}.{kind.__qualname__}. "
        "Pass the fitted estimator or Pipeline itself (not its class, its parameters or a file's bytes)"
    )


def _is_of(base: type, roots: frozenset[str]) -> bool:
    return any(f"{base.__module__}.".startswith(f"{root}.") for root in roots)


def flavor_of_file(path: Path, private: Private = ()) -> Flavor:
    """
    The flavor that opens the model file *path*, by its suffix.

    Raises:
        SaveRefusedError: no flavor knows the suffix; the message lists those that are known.
    """
    suffix = path.suffix.lower()
    for name, suffixes in _suffixes(private):
        if suffix in suffixes:
            return get_flavor(name, private)
    known = ", ".join(sorted(one for _, suffixes in _suffixes(private) for one in suffixes))
    raise SaveRefusedError(f"{path}: expected a model file ending in one of {known}, got '{suffix}'")


def has_devices(name: str) -> bool:
    """Whether the library of this flavor computes on others than the processor too; nothing is imported."""
    return name in FLAVORS and FLAVORS[name].devices


def _suffixes(private: Private) -> Iterator[tuple[str, frozenset[str]]]:
    yield from ((name, entry.suffixes) for name, entry in FLAVORS.items())
    yield from ((name, get_flavor(name, private).suffixes) for name, _ in private)
