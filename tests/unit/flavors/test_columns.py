"""What a fitted pipeline says of its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from cloche.flavors import get_flavor
from cloche.records import InputFacts, ModelFacts

TABLE = pd.DataFrame(
    {
        "age": [1.0, 2.0, None, 4.0] * 5,
        "island": ["Dream", "Biscoe", None, "Dream"] * 5,
        "note": ["a good one", "a bad one", "a good one", "not so good"] * 5,
        "unused": [1, 2, 3, 4] * 5,
    }
)
TARGET = np.array(["x", "y"] * 10)
NUMBERS = make_pipeline(SimpleImputer(), StandardScaler())


def facts(model: Any, table: Any = TABLE, target: Any = TARGET) -> ModelFacts:
    """The facts of *model*, fitted."""
    return get_flavor("sklearn").facts(model.fit(table, target))


def mixed(encoder: Any, last: Any = None, **changes: Any) -> Pipeline:
    """A column transformer before a model, as people write it."""
    steps = [("numbers", NUMBERS, ["age"]), ("words", encoder, ["island"])]
    return make_pipeline(ColumnTransformer(steps, **changes), last or LogisticRegression())


ENCODER = OneHotEncoder(handle_unknown="ignore")
FILLED = make_pipeline(SimpleImputer(strategy="constant", fill_value="missing"), OneHotEncoder())
FREQUENT = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="error"))
ORDINAL = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
LEVELS = ("Biscoe", "Dream")


@pytest.mark.parametrize(
    ("model", "unknown", "source"),
    [
        pytest.param(mixed(ENCODER), "warn", "OneHotEncoder", id="ignore"),
        pytest.param(mixed(OneHotEncoder()), "reject", "OneHotEncoder", id="error"),
        pytest.param(mixed(FILLED), "reject", "OneHotEncoder", id="filler-is-no-level"),
        pytest.param(mixed(FREQUENT), "reject", "OneHotEncoder", id="most-frequent"),
        pytest.param(mixed(ORDINAL), "warn", "OrdinalEncoder", id="ordinal"),
        pytest.param(mixed(TargetEncoder(cv=2)), "warn", "TargetEncoder", id="target"),
        pytest.param(
            GridSearchCV(mixed(ENCODER), {"logisticregression__C": [1.0, 2.0]}, cv=2),
            "warn",
            "OneHotEncoder",
            id="search",
        ),
        pytest.param(OneVsRestClassifier(mixed(ENCODER)), "warn", "OneHotEncoder", id="around"),
        pytest.param(
            VotingClassifier([("a", mixed(ENCODER)), ("b", mixed(OneHotEncoder()))]),
            "reject",
            "OneHotEncoder",
            id="the-stricter-of-two",
        ),
    ],
)
def test_levels(model: Any, unknown: str, source: str) -> None:
    found = facts(model)
    assert found.inputs["island"] == InputFacts(levels=LEVELS, unknown_level=unknown, source=source)  # type: ignore[arg-type]
    assert found.inputs["age"] == InputFacts()


def test_levels_of_a_regressor_with_a_transformed_target() -> None:
    model = TransformedTargetRegressor(mixed(ENCODER, Ridge()), transformer=StandardScaler())
    assert facts(model, target=np.arange(20.0)).inputs["island"].levels == LEVELS


def test_column_dropped_by_the_column_transformer_is_not_read() -> None:
    found = facts(mixed(ENCODER))
    assert found.names == tuple(TABLE.columns)
    assert [name for name, one in found.inputs.items() if not one.read] == ["note", "unused"]


def test_remainder_that_passes_through_is_read() -> None:
    found = facts(mixed(ENCODER, remainder="passthrough"), TABLE.drop(columns="note"))
    assert all(one.read for one in found.inputs.values())


def test_text_column() -> None:
    steps = [("words", TfidfVectorizer(), "note")]
    found = facts(make_pipeline(ColumnTransformer(steps), LogisticRegression()))
    assert found.inputs["note"].text
    assert not found.inputs["age"].read


def test_text_alone_has_no_names() -> None:
    found = facts(make_pipeline(TfidfVectorizer(), LogisticRegression()), TABLE["note"])
    assert (found.names, found.n_inputs) == (None, None)
    assert found.inputs["x0"].text


def test_hist_gradient_boosting_with_pandas_categories() -> None:
    table = TABLE[["age", "island"]].assign(island=pd.Categorical(TABLE["island"]))
    found = facts(HistGradientBoostingClassifier(max_iter=2, categorical_features="from_dtype"), table)
    assert found.inputs["island"].levels == LEVELS
    assert found.inputs["island"].unknown_level == "warn"


def test_whole_numbers_as_categories() -> None:
    table = pd.DataFrame({"size": [1, 2, 3, 2] * 5})
    assert facts(make_pipeline(OneHotEncoder(), LogisticRegression()), table).inputs["size"].levels == (1, 2, 3)


def test_encoder_behind_an_imputer_of_the_whole_table() -> None:
    inner = ColumnTransformer([("words", OneHotEncoder(), [1])], remainder="passthrough")
    model = make_pipeline(SimpleImputer(strategy="most_frequent"), inner, StandardScaler(with_mean=False))
    found = facts(model, TABLE[["age", "island"]], None)
    assert found.inputs["island"].levels == LEVELS


def test_numpy_has_positions_for_names() -> None:
    found = facts(LogisticRegression(), np.arange(40.0).reshape(20, 2))
    assert (found.names, found.n_inputs, list(found.inputs)) == (None, 2, ["x0", "x1"])
