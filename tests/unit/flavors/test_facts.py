"""What a fitted model says of itself: how many outputs it has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import KernelPCA
from sklearn.ensemble import RandomForestRegressor, StackingRegressor, VotingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import KNNImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC

from cloche.flavors.sklearn.facts import facts_of

X = pd.DataFrame({"size": np.linspace(0.0, 1.0, 30), "city": ["Rome", "Oslo", "Bern"] * 10})
ONE = X["size"].to_numpy() * 2
TWO = np.column_stack([ONE, -ONE])


def words(final=None):
    encode = ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    return make_pipeline(encode, Ridge() if final is None else final)


TWICE = [("first", words()), ("second", words())]


@pytest.mark.parametrize(
    ("model", "targets", "outputs"),
    [
        pytest.param(words(), ONE, None, id="pipeline"),
        pytest.param(words(), TWO, ("y0", "y1"), id="pipeline-of-two-outputs"),
        pytest.param(StackingRegressor(TWICE, cv=2), ONE, None, id="stack-of-pipelines"),
        pytest.param(GridSearchCV(StackingRegressor(TWICE, cv=2), {}, cv=2), ONE, None, id="search-over-a-stack"),
        pytest.param(VotingRegressor(TWICE), ONE, None, id="vote-of-pipelines"),
        pytest.param(MultiOutputRegressor(words()), TWO, ("y0", "y1"), id="one-pipeline-an-output"),
        pytest.param(RegressorChain(Ridge()), TWO, ("y0", "y1"), id="chain"),
        pytest.param(TransformedTargetRegressor(words()), ONE, None, id="transformed-target"),
        pytest.param(TransformedTargetRegressor(words()), TWO, ("y0", "y1"), id="two-transformed-targets"),
        pytest.param(words(RandomForestRegressor(3)), TWO, ("y0", "y1"), id="forest-of-two-outputs"),
    ],
)
def test_how_many_numbers_an_answer_has(model, targets, outputs):
    table = X if not isinstance(model, RegressorChain) else X[["size"]]
    facts = facts_of(model.fit(table, targets))
    assert facts.output_names == outputs
    assert facts.task == ("regression" if outputs is None else "multioutput_regression")


NUMBERS = np.random.default_rng(0).normal(size=(30, 3))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        pytest.param(SVC(), "support vectors", id="support-vectors"),
        pytest.param(KNeighborsClassifier(), "KNeighborsClassifier keeps 30 training rows", id="neighbours"),
        pytest.param(make_pipeline(KNNImputer(), Ridge()), "KNNImputer keeps 30 training rows", id="imputer"),
        pytest.param(make_pipeline(KernelPCA(2), Ridge()), "KernelPCA keeps 30 training rows", id="kernel-pca"),
        pytest.param(
            make_pipeline(Nystroem(n_components=7), Ridge()), "Nystroem keeps 7 training rows", id="picked-rows"
        ),
        pytest.param(GaussianProcessRegressor(), "GaussianProcessRegressor keeps 30 training rows", id="process"),
        pytest.param(KMeans(2, n_init=1), None, id="computed-centres"),
        pytest.param(Ridge(), None, id="weights"),
        pytest.param(RandomForestRegressor(3), None, id="trees"),
    ],
)
def test_training_rows_inside_a_model_are_counted(model, said):
    found = facts_of(model.fit(NUMBERS, np.arange(30) % 2)).training_rows_inside
    assert found is None if said is None else said in found
