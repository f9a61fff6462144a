"""An artifact with an exact twin: which engine answers, what is refused, and that no model library is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import artifacts

from cloche import errors
from cloche.artifact import open_artifact
from cloche.graph import GRAPH, WEIGHTS, weights
from cloche.manifest import Manifest, TwinRecord
from cloche.trust import TrustPolicy

TRUST = TrustPolicy()
ROW = {"length": [2.0], "width": [0.5]}


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A good one."""
    return artifacts.write_twin(tmp_path / "artifact")


@pytest.mark.parametrize(
    ("engine", "answers"),
    [
        pytest.param("auto", "twin", id="twin-before-native"),
        pytest.param("twin", "twin", id="asked-for-the-twin"),
        pytest.param("native", "native", id="asked-for-the-library"),
    ],
)
def test_which_engine_answers(artifact: Path, engine: Any, answers: str) -> None:
    opened = open_artifact(artifact, TRUST, engine=engine)
    assert opened.engine.name == answers
    assert opened.engine.predict(ROW, 1).prediction == ["big"]


def test_engines_of_a_later_cloche_are_passed_over(artifact: Path) -> None:
    artifacts.edit_manifest(artifact, lambda document: document.update(engines=["express", "twin", "native"]))
    assert open_artifact(artifact, TRUST).engine.name == "twin"


def test_a_twin_opens_whatever_version_its_library_has(tmp_path: Path) -> None:
    """Golden rows and the arithmetic that is written down decide, not the library."""
    opened = open_artifact(artifacts.write_twin(tmp_path / "old", version="0.24.0"), TRUST)
    assert opened.engine.name == "twin"
    assert opened.environment == ()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        pytest.param(TwinRecord(refused="SVC has no twin"), "SVC has no twin", id="recorded-why"),
        pytest.param(None, "it has native", id="saved-before-there-were-twins"),
    ],
)
def test_an_engine_that_is_not_there_is_refused(tmp_path: Path, record: TwinRecord | None, said: str) -> None:
    directory = artifacts.write(tmp_path / "plain")
    if record is not None:
        artifacts.edit_manifest(directory, lambda document: document.update(twin={"refused": record.refused}))
    with pytest.raises(errors.EngineMissingError, match=said):
        open_artifact(directory, TRUST, engine="twin")


def test_a_manifest_of_before_reads_as_native(tmp_path: Path) -> None:
    raw = (artifacts.write(tmp_path / "plain") / "manifest.json").read_bytes()
    manifest = Manifest.from_json(raw)
    assert manifest.engines == ("native",)
    assert manifest.twin is None
    assert b'"twin"' not in manifest.to_json()


# -- tampering: what an attacker with write access to the store would do ---------------------------


def edit(directory: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
    document = json.loads((directory / GRAPH).read_bytes())
    arrays = {name: array.copy() for name, array in weights.from_bytes((directory / WEIGHTS).read_bytes()).items()}
    change(document, arrays)
    (directory / GRAPH).write_text(json.dumps(document))
    (directory / WEIGHTS).write_bytes(weights.to_bytes(arrays))
    artifacts.seal(directory)


def pickle_for_weights(directory: Path) -> None:
    (directory / WEIGHTS).write_bytes(b"\x80\x04cos\nsystem\n.")
    artifacts.seal(directory)


def unlisted_weights(directory: Path) -> None:
    (directory / WEIGHTS).unlink()
    artifacts.seal(directory)


def later_format(directory: Path) -> None:
    edit(directory, lambda document, _: document.update(schema="cloche-twin/2"))


def changed_byte(directory: Path) -> None:
    raw = bytearray((directory / WEIGHTS).read_bytes())
    raw[-1] ^= 1
    (directory / WEIGHTS).write_bytes(raw)


def coef(arrays: dict[str, Any]) -> Any:
    return next(array for array in arrays.values() if array.ndim == 2)


@pytest.mark.parametrize(
    ("attack", "error"),
    [
        pytest.param(
            lambda d: edit(d, lambda g, a: g["nodes"][0].update(op="system")), errors.TamperedModelError, id="op"
        ),
        pytest.param(
            lambda d: edit(d, lambda g, a: g["nodes"][0].update(fields=[99])), errors.TamperedModelError, id="field"
        ),
        pytest.param(
            lambda d: edit(d, lambda g, a: g["answers"].update(task="regression")), errors.TamperedModelError, id="task"
        ),
        pytest.param(
            lambda d: edit(d, lambda g, a: g["answers"].pop("probabilities")),
            errors.TamperedModelError,
            id="no-probabilities",
        ),
        pytest.param(
            lambda d: edit(d, lambda g, a: np.copyto(coef(a), np.inf)), errors.TamperedModelError, id="infinite-weights"
        ),
        pytest.param(
            lambda d: edit(d, lambda g, a: np.copyto(coef(a), -coef(a))), errors.GoldenRowsError, id="other-weights"
        ),
        pytest.param(
            lambda d: edit(d, lambda g, a: g["inputs"][0].update(name="nothing")), errors.GoldenRowsError, id="input"
        ),
        pytest.param(later_format, errors.ManifestError, id="later-format"),
        pytest.param(pickle_for_weights, errors.WrongFormatError, id="pickle"),
        pytest.param(unlisted_weights, errors.MissingFileError, id="no-weights"),
        pytest.param(changed_byte, errors.DigestMismatchError, id="byte-not-sealed"),
    ],
)
def test_a_tampered_twin_is_refused(artifact: Path, attack: Callable[[Path], None], error: type[Exception]) -> None:
    attack(artifact)
    with pytest.raises(error):
        open_artifact(artifact, TRUST)


# -- without the libraries ------------------------------------------------------------------------

_WITHOUT = """
import sys
for name in ("sklearn", "scipy", "pandas", "skops", "joblib", "polars", "pyarrow"):
    sys.modules[name] = None  # as if it were not installed
from pathlib import Path
from cloche.artifact import open_artifact
from cloche.trust import TrustPolicy
opened = open_artifact(Path(sys.argv[1]), TrustPolicy())
print(opened.engine.name, opened.engine.predict({"length": [2.0], "width": [0.5]}, 1).prediction)
"""


def test_a_twin_opens_and_answers_where_no_model_library_is_installed(artifact: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT, artifact], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "twin ['big']"
