"""
The table of model libraries. A flavor's module is imported on first use, and only by the name in this table:
text from an artifact never names a module.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloche.errors import ManifestError, MissingExtraError, SaveRefusedError
from cloche.flavors.base import Carried, Flavor

__all__ = ["FLAVORS", "Carried", "Entry", "Flavor", "flavor_of", "flavor_of_file", "get_flavor", "has_devices"]


@dataclass(frozen=True, slots=True)
class Entry:
    """
    Where a flavor lives, the extra and library it needs, its classes' modules, the suffixes of its files.

    `devices`: its library computes on others than the processor too.
    """

    target: str
    extra: str
    needs: str
    roots: frozenset[str]
    suffixes: frozenset[str] = frozenset()
    devices: bool = False


FLAVORS: dict[str, Entry] = {
    "catboost": Entry(
        "cloche.flavors.catboost:CatboostFlavor",
        "catboost",
        "catboost",
        frozenset({"catboost"}),
        frozenset({".cbm"}),
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


def get_flavor(name: str) -> Flavor:
    """
    The flavor called *name*.

    Raises:
        ManifestError: no such flavor in this cloche.
        MissingExtraError: its library is not installed.
    """
    entry = FLAVORS.get(name)
    if entry is None:
        known = ", ".join(sorted(FLAVORS))
        raise ManifestError(f"manifest.json: flavor: expected one of {known}, got {name!r}")
    module, _, attribute = entry.target.partition(":")
    try:
        flavor: Flavor = getattr(importlib.import_module(module), attribute)()
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("cloche"):
            raise
        raise MissingExtraError(f"flavor '{name}'", exc.name or entry.needs, entry.extra) from exc
    return flavor


def flavor_of(model: Any) -> Flavor:
    """
    The flavor of a fitted *model*, by the packages its classes come from.

    Raises:
        SaveRefusedError: no flavor knows the type; the message says what is known.
    """
    for base in type(model).__mro__:  # the nearest base decides: XGBClassifier is scikit-learn's only after XGBoost's
        for name, entry in FLAVORS.items():
            if any(f"{base.__module__}.".startswith(f"{root}.") for root in entry.roots):
                return get_flavor(name)
    what = f"{type(model).__module__}.{type(model).__qualname__}"
    raise SaveRefusedError(
        f"expected a fitted model of one of: {', '.join(sorted(FLAVORS))}; got {what}. "
        "Pass the fitted estimator or Pipeline itself (not its class, its parameters or a file's bytes)"
    )


def flavor_of_file(path: Path) -> Flavor:
    """
    The flavor that opens the model file *path*, by its suffix.

    Raises:
        SaveRefusedError: no flavor knows the suffix; the message lists those that are known.
    """
    suffix = path.suffix.lower()
    for name, entry in FLAVORS.items():
        if suffix in entry.suffixes:
            return get_flavor(name)
    known = ", ".join(sorted(one for entry in FLAVORS.values() for one in entry.suffixes))
    raise SaveRefusedError(f"{path}: expected a model file ending in one of {known}, got '{suffix}'")


def has_devices(name: str) -> bool:
    """Whether the library of this flavor computes on others than the processor too; nothing is imported."""
    return name in FLAVORS and FLAVORS[name].devices
