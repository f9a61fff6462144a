"""Files as skops itself writes them: what belongs to fitting is left out before anything is built."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.estimators import fitted

from cloche.errors import SaveRefusedError, UntrustedTypeError, WrongFormatError
from cloche.flavors import flavor_of_file
from cloche.trust import DEFAULT
from conftest import needs


@pytest.mark.parametrize("name", [
    pytest.param("HistGradientBoostingRegressor", id="a-generator"),
    pytest.param("KNeighborsClassifier", id="a-neighbour-tree"),
    pytest.param("MLPClassifier", id="a-random-state"),
    pytest.param("RandomForestClassifier", id="trees"),
    pytest.param("LogisticRegression", id="nothing-to-leave-out"),
])  # fmt: skip
def test_a_file_that_skops_wrote_answers_as_the_model(name: str, tmp_path: Path) -> None:
    model, X, _ = fitted(name)
    path = tmp_path / "own.skops"
    skops.io.dump(model, path)
    again = flavor_of_file(path).open_file(path, DEFAULT)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_the_list_of_types_still_decides(tmp_path: Path) -> None:
    path = tmp_path / "own.skops"
    skops.io.dump({"model": np.sin, "odd": Path}, path)
    with pytest.raises(UntrustedTypeError):
        flavor_of_file(path).open_file(path, DEFAULT)


def test_a_booster_inside_is_refused_with_the_recipe(tmp_path: Path) -> None:
    needs(importlib.util.find_spec("lightgbm"), "needs lightgbm")
    model = importlib.import_module("lightgbm").LGBMClassifier(n_estimators=1, min_child_samples=1, verbose=-1)
    skops.io.dump(make_pipeline(StandardScaler(), model).fit([[0.0], [1.0]] * 4, [0, 1] * 4), tmp_path / "own.skops")
    with pytest.raises(UntrustedTypeError, match=r"own\.skops: holds lightgbm\..* cloche import model\.pkl --trust"):
        flavor_of_file(tmp_path / "own.skops").open_file(tmp_path / "own.skops", DEFAULT)


def test_a_pickle_by_that_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.skops"
    path.write_bytes(b"\x80\x04N.")
    with pytest.raises(WrongFormatError):
        flavor_of_file(path).open_file(path, DEFAULT)


def test_an_unknown_suffix_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(SaveRefusedError, match=".skops"):
        flavor_of_file(tmp_path / "model.bin")
