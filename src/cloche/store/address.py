"""Where a store is, before anything is asked of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from cloche.errors import UsageError

#: The folder that is a store where none is named.
FOLDER = ".cloche"
#: For each kind of URL, the variables that name another endpoint than the provider's own.
_S3 = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_AZURE = ("AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT")
SCHEMES: Mapping[str, tuple[str, ...]] = {
    "abfs": _AZURE,
    "abfss": _AZURE,
    "az": _AZURE,
    "azure": _AZURE,
    "gs": ("GOOGLE_BASE_URL", "STORAGE_EMULATOR_HOST"),
    "s3": _S3,
}


class Address(NamedTuple):
    """The URL of a store, and its folder where that is one."""

    url: str
    root: Path | None

    def describe(self) -> str:
        """How messages name it: the absolute path, or the URL."""
        return self.url if self.root is None else str(self.root)


def address_of(url_or_path: str | None, cwd: Path) -> Address:
    """
    The store at a URL or a path; for None the nearest `.cloche` in *cwd* or a parent, else `cwd/.cloche`.

    Raises:
        UsageError: a URL of a kind that is not spoken.
    """
    if url_or_path is None:
        return _local(_nearest(cwd))
    scheme, separator, _ = url_or_path.partition("://")
    if not separator:
        return _local(cwd / Path(url_or_path).expanduser())
    if scheme == "file":
        return _local(_path_of(url_or_path))
    if scheme not in SCHEMES:
        raise UsageError(f"store '{url_or_path}': expected file://, s3://, gs://, az:// or a path")
    return Address(url_or_path.rstrip("/"), None)


def _local(root: Path) -> Address:
    absolute = Path(os.path.abspath(root))  # noqa: PTH100  (resolve() would follow links)
    return Address(absolute.as_uri(), absolute)


def _nearest(cwd: Path) -> Path:
    for folder in (cwd, *cwd.absolute().parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER
    return cwd / FOLDER


def _path_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise UsageError(f"store '{url}': expected file:///absolute/path")
    return Path(unquote(parts.path))
