"""A version from the store, opened in this process and asked as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from cloche.api.workplace import Workplace
from cloche.artifact import Device, EngineChoice, OpenArtifact, open_artifact
from cloche.errors import SignatureError, UntrustedCodeError
from cloche.registry import Resolved, VersionRecord
from cloche.saving import answering


def open_version(
    here: Workplace, reference: str, *, engine: EngineChoice = "auto", device: Device = "cpu"
) -> tuple[Resolved, OpenArtifact]:
    """
    What *reference* names, by the whole load order.

    Raises:
        ModelNotFoundError, VersionNotFoundError: the store has no such model, version or route.
        EngineMissingError: it has no such engine.
        ArtifactError: the artifact will not be opened.
    """
    found = here.registry.resolve(reference)
    return found, open_record(here, found.version, engine=engine, device=device)


def open_record(
    here: Workplace, record: VersionRecord, *, engine: EngineChoice = "auto", device: Device = "cpu"
) -> OpenArtifact:
    """
    The artifact of a version, by the whole load order.

    Raises:
        EngineMissingError: it has no such engine.
        ArtifactError: the artifact will not be opened; where a command would change that, it names the version.
    """
    directory = here.registry.fetch(record, here.settings.cache, here.trust)
    with naming(record):
        return open_artifact(directory, here.trust, engine=engine, device=device)


@contextlib.contextmanager
def naming(record: VersionRecord) -> Iterator[None]:
    """Where a refusal inside holds a command that would change it, that names *record*."""
    name = f"{record.name}@{record.version}"
    try:
        yield
    except UntrustedCodeError as exc:
        raise UntrustedCodeError(str(exc).replace(record.manifest, name)) from exc
    except SignatureError as exc:
        raise SignatureError(str(exc).replace("NAME@VERSION", name)) from exc


def answered(opened: OpenArtifact, rows: Sequence[dict[str, Any]]) -> answering.Answered:
    """What the model answers to wire rows; those that its contract or the model refuses are left out."""
    return answering.answer(answering.EngineHere(opened.engine), answering.inputs_only(opened.contract), rows)
