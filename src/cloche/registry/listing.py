"""The files that a manifest lists, with every path checked before one of them is touched."""

from __future__ import annotations

from cloche.errors import ManifestError
from cloche.integrity import check_path
from cloche.manifest import MANIFEST, SIGNATURE, FileEntry, Manifest

MANIFEST_LIMIT = 64 << 20
SIGNATURE_LIMIT = 64 << 10


def listed_files(raw: bytes) -> dict[str, FileEntry]:
    """
    The files of the manifest *raw*.

    Raises:
        ManifestError: it is no manifest, or lists itself or its signature.
        PathEscapeError: a path leads out of the artifact.
    """
    files = Manifest.from_json(raw).files
    for path in files:
        check_path(path)
        if path in (MANIFEST, SIGNATURE):
            raise ManifestError(f"manifest.json: it lists '{path}', which cannot be in its own list")
    return files
