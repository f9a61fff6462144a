"""`cloche import`: what another tool wrote becomes a version like any other."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cloche import importers
from cloche.api.publishing import check_will_be_signed
from cloche.api.saving import save_request
from cloche.api.version import Version
from cloche.api.workplace import workplace
from cloche.errors import ImportRefusedError
from cloche.flavors import flavor_of
from cloche.importers import NOT_TOLD, Found, Structure
from cloche.registry import check_name
from cloche.saving import SaveRequest


@dataclass(frozen=True, slots=True)
class Imported:
    """The published version, and where its model came from."""

    version: Version
    kind: str
    format: str
    sha256: str


def import_model(
    path: Path,
    name: str,
    request: SaveRequest,
    *,
    structure: Structure = NOT_TOLD,
    trust: bool = False,
    sandbox: bool = True,
    sign_with: Path | None = None,
    promote: bool = False,
    new_contract: bool = False,
    store: str | None = None,
) -> Imported:
    """
    Publish the model at *path*, a folder, an archive or a file of another tool, as the next version of *name*.

    Without `request.inputs` names and types are those of a signature, a prototype or an example beside the model, where
    there is one. With *trust* a format that runs code is opened in a process that is shut in, and only its conversion
    is kept; *sandbox* False gives up the shutting in. *structure* says of what class a net is whose tensors alone are
    there. It is signed with the private key in the file *sign_with*, else with the one that the settings name.

    Raises:
        NotFoundError: nothing is at *path*.
        UsageError: *structure* is missing, or says what the file says itself.
        RefusedError: it is not imported, and nothing was stored.
    """
    here = workplace(store)
    check_name(name)
    check_will_be_signed(here, sign_with)
    with tempfile.TemporaryDirectory(prefix="cloche-import-") as made:
        folder = Path(made).resolve()
        found = importers.find(path, folder)
        opened = importers.open_found(found, folder, here.trust, trusted=trust, isolate=sandbox, structure=structure)
        lineage = {
            "imported_from": found.kind,
            "format": opened.format,
            "sha256": opened.sha256,
            "trusted": trust,
            **({"saved_with": dict(found.saved_with)} if found.saved_with else {}),
        }
        wanted = replace(
            request,
            lineage=lineage,
            model_options={**opened.options, **request.model_options},
            description=request.description or found.description,
        )
        wanted = replace(wanted, inputs=_inputs(wanted, found, opened.model))
        version = save_request(
            here, opened.model, name, wanted, promote=promote, new_contract=new_contract, sign_with=sign_with
        )
    notes = (*found.notes, *opened.notes, *_other_versions(found))
    return Imported(replace(version, notes=(*notes, *version.notes)), found.kind, opened.format, opened.sha256)


def _other_versions(found: Found) -> Iterator[str]:
    """Libraries that the model was saved with in another version than is installed here."""
    for package, saved in found.saved_with.items():
        try:
            here = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        if saved.split(".")[:2] != here.split(".")[:2]:
            yield (
                f"saved with {package} {saved}, opened with {here}: such a model can open, answer, and be wrong; "
                "compare it with the old server (cloche compare) before it takes its place"
            )


def _inputs(request: SaveRequest, found: Found, model: Any) -> Any:
    """The training table, or the names and types that the layout tells, in the model's own order."""
    if request.inputs is not None:
        return request.inputs
    if not found.fields:
        return None
    flavor = flavor_of(model)
    facts = flavor.facts(flavor.bundle(model, request.model_options, None))
    names = [one.name for one in found.fields]
    if facts.names is None and facts.n_inputs is not None and names and len(names) != facts.n_inputs:
        raise ImportRefusedError(
            f"{found.kind}: its signature names {len(names)} inputs ({', '.join(names[:10])}), and the model was "
            f"fitted on {facts.n_inputs}; pass the training table: --inputs"
        )
    return importers.table_of(found.fields, named=facts.names is not None)
