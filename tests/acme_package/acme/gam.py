"""A flavor of a customer's own: piecewise linear functions of each column, added up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from cloche.contract.model import Output
from cloche.errors import MissingFileError, WrongFormatError
from cloche.flavors import Flavor
from cloche.records import ModelFacts, Outputs
from cloche.testing import Example
from cloche.trust import DEFAULT, TrustPolicy

FILE = "gam.json"


class Gam:
    """`curves` are, by column, the knots and the values there; outside a curve goes on level."""

    def __init__(self, curves: Mapping[str, tuple[list[float], list[float]]]) -> None:
        self.curves = {name: tuple(map(list, points)) for name, points in curves.items()}

    def predict(self, frame: Any) -> Any:
        """The sum of the curves, (n,)."""
        return sum(np.interp(np.asarray(frame[name], dtype=float), x, y) for name, (x, y) in self.curves.items())


class GamFlavor(Flavor):
    """Its files are JSON; nothing in them is code."""

    name: ClassVar[str] = "gam"
    packages: ClassVar[tuple[str, ...]] = ()
    roots: ClassVar[frozenset[str]] = frozenset({"acme"})
    formats: ClassVar[tuple[str, ...]] = ("`gam.json`",)

    def framework(self, model: Any) -> str:
        """The library and its version."""
        return "acme 1.2.0"

    def facts(self, model: Gam) -> ModelFacts:
        """A number a row, from its columns."""
        return ModelFacts(task="regression", names=tuple(model.curves), n_inputs=len(model.curves))

    def dump(self, model: Gam, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """The curves."""
        (directory / FILE).write_text(json.dumps(model.curves), encoding="utf-8")
        return {"file": FILE}

    def load(
        self,
        directory: Path,
        options: Mapping[str, Any],
        trust: TrustPolicy,
        *,
        files: Mapping[str, bytes] | None = None,
    ) -> Gam:
        """Read and check the curves."""
        if files is not None and FILE not in files:
            raise MissingFileError(f"{FILE}: the manifest lists no such file")
        try:
            curves = json.loads((directory / FILE).read_bytes() if files is None else files[FILE])
            for x, y in curves.values():
                if len(x) != len(y) or sorted(map(float, x)) != x or not np.isfinite([*x, *map(float, y)]).all():
                    raise ValueError("points that are no curve")
            return Gam(curves)
        except (ValueError, TypeError, AttributeError, RecursionError) as exc:
            raise WrongFormatError(f"{FILE}: {exc}") from exc

    def open_file(self, path: Path, trust: TrustPolicy) -> Gam:
        """As `load`."""
        return self.load(path.parent, {}, trust, files={FILE: path.read_bytes()})

    def predict(self, native: Gam, frame: Any, output: Output) -> Outputs:
        """A number a row."""
        return Outputs(native.predict(frame).tolist())

    @staticmethod
    def example() -> Example:
        """Two curves."""
        rng = np.random.default_rng(0)
        table = pd.DataFrame({"age": rng.uniform(18, 80, 150).round(1), "income": rng.uniform(0, 90, 150).round(2)})
        model = Gam({"age": ([20.0, 40.0, 70.0], [1.0, 5.0, 2.0]), "income": ([0.0, 50.0], [0.0, 10.0])})
        rows = table.head(6)
        return Example(model, table, rows, model.predict(rows).tolist())


class CarelessFlavor(GamFlavor):
    """Stores a pickle beside, and describes nothing."""

    formats: ClassVar[tuple[str, ...]] = ()

    def dump(self, model: Gam, directory: Path, *, trust: TrustPolicy = DEFAULT) -> dict[str, Any]:
        """The curves, and a pickle."""
        (directory / "model.bin").write_bytes(b"\x80\x04K\x01.")
        return super().dump(model, directory, trust=trust)
