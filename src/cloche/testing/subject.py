"""A flavor under test: its example, saved once, and what the checks ask of the artifact."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from cloche import tables
from cloche.artifact import OpenArtifact, open_artifact
from cloche.contract.compiled import compile_contract
from cloche.flavors import FLAVORS, Flavor, flavor_of
from cloche.manifest import MANIFEST, identity
from cloche.records import Outputs
from cloche.saving import SaveRequest, Staged, stage
from cloche.testing.example import CheckError, Example
from cloche.trust import TrustPolicy

MODEL = "model-under-test"
#: Files of an artifact that are cloche's own, not the flavor's.
_OURS = ("manifest.json", "contract.json", "golden.jsonl", "reference.json", "README.md")


class Subject:
    """
    The flavor called *name*, with its *example*; *private* is where a flavor of an operator's own is found.

    Everything is made on first use in a temporary folder, which `close` removes.
    """

    def __init__(self, name: str, example: Callable[[], Example], private: Sequence[tuple[str, str]] = ()) -> None:
        self.name = name
        self.private = tuple(private)
        self._make = example
        self._folder: Path | None = None

    def __enter__(self) -> Subject:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @property
    def folder(self) -> Path:
        """Where everything lies."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"cloche-suite-{self.name}-"))
        return self._folder

    @property
    def is_private(self) -> bool:
        """Whether it is a flavor of an operator's own."""
        return self.name not in FLAVORS

    @cached_property
    def example(self) -> Example:
        """The fitted model and its tables."""
        return self._make()

    @cached_property
    def trust(self) -> TrustPolicy:
        """What the operator allows; no digest is trusted."""
        return TrustPolicy(
            allowed_types=self.example.allowed_types,
            allowed_functions=self.example.allowed_functions,
            flavors=self.private,
        )

    @cached_property
    def flavor(self) -> Flavor:
        """The flavor that knows the model."""
        return flavor_of(self.example.model, self.private)

    @cached_property
    def bundled(self) -> Any:
        """The model with what it cannot answer without."""
        example = self.example
        return self.flavor.bundle(example.model, example.options, example.inputs, **self._given())

    def _given(self) -> dict[str, Any]:
        """What later versions of `bundle` take besides, as far as this one does."""
        known = self.flavor.bundle.__code__.co_varnames if hasattr(self.flavor.bundle, "__code__") else ()
        given = {"targets": self.example.targets, "classes": self.example.classes}
        return {name: value for name, value in given.items() if name in known}

    @cached_property
    def staged(self) -> Staged:
        """The saved artifact: it has been loaded back in a fresh process."""
        example = self.example
        request = SaveRequest(
            inputs=example.inputs,
            targets=example.targets,
            classes=example.classes,
            model_options=example.options,
        )
        root = self.folder / "staged"
        root.mkdir()
        return stage(example.model, MODEL, request, previous=None, root=root, trust=self.trust, created_by="suite")

    @property
    def model_files(self) -> list[str]:
        """The files of the artifact that the flavor wrote."""
        return sorted(
            name for name in self.staged.manifest.files if name not in _OURS and not name.startswith(("twin/", "onnx/"))
        )

    def copy(self, name: str) -> Path:
        """A copy of the artifact to tamper with."""
        target = self.folder / "copies" / name
        shutil.copytree(self.staged.directory, target)
        return target

    def trusting(self, directory: Path) -> TrustPolicy:
        """The same trust, and this artifact's digest: what an operator says of a code format."""
        return self.trust.with_digest(identity((directory / MANIFEST).read_bytes()))

    def open(self, directory: Path) -> OpenArtifact:
        """Open an artifact with the model's own library, its digest being trusted."""
        return open_artifact(directory, self.trusting(directory), engine="native")

    @cached_property
    def wire_rows(self) -> list[dict[str, Any]]:
        """The example's rows as a request holds them."""
        return tables.to_wire(tables.read(self.example.rows), self.staged.contract)

    def columns(self, rows: Sequence[dict[str, Any]]) -> Any:
        """Rows through the contract, as an engine is asked."""
        return compile_contract(self.staged.contract).validate(rows, single=False).columns()

    @cached_property
    def expected(self) -> Outputs:
        """What the library itself answers."""
        example = self.example
        count = len(self.wire_rows)
        if count < 3 or len(example.answers) != count:
            raise CheckError(
                f"example: expected at least 3 rows and as many answers, got {count} and {len(example.answers)}"
            )
        shares = None if example.probabilities is None else np.asarray(example.probabilities, dtype=float).tolist()
        return Outputs(_plain(example.answers), shares)


def _plain(values: Any) -> list[Any]:
    found: list[Any] = np.asarray(values).tolist() if hasattr(values, "dtype") else list(values)
    return found
