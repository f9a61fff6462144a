"""What is to be built: decided once, then written down as files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cloche.deploy.needs import Needs
from cloche.errors import ManifestError, UsageError
from cloche.manifest import Manifest
from cloche.registry import VersionRecord

#: A user that no base image has: nothing of the host's or the image's belongs to it.
UID = 10001
PREFIX = "/opt/cloche"
STATE = "/var/lib/cloche"
STORE = "/srv/cloche/store"
CONFIG = "/etc/cloche"
KEYS = f"{CONFIG}/keys.jsonl"
_PYTHON = re.compile(r"[0-9]+\.[0-9]+")
_BASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
DATA_PORT, MANAGEMENT_PORT = 8000, 8001
#: As long as a server may take to answer what is in flight (`grace_s`), and to land its records.
STOP_S = 45


@dataclass(frozen=True, slots=True)
class Image:
    """
    One image: `record` of which `manifest` answers by `engine`; the caller named it as `reference`.

    `fetched_from` is the store that it is fetched from at start; None: it lies in the image. `base` is the image that
    it is made from. `wheels` and `projects` are what pip installs besides the registry's. `config` is its
    `/etc/cloche/config.toml`, where there is one. `insecure`: it answers without keys.
    """

    record: VersionRecord
    manifest: Manifest
    reference: str
    engine: str
    needs: Needs
    pins: Mapping[str, str]
    cloche: str
    base: str
    wheels: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    fetched_from: str | None = None
    config: bool = False
    insecure: bool = False

    @property
    def title(self) -> str:
        """`penguins`, the repository of its tag."""
        return self.record.name

    @property
    def tag(self) -> str:
        """`penguins:3`"""
        return f"{self.record.name}:{self.record.version}"

    @property
    def baked(self) -> bool:
        """Whether the model lies in the image."""
        return self.fetched_from is None

    @property
    def served(self) -> str:
        """What the server is asked to serve: in a store of one version its name says it."""
        return self.record.name if self.baked else self.reference

    @property
    def revision(self) -> str:
        """The commit that the model was trained at, where that is known; else the artifact's identity."""
        commit = (self.manifest.training.git or {}).get("commit")
        return str(commit) if commit else self.record.manifest


def default_base(manifest: Manifest) -> str:
    """The official image of the Python that the model was saved under, by its minor version."""
    return f"docker.io/library/python:{python_of(manifest)}-slim"


def python_of(manifest: Manifest) -> str:
    """
    `3.11`

    Raises:
        ManifestError: the manifest does not say.
    """
    found = _PYTHON.match(manifest.environment.python)
    if found is None:
        told = manifest.environment.python[:80]
        raise ManifestError(f"manifest.json: environment: python: expected a version, got {told!r}")
    return found[0]


def checked_base(name: str) -> str:
    """
    Raises:
        UsageError: *name* is no name of an image.
    """
    if not _BASE.fullmatch(name):
        raise UsageError(f"--base: expected the name of an image (python:3.12-slim, NAME@sha256:…), got {name[:80]!r}")
    return name
