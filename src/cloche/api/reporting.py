"""`cloche report`: what the dashboard shows of a model, as one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cloche.api.workplace import Workplace
from cloche.dashboard.pages import report
from cloche.dashboard.panels.exact import exact_panel
from cloche.errors import NotFoundError, UsageError
from cloche.markup import Html
from cloche.monitoring import shelf
from cloche.monitoring.documents import RANGES, ModelDocument
from cloche.monitoring.exact import exact
from cloche.monitoring.references import References
from cloche.prediction_log.reading import LogReader
from cloche.registry import check_name
from cloche.tables import read


def document_of(here: Workplace, name: str, range_: str, version: int | None = None) -> ModelDocument:
    """
    What the monitor published last of *name*.

    Raises:
        UsageError: there is no such range.
        ModelNotFoundError: no such model.
        NotFoundError: the monitor has published nothing of it yet.
    """
    if range_ not in RANGES:
        raise UsageError(f"report: --range: expected one of {', '.join(RANGES)}, got '{range_}'")
    document = shelf.read(here.store, check_name(name), range_, version=version)
    if document is None:
        if not here.registry.records(name)[0]:
            raise here.registry.no_model(name)
        of = "" if version is None else f" version {version}"
        raise NotFoundError(
            f"{name}{of}: the monitor has published nothing for the range {range_} in store {here.store.describe()}; "
            "it does some 20 seconds after the first requests: cloche serve starts one, or run: cloche monitor"
        )
    return document


def written(document: ModelDocument) -> Html:
    """The report."""
    return report(document)


def written_exactly(here: Workplace, document: ModelDocument, reference: Path | None = None) -> Html:
    """
    The report with every field measured on the raw rows of the log, against the artifact's reference or the rows of a
    table.

    Raises:
        NotFoundError: no version is live.
        UsageError: *reference* is no table.
        MissingExtraError: the extra `monitor` is not installed.
    """
    version = document.version or document.live
    if version is None:
        raise NotFoundError(f"{document.model}: no version is live; name one with --version")
    table = None if reference is None else read(reference)
    found = exact(
        LogReader(here.store),
        document.model,
        version,
        References(here.registry).of(document.model, version),
        since=datetime.fromtimestamp(document.start, UTC),
        until=datetime.fromtimestamp(document.end, UTC),
        table=None if table is None else table.columns,
    )
    against = "the reference of the artifact" if reference is None else f"the rows of {reference.name}"
    return report(document, exact_panel(found, version, document.range, against))
