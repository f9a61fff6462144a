"""Columns of the training table that the model was not fitted on: named at save, accepted and ignored afterwards."""

from __future__ import annotations

from pathlib import Path

import cloche
from cloche.demo import train


def test_a_column_too_many_is_accepted_and_ignored(tmp_path: Path) -> None:
    fitted = train.fit()
    inputs = fitted.inputs.assign(observer="Kristen", year=2007)
    store = str(tmp_path / "store")
    version = cloche.save(fitted.model, "penguins", inputs=inputs, targets=fitted.targets, store=store, quiet=True)
    assert any("'observer'" in note and "ignored" in note for note in version.notes)
    model = cloche.load("penguins", store=store)
    assert model.contract.ignored == ("observer", "year")
    expected = fitted.model.predict(fitted.inputs).tolist()
    assert model.predict(inputs).prediction == model.predict(fitted.inputs).prediction == expected
