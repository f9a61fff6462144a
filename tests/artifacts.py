"""A whole artifact of a small fitted pipeline, written without `saving`; and ways to change one and seal it again."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from cloche.artifact import CONTRACT, golden
from cloche.contract.model import Contract, Field, Output
from cloche.flavors import get_flavor
from cloche.graph import GRAPH, WEIGHTS, weights
from cloche.integrity import file_entries
from cloche.manifest import MANIFEST, SIGNATURE, Environment, Manifest
from cloche.records import FrameColumn, FrameSpec, Outputs

COLUMNS = ("length", "width")


@cache
def fitted() -> Any:
    """A scaler and a small forest on two columns of a pandas frame."""
    rows = np.random.default_rng(0).normal(size=(60, 2))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    labels = np.where(rows[:, 0] > 0, "big", "small")
    return Pipeline([("scale", StandardScaler()), ("model", RandomForestClassifier(3, random_state=0))]).fit(
        table, labels
    )


def contract() -> Contract:
    """Its contract."""
    fields = tuple(Field(name=name, type="number") for name in COLUMNS)
    output = Output(task="classification", type="string", classes=("big", "small"), probabilities=True)
    return Contract(fields=fields, output=output)


def write(directory: Path, model: Any = None, *, version: str = sklearn.__version__) -> Path:
    """Write the artifact of *model* into *directory*, as saved under scikit-learn *version*."""
    directory.mkdir(parents=True, exist_ok=True)
    model = model or fitted()
    options = get_flavor("sklearn").dump(model, directory)
    (directory / CONTRACT).write_bytes(contract().to_json())
    rows = [{"length": float(i), "width": 1.0 - i} for i in range(-2, 3)]
    frame = pd.DataFrame(rows)
    golden.write(
        directory / golden.GOLDEN, rows, Outputs(model.predict(frame).tolist(), model.predict_proba(frame).tolist())
    )
    spec = FrameSpec("pandas", tuple(FrameColumn(name, "float64") for name in COLUMNS))
    manifest = Manifest(
        name="boxes", task="classification", flavor="sklearn", framework=f"scikit-learn {version}",
        created="2026-01-01T00:00:00Z", created_by="test", cloche="0.1.0", frame=spec, files={}, options=options,
        environment=Environment("3.11.0", "linux", {"scikit-learn": version}),
    )  # fmt: skip
    (directory / MANIFEST).write_bytes(manifest.to_json())
    return seal(directory)


@cache
def linear() -> Any:
    """A scaler and a logistic regression on the same two columns: a model that has a twin."""
    rows = np.random.default_rng(0).normal(size=(60, 2))
    labels = np.where(rows[:, 0] > 0, "big", "small")
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(pd.DataFrame(rows, columns=list(COLUMNS)), labels)


def write_twin(directory: Path, *, version: str = sklearn.__version__) -> Path:
    """The artifact of `linear()` with its twin, which answers."""
    write(directory, linear(), version=version)
    manifest = Manifest.from_json((directory / MANIFEST).read_bytes())
    graph = get_flavor("sklearn").lower(linear(), manifest.frame, contract())
    (directory / GRAPH).parent.mkdir()
    (directory / GRAPH).write_bytes(graph.graph.to_json())
    (directory / WEIGHTS).write_bytes(weights.to_bytes(graph.weights.to_dict()))
    edit_manifest(directory, lambda document: document.update(engines=["twin", "native"]))
    return seal(directory)


def edit_manifest(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Apply *change* to the manifest's document."""
    path = directory / MANIFEST
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def seal(directory: Path) -> Path:
    """List the files that lie there now, with their digests: what an attacker with write access would do."""
    found = {name: entry for name, entry in file_entries(directory).items() if name not in (MANIFEST, SIGNATURE)}
    listed = {name: {"sha256": entry.sha256, "size": entry.size} for name, entry in found.items()}
    edit_manifest(directory, lambda document: document.update(files=listed))
    return directory


def rezip(raw: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """A zip archive with every member passed through *change*."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(out, "w") as target:
        for member in source.infolist():
            target.writestr(member.filename, change(member.filename, source.read(member)))
    return out.getvalue()


def sha256(raw: bytes) -> str:
    """Lower-case hex."""
    return hashlib.sha256(raw).hexdigest()
