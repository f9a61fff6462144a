"""Fit a penguin classifier the way a data scientist would: pandas in, one scikit-learn pipeline out."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cloche.demo import CSV


class Fitted(NamedTuple):
    """A fitted pipeline and the tables it was fitted and tested on."""

    model: Any
    inputs: pd.DataFrame
    targets: pd.Series[str]
    test: tuple[pd.DataFrame, pd.Series[str]]


def fit(*, forest: bool = False, lean: bool = False, seed: int = 7) -> Fitted:
    """
    Fit species on the measurements: a logistic regression, or (the retrained version) a random forest; *lean* on mass,
    island and sex only.
    """
    penguins = pd.read_csv(CSV)
    inputs, targets = penguins.drop(columns=["species", "year"]), penguins["species"]
    x_train, x_test, y_train, y_test = train_test_split(inputs, targets, random_state=seed, stratify=targets)
    prepare = make_column_transformer(
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            ["body_mass_g"] if lean else make_column_selector(dtype_include="number"),
        ),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["island", "sex"]),
    )
    head = RandomForestClassifier(random_state=seed) if forest else LogisticRegression(max_iter=1000)
    model = make_pipeline(prepare, head).fit(x_train, y_train)
    return Fitted(model, x_train, y_train, (x_test, y_test))


def heavy(rows: int = 220, more_g: int = 1_200) -> tuple[list[dict[str, Any]], list[str]]:
    """So many Adelies of Biscoe (of 44, again and again), each *more_g* heavier, and what they are."""
    penguins = pd.read_csv(CSV)
    found = penguins[(penguins["species"] == "Adelie") & (penguins["island"] == "Biscoe")]
    found = pd.concat([found] * (rows // len(found) + 1), ignore_index=True).head(rows)
    inputs = found.drop(columns=["species", "year"]).assign(body_mass_g=found["body_mass_g"] + more_g)
    plain = inputs.astype(object).where(inputs.notna(), None)
    return plain.to_dict("records"), found["species"].tolist()
