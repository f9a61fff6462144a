"""`cloche export`: a version as other tools read it, an MLflow model folder or an ONNX file."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from cloche._version import __version__
from cloche.api.opening import open_version
from cloche.api.workplace import workplace
from cloche.artifact import OpenArtifact
from cloche.contract.example import example_row
from cloche.contract.model import Contract, Field
from cloche.engines import NativeEngine
from cloche.errors import EngineMissingError, RefusedError, UsageError
from cloche.importers import yaml_home
from cloche.manifest import Manifest
from cloche.onnx import INTERFACE, MODEL
from cloche.saving import exported

_LOADER = "cloche.api.pyfunc"
_ARTIFACT = "artifact"
_TYPES: Mapping[str, str] = {
    "boolean": "boolean",
    "integer": "long",
    "number": "double",
    "date": "datetime",
    "datetime": "datetime",
}
#: Frames that MLflow does not build: it hands a model plain columns of a pandas DataFrame.
_OWN_FRAMES = ("series", "list", "polars")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written where, and what its reader should know."""

    reference: str
    to: str
    directory: Path
    files: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def export(reference: str, to: str, directory: Path, *, store: str | None = None) -> Exported:
    """
    Write the version that *reference* names into *directory*, which must not exist or be empty.

    *to* is `"mlflow"` or `"onnx"`.

    Raises:
        NotFoundError, ArtifactError: there is no such version, or it does not open.
        UsageError: *directory* holds something.
        RefusedError: the version has no such form; the message says why.
    """
    writers: dict[str, Callable[[OpenArtifact, Path], Iterator[str]]] = {"mlflow": _mlflow, "onnx": _onnx}
    if to not in writers:
        raise UsageError(f"--to: expected one of {', '.join(writers)}, got '{to}'")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory}: expected a folder that does not exist or is empty")
    found, opened = open_version(workplace(store), reference, engine="native")
    made = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    try:
        notes = tuple(writers[to](opened, directory))
    except BaseException:
        for inside in () if made else directory.iterdir():
            shutil.rmtree(inside) if inside.is_dir() else inside.unlink()
        if made:
            shutil.rmtree(directory)
        raise
    files = tuple(sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()))
    return Exported(f"{found.name}@{found.version.version}", to, directory, files, notes)


def _native(opened: OpenArtifact) -> NativeEngine:
    engine = opened.engine
    if not isinstance(engine, NativeEngine):
        raise EngineMissingError(f"{opened.manifest.name}: there is no engine 'native' in this artifact")
    return engine


# -- ONNX ---------------------------------------------------------------------------------------


def _onnx(opened: OpenArtifact, directory: Path) -> Iterator[str]:
    """The converted model beside its interface; only where it answers as the version does."""
    converted = exported(opened)
    if converted.interface.prepared is not None:
        raise RefusedError(
            f"{opened.manifest.name}: its tensors are made from text by cloche ({converted.interface.prepared.by}), so "
            "the ONNX file alone answers nothing; serve it with --engine onnx"
        )
    (directory / Path(MODEL).name).write_bytes(converted.raw)
    (directory / Path(INTERFACE).name).write_bytes(converted.interface.to_json())
    yield "compared on golden rows and at the boundaries, within 1e-5; ONNX computes in float32"
    yield f"{Path(INTERFACE).name} says which fields become which tensors; the file checks no input"


# -- MLflow -------------------------------------------------------------------------------------


def _mlflow(opened: OpenArtifact, directory: Path) -> Iterator[str]:
    engine, manifest = _native(opened), opened.manifest
    why_not = _why_not_native(opened, engine)
    flavors = None if why_not else engine.flavor.mlflow(engine.native, directory)
    packages = dict(_packages(manifest, engine.flavor.packages))
    if flavors is None:
        shutil.copytree(opened.directory, directory / _ARTIFACT)
        loader = {"loader_module": _LOADER, "data": _ARTIFACT}
        flavors = {"python_function": loader}
        packages |= {"cloche": __version__}
        why = why_not or f"a model of {manifest.framework} is not written in a layout of MLflow's own here"
        yield f"opened by cloche's loader, so cloche has to be installed where MLflow runs: {why}"
    env = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    flavors["python_function"] |= {"env": env, "python_version": manifest.environment.python}
    document: dict[str, Any] = {
        "flavors": flavors,
        "signature": _signature(opened.contract),
        "utc_time_created": manifest.created.replace("T", " ").removesuffix("Z"),
    }
    document |= _example(opened.contract, directory)
    yaml_home.write(directory / "MLmodel", document)
    _environment(directory, packages, manifest.environment.python)
    if "cloche" not in packages:
        yield "MLflow answers with the model alone: no contract checks the rows, and there are no probabilities"


def _why_not_native(opened: OpenArtifact, engine: NativeEngine) -> str | None:
    """Why the model alone, shown a DataFrame, would not answer as the version does."""
    frame, output = opened.manifest.frame, opened.contract.output
    if frame.container in _OWN_FRAMES:
        return f"the model is shown a {frame.container}, and MLflow shows a pandas DataFrame"
    odd = next((one for one in frame.columns if one.dtype == "category" or one.label is not None), None)
    if odd is not None:
        return f"the column '{odd.name}' ({odd.dtype}) is one that MLflow does not make"
    known = engine.flavor.facts(engine.native).classes
    if output.threshold is not None or (output.classes is not None and list(known or ()) != list(output.classes)):
        return "labels or threshold are the version's own, and the model alone does not know them"
    return None


def _packages(manifest: Manifest, needed: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What the model was saved with, as far as it needs it; a build of one's own (`+cpu`) is nobody else's."""
    known = manifest.environment.packages
    for name in dict.fromkeys(("numpy", "pandas", *needed, "skops")):
        if name in known:
            yield name, known[name].partition("+")[0]


def _environment(directory: Path, packages: Mapping[str, str], python: str) -> None:
    lines = ["mlflow>=3.17", *(f"{name}=={version}" for name, version in packages.items())]
    (directory / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    version = python or platform.python_version()
    yaml_home.write(
        directory / "python_env.yaml",
        {"python": version, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]},
    )
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={version}", "pip", {"pip": lines}],
    }
    yaml_home.write(directory / "conda.yaml", conda)


def _signature(contract: Contract) -> dict[str, Any]:
    inputs = [{"type": _type(one), "name": one.name, "required": one.required} for one in contract.inputs]
    kind = {"string": "string", "integer": "long", "number": "double", "boolean": "boolean"}[contract.output.type]
    output = contract.output
    names = output.names or (None,)
    plain = output.task in ("classification", "regression", "clustering", "multioutput_regression")
    outputs = [{"type": kind, "required": True} | ({} if name is None else {"name": name}) for name in names]
    return {
        "inputs": msgspec.json.encode(inputs).decode(),
        "outputs": msgspec.json.encode(outputs).decode() if plain else None,
        "params": None,
    }


def _type(one: Field) -> str:
    if one.type == "category":
        return "long" if one.levels and all(isinstance(level, int) for level in one.levels) else "string"
    if one.type == "vector":
        raise RefusedError(f"'{one.name}' is a vector, for which MLflow's columns have no type that a model is shown")
    return _TYPES.get(one.type, "string")


def _example(contract: Contract, directory: Path) -> dict[str, Any]:
    """A made-up row as MLflow keeps examples; none where no row can be made up."""
    try:
        row = example_row(contract)
    except UsageError:
        return {}
    names = [one.name for one in contract.inputs]
    split = {"columns": names, "data": [[row[name] for name in names]]}
    (directory / "input_example.json").write_bytes(msgspec.json.encode(split))
    (directory / "serving_input_example.json").write_bytes(msgspec.json.encode({"dataframe_split": split}))
    info = {
        "artifact_path": "input_example.json",
        "pandas_orient": "split",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
    }
    return {"saved_input_example_info": info}
