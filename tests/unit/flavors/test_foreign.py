"""Files as skops itself writes them: what belongs to fitting is left out before anything is built."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skops.io
from tests.estimators import fitted

from cloche.errors import SaveRefusedError, UntrustedTypeError, WrongFormatError
from cloche.flavors import flavor_of_file
from cloche.trust import DEFAULT


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


def test_a_pickle_by_that_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.skops"
    path.write_bytes(b"\x80\x04N.")
    with pytest.raises(WrongFormatError):
        flavor_of_file(path).open_file(path, DEFAULT)


def test_an_unknown_suffix_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(SaveRefusedError, match=".skops"):
        flavor_of_file(tmp_path / "model.bin")
