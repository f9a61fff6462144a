"""Staging, with the fresh process: what lies in the artifact, and what a model may do without spoiling the save."""

from __future__ import annotations

import json
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cloche.artifact import open_artifact
from cloche.demo.train import fit
from cloche.errors import SaveRefusedError
from cloche.integrity import files_below
from cloche.manifest import MANIFEST, Manifest
from cloche.saving import SaveRequest, preview, recontract, rehearsal, stage
from cloche.trust import TrustPolicy

TRUST = TrustPolicy()


def staged(model, tmp_path, *, trust=TRUST, previous=None, progress=None, **request):
    return stage(
        model, "m", SaveRequest(**request), previous=previous, root=tmp_path, trust=trust, created_by="tester",
        progress=progress,
    )  # fmt: skip


@pytest.fixture(scope="module")
def penguins():
    return fit()


@pytest.fixture(scope="module")
def saved(penguins, tmp_path_factory):
    request = SaveRequest(
        inputs=penguins.inputs, targets=penguins.targets, test=penguins.test, metrics={"my_own": 0.5}, seed=7,
        data_version="v1", description="Which penguin it is.",
    )  # fmt: skip
    root = tmp_path_factory.mktemp("staging")
    return stage(penguins.model, "m", request, previous=None, root=root, trust=TRUST, created_by="tester")


def test_the_artifact_opens_and_answers(saved, penguins):
    opened = open_artifact(saved.directory, TRUST)
    assert opened.contract == saved.contract
    assert set(files_below(saved.directory)) == {*saved.manifest.files, MANIFEST}
    assert {"contract.json", "golden.jsonl", "reference.json", "README.md"} < set(saved.manifest.files)
    assert Manifest.from_json((saved.directory / MANIFEST).read_bytes()) == saved.manifest


def test_the_manifest_tells_where_it_comes_from(saved, penguins):
    manifest = saved.manifest
    assert (manifest.training.rows, manifest.training.seed, manifest.training.data_version) == (258, 7, "v1")
    assert manifest.training.fingerprint
    assert set(manifest.training.column_fingerprints) >= set(penguins.inputs.columns)
    assert {"scikit-learn", "numpy"} <= set(manifest.environment.packages)
    assert manifest.framework.startswith("scikit-learn ")
    by_name = {metric.name: metric for metric in manifest.metrics}
    accuracy = by_name["accuracy"]
    assert (accuracy.split, accuracy.n) == ("test", 86)
    assert accuracy.interval[0] < accuracy.value <= accuracy.interval[1]
    assert by_name["my_own"].split == "user"


def test_the_reference_comes_from_the_test_set(saved):
    reference = json.loads((saved.directory / "reference.json").read_bytes())
    assert set(reference) == {"schema", "inputs", "predictions", "calibration", "quality", "pairs", "estimation"}
    assert reference["predictions"]["n"] == 86
    assert sum(one["n"] for one in reference["calibration"]) == 86


def test_no_real_row_leaves_the_training_table(saved, penguins):
    real = {tuple(row) for row in penguins.inputs.astype(object).where(penguins.inputs.notna(), None).to_numpy()}
    names = list(penguins.inputs.columns)
    lines = (saved.directory / "golden.jsonl").read_text().splitlines()
    rows = [next(value for value in json.loads(line).values() if isinstance(value, dict)) for line in lines]
    assert 0 < len(rows) <= 200
    assert not real & {tuple(row.get(name) for name in names) for row in rows}


def test_the_card_tells_fields_quality_and_provenance(saved):
    text = (saved.directory / "README.md").read_text()
    assert text.startswith("---\n")
    for word in (
        "Which penguin it is.",
        "`island`",
        "accuracy",
        "tabular-classification",
        saved.manifest.training.fingerprint,
    ):
        assert word in text


def test_without_a_test_set_nothing_in_sample_is_told(penguins, tmp_path):
    found = staged(penguins.model, tmp_path, inputs=penguins.inputs, targets=penguins.targets)
    reference = json.loads((found.directory / "reference.json").read_bytes())
    assert (reference["predictions"], reference["calibration"], reference["quality"]) == (None, None, None)
    assert found.manifest.metrics == ()
    assert any("no test set" in note for note in found.notes)


def test_golden_rows_may_be_real_on_request(penguins, tmp_path):
    found = staged(penguins.model, tmp_path, inputs=penguins.inputs, golden="rows", private=("sex",))
    assert len((found.directory / "golden.jsonl").read_text().splitlines()) <= 200


def test_labels_for_a_model_fitted_on_codes(tmp_path):
    data = load_iris()
    model = LogisticRegression(max_iter=500).fit(data.data, data.target)
    found = staged(
        model, tmp_path, inputs=data.data, targets=data.target, classes=list(data.target_names),
        test=(data.data[::3], data.target[::3]),
    )  # fmt: skip
    assert found.contract.output.classes == ("setosa", "versicolor", "virginica")
    opened = open_artifact(found.directory, TRUST)
    answer = opened.engine.predict({f"x{i}": [v] for i, v in enumerate([5.1, 3.5, 1.4, 0.2])}, 1)
    assert answer.prediction == ["setosa"]
    assert next(one for one in found.manifest.metrics if one.name == "accuracy").value > 0.9


def test_inputs_may_be_left_out_where_the_model_tells_its_fields(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.0, 1.0, 0.0, 1.0]})
    found = staged(LinearRegression().fit(frame, [1.0, 2.0, 3.0, 4.0]), tmp_path)
    assert [field.name for field in found.contract.inputs] == ["a", "b"]
    assert any("no training" in note for note in found.notes)
    assert found.manifest.training.rows is None


def test_a_model_fitted_on_an_array_is_shown_one(tmp_path):
    frame = pd.DataFrame({"a": np.arange(50.0), "b": np.arange(50.0)[::-1]})
    found = staged(LinearRegression().fit(frame.to_numpy(), np.arange(50.0)), tmp_path, inputs=frame)
    assert found.manifest.frame.container == "numpy"
    assert [field.name for field in found.contract.inputs] == ["a", "b"]


def test_embedded_training_rows_are_told(tmp_path):
    data = load_iris()
    found = staged(KNeighborsClassifier().fit(data.data, data.target), tmp_path, inputs=data.data)
    assert found.manifest.training.embeds_training_rows
    assert any(note.startswith("privacy") for note in found.notes)


def test_the_predecessor_is_inherited(saved, penguins, tmp_path):
    few = penguins.inputs[penguins.inputs["island"] != "Torgersen"]
    found = staged(penguins.model, tmp_path, inputs=few, previous=saved.contract)
    assert found.breaks == ()
    assert found.comparison is not None
    assert "Torgersen" in found.contract.field("island").levels


def test_preview_learns_and_keeps_nothing(penguins):
    found = preview(penguins.model, SaveRequest(inputs=penguins.inputs, targets=penguins.targets))
    assert {rule.name for rule in found.rules} >= set(penguins.inputs.columns)
    assert "island" in str(found)


def test_recontract_keeps_the_model_and_names_its_origin(saved, tmp_path):
    found = recontract(
        saved.directory, {"body_mass_g": {"minimum": 0}}, root=tmp_path, trust=TRUST, created_by="tester"
    )
    opened = open_artifact(found.directory, TRUST)
    assert opened.contract.field("body_mass_g").minimum == 0
    assert found.manifest.lineage == {"from": open_artifact(saved.directory, TRUST).identity}
    assert found.manifest.files["model.skops"] == saved.manifest.files["model.skops"]
    assert found.manifest.metrics == saved.manifest.metrics
    assert found.manifest.description == "Which penguin it is."


# -- models that misbehave ------------------------------------------------------------------------

ODD = """
    import os, sys, time
    import numpy as np
    from sklearn.base import BaseEstimator, TransformerMixin

    class Odd(TransformerMixin, BaseEstimator):
        def __init__(self, deed="nothing"):
            self.deed = deed
        def fit(self, X, y=None):
            self.fitted_ = True
            return self
        def transform(self, X):
            X = np.asarray(X, dtype=float)
            if self.deed == "random": return np.nan_to_num(X) + np.random.rand(*X.shape)
            if self.deed == "print":
                print("hello"); os.write(1, b"junk" * 100); sys.stdin.read()
            if np.isnan(X).any():
                if self.deed == "crash": os._exit(3)
                if self.deed == "hang": time.sleep(600)
                return np.nan_to_num(X)
            return X
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    (folder / "odd_steps.py").write_text(textwrap.dedent(ODD))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        patch.syspath_prepend(str(folder))
        import odd_steps

        yield odd_steps
    sys.modules.pop("odd_steps", None)


def pipeline(odd, deed):
    data = load_iris()
    model = make_pipeline(odd.Odd(), StandardScaler(), LogisticRegression()).fit(data.data, data.target)
    return model.set_params(odd__deed=deed)


ALLOWED = TrustPolicy(allowed_types=frozenset({"odd_steps.Odd"}))


@pytest.mark.parametrize(
    ("deed", "nullable"),
    [
        pytest.param("print", True, id="prints-and-reads-its-input"),
        pytest.param("crash", False, id="a-probe-crashes-the-process"),
        pytest.param("hang", False, id="a-probe-hangs"),
    ],
)
def test_a_model_that_misbehaves_is_probed_all_the_same(odd, deed, nullable, tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "PROBE_BUDGET_S", 3.0)
    found = staged(pipeline(odd, deed), tmp_path, trust=ALLOWED, inputs=load_iris().data)
    assert found.contract.inputs[0].nullable is nullable


def test_a_model_that_answers_at_random_is_refused(odd, tmp_path):
    with pytest.raises(SaveRefusedError, match="random_state"):
        staged(pipeline(odd, "random"), tmp_path, trust=ALLOWED, inputs=load_iris().data)
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_only_this_process_can_import_is_refused(odd, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "src")
    with pytest.raises(SaveRefusedError, match="pip install"):
        staged(pipeline(odd, "print"), tmp_path, trust=ALLOWED, inputs=load_iris().data)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told_step_by_step(penguins, tmp_path, monkeypatch):
    monkeypatch.setattr("cloche.saving.steps.PATIENCE_S", 0.0)
    told = []
    staged(penguins.model, tmp_path, inputs=penguins.inputs, progress=told.append)
    assert "probing the model…" in told
    assert len(told) >= 8
