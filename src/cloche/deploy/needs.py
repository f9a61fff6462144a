"""What an image has to hold so that one engine of one artifact answers in it: nothing else gets in."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloche.deploy import installation
from cloche.errors import ManifestError
from cloche.flavors import FLAVORS, Private
from cloche.graph import GRAPH
from cloche.manifest import Manifest
from cloche.onnx import INTERFACE

#: The files of an artifact by path, already verified.
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Needs:
    """
    What is installed: `extras` of cloche, `distributions`, `bare` ones without what they ask for, and `apt` packages.

    `answering` are the distributions whose version decides the answers, `modules` what the model's own classes are
    imported from, `unused` what is taken out again. `notes` are for whoever builds.
    """

    extras: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    answering: tuple[str, ...] = ("numpy",)
    modules: frozenset[str] = field(default_factory=frozenset)
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def needs(manifest: Manifest, files: Files, engine: str, private: Private = ()) -> Needs:
    """
    What *engine* (`twin`, `onnx` or `native`) of the artifact needs; *private* are the operator's own flavors.

    Raises:
        ManifestError: the artifact's own description of itself cannot be read.
    """
    own = dict(private).get(manifest.flavor)
    if engine == "native" and own is not None and manifest.flavor not in FLAVORS:
        return _own(manifest, own)
    return _ENGINES[engine](manifest, files)


def _twin(manifest: Manifest, files: Files) -> Needs:
    """Trees are followed by LightGBM's shared library, which is loaded without its package or scipy."""
    nodes = _json(files, GRAPH).get("nodes", [])
    if not any(isinstance(node, dict) and node.get("op") == "trees" for node in nodes):
        return Needs()
    return Needs(bare=("lightgbm",), apt=(_OPENMP,), answering=("numpy", "lightgbm"))


def _onnx(manifest: Manifest, files: Files) -> Needs:
    tokens = "prepared" in _json(files, INTERFACE)
    return Needs(
        extras=("text",) if tokens else (),
        distributions=("onnxruntime",),
        answering=("numpy", "onnxruntime", *(("tokenizers", "sentencepiece") if tokens else ())),
    )


def _native(manifest: Manifest, files: Files) -> Needs:
    flavor = manifest.flavor
    if flavor not in FLAVORS:
        raise ManifestError(f"manifest.json: flavor: expected one of {', '.join(sorted(FLAVORS))}, got {flavor!r}")
    if flavor == "r":
        return _r(manifest)
    boosters = [str(one.get("library")) for one in manifest.options.get("boosters", []) if isinstance(one, dict)]
    extras = {FLAVORS[flavor].extra, *_frame(manifest), *(("text",) if manifest.options.get("text") else ())}
    extras |= {one for one in boosters if one in FLAVORS}
    extras.discard("")
    modules = frozenset(_modules(manifest, files)) - _GIVEN - sys.stdlib_module_names
    brought = {one: name for one in modules if (name := _brought_by(one, manifest)) is not None}
    libraries = sorted({_DISTRIBUTION.get(one, one) for one in extras} | set(brought.values()))
    return Needs(
        extras=tuple(sorted(extras)),
        distributions=tuple(sorted(set(brought.values()))),
        apt=(_OPENMP,) if "lightgbm" in extras else (),
        answering=("numpy", *libraries),
        modules=modules - brought.keys(),
        unused=_UNUSED if "xgboost" in extras else (),
        notes=tuple(note for extra, note in _NOTES.items() if extra in extras),
    )


def _own(manifest: Manifest, target: str) -> Needs:
    """A flavor of the operator's own: its package says itself what it asks for."""
    return Needs(
        extras=tuple(sorted(_frame(manifest))), modules=frozenset({target.partition(":")[0].partition(".")[0]})
    )


def _r(manifest: Manifest) -> Needs:
    """Debian's R and Debian's packages; which version that is, the base image decides."""
    versions: Mapping[str, Any] = manifest.options.get("packages", {})
    strange = next((name for name in versions if not _R_PACKAGE.fullmatch(name)), None)
    if strange is not None:
        raise ManifestError(
            f"manifest.json: options: packages: expected the name of an R package, got {strange[:80]!r}"
        )
    wanted = sorted({"r-base-core", *(f"r-cran-{name.lower()}" for name in versions if name not in _R_ITSELF)})
    about = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    saved = f"saved with R {manifest.options.get('r')}" + (f" ({about})" if about else "")
    return Needs(apt=tuple(wanted), notes=(f"{saved}; the image gets those of its base, and golden rows decide",))


def _frame(manifest: Manifest) -> set[str]:
    """The library of the frame that the model is shown."""
    container = manifest.frame.container
    if container == "series":
        dtype = manifest.frame.columns[0].dtype if manifest.frame.columns else ""
        if dtype.startswith(("numpy:", "list")):
            return set()
        return {"polars" if dtype in _POLARS_TEXT else "pandas"}
    return {container} if container in ("pandas", "polars") else set()


def _modules(manifest: Manifest, files: Files) -> Iterator[str]:
    """The top-level modules that the classes of the model lie in, as far as its files name them."""
    for name, content in files.items():
        if name.endswith(".skops"):
            yield from (one.decode() for one in _SKOPS_MODULE.findall(_schema(name, content)))
    module = manifest.options.get("module")
    for named in (module.get("class") if isinstance(module, dict) else None, manifest.options.get("function")):
        if isinstance(named, str):
            yield named.partition(":")[0].partition(".")[0]


def _schema(name: str, content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read("schema.json")
    except (zipfile.BadZipFile, KeyError) as exc:
        raise ManifestError(f"{name}: expected a skops file: {exc}") from exc


def _json(files: Files, name: str) -> dict[str, Any]:
    try:
        document = json.loads(files[name])
    except (KeyError, ValueError) as exc:
        raise ManifestError(f"{name}: expected a JSON object: {exc}") from exc
    return document if isinstance(document, dict) else {}


def _brought_by(module: str, manifest: Manifest) -> str | None:
    """The distribution that brings *module*, of those the model was saved with."""
    saved = {installation.normalized(name) for name in manifest.environment.packages}
    named = installation.normalized(_DISTRIBUTION.get(module, module))
    if named in saved:
        return named
    found = installation.distribution_of(module)  # looks at every distribution there is: a second
    return found if found in saved else None


_ENGINES: dict[str, Callable[[Manifest, Files], Needs]] = {"native": _native, "onnx": _onnx, "twin": _twin}
_R_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9.]*")
_SKOPS_MODULE = re.compile(rb'"__module__":\s*"([A-Za-z_]\w*)')
#: What `lib_lightgbm` is linked with, and slim images lack.
_OPENMP = "libgomp1"
#: Distributions that are not called what is imported, or what the extra is called.
_DISTRIBUTION = {
    "category_encoders": "category-encoders",
    "feature_engine": "feature-engine",
    "imblearn": "imbalanced-learn",
    "sklearn": "scikit-learn",
    "text": "tokenizers",
    "keras": "keras",
}
#: What comes with cloche, its extras, or Python itself.
_GIVEN = frozenset({"builtins", "cloche", "collections", "functools", "numpy", "pandas", "scipy", "sklearn"})
#: What XGBoost's wheel asks for and only training on several GPUs uses: 469 MB.
_UNUSED = ("nvidia-nccl-cu12", "nvidia-nccl-cu13")
_POLARS_TEXT = frozenset({"String", "Utf8", "Categorical", "Enum"})
_R_ITSELF = frozenset(
    "base compiler datasets graphics grDevices grid methods parallel splines stats stats4 tcltk tools utils".split()
)
_NOTES = {
    "torch": "pip takes PyTorch's CPU build where its index has one, else gigabytes of CUDA: "
    "name one with --build-arg PIP_INDEX_URL=…",
    "keras": "TensorFlow takes more than a gigabyte; a version with an ONNX form needs none of it",
}
