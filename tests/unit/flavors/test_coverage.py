"""Every estimator of scikit-learn: stored, opened and answering the same, or refused with a reason."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from tests import estimators

from cloche.errors import SaveRefusedError
from cloche.flavors import get_flavor
from cloche.trust import TrustPolicy

#: Refused at save, and a word of the reason.
REFUSED = {
    "Birch": "not supported",
    "KernelDensity": "raw indices",
}
#: Stored, and refused as a model: nothing can be asked about a new row.
NO_ANSWER = {
    "AgglomerativeClustering": "only labels the rows",
    "ClassicalMDS": "neither predict",
    "DBSCAN": "only labels the rows",
    "EmpiricalCovariance": "neither predict",
    "GraphicalLasso": "neither predict",
    "GraphicalLassoCV": "neither predict",
    "HDBSCAN": "only labels the rows",
    "LedoitWolf": "neither predict",
    "MDS": "neither predict",
    "MinCovDet": "neither predict",
    "NearestNeighbors": "neither predict",
    "OAS": "neither predict",
    "OPTICS": "only labels the rows",
    "ShrunkCovariance": "neither predict",
    "SpectralBiclustering": "neither predict",
    "SpectralClustering": "only labels the rows",
    "SpectralCoclustering": "neither predict",
    "SpectralEmbedding": "neither predict",
    "TSNE": "neither predict",
}
#: Answers drawn at random by nature.
RANDOM = {"BernoulliRBM"}


def answers(model: Any, X: Any) -> list[Any]:
    """What the model says of *X*, by every method that says anything."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("predict", "predict_proba", "transform"):
            if hasattr(model, name):
                given = getattr(model, name)(X)
                found += given if isinstance(given, list) else [given]
    return [one.toarray() if sparse.issparse(one) else np.asarray(one) for one in found]


def same(one: Any, other: Any) -> None:
    """Labels equal, numbers within the manifest's tolerance for float64 (BLAS sums by the arrays' alignment)."""
    if one.dtype.kind == "f":
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("name", [name for name in estimators.NAMES if name not in REFUSED])
def test_stored_and_opened_it_answers_the_same(name: str, tmp_path: Path) -> None:
    model, X, _ = estimators.fitted(name)
    flavor = get_flavor("sklearn")
    opened = flavor.load(tmp_path, flavor.dump(model, tmp_path), TrustPolicy())
    before, now = answers(model, X), answers(opened, X)
    assert len(before) == len(now)
    if name not in RANDOM:
        for one, other in zip(before, now, strict=True):
            same(one, other)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    with pytest.raises(SaveRefusedError, match=REFUSED[name]):
        get_flavor("sklearn").dump(estimators.fitted(name)[0], tmp_path)


@pytest.mark.parametrize("name", [name for name in estimators.NAMES if name not in REFUSED])
def test_facts_tell_the_task(name: str) -> None:
    model, _, _ = estimators.fitted(name)
    flavor = get_flavor("sklearn")
    if name in NO_ANSWER:
        with pytest.raises(SaveRefusedError, match=NO_ANSWER[name]):
            flavor.facts(model)
        return
    facts = flavor.facts(model)
    if name in estimators.CLASSIFIERS:
        assert facts.task in ("classification", "multilabel")
        assert facts.classes
    elif name in estimators.REGRESSORS:
        assert facts.task in ("regression", "multioutput_regression")
    else:
        assert facts.task in ("anomaly", "clustering", "embedding", "regression")
