"""`cloche.load`: a version from the store as a model in this process, without a server; and what was kept beside it."""

from __future__ import annotations

from typing import Any

from cloche.api.opening import open_version
from cloche.api.workplace import workplace
from cloche.artifact import Device, EngineChoice, read_training
from cloche.flavors import get_flavor
from cloche.serving import Model


def load(reference: str, *, engine: EngineChoice = "auto", device: Device = "cpu", store: str | None = None) -> Model:
    """
    Open `NAME` (its live version), `NAME@VERSION` or `NAME@ROUTE` in this process.

    *engine* is `"auto"` (the version's first: the exact twin, the ONNX form, else the model's own library), `"twin"`,
    `"onnx"` or `"native"`; `Model.engine` says which one answers. *device* is where PyTorch computes:
    `"cpu"`, `"cuda"`, `"mps"`, or `"auto"`: on what there is.

    Every check of the load order runs: signature, files, archive limits, types, content, environment, golden rows.

    Raises:
        ModelNotFoundError, VersionNotFoundError: the store has no such model, version or route.
        ArtifactError: the artifact will not be opened; its class is the reason.
        StoreError: the store could not be read.
    """
    found, opened = open_version(workplace(store), reference, engine=engine, device=device)
    return Model(opened, found.name, found.version.version)


def training_state(reference: str, *, store: str | None = None) -> dict[str, Any]:
    """
    What was saved with `save(..., training_state={…})`, to go on training from; tensors are on the CPU.

    The net itself is not opened.

    Raises:
        ModelNotFoundError, VersionNotFoundError: the store has no such model, version or route.
        UsageError: a model of this library keeps none.
        ArtifactError: this version keeps none, or its files are not those that were published.
    """
    here = workplace(store)
    found = here.registry.resolve(reference)
    manifest = here.registry.manifest_of(found.version)
    directory = here.registry.fetch(found.version, here.settings.cache)
    return get_flavor(manifest.flavor, here.trust.flavors).training_state(read_training(directory))
