"""`cloche.load`: a version from the store as a model in this process, without a server."""

from __future__ import annotations

from cloche.api.opening import open_version
from cloche.api.workplace import workplace
from cloche.artifact import EngineChoice
from cloche.serving import Model


def load(reference: str, *, engine: EngineChoice = "auto", store: str | None = None) -> Model:
    """
    Open `NAME` (its live version), `NAME@VERSION` or `NAME@ROUTE` in this process.

    *engine* is `"auto"` (the version's first: the exact twin, the ONNX form, else the model's own library), `"twin"`,
    `"onnx"` or `"native"`; `Model.engine` says which one answers.

    Every check of the load order runs: signature, files, archive limits, types, content, environment, golden rows.

    Raises:
        ModelNotFoundError, VersionNotFoundError: the store has no such model, version or route.
        ArtifactError: the artifact will not be opened; its class is the reason.
        StoreError: the store could not be read.
    """
    found, opened = open_version(workplace(store), reference, engine=engine)
    return Model(opened, found.name, found.version.version)
