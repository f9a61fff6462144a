"""
Opening an artifact: verify, then parse, then build. No step relies on what a later one checks.

signature → file list and digests → archive limits → manifest version → allow-list of types → content
checks → environment → golden rows. Every refusal is an `ArtifactError` of its own class.

Where the artifact holds an exact twin or an ONNX form, that answers: its own files are checked, and neither the model's
library nor the model file is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cloche import engines, integrity
from cloche.artifact import decisions, golden
from cloche.artifact.choice import Device, EngineChoice
from cloche.artifact.environment import other_versions
from cloche.contract.compiled import CompiledContract, compile_contract
from cloche.contract.model import Contract
from cloche.engines.engine import Engine
from cloche.engines.twin import TwinEngine
from cloche.errors import (
    ArtifactError,
    EngineMissingError,
    EnvironmentMismatchError,
    GoldenRowsError,
    ManifestError,
    MissingFileError,
    NotAFileError,
    UntrustedCodeError,
    UntrustedTypeError,
)
from cloche.flavors import Flavor, get_flavor, has_devices
from cloche.graph import GRAPH, WEIGHTS
from cloche.graph.weights import open_graph
from cloche.integrity.archive import check_archive
from cloche.manifest import MANIFEST, SIGNATURE, Manifest, identity
from cloche.signing import check_signature, is_signed_by_trusted, later_signatures
from cloche.trust import TrustPolicy

CONTRACT = "contract.json"
REFERENCE = "reference.json"
#: Where the state of the training run is kept: verified, and opened only by who asks for it.
TRAINING = "training/"
_ENGINES = ("twin", "native", "onnx")
_BESIDES = frozenset({MANIFEST, SIGNATURE})
_ARCHIVES = (".skops", ".npz", ".keras", ".zip")
_MAX_MANIFEST = 16 << 20
_MAX_SIGNATURE = 64 << 10


@dataclass(frozen=True, slots=True)
class OpenArtifact:
    """
    A verified artifact, ready to answer.

    `environment` names libraries of another version than when it was saved; its golden rows still hold. `reference`
    are the bytes of `reference.json`.
    """

    directory: Path
    identity: str
    manifest: Manifest
    contract: Contract
    compiled: CompiledContract
    engine: Engine
    environment: tuple[str, ...] = ()
    reference: bytes | None = None

    def reference_inputs(self) -> dict[str, dict[str, Any]] | None:
        """The profile of each input in `reference.json`, where there is one."""
        if self.reference is None:
            return None
        inputs: dict[str, dict[str, Any]] = msgspec.json.decode(self.reference)["inputs"]
        return inputs


@dataclass(frozen=True, slots=True)
class _Verified:
    """Bytes that were checked: the manifest's, and those of every file the manifest lists."""

    manifest: bytes
    files: Mapping[str, bytes]


def open_artifact(
    directory: Path, trust: TrustPolicy, *, engine: EngineChoice = "auto", device: Device = "cpu"
) -> OpenArtifact:
    """
    Verify and open the artifact in *directory*; nothing of it runs, unless *trust* lets it.

    *engine* is "twin", "native" or "onnx", or "auto": the first that the manifest lists. *device* is where a library
    that knows devices computes. Golden rows check what answers. What was decided is on record in the policy's audit log
    before the artifact is used.

    Raises:
        ArtifactError: it will not be opened; the class says why.
        EngineMissingError: it has no such engine.
        DeviceMissingError: there is no such device here.
    """
    try:
        return _open(directory, trust, engine, device)
    except EngineMissingError:
        raise
    except ArtifactError as exc:
        decisions.refused(directory, trust, exc)
        raise


def check_trusted(directory: Path, trust: TrustPolicy) -> None:
    """
    Check the signature of the artifact in *directory* as opening it would, and nothing else.

    Raises:
        SignatureError: this operator does not take it.
    """
    try:
        _check_signature(_read(directory, MANIFEST), directory, trust)
    except ArtifactError as exc:
        decisions.refused(directory, trust, exc)
        raise


def _open(directory: Path, trust: TrustPolicy, engine: EngineChoice, device: Device) -> OpenArtifact:
    verified = _verify(directory, trust)
    manifest = Manifest.from_json(verified.manifest)
    contract = _parse_contract(verified.files)
    rows = golden.parse(verified.files.get(golden.GOLDEN, b""))
    compiled = compile_contract(contract)
    changed: tuple[str, ...] = ()
    answers: Engine
    name = chosen(manifest, engine, device)
    if name == "twin":
        answers = _open_twin(verified, contract)
    elif name == "onnx":
        answers = engines.open_onnx(verified.files, contract)
    else:
        flavor = get_flavor(manifest.flavor, trust.flavors)
        _check_code(flavor, directory, manifest, trust, verified)
        changed = other_versions(manifest, flavor)
        native = flavor.place(_load(flavor, directory, manifest, trust, verified, changed), device)
        changed = (*changed, *flavor.differs(native))
        answers = engines.NativeEngine(flavor, native, manifest.frame, contract.output)
    _check_golden(compiled, answers, rows, manifest, changed)
    return OpenArtifact(
        directory,
        identity(verified.manifest),
        manifest,
        contract,
        compiled,
        answers,
        changed,
        verified.files.get(REFERENCE),
    )


def chosen(manifest: Manifest, engine: EngineChoice, device: Device = "cpu") -> str:
    """
    The engine that answers; engines of later cloches are passed over.

    An ONNX form computes on the processor: where another *device* is asked for and the model's own library knows it,
    that answers instead, unless the form is asked for by name.

    Raises:
        EngineMissingError: the artifact has none of that name; the message says why.
    """
    known = [one for one in manifest.engines if one in _ENGINES]
    if engine == "auto" and known[:1] == ["onnx"] and device != "cpu" and has_devices(manifest.flavor):
        return "native"
    if engine == "auto" and known:
        return known[0]
    if engine not in known:
        record = {"twin": manifest.twin, "onnx": manifest.onnx}.get(engine)
        why = None if record is None else record.refused
        told = f": {why}" if why else f"; it has {', '.join(manifest.engines)}"
        raise EngineMissingError(f"{manifest.name}: no engine '{engine}' in this artifact{told}")
    return engine


def _check_code(flavor: Flavor, directory: Path, manifest: Manifest, trust: TrustPolicy, verified: _Verified) -> None:
    """A format that runs code is opened for a trusted digest or signer only; either is on record before it runs."""
    why = flavor.code(manifest.options)
    if why is None:
        return
    digest = identity(verified.manifest)
    if digest in trust.trusted_digests:
        decisions.code_allowed(trust, manifest.name, digest, why, "its digest is trusted")
    elif is_signed_by_trusted(verified.manifest, _signature(directory), trust, _later(directory)):
        decisions.code_allowed(trust, manifest.name, digest, why, "its signer is trusted")
    else:
        raise UntrustedCodeError(
            f"{manifest.name}: {why}. Who has read where it comes from trusts it: cloche trust {digest}"
        )


def _open_twin(verified: _Verified, contract: Contract) -> TwinEngine:
    for name in (GRAPH, WEIGHTS):
        if name not in verified.files:
            raise MissingFileError(f"{name}: the manifest lists the engine 'twin', and no such file")
    return TwinEngine(open_graph(verified.files[GRAPH], verified.files[WEIGHTS]), contract.output)


def read_contract(directory: Path) -> Contract:
    """The contract of the artifact in *directory*, its digest checked; the model is not opened."""
    raw = _read(directory, MANIFEST)
    entries = _listed(raw)
    if CONTRACT not in entries:
        raise MissingFileError(f"{CONTRACT}: manifest.json does not list it")
    return _parse_contract({CONTRACT: integrity.read_verified(directory, CONTRACT, entries[CONTRACT])})


def read_training(directory: Path) -> dict[str, bytes]:
    """The files below `training/` of the artifact in *directory*, their digests checked."""
    entries = _listed(_read(directory, MANIFEST))
    names = sorted(name for name in entries if name.startswith(TRAINING))
    for name in names:
        integrity.check_path(name)
    return {name: integrity.read_verified(directory, name, entries[name]) for name in names}


def _verify(directory: Path, trust: TrustPolicy) -> _Verified:
    raw = _read(directory, MANIFEST)
    _check_signature(raw, directory, trust)
    entries = _listed(raw)
    integrity.check_listing(directory, entries, besides=_BESIDES)
    files = {}
    for name, entry in sorted(entries.items()):
        content = integrity.read_verified(directory, name, entry)
        if name.endswith(_ARCHIVES):
            check_archive(content, name)
        if not name.startswith(TRAINING):  # of no use to an answer, and as large as the model
            files[name] = content
    return _Verified(raw, files)


def _read(directory: Path, name: str) -> bytes:
    raw = integrity.read_plain(directory / name, limit=_MAX_MANIFEST)
    if len(raw) > _MAX_MANIFEST:
        raise ManifestError(f"{name}: expected at most {_MAX_MANIFEST} bytes")
    return raw


def _check_signature(raw: bytes, directory: Path, trust: TrustPolicy) -> None:
    signature, later = _signature(directory), _later(directory)
    check_signature(raw, signature, trust, later)
    decisions.signature_seen(raw, signature, later, trust)


def _signature(directory: Path) -> bytes | None:
    try:
        return integrity.read_plain(directory / SIGNATURE, limit=_MAX_SIGNATURE)
    except MissingFileError:
        return None


def _later(directory: Path) -> bytes:
    """Signatures that were added after the version was published; the registry puts them beside the folder."""
    try:
        return integrity.read_plain(later_signatures(directory), limit=_MAX_SIGNATURE)
    except (MissingFileError, NotAFileError):
        return b""


def _listed(raw: bytes) -> dict[str, integrity.FileEntry]:
    """The file list alone: read before the format, so that any manifest's files are checked first."""
    try:
        return _files.decode(raw).files
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise ManifestError(f"manifest.json: {exc}") from exc


def _parse_contract(files: Mapping[str, bytes]) -> Contract:
    if CONTRACT not in files:
        raise MissingFileError(f"{CONTRACT}: manifest.json does not list it")
    try:
        return Contract.from_json(files[CONTRACT])
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise ManifestError(f"{CONTRACT}: {exc}") from exc


def _load(
    flavor: Flavor,
    directory: Path,
    manifest: Manifest,
    trust: TrustPolicy,
    verified: _Verified,
    changed: tuple[str, ...],
) -> Any:
    """Under another library version, content that cannot be built is a matter of the version."""
    try:
        return flavor.load(directory, manifest.options, trust, files=verified.files)
    except (UntrustedTypeError, NotAFileError, MissingFileError):
        raise
    except ArtifactError as exc:
        if not changed:
            raise
        raise EnvironmentMismatchError(f"{'; '.join(changed)}: the model does not open: {exc}") from exc


def _check_golden(
    compiled: CompiledContract,
    engine: Engine,
    rows: list[golden.GoldenRow],
    manifest: Manifest,
    changed: tuple[str, ...],
) -> None:
    if changed and not rows:
        raise EnvironmentMismatchError(f"{'; '.join(changed)}: and there are no golden rows that could decide")
    try:
        golden.check_rows(compiled, engine, rows, manifest.tolerance_of(engine.name))
    except GoldenRowsError as exc:
        if not changed:
            raise
        raise GoldenRowsError(f"{exc} ({'; '.join(changed)})") from exc


class _Files(msgspec.Struct):
    files: dict[str, integrity.FileEntry]


#: Made at import: where two threads work a type out at once, msgspec crashes the process.
_files = msgspec.json.Decoder(_Files)
