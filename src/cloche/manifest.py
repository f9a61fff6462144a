"""
`manifest.json`: what an artifact is, what lies in it, where it came from. Format `cloche-artifact/1`.

The sha256 of the exact bytes of this file identifies an artifact across stores.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from cloche import integrity
from cloche.errors import ManifestError
from cloche.frame_spec import FrameSpec

FORMAT = "cloche-artifact/1"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
FileEntry = integrity.FileEntry


class Tolerance(msgspec.Struct, frozen=True):
    """How far an answer may be from the model's own: |Δ| ≤ absolute + relative · |y|."""

    dtype: str = "float64"
    absolute: float = 1e-9
    relative: float = 1e-9


class Metric(msgspec.Struct, frozen=True, omit_defaults=True):
    """A measured quality; `interval` is the two-sided 95 % interval, `n` the rows it was measured on."""

    name: str
    value: float
    split: str
    n: int
    interval: tuple[float, float] | None = None
    method: str | None = None


class Script(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """
    The program that trained and saved the model; `sha256` is of its text.

    `commit` is set where that commit of the work tree holds exactly this text at `path`, and no tracked file around it
    was changed; `folder` is where in the work tree it ran. `file` is the artifact's own copy of the text, `module` its
    name where it was run with `-m`. An argument that names a secret is recorded as `***`.
    """

    name: str
    sha256: str
    kind: str = "script"
    path: str | None = None
    commit: str | None = None
    folder: str | None = None
    module: str | None = None
    arguments: tuple[str, ...] = ()
    hash_seed: str | None = None
    file: str | None = None


class Training(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where the model came from; times are RFC 3339 in UTC."""

    rows: int | None = None
    fingerprint: str | None = None
    column_fingerprints: dict[str, str] = {}
    target_fingerprints: dict[str, str] = {}
    data_version: str | None = None
    seed: int | None = None
    hyperparameters: dict[str, Any] = {}
    git: dict[str, Any] | None = None
    embeds_training_rows: str | None = None
    script: Script | None = None


class TwinRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What became of the exact twin when the model was saved.

    `refused` says why there is none. Else `rows` reference and `boundary_rows` were compared with the model's own
    answers, and `worst` is the largest |Δ| / (1 + |y|): within the tolerance, or there would be no twin.
    """

    refused: str | None = None
    rows: int = 0
    boundary_rows: int = 0
    worst: float = 0.0


class OnnxRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What became of the model's ONNX form when it was saved; as `TwinRecord`, but for its own `tolerance`.

    ONNX computes in float32: where it answers, that is how far its answers may be from the model's own.
    """

    refused: str | None = None
    rows: int = 0
    boundary_rows: int = 0
    worst: float = 0.0
    tolerance: Tolerance = Tolerance("float32", 1e-5, 1e-5)


class Environment(msgspec.Struct, frozen=True):
    """What the model was saved with: Python, platform, and the distributions that were imported."""

    python: str
    platform: str
    packages: dict[str, str]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`manifest.json`; unknown keys of later formats are a refusal, not a guess."""

    name: str
    task: str
    flavor: str
    framework: str
    created: str
    created_by: str
    cloche: str
    frame: FrameSpec
    files: dict[str, FileEntry]
    environment: Environment
    options: dict[str, Any] = {}
    engines: tuple[str, ...] = ("native",)
    tolerance: Tolerance = Tolerance()
    training: Training = Training()
    metrics: tuple[Metric, ...] = ()
    lineage: dict[str, Any] = {}
    description: str | None = None
    license: str | None = None
    twin: TwinRecord | None = None
    onnx: OnnxRecord | None = None
    schema: str = FORMAT

    def tolerance_of(self, *engines: str | None) -> Tolerance:
        """How far answers of these *engines* may be from the model's own, and from each other's."""
        return self.onnx.tolerance if "onnx" in engines and self.onnx is not None else self.tolerance

    def to_json(self) -> bytes:
        """The exact bytes that are written, hashed and signed."""
        document = {"schema": self.schema, **msgspec.to_builtins(self)}  # a default would be left out
        return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"

    @classmethod
    def from_json(cls, raw: bytes) -> Manifest:
        """
        Raises:
            ManifestError: *raw* is not a manifest of `cloche-artifact/1`.
        """
        try:
            schema = _schema.decode(raw).schema
            if schema != FORMAT:
                came = f"got '{schema}'; a newer cloche wrote it"
                raise ManifestError(f"manifest.json: expected schema '{FORMAT}', {came}")
            return _manifest.decode(raw)
        except msgspec.MsgspecError as exc:
            raise ManifestError(f"manifest.json: {exc}") from exc


class _Schema(msgspec.Struct):
    schema: str


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_schema = msgspec.json.Decoder(_Schema)
_manifest = msgspec.json.Decoder(Manifest)


def identity(raw: bytes) -> str:
    """The artifact's identity: the sha256 of the bytes of its `manifest.json`, lower-case hex."""
    return hashlib.sha256(raw).hexdigest()
