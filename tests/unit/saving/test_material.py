"""What the tables of a save add to what the fitted model says of itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier

from cloche.flavors import get_flavor
from cloche.saving.material import gather
from cloche.saving.request import SaveRequest

X = pd.DataFrame({"size": np.linspace(0.0, 1.0, 20)})
PRICES = pd.DataFrame({"price": X["size"] * 2, "rent": X["size"] * 3})
TAGS = pd.DataFrame({"red": [0, 1] * 10, "round": [1, 1, 0, 0] * 5})
REGRESSION = LinearRegression().fit(X, PRICES)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        pytest.param({"targets": PRICES}, ("price", "rent"), id="pandas"),
        pytest.param({"targets": pl.from_pandas(PRICES)}, ("price", "rent"), id="polars"),
        pytest.param({"test": (X, PRICES)}, ("price", "rent"), id="of-the-test-set"),
        pytest.param({"targets": PRICES.to_numpy()}, ("y0", "y1"), id="an-array-has-no-names"),
        pytest.param({"targets": PRICES.assign(third=1.0)}, ("y0", "y1"), id="a-column-too-many"),
        pytest.param({}, ("y0", "y1"), id="not-given"),
    ],
)
def test_several_outputs_are_called_as_their_targets(given, names):
    facts = get_flavor("sklearn").facts(REGRESSION)
    assert gather(SaveRequest(inputs=X, **given), facts).facts.output_names == names


def test_labels_are_called_as_their_targets():
    facts = get_flavor("sklearn").facts(KNeighborsClassifier(1).fit(X, TAGS))
    assert gather(SaveRequest(inputs=X, targets=TAGS), facts).facts.classes == ("red", "round")
